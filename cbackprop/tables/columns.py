"""Encode one column of a table as columns of numbers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Self

import numpy as np

from cbackprop.tables.frame import Array, kind_of, labels_of, missing_in, numbers_of, times_of
from cbackprop.validation import check_boolean, check_number

__all__ = [
    "CategoryColumn",
    "Column",
    "NumberColumn",
    "TimeColumn",
    "column_from_config",
    "standard",
    "useless",
]

# Standardized numbers are clipped to this range, which training data never reaches.
FARTHEST = 1e6
DAY = np.timedelta64(1, "D") / np.timedelta64(1, "us")
# The length of each period in days, and its phase: 1970 began on a Thursday, three days into the week.
PERIODS = {"year": (365.2425, 0.0), "week": (7.0, 3.0), "day": (1.0, 0.0)}


@dataclass(frozen=True)
class Column:
    """The encoding of one column, as found by `fit`. Its config consists of its fields."""

    kind: ClassVar[str]

    name: str

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise TypeError(f"name must be a string, but got {self.name!r}.")

    def get_config(self) -> dict[str, Any]:
        """The fields as plain values, which `column_from_config` reads."""
        return {"kind": self.kind} | asdict(self)

    @property
    def feature_names(self) -> list[str]:
        """Names of the encoded columns of numbers."""
        raise NotImplementedError

    def encode(self, values: Array) -> Array:
        """Encode values as finite numbers (rows, features) of float64."""
        raise NotImplementedError


@dataclass(frozen=True)
class NumberColumn(Column):
    """Standardize numbers. Missing values become the median, and a second column marks them by 1."""

    kind = "number"

    mean: float
    scale: float
    median: float
    missing: bool

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("mean", self.mean)
        check_number("scale", self.scale, 0, open_minimum=True)
        check_number("median", self.median)
        check_boolean("missing", self.missing)

    @classmethod
    def fit(cls, name: str, values: Array) -> Self:
        """Make the encoding from numbers or booleans, not all of them missing."""
        numbers = numbers_of(name, values)
        known = numbers[np.isfinite(numbers)]
        return cls(name, *standard(known), _median(known), bool(len(known) < len(numbers)))

    @property
    def feature_names(self) -> list[str]:
        return [self.name, *([f"{self.name} is missing"] if self.missing else [])]

    def encode(self, values: Array) -> Array:
        numbers = numbers_of(self.name, values)
        return _with_indicator(numbers, np.isnan(numbers), self.median, self.mean, self.scale, self.missing)


@dataclass(frozen=True)
class TimeColumn(Column):
    """Encode times as days since 1970 and as positions in the year, the week and the day.

    Each position is an angle, given by its sine and cosine. The day is left out if all times are midnight. The year and
    the week are left out if all times are within one day, such as times of the day without a date.
    """

    kind = "time"

    mean: float
    scale: float
    median: float
    missing: bool
    clock: bool
    calendar: bool = True

    def __post_init__(self) -> None:
        NumberColumn(self.name, self.mean, self.scale, self.median, self.missing)
        check_boolean("clock", self.clock)
        check_boolean("calendar", self.calendar)

    @classmethod
    def fit(cls, name: str, values: Array) -> Self:
        """Make the encoding from times, not all of them missing."""
        days = _days(times_of(name, values))
        known = days[np.isfinite(days)]
        clock = bool((known != np.floor(known)).any())
        calendar = len(np.unique(np.floor(known))) > 1
        return cls(name, *standard(known), _median(known), bool(len(known) < len(days)), clock, calendar)

    @property
    def periods(self) -> list[str]:
        """Names of the periods that are encoded."""
        return [*(["year", "week"] if self.calendar else []), *(["day"] if self.clock else [])]

    @property
    def feature_names(self) -> list[str]:
        waves = [f"{wave} of the {period}" for period in self.periods for wave in ("sine", "cosine")]
        return [self.name, *(f"{self.name}, {wave}" for wave in waves), *self._indicator]

    @property
    def _indicator(self) -> list[str]:
        return [f"{self.name} is missing"] if self.missing else []

    def encode(self, values: Array) -> Array:
        days = _days(times_of(self.name, values))
        gone = np.isnan(days)
        plain = _with_indicator(days, gone, self.median, self.mean, self.scale, self.missing)
        days = np.where(gone, self.median, days)
        waves = []
        for period in self.periods:
            length, shift = PERIODS[period]
            angle = 2 * np.pi * ((days + shift) % length) / length
            waves += [np.sin(angle), np.cos(angle)]
        return np.column_stack([plain[:, :1], *waves, plain[:, 1:]])


@dataclass(frozen=True)
class CategoryColumn(Column):
    """Number the values of a text column: 0 for unknown texts, then those in `values`, then missing ones if `missing`.

    If not `embedded`, the numbers are one-hot encoded: a column of zeros and ones for each, except unknown texts.
    """

    kind = "category"

    values: tuple[str, ...]
    missing: bool
    embedded: bool

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.values, (list, tuple)) or not all(isinstance(value, str) for value in self.values):
            raise TypeError(f"values must be strings, but got {self.values!r}.")
        object.__setattr__(self, "values", tuple(self.values))
        if len(set(self.values)) < len(self.values):
            raise ValueError("values must differ from each other.")
        check_boolean("missing", self.missing)
        check_boolean("embedded", self.embedded)

    @classmethod
    def fit(cls, name: str, values: Array, embed_above: int) -> Self:
        """Make the encoding from any column.

        If it is embedded, texts that occur only once count as unknown, so that the vector for unknown texts is trained.
        """
        found = labels_of(values)
        known = [value for value in found if value is not None]
        different, counts = np.unique(np.array(known, object), return_counts=True)
        embedded = len(different) > embed_above
        if embedded and (counts > 1).any():
            different = different[counts > 1]
        return cls(name, tuple(different.tolist()), len(known) < len(found), embedded)

    @property
    def size(self) -> int:
        """How many different numbers there are, including 0."""
        return 1 + len(self.values) + self.missing

    @property
    def feature_names(self) -> list[str]:
        return [*(f"{self.name} is {value}" for value in self.values), *self._indicator]

    @property
    def _indicator(self) -> list[str]:
        return [f"{self.name} is missing"] if self.missing else []

    def ids(self, values: Array) -> Array:
        """The numbers (rows,) of texts."""
        numbers: dict[str | None, int] = {value: number for number, value in enumerate(self.values, 1)}
        if self.missing:
            numbers[None] = self.size - 1
        return np.array([numbers.get(value, 0) for value in labels_of(values)], np.int64)

    def encode(self, values: Array) -> Array:
        return np.eye(self.size)[self.ids(values)][:, 1:]


COLUMNS: dict[str, type[Column]] = {cls.kind: cls for cls in (NumberColumn, TimeColumn, CategoryColumn)}


def column_from_config(config: Any) -> Column:
    """Make the column that `Column.get_config` described.

    Raises
    ------
    TypeError, ValueError
        If the config is not that of a column.
    """
    if not isinstance(config, dict) or config.get("kind") not in list(COLUMNS):
        raise ValueError(f"A column must be a dict of a kind among {list(COLUMNS)}, but got {config!r:.100}.")
    return COLUMNS[config["kind"]](**{name: value for name, value in config.items() if name != "kind"})


def standard(known: Array) -> tuple[float, float]:
    """Mean and standard deviation of finite numbers (1 if it is 0), without overflow even for the largest floats."""
    if known.min() == known.max():
        return float(known[0]), 1.0
    largest = float(np.abs(known).max())
    scaled = known / largest
    scale = float(scaled.std()) * largest
    return float(scaled.mean()) * largest, scale if scale > np.finfo(float).tiny else 1.0


def _median(known: Array) -> float:
    middle = np.sort(known)[(len(known) - 1) // 2 : len(known) // 2 + 1]
    return float(0.5 * middle[0] + 0.5 * middle[-1])


def _with_indicator(numbers: Array, gone: Array, fill: float, mean: float, scale: float, missing: bool) -> Array:
    filled = np.where(gone, fill, numbers)
    with np.errstate(over="ignore"):  # halving avoids an overflow in the difference; the quotient is clipped
        standardised = np.clip((0.5 * filled - 0.5 * mean) / scale * 2, -FARTHEST, FARTHEST)
    return np.column_stack([standardised, gone.astype(float)] if missing else [standardised])


def _days(times: Array) -> Array:
    days = times.astype(np.int64) / DAY
    days[np.isnat(times)] = np.nan
    return days


def useless(name: str, values: Array) -> str | None:
    """The reason why nothing can be learned from a column; ``None`` if something can."""
    gone = missing_in(values)
    if gone.all():
        return "is empty"
    kind = kind_of(values)
    known = values[~gone]
    different = set(known.tolist())
    if len(different) == 1 and not gone.any():
        return "is constant"
    if kind == "text" and len(known) >= FEW and len(different) > 0.95 * len(known):
        return "is different in each row"
    if values.dtype.kind == "i" and len(known) >= FEW and len(different) == len(known) and _counts(name, values):
        return "counts the rows"
    return None


# In a table with fewer rows than this, a column whose values all differ need not be an identifier.
FEW = 20


def _counts(name: str, values: Array) -> bool:
    """Whether different whole numbers are row numbers: by the column's name, or because they increase without big gaps.

    Up to half of the numbers may be missing, for example because the table is a part of a larger one.
    """
    named = name.lower().replace("-", "_").split("_")[-1] in ("id", "index", "row")
    return named or bool((np.diff(values) > 0).all() and values[-1] - values[0] < 2 * len(values))
