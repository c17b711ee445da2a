"""Where data enters a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cbackprop import config
from cbackprop.layers.layer import Layer, check_shape, registry
from cbackprop.tensor import KerasTensor, Node, Shape
from cbackprop.validation import check_integer

__all__ = ["Input", "InputLayer"]


@registry.register()
class InputLayer(Layer):
    """The layer behind `Input`; it makes a symbolic tensor and computes nothing.

    Parameters
    ----------
    shape : tuple of int
        Shape of one sample.
    batch_size : int, optional
        A fixed number of samples; only recorded.
    dtype : {"float32", "float64"} or name of an integer type, optional
    name : str, optional

    Raises
    ------
    TypeError, ValueError
        If `shape` is not a tuple of positive integers.

    References
    ----------
    As Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.layers.InputLayer((3,)).output.shape
    (None, 3)
    """

    is_view = True
    n_inputs = 0

    def __init__(
        self,
        shape: Sequence[int],
        batch_size: int | None = None,
        dtype: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.dtype = config.floatx() if dtype is None else config.check_input_type(dtype)
        self.shape = check_shape("shape", shape)
        self.batch_size = None if batch_size is None else check_integer("batch_size", batch_size, minimum=1)
        self.batch_input_shape: Shape = (None, *self.shape)
        self.built = True
        tensor = KerasTensor(self.batch_input_shape, self.dtype, self.name)
        self.nodes.append(Node(self, [], [tensor]))

    def __call__(self, inputs: Any = None, training: bool | None = None) -> Any:
        """An input layer is where a graph begins: it cannot be called."""
        raise TypeError(f"Input {self.name!r} cannot be called on anything; use its `output`.")


def Input(  # noqa: N802 - the name users know
    shape: Sequence[int],
    batch_size: int | None = None,
    dtype: Any = None,
    name: str | None = None,
) -> KerasTensor:
    """Make the symbolic tensor where data enters a model.

    Parameters
    ----------
    shape : tuple of int
        Shape of one sample, such as ``(784,)``; the batch axis is added in front.
    batch_size : int, optional
        A fixed number of samples; only recorded.
    dtype : {"float32", "float64"} or name of an integer type, optional
        `config.floatx` by default. With an integer type, whole numbers are expected; any layer takes them, as numbers
        of its own float type.
    name : str, optional
        The key for this input in a dict of arrays.

    Returns
    -------
    KerasTensor
        Shape ``(None, *shape)``.

    Raises
    ------
    TypeError, ValueError
        If `shape` is not a tuple of positive integers.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.Input((8, 8)).shape
    (None, 8, 8)
    """
    tensor: KerasTensor = InputLayer(shape, batch_size, dtype, name).output
    return tensor
