"""Discretization: replace each number by the index of the bin it falls into."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbackprop.layers.adaptation import adaptation_batches
from cbackprop.layers.layer import Layer, registry
from cbackprop.layers.order_statistics import at_ranks
from cbackprop.tensor import Shape
from cbackprop.validation import check_boolean, check_choice, check_counts, check_integer, check_number

__all__ = ["Discretization"]


@registry.register()
class Discretization(Layer):
    """Replace each number by the index of its bin: ``output = number of boundaries <= input``.

    Parameters
    ----------
    bin_boundaries : list of float, optional
        In ascending order. The boundaries ``[0, 1]`` make three bins: below 0, from 0 to below 1, and from 1.
    num_bins : int, optional
        The number of bins for which `adapt` finds boundaries. Give this or `bin_boundaries`.
    epsilon : float, default 0.01
        Accuracy of `adapt`: how far a boundary may be from the exact quantile, as a fraction of all numbers.
    output_mode : {"int", "one_hot", "multi_hot", "count"}, default "int"
        "int": the index of each number's bin. "one_hot": for each number a row with a single 1, at its bin.
        "multi_hot": one row for all numbers along the first axis of a sample, with a 1 for each bin that contains any
        of them. "count": the same with how many of them each bin contains.
    sparse : bool, default False
        Must be ``False``: outputs are dense.
    **kwargs
        See `Layer`.

    Notes
    -----
    "int" keeps the input's shape. Users get int64; other layers get the same whole numbers as floats, which `Embedding`
    and `CategoryEncoding` read. "one_hot" turns (batch, ..., 1) into (batch, ..., bins), and (batch, ..., n) with n > 1
    into (batch, ..., n, bins). The other modes turn (batch, n, ...) into (batch, ..., bins).
    No gradient passes through.

    Boundaries are not weights: they are part of the layer's config, as in Keras. If the data has fewer numbers than
    `num_bins`, there are fewer bins; a layer that has been called before keeps its bins, and the last ones stay empty.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If an argument is out of range, boundaries do not ascend, both or neither of `bin_boundaries` and `num_bins` are
        given, or the layer is used before `adapt` has found boundaries.

    References
    ----------
    Arguments, defaults and the boundaries that `adapt` finds are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.layers.Discretization([0.0, 1.0, 2.0])([[-1.5, 1.0, 3.4, 0.5]])
    array([[0, 2, 3, 1]])
    >>> layer = cb.layers.Discretization(num_bins=2, output_mode="one_hot")
    >>> layer.adapt([[1.0], [2.0], [3.0], [4.0]])
    >>> layer.bin_boundaries
    [2.0]
    """

    reads_output = False

    def __init__(
        self,
        bin_boundaries: Any = None,
        num_bins: int | None = None,
        epsilon: float = 0.01,
        output_mode: str = "int",
        sparse: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if (bin_boundaries is None) == (num_bins is None):
            raise ValueError(
                "Discretization needs either bin_boundaries or num_bins, but got "
                + ("none of them." if num_bins is None else "both.")
            )
        self.epsilon = check_number("epsilon", epsilon, 0, 1, open_minimum=True)
        self.output_mode = check_choice("output_mode", output_mode, ("int", "one_hot", "multi_hot", "count"))
        self.sparse = check_boolean("sparse", sparse)
        if self.sparse:
            raise ValueError("sparse must be False: outputs are dense arrays.")
        self.num_bins = None if num_bins is None else check_integer("num_bins", num_bins, 1, self.largest_id_range)
        given = None if bin_boundaries is None else check_boundaries(bin_boundaries)
        self._bins: int = (self.num_bins or 1) if given is None else len(given) + 1
        # Compiled layers keep a pointer to this array, so `adapt` writes into it. Unused boundaries are infinite.
        self._limits = np.full(self._bins - 1, np.inf)
        self._found: int | None = None
        if given is not None:
            self._take(given)

    @property
    def output_dtype(self) -> str | None:  # type: ignore[override]
        """int64 for indices of bins; ``None``, the layer's float type, for the other modes."""
        return "int64" if self.output_mode == "int" else None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Connect the layer to symbolic tensors, or run it on arrays."""
        result = super().__call__(*args, **kwargs)
        return result.astype(np.int64) if self.output_mode == "int" and isinstance(result, np.ndarray) else result

    @property
    def bins(self) -> int:
        """How many bins there are, including those that stay empty."""
        return self._bins

    @property
    def bin_boundaries(self) -> list[float] | None:
        """The boundaries that were given or that `adapt` found; ``None`` before there are any."""
        return None if self._found is None else self._limits[: self._found].tolist()

    @property
    def limits(self) -> NDArray[np.float64]:
        """The boundaries, (bins - 1,), padded with infinity.

        Raises
        ------
        ValueError
            If there are none yet.
        """
        if self._found is None:
            raise ValueError(f"Discretization {self.name!r} has no boundaries yet: call its adapt with data.")
        return self._limits[: self.bins - 1]

    def _take(self, boundaries: NDArray[np.float64]) -> None:
        """Set the boundaries. A layer that is in use keeps the width of its output."""
        boundaries = boundaries[: len(self._limits)]
        if self.output_mode != "int" and not self.built:
            self._bins = len(boundaries) + 1
        if len(boundaries) >= self.bins:
            raise ValueError(
                f"Discretization {self.name!r} is in use with {self.bins} bins, but the data has {len(boundaries) + 1}."
            )
        self._limits[:] = np.inf
        self._limits[: len(boundaries)] = boundaries
        self._found = len(boundaries)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Discretization:
        """Make the layer that `get_config` described, with the boundaries that `adapt` had found."""
        if not isinstance(config, dict) or config.get("num_bins") is None:
            return super().from_config(config)
        found, bins = config.get("bin_boundaries"), config.get("bins")
        arguments = {key: value for key, value in config.items() if key not in ("bin_boundaries", "bins")}
        layer = super().from_config(arguments)
        if found is not None:
            layer._take(check_boundaries(found))
        if bins is not None:
            layer._bins = check_integer("bins", bins, layer.bins, layer.num_bins)
        return layer

    def get_config(self) -> dict[str, Any]:
        """The arguments, and the number of bins if the layer keeps more of them than its data needed."""
        config = super().get_config()
        if self.output_mode != "int" and self._found is not None and self._found + 1 < self._bins:
            config["bins"] = self._bins
        return config

    def _arguments_of(self, base: type[Layer]) -> dict[str, Any]:
        given = super()._arguments_of(base)
        return given if self.num_bins is None else given | {"bin_boundaries": None}  # `adapt` found the boundaries

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape for "int"; for other modes an axis of bins is added or replaces one, see the class."""
        if self.output_mode == "int":
            return input_shape
        if self.output_mode == "one_hot":
            single = len(input_shape) > 1 and input_shape[-1] == 1
            return (*(input_shape[:-1] if single else input_shape), self.bins)
        if len(input_shape) < 2:
            raise ValueError(
                f"Discretization {self.name!r} with output_mode {self.output_mode!r} needs inputs (batch, n, ...), but "
                f"got {tuple(input_shape)}."
            )
        return (input_shape[0], *input_shape[2:], self.bins)

    def adapt(self, data: ArrayLike | Iterable[ArrayLike], steps: int | None = None) -> None:
        """Find boundaries that split the data into bins of about equal counts. They replace earlier ones.

        Parameters
        ----------
        data : array_like (samples, ...), table, dataset, or iterable of arrays
            An iterable's arrays are batches, as are those of a `PyDataset` or a data loader; of tuples (inputs,
            targets) only the inputs are used.
        steps : int, optional
            How many batches to read; all by default.

        Raises
        ------
        TypeError
            If the data is not an array of numbers.
        ValueError
            If it is empty, not finite or too large for float32, or boundaries were given.
        """
        if self.num_bins is None:
            raise ValueError(f"Discretization {self.name!r} was given bin_boundaries: there is nothing to adapt.")
        check_counts(steps=steps)
        summary = np.empty((2, 0), np.float32)
        for batch in islice(adaptation_batches(data), steps):
            summary = merged(summary, summarized(batch, self.epsilon), self.epsilon)
        if not summary.size:
            raise ValueError("adapt needs at least one sample, but got an empty iterable.")
        self._take(compressed(summary, 1 / self.num_bins)[0, :-1].astype(np.float64))


def check_boundaries(value: Any) -> NDArray[np.float64]:
    """Convert boundaries to an array of float64.

    Raises
    ------
    TypeError
        If they are not numbers.
    ValueError
        If one is not finite, or they do not ascend.
    """
    try:
        array = np.asarray(value)
    except ValueError:
        array = np.asarray(None)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "fiu"):
        raise TypeError(f"bin_boundaries must be a list of numbers, but got {value!r}.")
    array = array.astype(np.float64)
    if not np.isfinite(array).all() or (np.diff(array) < 0).any():
        raise ValueError(f"bin_boundaries must be finite numbers in ascending order, but got {value!r}.")
    return array


# With more numbers than this, counting is faster than sorting and needs less memory.
MOST_SORTED = 2**20

# Quantiles of more numbers than fit in memory, from summaries. A summary is a (2, n) array of float32: the first row
# holds numbers in ascending order; the second, for each of them, how many numbers of the data it stands for. These are
# larger than the number before it and not larger than it.


def summarized(values: NDArray[Any], epsilon: float) -> NDArray[np.float32]:
    """Summarize values by about 1 / epsilon of them, or by all if they are fewer."""
    step = max(values.size / (1 / epsilon), 1)
    ranks = np.arange(int(step - 1), values.size, int(step))
    # A broadcast array repeats all of its numbers equally often, so each number takes this many ranks.
    once = values[tuple(slice(None) if stride else slice(1) for stride in values.strides)]
    ends_too = np.concatenate([ranks, [0, values.size - 1]]) // (values.size // once.size)
    if once.size > MOST_SORTED:
        found = at_ranks(once, ends_too)
    else:
        with np.errstate(over="ignore"):
            found = np.sort(once, axis=None)[ends_too].astype(np.float32)
    if not np.isfinite(found[-2:]).all():
        largest = max(abs(once.min()), abs(once.max()))
        raise ValueError(f"adapt needs numbers that fit into float32, but got {largest}.")
    return np.stack([found[:-2], np.full(len(ranks), step, np.float32)])


def merged(a: NDArray[np.float32], b: NDArray[np.float32], epsilon: float) -> NDArray[np.float32]:
    """The summary of the data of two summaries together."""
    both = np.concatenate([a, b], axis=1)
    return compressed(both[:, np.argsort(both[0])], epsilon)


def compressed(summary: NDArray[np.float32], epsilon: float) -> NDArray[np.float32]:
    """Reduce a summary to 1 / epsilon numbers: its interpolated quantiles epsilon, 2 epsilon, ..., 1."""
    if summary.shape[1] * epsilon < 1:
        return summary
    wanted = epsilon + np.arange(0.0, 1.0, epsilon)
    counts = summary[1].cumsum()
    fractions = counts / counts[-1]
    quantiles, reached = (np.interp(wanted, fractions, numbers) for numbers in (summary[0], counts))
    return np.stack([quantiles, np.diff(reached, prepend=0)]).astype(np.float32)
