"""How one column of a table becomes columns of numbers."""

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

# Standardised numbers further out than this are cut off: nothing that was trained on is.
FARTHEST = 1e6
DAY = np.timedelta64(1, "D") / np.timedelta64(1, "us")
# Days after which the year, the week and the day begin anew; 1970 began on a Thursday, three days into its week.
PERIODS = {"year": (365.2425, 0.0), "week": (7.0, 3.0), "day": (1.0, 0.0)}


@dataclass(frozen=True)
class Column:
    """One column as it was when it was fitted; config and checks are those of its fields."""

    kind: ClassVar[str]

    name: str

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise TypeError(f"name must be a string, but got {self.name!r}.")

    def get_config(self) -> dict[str, Any]:
        """Plain values that `column_from_config` understands."""
        return {"kind": self.kind} | asdict(self)

    @property
    def feature_names(self) -> list[str]:
        """Names of the columns of numbers that it becomes."""
        raise NotImplementedError

    def encode(self, values: Array) -> Array:
        """Finite numbers (rows, features) of float64."""
        raise NotImplementedError


@dataclass(frozen=True)
class NumberColumn(Column):
    """Numbers less their mean, by their standard deviation; the median where one is missing, and a 1 beside it."""

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
        """From numbers or booleans, not all of them missing."""
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
    """Days since 1970 as a number, and where in the year, the week, and (unless all are midnights) the day that is.

    Each of these places is an angle, and given by its sine and cosine.
    """

    kind = "time"

    mean: float
    scale: float
    median: float
    missing: bool
    clock: bool

    def __post_init__(self) -> None:
        NumberColumn(self.name, self.mean, self.scale, self.median, self.missing)
        check_boolean("clock", self.clock)

    @classmethod
    def fit(cls, name: str, values: Array) -> Self:
        """From times, not all of them missing."""
        days = _days(times_of(name, values))
        known = days[np.isfinite(days)]
        clock = bool((known != np.floor(known)).any())
        return cls(name, *standard(known), _median(known), bool(len(known) < len(days)), clock)

    @property
    def periods(self) -> list[str]:
        """Names of the periods that it looks at."""
        return ["year", "week", *(["day"] if self.clock else [])]

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
    """Texts by number: 0 for one that is unknown, then those of `values`, then, if `missing`, none at all.

    Not `embedded`, it becomes a column of zeros and ones for each of these but the unknown.
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
        """From any column. Of one that is embedded, what is there only once is unknown, so that this is trained too."""
        found = labels_of(values)
        known = [value for value in found if value is not None]
        different, counts = np.unique(np.array(known, object), return_counts=True)
        embedded = len(different) > embed_above
        if embedded and (counts > 1).any():
            different = different[counts > 1]
        return cls(name, tuple(different.tolist()), len(known) < len(found), embedded)

    @property
    def size(self) -> int:
        """How many numbers it uses, 0 included."""
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
    """The column that `Column.get_config` described.

    Raises
    ------
    TypeError, ValueError
        If it describes none.
    """
    if not isinstance(config, dict) or config.get("kind") not in list(COLUMNS):
        raise ValueError(f"A column must be a dict of a kind among {list(COLUMNS)}, but got {config!r:.100}.")
    return COLUMNS[config["kind"]](**{name: value for name, value in config.items() if name != "kind"})


def standard(known: Array) -> tuple[float, float]:
    """Mean and standard deviation of finite numbers, 1 where that is 0; they may be as large as floats can be."""
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
    with np.errstate(over="ignore"):  # the difference of halves cannot be infinite, the quotient is cut off
        standardised = np.clip((0.5 * filled - 0.5 * mean) / scale * 2, -FARTHEST, FARTHEST)
    return np.column_stack([standardised, gone.astype(float)] if missing else [standardised])


def _days(times: Array) -> Array:
    days = times.astype(np.int64) / DAY
    days[np.isnat(times)] = np.nan
    return days


def useless(name: str, values: Array) -> str | None:
    """Why nothing can be learned from a column, if so."""
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


# Fewer rows than this say nothing about whether a column identifies them.
FEW = 20


def _counts(name: str, values: Array) -> bool:
    """Whether different whole numbers are called so, or rise as those of rows do of which up to half are elsewhere."""
    named = name.lower().replace("-", "_").split("_")[-1] in ("id", "index", "row")
    return named or bool((np.diff(values) > 0).all() and values[-1] - values[0] < 2 * len(values))
