"""Layers that prepare data: Rescaling, Normalization and CategoryEncoding."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbackprop.config import image_data_format
from cbackprop.layers.adaptation import adaptation_batches
from cbackprop.layers.call_arguments import CallArguments
from cbackprop.layers.layer import Layer, registry
from cbackprop.losses.target import as_array, blocks, without_repetition
from cbackprop.parameter_store import AtRest
from cbackprop.tensor import KerasTensor, Shape, is_symbolic
from cbackprop.validation import check_boolean, check_choice, check_integer, type_name
from cbackprop.variable import Variable

__all__ = ["CategoryEncoding", "Normalization", "Rescaling"]


def check_constant(name: str, value: Any) -> Any:
    """`value` as a finite float, or a copy of it if it is an array.

    Raises
    ------
    TypeError
        If it is not a real number or an array of real numbers.
    ValueError
        If a number is not finite.
    """
    try:
        array = np.asarray(value)
    except ValueError:
        array = np.asarray(None)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name} must be a number or an array of numbers, but got {value!r}.")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, but got {value!r}.")
    return float(array) if array.ndim == 0 else array.copy()


@registry.register()
class Rescaling(Layer):
    """Multiply and shift: ``output = input * scale + offset``.

    Parameters
    ----------
    scale : float, or array_like of float
        An array is broadcast against the samples. If `config.image_data_format` is "channels_first", an array with one
        number for each channel applies to the first axis of a sample.
    offset : float, or array_like of float, default 0.0
        An array is broadcast against the samples.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input of any shape, output of the same shape; ``dL/dinput = scale * dL/doutput``.

    Raises
    ------
    TypeError
        If `scale` or `offset` holds anything but numbers.
    ValueError
        If a number is not finite, or an array cannot be broadcast to the samples.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.layers.Rescaling(1 / 128, offset=-1.0)([[0.0, 128.0, 256.0]])
    array([[-1.,  0.,  1.]], dtype=float32)
    """

    supports_masking = True
    implementation = "preprocessing.Rescaling"
    reads_output = False
    overwrites_input = True

    adjustable = ("scale", "offset")

    def __init__(self, scale: Any, offset: Any = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale = check_constant("scale", scale)
        self.offset = check_constant("offset", offset)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape."""
        for name in ("scale", "offset"):
            self.constant(name, input_shape[1:])
        return input_shape

    def constant(self, name: str, sample_shape: Sequence[Any]) -> NDArray[np.float64]:
        """`scale` or `offset`, broadcast to the shape of a sample.

        Raises
        ------
        ValueError
            If it cannot be broadcast.
        """
        value = np.asarray(getattr(self, name), np.float64)
        if name == "scale" and 0 < value.ndim < 3 and image_data_format() == "channels_first":
            value = value.reshape(value.shape + (1,) * (3 - value.ndim))
        try:
            return np.broadcast_to(value, tuple(sample_shape))
        except ValueError:
            raise ValueError(
                f"Rescaling {self.name!r} has {name} of shape {value.shape}, which does not fit samples of shape "
                f"{tuple(sample_shape)}."
            ) from None


@registry.register()
class Normalization(Layer):
    """Shift and scale to mean 0 and variance 1: ``output = (input - mean) / max(sqrt(variance), 1e-7)``.

    Parameters
    ----------
    axis : int, tuple of int, or None, default -1
        Each index along these axes has its own mean and variance; they are taken over all other axes. ``None``: one
        mean and variance for all numbers.
    mean, variance : float or array_like of float, optional
        Give both or neither. Without them, `adapt` computes them; they are then weights that are not trainable.
    invert : bool, default False
        Undo the normalization: ``output = input * max(sqrt(variance), 1e-7) + mean``.
    **kwargs
        See `Layer`.

    Notes
    -----
    Input of any shape, output of the same shape; ``dL/dinput = dL/doutput / max(sqrt(variance), 1e-7)``, or that
    product with `invert`. A layer without given `mean` and `variance` has three weights: mean, variance and, for the
    format of Keras, a count that is never read.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If only one of `mean` and `variance` is given, their shapes differ or do not match the input, a variance is
        negative, or `axis` is not an axis of the samples.

    References
    ----------
    Arguments, defaults and numbers are those of Keras 3.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> layer = cb.layers.Normalization()
    >>> data = np.array([[0.0, 10.0], [2.0, 30.0]])
    >>> layer.adapt(data)
    >>> layer(data)
    array([[-1., -1.],
           [ 1.,  1.]], dtype=float32)
    >>> cb.layers.Normalization(mean=3.0, variance=4.0)([[5.0]])
    array([[1.]], dtype=float32)
    """

    supports_masking = True
    implementation = "preprocessing.Normalization"
    reads_output = False
    overwrites_input = True

    def __init__(
        self, axis: Any = -1, mean: Any = None, variance: Any = None, invert: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        axes = () if axis is None else axis if isinstance(axis, (list, tuple)) else (axis,)
        self.axis = tuple(check_integer("axis", item) for item in axes)
        if (mean is None) != (variance is None):
            raise ValueError("Normalization takes both mean and variance, or none of them.")
        self.input_mean: Any = mean
        self.input_variance: Any = variance
        if mean is not None:
            self.input_mean, self.input_variance = check_constant("mean", mean), check_constant("variance", variance)
        if np.shape(self.input_mean) != np.shape(self.input_variance):
            raise ValueError(
                f"mean and variance must have the same shape, but got {np.shape(mean)} and {np.shape(variance)}."
            )
        if np.ndim(self.input_mean) > len(self.axis):
            raise ValueError(f"mean must have at most an axis for each of {self.axis}, but got {np.shape(mean)}.")
        if variance is not None and (np.asarray(variance) < 0).any():
            raise ValueError(f"variance must not be negative, but got {variance!r}.")
        self.invert = check_boolean("invert", invert)
        self.adapt_mean: Variable | None = None
        self.adapt_variance: Variable | None = None

    @property
    def mean(self) -> Any:
        """The mean that was given or that `adapt` found, broadcastable to the input; ``None`` until built."""
        return self._statistic(self.input_mean, self.adapt_mean)

    @property
    def variance(self) -> Any:
        """The variance, in the same form as `mean`."""
        return self._statistic(self.input_variance, self.adapt_variance)

    def _statistic(self, given: Any, found: Variable | None) -> NDArray[Any] | None:
        """Mean or variance with as many axes as the input, of size 1 along axes that share it."""
        if not self.built:
            return None
        sizes = self._broadcast_shape
        if found is not None:
            return np.array(found.value).reshape(sizes)
        own = [1] * len(sizes)
        value = np.asarray(given, self.dtype)
        kept = [axis for axis in range(len(sizes)) if axis in self.kept_axes(sizes)]
        for axis, size in zip(kept[len(kept) - value.ndim :], value.shape, strict=True):
            own[axis] = size
        return np.broadcast_to(value.reshape(own), sizes)

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments as plain values."""
        given = {"mean": np.array(self.input_mean).tolist(), "variance": np.array(self.input_variance).tolist()}
        return super().get_config() | given

    def kept_axes(self, input_shape: Sequence[Any]) -> tuple[int, ...]:
        """The axes in `axis`, sorted, as non-negative numbers; the batch is 0.

        Raises
        ------
        ValueError
            If one is not an axis of the samples.
        """
        rank = len(input_shape)
        axes = sorted({axis + rank if axis < 0 else axis for axis in self.axis})
        if len(axes) < len(self.axis) or any(not 1 <= axis < rank for axis in axes):
            raise ValueError(
                f"Normalization {self.name!r} has axis {self.axis}, which must be different axes of the samples, "
                f"but got inputs of shape {tuple(input_shape)}."
            )
        return tuple(axes)

    def statistic_shape(self, input_shape: Sequence[Any]) -> tuple[int, ...]:
        """The shape of mean and variance."""
        return tuple(int(input_shape[axis]) for axis in self.kept_axes(input_shape))

    def build(self, input_shape: Shape) -> None:
        """Create mean and variance, unless they were given."""
        kept = self.kept_axes(input_shape)
        self._broadcast_shape = tuple(int(n or 1) if i in kept else 1 for i, n in enumerate(input_shape))
        if self.input_mean is not None:
            return
        shape = self.statistic_shape(input_shape)
        self.adapt_mean = self.add_weight(shape, "zeros", trainable=False, name="mean")
        self.adapt_variance = self.add_weight(shape, "ones", trainable=False, name="variance")
        self.add_weight((), "zeros", trainable=False, name="count")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape."""
        self.places(input_shape[1:])
        return input_shape

    def check_built_for(self, input_shape: Shape) -> None:
        """Refuse an input whose sizes along `axis` differ from the weights' shape."""
        shape = self.statistic_shape(input_shape)
        if self.adapt_mean is not None and shape != self.adapt_mean.shape:
            raise ValueError(
                f"Normalization {self.name!r} was built for axes of size {self.adapt_mean.shape}, but got an "
                f"incompatible shape of inputs, {tuple(input_shape)}."
            )

    def flops(self, input_shapes: list[tuple[int, ...]], output_shape: tuple[int, ...]) -> int:
        """A multiplication and an addition for each number."""
        return 2 * math.prod(output_shape)

    def places(self, sample_shape: Sequence[Any]) -> NDArray[np.intp]:
        """For each element of a sample, the index of its mean and variance in the flattened weights."""
        kept = self.kept_axes((None, *sample_shape))
        shape = [size if axis in kept else 1 for axis, size in enumerate(sample_shape, 1)]
        given = np.shape(self.input_mean)
        if self.input_mean is not None:
            own = [1] * (len(kept) - len(given)) + list(given)
            shape = [1] * len(sample_shape)
            for axis, size in zip(kept, own, strict=True):
                shape[axis - 1] = size
        numbers = np.arange(math.prod(shape), dtype=np.intp).reshape(shape)
        try:
            return np.broadcast_to(numbers, tuple(sample_shape))
        except ValueError:
            raise ValueError(
                f"Normalization {self.name!r} has a mean of shape {given}, which does not fit samples of shape "
                f"{tuple(sample_shape)} along axis {self.axis}."
            ) from None

    def adapt(self, data: ArrayLike | Iterable[ArrayLike]) -> None:
        """Compute mean and variance from data. They replace earlier ones.

        Parameters
        ----------
        data : array_like (samples, ...), table, dataset, or iterable of arrays
            An iterable's arrays are batches, as are those of a `PyDataset` or a data loader; of tuples (inputs,
            targets) only the inputs are used. Columns of a table are features.

        Raises
        ------
        TypeError
            If the data is not an array of numbers.
        ValueError
            If it is empty, not finite, of a shape that the layer was not built for, or mean and variance were given.
        """
        if self.input_mean is not None:
            raise ValueError(f"Normalization {self.name!r} was given mean and variance: there is nothing to adapt.")
        sums: tuple[float, Any, Any] | None = None
        for batch in adaptation_batches(data):
            self.resolve((None, *batch.shape[1:]))
            kept, distinct = self.kept_axes(batch.shape), without_repetition(batch)
            others = [axis for axis in range(batch.ndim) if axis not in kept]
            times = math.prod(batch.shape[axis] // distinct.shape[axis] for axis in others)
            for _, part in blocks(distinct):
                count, mean, squares = _moments(part.astype(np.float64), kept)
                sums = _combined(sums, (count * times, mean, squares * times))
        if sums is None:
            raise ValueError("adapt needs at least one sample, but got an empty iterable.")
        assert self.adapt_mean is not None
        assert self.adapt_variance is not None
        count, mean, squares = sums
        with AtRest([self.adapt_mean, self.adapt_variance]):
            self.adapt_mean.assign(np.broadcast_to(mean, self.adapt_mean.shape))
            self.adapt_variance.assign(np.broadcast_to(squares / count, self.adapt_variance.shape))


def _moments(batch: NDArray[np.float64], kept: tuple[int, ...]) -> tuple[float, Any, Any]:
    """How many numbers go into each mean, the means, and the sums of squared deviations from them."""
    others = tuple(axis for axis in range(batch.ndim) if axis not in kept)
    mean = batch.mean(axis=others)
    squares = np.square(batch - batch.mean(axis=others, keepdims=True)).sum(axis=others)
    return math.prod(batch.shape[axis] for axis in others), mean, squares


def _combined(a: tuple[float, Any, Any] | None, b: tuple[float, Any, Any]) -> tuple[float, Any, Any]:
    """The `_moments` of two batches together, by the stable update of Chan, Golub and LeVeque."""
    if a is None:
        return b
    (n, mean_a, squares_a), (m, mean_b, squares_b) = a, b
    step = mean_b - mean_a
    return n + m, mean_a + step * (m / (n + m)), squares_a + squares_b + step**2 * (n * m / (n + m))


@registry.register()
class CategoryEncoding(Layer):
    """Encode class indices as rows of zeros and ones, or of counts.

    In the mode "count", ``layer(inputs, count_weights=weights)`` adds the weight of each index to the count of its
    class, instead of 1. The weights, an array or a symbolic tensor, have the shape of the inputs. When called on
    arrays, the layer also takes a single sample without a batch axis.

    Parameters
    ----------
    num_tokens : int
        The number of classes: inputs are whole numbers in [0, num_tokens).
    output_mode : {"multi_hot", "one_hot", "count"}, default "multi_hot"
        "one_hot": for each index a row with a single 1. "multi_hot": one row for all indices along the last axis, with
        a 1 for each class that is among them. "count": the same with how often each class occurs.
    sparse : bool, default False
        Must be ``False``: outputs are dense.
    **kwargs
        See `Layer`.

    Notes
    -----
    "one_hot" turns (batch, ..., 1) into (batch, ..., num_tokens), and (batch, ..., n) with n > 1 into
    (batch, ..., n, num_tokens). The other modes turn (batch, ..., n) into (batch, ..., num_tokens).
    The indices get no gradient. The gradient of a weight is dL/doutput of its class. Model inputs that arrive here
    unchanged are checked; other numbers out of range are ignored.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If an argument is out of range.

    References
    ----------
    Arguments and defaults are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.layers.CategoryEncoding(num_tokens=4, output_mode="count")([[0, 2, 2]])
    array([[1., 0., 2., 0.]], dtype=float32)
    >>> cb.layers.CategoryEncoding(num_tokens=3, output_mode="one_hot")([[1], [2]])
    array([[0., 1., 0.],
           [0., 0., 1.]], dtype=float32)
    """

    implementation = "preprocessing.CategoryEncoding"
    reads_output = False
    call_signature = inspect.signature(lambda inputs, count_weights=None, training=None, mask=None: None)

    def __init__(
        self, num_tokens: int | None = None, output_mode: str = "multi_hot", sparse: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if num_tokens is None:
            raise ValueError("CategoryEncoding needs num_tokens, the number of classes.")
        self.num_tokens = self.id_range = check_integer("num_tokens", num_tokens, 1, self.largest_id_range)
        self.output_mode = check_choice("output_mode", output_mode, ("multi_hot", "one_hot", "count", "binary"))
        if self.output_mode == "binary":
            self.output_mode = "multi_hot"
        self.sparse = check_boolean("sparse", sparse)
        if self.sparse:
            raise ValueError("sparse must be False: outputs are dense arrays.")

    def __call__(self, inputs: Any, count_weights: Any = None, **kwargs: Any) -> Any:
        """Connect the layer to symbolic tensors, or run it on arrays.

        Raises
        ------
        TypeError
            If one of `inputs` and `count_weights` is symbolic, and the other is not.
        ValueError
            If weights are given in another mode than "count", or differ in shape from the inputs; also as for any
            layer.
        """
        if count_weights is not None and self.output_mode != "count":
            raise ValueError(
                f"`count_weights` is not used when `output_mode` is not 'count', but it is {self.output_mode!r}."
            )
        if is_symbolic(inputs) or is_symbolic(count_weights):
            return super().__call__(
                inputs, **({} if count_weights is None else {"count_weights": count_weights}), **kwargs
            )
        x = as_array("inputs", inputs)
        if count_weights is not None:
            return self._weighted(x, count_weights)
        if x.ndim > 1:
            return super().__call__(inputs, **kwargs)
        if self.output_mode != "one_hot":
            return super().__call__(x.reshape(1, -1), **kwargs)[0]
        rows = super().__call__(x.reshape(-1, 1), **kwargs)
        return rows if x.ndim else rows[0]

    def connect(self, call: CallArguments) -> KerasTensor:
        """The output for symbolic tensors. As in Keras, a tensor with only a batch axis is one sample."""
        inputs, weights = call.values["inputs"], call.values.get("count_weights")
        if weights is not None:
            self._check_weights(inputs, weights)
        output = super().connect(call)
        if len(inputs.shape) == 1 and self.output_mode != "one_hot":
            output.shape = (self.num_tokens,)
        return output

    def _check_weights(self, inputs: Any, weights: Any) -> None:
        if not isinstance(inputs, KerasTensor) or not isinstance(weights, KerasTensor):
            raise TypeError(
                f"CategoryEncoding {self.name!r} takes inputs and count_weights that are both arrays, or both symbolic "
                f"tensors, but got {type_name(inputs)} and {type_name(weights)}."
            )
        if weights.shape[1:] != inputs.shape[1:]:
            raise ValueError(f"count_weights must have the shape of inputs, {inputs.shape}, but got {weights.shape}.")
        self.check_float_types([weights])

    def _weighted(self, x: NDArray[Any], count_weights: Any) -> NDArray[Any]:
        """For each class the sum of the weights of its indices."""
        weights = as_array("count_weights", count_weights).astype(self.dtype)
        if weights.shape != x.shape:
            raise ValueError(f"count_weights must have the shape of inputs, {x.shape}, but got {weights.shape}.")
        single = type(self)(self.num_tokens, "one_hot", dtype=self.dtype)
        indicators = np.asarray(single(x.reshape(-1, 1))).reshape(*x.shape, self.num_tokens)
        counts: NDArray[Any] = (indicators * weights[..., np.newaxis]).sum(axis=-2)
        return counts

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape with the last axis replaced by the classes; for "one_hot" they are appended.

        As in Keras, a shape without axes stands for one index, and a shape with a single axis for one sample.
        """
        one_hot = self.output_mode == "one_hot" and (len(input_shape) == 1 or input_shape[-1:] != (1,))
        if one_hot or len(input_shape) == 0:
            return (*input_shape, self.num_tokens)
        return (*input_shape[:-1], self.num_tokens)
