"""TargetEncoder: encode a column to predict, as classes or as a number."""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np

from cbackprop.tables.columns import standard
from cbackprop.tables.doubts import CellWarning, doubt_of
from cbackprop.tables.encoder import check_config
from cbackprop.tables.frame import Array, as_table, kind_of, labels_of, missing_in, numbers_of
from cbackprop.validation import check_number

__all__ = ["TargetEncoder"]

# Whole numbers are taken for classes if there are at most this many different ones, and each occurs this often on
# average.
MOST_CLASSES = 20
OFTEN = 5


class TargetEncoder:
    """Encode a column as targets of a network, and decode a network's outputs to values of the column.

    Classes are numbered in sorted order; numbers are standardized.

    Parameters
    ----------
    name : str
        The name of the column.
    task : {"auto", "classification", "regression"}, default "auto"
        "auto" takes texts, booleans, and whole numbers with few different values as classes.

    Attributes
    ----------
    task : str
        "classification" or "regression", after `fit`.
    classes : list of str, bool, int or float
        The classes in order; empty for regression.
    shares : list of float
        The fraction of each class in the data.
    mean, scale : float
        Mean and standard deviation of the numbers.

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong.

    Examples
    --------
    >>> from cbackprop.tables import TargetEncoder
    >>> target = TargetEncoder("kind").fit(["b", "a", "b"])
    >>> target.encode(["a", "b"])
    array([0, 1])
    >>> target.decode([[0.2, 0.8]])
    array(['b'], dtype=object)
    """

    def __init__(self, name: str, task: str = "auto") -> None:
        if not isinstance(name, str):
            raise TypeError(f"name must be a string, but got {name!r}.")
        if task not in ("auto", "classification", "regression"):
            raise ValueError(f"task must be 'auto', 'classification' or 'regression', but got {task!r}.")
        self.name, self.task = name, task
        self.classes: list[Any] = []
        self.shares: list[float] = []
        self.mean, self.scale = 0.0, 1.0

    def fit(self, values: Any) -> Self:
        """Find the classes, or the mean and the scale. Missing values are ignored.

        Raises
        ------
        TypeError, ValueError
            If the column cannot be predicted: all values are missing or the same, or they are texts for regression.

        Warns
        -----
        UserWarning
            If `task` is "auto" and the column holds texts that could be read as numbers or times; see `TableReader`.
        """
        column, chosen = self._column(values), self.task == "classification"
        self._fit(column)
        if self.classes and not chosen and (doubt := doubt_of(column)):
            message = f"Target {self.name!r} counts as texts, but {doubt}. TableReader reads such texts; "
            message += f"if these are classes, give TargetEncoder({self.name!r}, 'classification')."
            warnings.warn(message, CellWarning, stacklevel=2)
        return self

    def _fit(self, column: Array) -> None:
        """`fit` without warnings."""
        doubt = "" if self.task == "classification" else doubt_of(column)
        column = column[~missing_in(column)]
        if not len(column):
            raise ValueError(f"Target {self.name!r} has no values.")
        task = _task_of(column) if self.task == "auto" else self.task
        if task == "regression":
            numbers = self._numbers(column, doubt)
            if numbers.min() == numbers.max():
                raise ValueError(f"Target {self.name!r} is {numbers[0]:g} everywhere: there is nothing to learn.")
            self.mean, self.scale = standard(numbers)
        else:
            self._fit_classes(column, doubt)
        self.task = task

    def _fit_classes(self, column: Array, doubt: str = "") -> None:
        kind = kind_of(column)
        if kind == "time":
            raise ValueError(f"Target {self.name!r} holds times, which cannot be classes.")
        plain = labels_of(column) if kind == "text" else column.tolist()
        counts: dict[Any, int] = {}
        for value in plain:
            counts[value] = counts.get(value, 0) + 1
        if len(counts) == 1:
            raise ValueError(f"Target {self.name!r} is {plain[0]!r} everywhere: there is nothing to learn.")
        if len(counts) > max(2, len(plain) // 2):
            raise ValueError(
                f"Target {self.name!r} has {len(counts)} different {kind}s in {len(plain)} rows: too many for classes."
                + (f" It counts as texts, but {doubt}." if doubt else "")
            )
        self.classes = sorted(counts)
        self.shares = [counts[value] / len(plain) for value in self.classes]

    def _column(self, values: Any) -> Array:
        return as_table({self.name: values})[self.name]

    def _numbers(self, column: Array, doubt: str = "") -> Array:
        kind = kind_of(column)
        if kind != "number":
            because = f", but {doubt}" if doubt else ""
            raise ValueError(f"Target {self.name!r} must hold numbers for regression, but holds {kind}s{because}.")
        return numbers_of(self.name, column)

    def encode(self, values: Any) -> Array:
        """Class numbers as int64, or standardized numbers as float64, (rows,).

        Raises
        ------
        ValueError
            If a value is missing or is not a known class.
        RuntimeError
            Before `fit`.
        """
        self._check_fitted()
        column = self._column(values)
        gone = missing_in(column)
        if gone.any():
            raise ValueError(f"Target {self.name!r} has no value in row {int(gone.argmax())}.")
        if self.task == "regression":
            return (self._numbers(column) - self.mean) / self.scale
        texts = isinstance(self.classes[0], str)
        numbers = {value: number for number, value in enumerate(self.classes)}
        found = labels_of(column) if texts else numbers_of(self.name, column).tolist()
        for value in found:
            if value not in numbers:
                known = ", ".join(map(repr, self.classes[:10]))
                raise ValueError(
                    f"Target {self.name!r} has class {value!r}, which was not in the training data: only {known}."
                )
        return np.array([numbers[value] for value in found], np.int64)

    def decode(self, outputs: Any) -> Array:
        """The column's values, (rows,), for a network's outputs of shape (rows, classes), (rows,) or (rows, 1)."""
        self._check_fitted()
        array = np.asarray(outputs, np.float64)
        if self.task == "regression":
            return array.reshape(-1) * self.scale + self.mean
        kind = object if isinstance(self.classes[0], str) else None
        return np.array(self.classes, kind)[array.argmax(axis=-1)]

    def _check_fitted(self) -> None:
        if self.task == "auto" or (self.task == "classification" and not self.classes):
            raise RuntimeError("Call fit before: the target is not known yet.")

    @property
    def width(self) -> int:
        """How many numbers the network predicts for this target."""
        return len(self.classes) or 1

    def get_config(self) -> dict[str, Any]:
        """The target as plain values that can be written as JSON."""
        return dict(self.__dict__, classes=list(self.classes), shares=list(self.shares))

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Make the target that `get_config` described.

        Raises
        ------
        TypeError, ValueError
            If the config is not that of a target.
        """
        given = check_config("target", config, cls("").__dict__)
        target = cls(given["name"], given["task"])
        classes, shares = given["classes"], given["shares"]
        if not isinstance(classes, list) or not isinstance(shares, list) or len(classes) != len(shares):
            raise ValueError("A target must have lists of as many classes as shares.")
        types = {type(value) for value in classes}
        several = len(classes) != 1 and len(types) <= 1 and types <= {str, bool, int, float}
        if not several or len(set(classes)) < len(classes) or any(value != value for value in classes):
            raise ValueError(f"classes must be several different ones of one type, but got {classes!r:.100}.")
        if types and target.task != "classification":
            raise ValueError(f"A target of {target.task} has no classes, but got {classes!r:.100}.")
        target.classes = list(classes)
        target.shares = [check_number("shares", share, 0, 1) for share in shares]
        target.mean = check_number("mean", given["mean"])
        target.scale = check_number("scale", given["scale"], 0, open_minimum=True)
        return target

    def __repr__(self) -> str:
        what = f"{len(self.classes)} classes" if self.classes else self.task
        return f"<TargetEncoder {self.name!r}: {what}>"


def _task_of(column: Array) -> str:
    """The task for a column without missing values: "classification" or "regression"."""
    if kind_of(column) in ("text", "boolean"):
        return "classification"
    if kind_of(column) == "time":
        return "regression"
    different = np.unique(column)
    few = len(different) <= MOST_CLASSES and len(different) * OFTEN <= len(column)
    return "classification" if few and (different == np.rint(different)).all() else "regression"
