"""Input: where data enters a model."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from cbackprop import config
from cbackprop.layers.layer import Layer, registry
from cbackprop.layers.shapes import check_sizes
from cbackprop.number_types import check_input_type
from cbackprop.tensor import KerasTensor, Node, Shape
from cbackprop.validation import ArgumentTypeError, check_boolean, check_integer, check_items, type_name

__all__ = ["Input", "InputLayer"]


@registry.register()
class InputLayer(Layer):
    """The layer behind `Input`. It makes a symbolic tensor and computes nothing.

    Parameters
    ----------
    shape : tuple of (int or None)
        Shape of one sample; ``None`` for a size that the data determines.
    batch_size : int, optional
        A fixed number of samples; only recorded.
    dtype : {"float32", "float64"} or name of an integer type, optional
    sparse : bool, optional
        Whether sparse matrices are expected; only recorded, since every input takes them.
    ragged : bool, optional
        Must be false: there are no ragged tensors.
    batch_shape : tuple of (int or None), optional
        `batch_size` and `shape` together, such as ``(None, 3)``. Give this or those.
    input_tensor : KerasTensor, optional
        An existing tensor to use as the layer's output; shape and dtype are taken from it.
    optional : bool, default False
        See `Input`.
    name : str, optional

    Raises
    ------
    TypeError, ValueError
        If the shape is not a tuple of positive integers, or arguments contradict each other.

    References
    ----------
    As Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.layers.InputLayer((3,)).output.shape
    (None, 3)
    >>> cb.layers.InputLayer(batch_shape=(2, 3)).output.shape
    (2, 3)
    """

    is_view = True
    n_inputs = 0

    shape: Shape
    batch_size: int | None
    sparse: bool
    ragged: bool
    optional: bool
    batch_input_shape: Shape

    def __init__(
        self,
        shape: Sequence[int | None] | None = None,
        batch_size: int | None = None,
        dtype: Any = None,
        sparse: bool | None = None,
        ragged: bool | None = None,
        batch_shape: Sequence[int | None] | None = None,
        input_tensor: KerasTensor | None = None,
        optional: bool = False,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        if (former := kwargs.pop("input_shape", None)) is not None:
            warnings.warn("Argument `input_shape` is deprecated. Use `shape` instead.", stacklevel=2)
            shape = former
        batch_shape = kwargs.pop("batch_input_shape", batch_shape)
        super().__init__(name=name, **kwargs)
        if input_tensor is not None:
            _check_tensor(input_tensor, shape, batch_size, batch_shape, dtype)
            batch_shape, shape, batch_size, dtype = input_tensor.shape, None, None, input_tensor.dtype
        sizes, batch_size = _split(shape, batch_size, batch_shape)
        known_dtype = config.floatx() if dtype is None else check_input_type(dtype)
        is_sparse = sparse is not None and check_boolean("sparse", sparse)
        if input_tensor is not None and sparse is not None and is_sparse != input_tensor.sparse:
            raise ValueError(f"sparse must be {input_tensor.sparse}, that of input_tensor, but got {sparse}.")
        if ragged is not None and check_boolean("ragged", ragged):
            raise ValueError("ragged must be False: there are no ragged tensors. Pad sequences, and mask the padding.")
        # See the constructor of `Layer`: these, too, are checked, and need no `__setattr__`.
        self.__dict__.update(
            shape=sizes,
            batch_size=batch_size,
            dtype=known_dtype,
            sparse=is_sparse,
            ragged=False,
            optional=check_boolean("optional", optional),
            batch_input_shape=(batch_size, *sizes),
            built=True,
        )
        tensor = input_tensor
        if tensor is None or tensor.node is not None:
            tensor = KerasTensor(self.batch_input_shape, self.dtype, self.name)
            tensor.sparse = self.sparse
        self.nodes.append(Node(self, [], [tensor]))

    @property
    def batch_shape(self) -> Shape:
        """The shape, including the batch axis."""
        return (self.batch_size, *self.shape)

    def __call__(self, inputs: Any = None, training: bool | None = None) -> Any:
        """Raise an error: a graph begins at an input layer, so it cannot be called."""
        raise TypeError(f"Input {self.name!r} cannot be called on anything; use its `output`.")

    def call(self, *args: Any, **kwargs: Any) -> None:
        """Compute nothing: data enters here."""

    def get_config(self) -> dict[str, Any]:
        """The arguments as plain values."""
        return {
            "batch_shape": self.batch_shape,
            "dtype": self.dtype,
            "sparse": self.sparse,
            "ragged": self.ragged,
            "name": self.name,
            "optional": self.optional,
        }


def _split(shape: Any, batch_size: Any, batch_shape: Any) -> tuple[Shape, int | None]:
    """Shape of a sample and number of samples, from `shape` and `batch_size` or from `batch_shape`."""
    if batch_shape is not None:
        if shape is not None or batch_size is not None:
            other = "shape" if shape is not None else "batch_size"
            raise ValueError(f"{other} and batch_shape cannot be given at the same time.")
        batch_size, *sizes = check_items("batch_shape", batch_shape, "a tuple such as (None, 3)") or (None,)
        shape = tuple(sizes)
    if shape is None:
        raise ValueError("shape must be given, such as (3,), or batch_shape, such as (None, 3).")
    size = None if batch_size is None else check_integer("batch_size", batch_size, minimum=1)
    return check_sizes("shape", shape), size


def _check_tensor(tensor: Any, shape: Any, batch_size: Any, batch_shape: Any, dtype: Any) -> None:
    """Refuse an `input_tensor` that is not a tensor, or that contradicts other arguments."""
    if not isinstance(tensor, KerasTensor):
        raise ArgumentTypeError(f"input_tensor must be a KerasTensor, but got {tensor!r} of type {type_name(tensor)}.")
    said = {
        "shape": (shape, tensor.shape[1:]),
        "batch_size": (batch_size, tensor.shape[0]),
        "batch_shape": (batch_shape, tensor.shape),
        "dtype": (None if dtype is None else check_input_type(dtype), tensor.dtype),
    }
    for name, (given, known) in said.items():
        given = tuple(given) if isinstance(given, (list, tuple)) else given
        if given is not None and given != known:
            raise ValueError(f"{name} must be {known}, that of input_tensor, but got {given}.")


def Input(  # noqa: N802 - the name users know
    shape: Sequence[int | None] | None = None,
    batch_size: int | None = None,
    dtype: Any = None,
    sparse: bool | None = None,
    ragged: bool | None = None,
    batch_shape: Sequence[int | None] | None = None,
    name: str | None = None,
    tensor: KerasTensor | None = None,
    optional: bool = False,
) -> KerasTensor:
    """Make the symbolic tensor where data enters a model.

    Parameters
    ----------
    shape : tuple of (int or None)
        Shape of one sample, such as ``(784,)``; the batch axis is added in front. ``None`` stands for a size that the
        data determines; it may differ from batch to batch.
    batch_size : int, optional
        A fixed number of samples; only recorded.
    dtype : {"float32", "float64"} or name of an integer type, optional
        `config.floatx` by default. With an integer type, whole numbers are expected; layers convert them to their own
        float type.
    sparse : bool, optional
        Only recorded: every input takes sparse matrices.
    ragged : bool, optional
        Must be false: there are no ragged tensors.
    batch_shape : tuple of (int or None), optional
        `batch_size` and `shape` together, such as ``(None, 784)``. Give this or those.
    name : str, optional
        The key for this input in a dict of arrays.
    tensor : KerasTensor, optional
        A tensor to use as the input; shape and dtype are taken from it.
    optional : bool, default False
        Whether the data of this input may be missing: ``None`` in a list, or ``None`` or no key in a dict. Layers in
        Python with a default for the argument, ``call(self, x, y=None)``, then get ``None``; other layers refuse it.

    Returns
    -------
    KerasTensor
        Shape ``(batch_size, *shape)``, where ``None`` stands for any number of samples.

    Raises
    ------
    TypeError, ValueError
        If the shape is not a tuple of positive integers, or arguments contradict each other.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.Input((8, 8)).shape
    (None, 8, 8)
    """
    made: KerasTensor = InputLayer(
        shape, batch_size, dtype, sparse, ragged, batch_shape, tensor, optional, name=name
    ).output
    return made
