"""EinsumDense: sums of products of an input and a kernel, along any axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cbackprop import activations, initializers
from cbackprop.contract.expansion import Mask, Steps, Value
from cbackprop.layers.equation import Contraction, Equation, Places
from cbackprop.layers.kernel_and_bias import KernelAndBias
from cbackprop.layers.layer import registry
from cbackprop.layers.operation import Operation
from cbackprop.tensor import Shape
from cbackprop.validation import check_integer, check_items, named
from cbackprop.variable import Variable

__all__ = ["EinsumDense"]


@registry.register()
class EinsumDense(KernelAndBias):
    """Sums of products of the input and a kernel: ``output = activation(einsum(equation, input, kernel) + bias)``.

    Parameters
    ----------
    equation : str
        Letters for the axes of the input, of the kernel and of the output, such as ``"abc,cd->abd"``. Products are
        summed over the letters that the output does not have. ``"...x,xy->...y"`` and ``"ab...,bc->ac..."`` leave any
        number of axes as they are. The first axis of input and output is that of the samples.
    output_shape : int, or tuple of (int or None)
        The sizes of the output's letters, without the samples and what stands for ``...``. ``None`` for a size that is
        the same as in the input.
    activation : str or callable, optional
        Applied to the result; none by default.
    bias_axes : str, optional
        Letters of the output along which a bias is added; none by default.
    kernel_initializer : str or Initializer, default "glorot_uniform"
        Fan-in is the product of the sizes of those letters of the kernel that the output does not have, fan-out that of
        its other letters.
    bias_initializer : str or Initializer, default "zeros"
    kernel_regularizer, bias_regularizer : str or Regularizer, optional
        Penalty on the weights that is added to the loss.
    kernel_constraint, bias_constraint : str or Constraint, optional
        Applied to the weights after each training step.
    **kwargs
        See `Layer`.

    Attributes
    ----------
    kernel : Variable
        With an axis for each letter between ``","`` and ``"->"``.
    partial_output_shape : tuple of (int or None)
        The argument `output_shape`.
    bias : Variable or None
        With the output's axes from the first of `bias_axes` on; of size 1 where there is no bias.

    Notes
    -----
    With z the result before the activation and delta = dL/dz, the gradients are such sums again: for ``"abc,cd->abd"``
    ``dL/dkernel = einsum("abc,abd->cd", input, delta)`` and ``dL/dinput = einsum("abd,cd->abc", delta, kernel)``.

    The equation becomes matrix products, one for each value of the letters that input, kernel and output share. Input
    and output are put in another order where their letters stand in one that no product can read. A letter may stand
    twice in input or kernel (a diagonal).

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If an argument is out of range, `equation` is none, or does not keep samples apart; when the layer is called,
        if `output_shape` or the input does not fit the equation.

    References
    ----------
    NumPy's ``einsum``, https://numpy.org/doc/stable/reference/generated/numpy.einsum.html. Arguments and defaults are
    those of Keras 3.

    Examples
    --------
    A Dense layer at each step of a sequence, and one whose units are 2 heads of 5:

    >>> import cbackprop as cb
    >>> x = cb.Input((7, 4))
    >>> cb.layers.EinsumDense("abc,cd->abd", output_shape=(None, 3), bias_axes="d")(x).shape
    (None, 7, 3)
    >>> heads = cb.layers.EinsumDense("abc,cde->abde", output_shape=(None, 2, 5), bias_axes="de")
    >>> heads(x).shape, heads.kernel.shape, heads.bias.shape
    ((None, 7, 2, 5), (4, 2, 5), (2, 5))
    """

    implementation = "einsum_dense.EinsumProduct"
    adjustable = ("activation",)
    reads_output = False

    def __init__(
        self,
        equation: str,
        output_shape: int | Sequence[int | None],
        activation: Any = None,
        bias_axes: str | None = None,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.equation = _check_text("equation", equation)
        self.partial_output_shape = _check_output_shape(output_shape)
        self.activation = named("activation", activations.get, activation)
        self.bias_axes = None if bias_axes is None else _check_text("bias_axes", bias_axes)
        self._equation()
        self._set_kernel_and_bias(
            kernel_initializer,
            bias_initializer,
            kernel_regularizer,
            bias_regularizer,
            kernel_constraint,
            bias_constraint,
        )

    def _equation(self) -> Equation:
        return Equation(self.equation, self.bias_axes)

    def argument(self, name: str) -> Any:
        """The value of a constructor argument: `Layer.output_shape` is the shape of an output."""
        return self.partial_output_shape if name == "output_shape" else super().argument(name)

    def contraction(self, input_shape: Shape) -> Contraction:
        """What the equation is for inputs (batch, ...) of this shape.

        Raises
        ------
        ValueError
            If they do not fit the equation, or `output_shape`.
        """
        return self._equation().contraction(tuple(input_shape), self.partial_output_shape)

    def build(self, input_shape: Shape) -> None:
        """Create kernel and bias."""
        found = self.contraction(input_shape)
        self._add_kernel(found.kernel_shape, _with_axes(self.kernel_initializer, *found.fan_axes))
        if found.bias_shape is not None:
            self._add_bias(found.bias_shape)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The sizes of the output's letters."""
        return self.activated(self.contraction(input_shape).output_shape)

    def check_built_for(self, input_shape: Shape) -> None:
        """Refuse inputs that need a kernel or a bias of another shape."""
        found = self.contraction(input_shape)
        for name, wanted in (("kernel", found.kernel_shape), ("bias", found.bias_shape)):
            weight = getattr(self, name)
            if weight is not None and wanted is not None and weight.shape != wanted:
                raise ValueError(
                    f"{name} of EinsumDense {self.name!r} has the shape {weight.shape}, but inputs of shape "
                    f"{input_shape} need {wanted}."
                )

    def expand(self, steps: Steps, inputs: list[Value], shape: tuple[int, ...], mask: Mask | None) -> Value:
        """The products, behind and in front of a step that moves elements where their order needs one."""
        found = self.contraction((None, *inputs[0].shape))
        b, m, k, n = found.counts
        x = _moved(steps, f"{self.name}/input", self.dtype, inputs[0], found.input_places())
        core = steps.add(self._product(found), [Value(x.buffer, (b, m, k))], (b, m, n))
        output = _moved(steps, f"{self.name}/output", self.dtype, core, found.core_places())
        return self.expand_activation(steps, output, shape)

    def _product(self, found: Contraction) -> EinsumProduct:
        """The step that multiplies."""
        return EinsumProduct(self.name, self.dtype, {"kernel": self.kernel, "bias": self.bias}, found)


class EinsumProduct(Operation):
    """core[b, m, n] = sum over k of x[b, m, k] kernel[b, k, n], plus a bias.

    Parameters
    ----------
    name, dtype
        See `Operation`.
    weights : dict of str to Variable
        ``"kernel"``, and ``"bias"`` if there is one.
    found : Contraction
        With all sizes.

    Attributes
    ----------
    kernel_places : ndarray of int (b, k, n)
        Where in the kernel the factors of the products are.
    bias_places : ndarray of int (b, m, n), or None
        Where in the bias that is what is added to the products.
    """

    implementation = "einsum_dense.EinsumProduct"
    reads_output = False

    def __init__(self, name: str, dtype: str, weights: dict[str, Variable | None], found: Contraction) -> None:
        super().__init__(name, dtype)
        self._weights = weights
        self.counts = found.counts
        self.kernel_shape, self.bias_shape = found.kernel_shape, found.bias_shape
        self.kernel_places = found.kernel_places()
        self.bias_places = None if found.bias_shape is None else found.bias_places()

    @property
    def variables(self) -> list[Variable]:
        """The weights."""
        return [weight for weight in self._weights.values() if weight is not None]

    @property
    def kernel(self) -> Variable | None:
        """The factors of the inputs."""
        return self._weights["kernel"]

    @property
    def bias(self) -> Variable | None:
        """The bias, if there is one."""
        return self._weights.get("bias")

    @property
    def weight_shapes(self) -> dict[str, tuple[int, ...]]:
        """The weights that the step reads, by name."""
        return {"kernel": self.kernel_shape} | ({} if self.bias_shape is None else {"bias": self.bias_shape})

    def flops(self, input_shapes: list[tuple[int, ...]], output_shape: tuple[int, ...]) -> int:
        """The operations of the products."""
        return 2 * math.prod(self.counts)

    def gradient_flops(self, input_shapes: list[tuple[int, ...]], output_shape: tuple[int, ...]) -> list[int | None]:
        """Each is a sum over samples."""
        b, m, _, n = self.counts
        return [2 * math.prod(self.counts), *([] if self.bias_shape is None else [b * m * n])]


class Rearranged(Operation):
    """The elements of a sample in another order; some may be left out.

    Parameters
    ----------
    name, dtype
        See `Operation`.
    where : ndarray of int
        For each element of the output, its place in a sample.
    """

    implementation = "reshaping.GetItem"
    reads_output = False
    rearranges = True

    def __init__(self, name: str, dtype: str, where: Places) -> None:
        super().__init__(name, dtype)
        self._where = where

    def places(self, sample_shape: Sequence[int]) -> Places:
        """For each element of the output, its place in a sample."""
        return self._where


def _moved(steps: Steps, name: str, dtype: str, value: Value, places: Places) -> Value:
    """The elements of a value at these places; without a step if they are there already."""
    if places.size == math.prod(value.shape) and np.array_equal(places.ravel(), np.arange(places.size)):
        return Value(value.buffer, places.shape)
    return steps.add(Rearranged(name, dtype, places), [value], places.shape)


def _check_text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, but got {value!r}.")
    if not value:
        raise ValueError(f"{name} must have letters, but got an empty string.")
    return value


def _check_output_shape(value: Any) -> Shape:
    """The sizes as a tuple; a single one need not be in a list."""
    if not isinstance(value, (list, tuple)):
        return (check_integer("output_shape", value, minimum=1),)
    sizes = check_items("output_shape", value, "an integer, or a list of integers and None")
    return tuple(None if size is None else check_integer("output_shape", size, minimum=1) for size in sizes)


def _with_axes(initializer: Any, inputs: list[int], outputs: list[int]) -> Any:
    """An initializer that counts connections along these axes, if it counts any and has not been told which."""
    if not isinstance(initializer, initializers.VarianceScaling) or initializer.input_axes is not None:
        return initializer
    config = initializer.get_config() | {"input_axes": inputs, "output_axes": outputs}
    return type(initializer).from_config(config)
