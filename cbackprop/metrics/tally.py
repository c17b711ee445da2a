"""Tally: base of metrics that keep more than one sum, such as counts, confusion matrices and moments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cbackprop.contract.implementation import find
from cbackprop.losses.target import TargetRules, as_array, check_prediction, check_target, check_weights
from cbackprop.metrics.metric import Metric, overridden

__all__ = ["Tally"]


class Tally(Metric):
    """Base of metrics whose state is a vector of sums, to which compiled code adds batches.

    Parameters
    ----------
    dtype : {"float32", "float64"}, optional
    name : str, optional

    Raises
    ------
    ValueError
        For an unknown dtype.
    """

    # "module.Class" below cbackprop.compiled and cbackprop.reference.
    implementation: ClassVar[str]
    target_kind = "values"
    # The names of the variables, which are also attributes, in the order of `state_of`.
    state_names: ClassVar[tuple[str, ...]] = ()
    # The `name` of variables whose name differs from their attribute.
    state_titles: ClassVar[dict[str, str]] = {}
    # How many axes predictions must have, including the batch axis; None: any number.
    rank: int | None = None
    # Whether each element of a row may have its own weight.
    elementwise: bool = True

    def __init__(self, dtype: Any = None, name: str | None = None) -> None:
        super().__init__(dtype, name)
        self.width: int | None = None

    # Methods that a subclass defines

    def size(self, width: int) -> int:
        """How many sums there are, for predictions with rows of `width` elements."""
        raise NotImplementedError

    def check_width(self, width: int) -> None:
        """Raise ``ValueError`` if rows of `width` elements are too short."""

    def state_of(self, sums: NDArray[np.float64]) -> Sequence[NDArray[np.float64]]:
        """The value of each variable, from the sums of compiled code."""
        raise NotImplementedError

    def score(self) -> Any:
        """The metric, computed from the variables."""
        raise NotImplementedError

    # Methods of all metrics

    def result(self) -> Any:
        """The metric of all batches so far; 0 before any batch."""
        if not self.has_state:
            return np.dtype(self.float_type).type(0)
        with np.errstate(divide="ignore", invalid="ignore"):
            score = np.asarray(self.score())
        return score.astype(self.float_type)[()]

    def reset_state(self) -> None:
        """Forget all batches."""
        super().reset_state()
        self.width = None

    @property
    def has_state(self) -> bool:
        """Whether the variables exist. Some are made with the first batch, because they depend on its width."""
        return self.state_names[-1] in self.__dict__

    def make_state(self, shapes: Sequence[tuple[int, ...]]) -> None:
        """Make the variables that do not exist or have another shape."""
        for name, shape in zip(self.state_names, shapes, strict=True):
            old = self.__dict__.get(name)
            if old is None or old.shape != shape:
                self.forget_variable(old)
                title = self.state_titles.get(name, name)
                setattr(self, name, self.add_variable(shape, "zeros", "float64", name=title))

    def add_sums(self, sums: NDArray[np.float64]) -> None:
        """Add sums that compiled code has computed."""
        state = self.state_of(sums)
        self.make_state([np.shape(value) for value in state])
        for name, value in zip(self.state_names, state, strict=True):
            getattr(self, name).assign_add(value)

    def update_state(self, y_true: ArrayLike, y_pred: ArrayLike, sample_weight: ArrayLike | None = None) -> None:
        """Add a batch.

        Parameters
        ----------
        y_true : array_like
            Has the shape of `y_pred`; class numbers, without the last axis, if `y_pred` has an element for each class.
        y_pred : array_like, shape (batch, ..., width)
        sample_weight : array_like, optional
            Shape (batch,), one weight for each row of `y_pred`, or one for each element.

        Raises
        ------
        TypeError
            If an array does not hold real numbers.
        ValueError
            If the shapes do not match, or a number is NaN or infinite.
        """
        predictions = self.check_predictions(y_pred)
        targets = self.check_targets(y_true, predictions.shape)
        self.check_output(predictions.shape[1:])
        width = predictions.shape[-1]
        if self.width not in (None, width):
            raise ValueError(f"y_pred must have rows of {self.width} elements as before, but got {predictions.shape}.")
        given = None if sample_weight is None else as_array("sample_weight", sample_weight)
        self.check_given_weights(given)
        each = False
        if self.elementwise and given is not None and width > 1 and given.ndim == predictions.ndim:
            sizes = zip(given.shape[:-1], predictions.shape[:-1], strict=True)
            each = given.shape[-1] == width and all(have in (1, want) for have, want in sizes)
            given = np.broadcast_to(given, predictions.shape) if each else given
        weights = check_weights("sample_weight", given, predictions.shape if each else predictions.shape[:-1])
        tally = self.tally(width, self.float_type)
        add = tally.add_classes if self.target_kind == "index" else tally.add
        flat = None if weights is None else weights.reshape(-1)
        add(targets, predictions.reshape(-1, width), flat)
        self.add_sums(tally.snapshot())
        self.width = width

    def check_given_weights(self, weights: NDArray[Any] | None) -> None:
        """Warn if weights would be changed. Subclasses may override this."""

    def check_predictions(self, y_pred: ArrayLike) -> NDArray[Any]:
        """Predictions as contiguous floats with an axis of rows. One-dimensional predictions become rows of one."""
        array = as_array("y_pred", y_pred)
        if array.ndim == 1 and self.rank is None:
            array = array[:, np.newaxis]
        return check_prediction("y_pred", array, self.float_type)

    def check_targets(self, y_true: ArrayLike, shape: tuple[int, ...]) -> NDArray[Any]:
        """Targets in the form that compiled code reads, for predictions of this shape."""
        kind = self.target_kind or "values"
        return check_target("y_true", y_true, shape, kind, self.float_type, TargetRules(self.target_limits))

    # Methods that engines call

    @property
    def float_type(self) -> str:
        """The type in which predictions are compared, and the type of results."""
        return self.dtype

    def runs_in_c(self) -> bool:
        """Whether compiled code can replace `update_state`."""
        return not overridden(self, Tally)

    def check_output(self, shape: tuple[int, ...]) -> None:
        """Raise ``ValueError`` if the metric cannot use predictions of this shape (given without the batch axis)."""
        if self.rank is not None and len(shape) + 1 != self.rank:
            raise ValueError(
                f"{type(self).__name__} needs predictions with {self.rank} axes, (batch, width), "
                f"but got shape {('batch', *shape)}."
            )
        self.check_width(shape[-1])

    def tally(self, width: int, dtype: str, weighted: bool = True) -> Any:
        """The compiled object that adds up batches with rows of `width` elements."""
        if not hasattr(self, "implementation"):
            raise TypeError(f"{type(self).__name__} computes nothing: use one of its subclasses.")
        return find("compiled", self.implementation, dtype)(self, width, weighted)

    def restore(self, state: Any) -> None:
        """Continue from a `snapshot` or from the sums of compiled code."""
        if not isinstance(state, np.ndarray):
            if not self.has_state and len(state) >= len(self.state_names):
                self.make_state([np.shape(value) for value in state[: len(self.state_names)]])
            super().restore(state)
            return
        for name in self.state_names:
            if name in self.__dict__:
                getattr(self, name).clear()
        self.add_sums(state)
