"""The meaning of a column's texts: numbers, booleans, times, or texts. Later texts are read in the same way."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np

from cbackprop.tables.dates import Dates
from cbackprop.tables.frame import TIME, Array, numbers_from
from cbackprop.tables.marks import MISSING, is_mark
from cbackprop.tables.numerals import Numerals, exact, plain_numbers

__all__ = ["Reading"]

BOOLEANS = {"true": True, "false": False}
# How many marks of missing values are shown.
SHOWN = 5


@dataclass(frozen=True)
class Reading:
    """The meaning of a column's texts.

    Parameters
    ----------
    kind : {"number", "boolean", "time", "text"}
    numerals : Numerals
        The format of numbers.
    dates : Dates
        The format of times.
    blanks : tuple of str
        Texts that mean a missing value in any column of the table.
    marks : dict of str to str
        Other texts that count as missing in this column, and where they are.
    why : str
        For a column that looks like numbers, why it counts as texts; otherwise empty.
    """

    kind: str
    numerals: Numerals = field(default_factory=Numerals)
    dates: Dates = field(default_factory=Dates)
    blanks: tuple[str, ...] = MISSING
    marks: dict[str, str] = field(default_factory=dict)
    why: str = ""

    def __post_init__(self) -> None:
        if self.kind not in READERS:
            raise ValueError(f"kind must be one of {list(READERS)}, but got {self.kind!r}.")
        object.__setattr__(self, "blanks", tuple(self.blanks))
        if not isinstance(self.marks, dict):
            raise TypeError(f"marks must be a dict, but got {self.marks!r:.100}.")
        for text in (*self.marks, *self.marks.values(), *self.blanks, self.why):
            if not isinstance(text, str):
                raise TypeError(f"blanks, marks and why must be texts, but got {text!r:.100}.")

    def read(self, texts: Sequence[str | None], where: Callable[[int], str]) -> Array:
        """A column (rows,) in the form of `as_table`.

        Parameters
        ----------
        texts : sequence of str
            ``None`` for missing values.
        where : function
            The place of a row, for messages.

        Raises
        ------
        ValueError
            If a text is of another kind. The message is the end of a sentence that begins with the column.
        """
        if self.kind == "number" and self.numerals == Numerals() and not self.numeric_blanks:
            numbers = None if None in texts else plain_numbers(texts)  # type: ignore[arg-type]
            if numbers is not None:
                return numbers_from(numbers, whole=exact(numbers))
        plain = {text: text.strip() for text in dict.fromkeys(texts) if text is not None}
        gone = {"", *self.blanks, *self.marks}
        found = self.meanings(dict.fromkeys(text for text in plain.values() if text not in gone))
        for text, value in found.items():
            if value is None and not is_mark(text):
                row = next(row for row, cell in enumerate(texts) if cell is not None and plain[cell] == text)
                raise ValueError(f"must hold {self.expected}, but holds {text!r:.60} in {where(row)}")
        meant: dict[str | None, Any] = {text: found.get(stripped) for text, stripped in plain.items()}
        meant[None] = None
        values = [meant[text] for text in texts]
        if not any(value is not None for value in meant.values()):
            return np.full(len(values), np.nan)
        if self.kind == "time":
            return np.array([np.datetime64("NaT") if value is None else value for value in values], TIME)
        if self.kind == "number":
            return numbers_from(values, whole=exact([value for value in meant.values() if value is not None]))
        return np.array(values, np.bool_ if self.kind == "boolean" and None not in values else object)

    def meanings(self, texts: Collection[str]) -> dict[str, Any]:
        """The values of texts that are not missing; ``None`` for texts of another kind."""
        return READERS[self.kind](self, texts)

    @property
    def numeric_blanks(self) -> bool:
        """Whether numbers may mean missing values."""
        return any(Numerals().read(text) is not None for text in (*self.blanks, *self.marks))

    @property
    def expected(self) -> str:
        """The format that its texts must have, for messages."""
        names = {"number": "numbers", "time": "dates or times", "boolean": "true or false", "text": "texts"}
        return names[self.kind] + (f" ({self.unusual})" if self.unusual else "")

    @property
    def unusual(self) -> str:
        """A note on an unusual format of its numbers or times; empty if there is none."""
        return {"number": str(self.numerals), "time": str(self.dates)}.get(self.kind, "")

    def __str__(self) -> str:
        """Everything unusual about the column; empty if nothing is."""
        shown = ", ".join(f"{mark!r:.60} in {place}" for mark, place in list(self.marks.items())[:SHOWN])
        more = f" and {len(self.marks) - SHOWN:,} more" if len(self.marks) > SHOWN else ""
        missing = f"taken for missing: {shown}{more}" if shown else ""
        return "; ".join(part for part in (self.unusual, self.why, missing) if part)

    def get_config(self) -> dict[str, Any]:
        """The reading as plain values."""
        return asdict(self) | {"blanks": list(self.blanks)}

    @classmethod
    def from_config(cls, config: Any) -> Self:
        """Make the reading that `get_config` described.

        Raises
        ------
        TypeError, ValueError
            If the config is not that of a reading.
        """
        if not isinstance(config, dict):
            raise TypeError(f"A reading must be a dict, but got {config!r:.100}.")
        parts = {"numerals": Numerals(**config["numerals"]), "dates": Dates(**config["dates"])}
        return cls(**config | parts)


READERS: dict[str, Callable[[Reading, Collection[str]], dict[str, Any]]] = {
    "number": lambda reading, texts: reading.numerals.read_all(texts),
    "boolean": lambda reading, texts: {text: BOOLEANS.get(text.lower()) for text in texts},
    "time": lambda reading, texts: {text: reading.dates.read(text) for text in texts},
    "text": lambda reading, texts: {text: text for text in texts},
}
