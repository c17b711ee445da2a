"""Find out what the texts of a column mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from cbackprop.tables.dates import ORDERS, UNDECIDED, find_dates, is_compact
from cbackprop.tables.marks import FEW, MISSING, WORDS, are_marks, is_mark, known_texts
from cbackprop.tables.numerals import find_numerals, has_decimals, plain_numbers, units_of
from cbackprop.tables.reading import Reading

__all__ = ["KINDS", "Hints", "find_reading"]

# The kinds of columns that users can name.
KINDS = ("number", "category", "date", *(f"date-{order}" for order in ORDERS))
# This many different texts, spread over a column, show whether all of them need to be tried.
SAMPLE = 500

Counts = Mapping[str, int]


@dataclass(frozen=True)
class Hints:
    """What is known about a column before its texts are read.

    Parameters
    ----------
    kind : str, optional
        One of `KINDS`.
    missing : tuple of str, optional
        Texts that mean a missing value, instead of `MISSING`.
    decimal : {".", ","}, optional
        The decimal separator.
    likely : {".", ","}, optional
        The decimal separator in other columns.
    separator : str
        The column separator of the file.
    where : function
        The place of a row, for messages.
    """

    kind: str | None = None
    missing: tuple[str, ...] | None = None
    decimal: str | None = None
    likely: str | None = None
    separator: str = ","
    where: Callable[[int], str] = "row {}".format

    @property
    def blanks(self) -> tuple[str, ...]:
        """Texts that mean a missing value in this column."""
        if self.missing is not None:
            return self.missing
        return tuple(text for text in MISSING if text not in WORDS) if self.kind == "category" else MISSING


def find_reading(texts: Sequence[str | None], hints: Hints) -> Reading:
    """Find out what the texts of a column mean.

    A column is of a kind if all its texts are, except for some that count as missing.

    Raises
    ------
    ValueError
        If no text is of the kind in the hints, or the order of day and month is ambiguous. The message is the end of a
        sentence that begins with the column.
    """
    texts = list(texts)
    if _are_plain(texts, hints):
        return Reading("number", blanks=hints.blanks)
    known = known_texts(texts, hints.blanks)
    if hints.kind is None:
        reading = _guessed(known, hints)
    else:
        reading = Reading("text") if hints.kind == "category" else _forced(known, hints)
    odd = _others(known, reading)
    if reading.dates.order == UNDECIDED:
        example = next(text for text in known if text not in odd)
        raise ValueError(f"holds dates such as {example!r}, in which day and month cannot be told apart")
    words = [word for word in WORDS if word in hints.blanks]
    return replace(reading, blanks=hints.blanks, marks=_places(texts, {*odd, *words}, hints.where))


def _are_plain(texts: Sequence[str | None], hints: Hints) -> bool:
    """Whether all texts are numbers in the form that programs write, so that nothing else need be tried."""
    if hints.kind not in (None, "number") or hints.decimal == "," or None in texts or not texts:
        return False
    if hints.kind is None and all(map(is_compact, texts)):  # type: ignore[arg-type]
        return False
    numbers = plain_numbers(texts)  # type: ignore[arg-type]
    if numbers is None or Reading("number", blanks=hints.blanks).numeric_blanks:
        return False
    return isinstance(numbers[0], int) or has_decimals(texts)  # type: ignore[arg-type]


def _guessed(known: Counts, hints: Hints) -> Reading:
    """The first kind that fits all texts except marks of missing values."""
    for find in (_booleans, _times, _numbers):
        reading = _tried(find, known, hints)
        if reading is not None and are_marks(_others(known, reading), known):
            return reading
    return Reading("text", why=_why_not_times(known, hints) or _why_not_numbers(known, hints))


def _tried(find: Callable[[Counts, Hints], Reading], known: Counts, hints: Hints) -> Reading | None:
    """A reading that `find` makes; ``None`` if a sample shows that it would read less than a quarter of the texts."""
    some = _some(known)
    strange = [text for text in _others(some, find(some, hints)) if not is_mark(text)]
    return find(known, hints) if 4 * len(strange) <= 3 * len(some) else None


def _some(known: Counts) -> Counts:
    """A sample of texts from all over a column."""
    return dict(list(known.items())[:: max(len(known) // SAMPLE, 1)])


def _booleans(known: Counts, hints: Hints) -> Reading:
    return Reading("boolean")


def _times(known: Counts, hints: Hints) -> Reading:
    if all(text.isdecimal() for text in known):
        # Whole numbers are dates if all of them could be, and there are several.
        fit = len(known) > 1 and all(map(is_compact, known))
        return Reading("time" if fit else "boolean")
    return Reading("time", dates=find_dates(known, ""))


def _numbers(known: Counts, hints: Hints) -> Reading:
    return Reading("number", numerals=find_numerals(known, hints.decimal, hints.likely, hints.separator))


def _forced(known: Counts, hints: Hints) -> Reading:
    """The reading of the kind that the user asks for."""
    if hints.kind == "number":
        reading = _numbers(known, hints)
        units = units_of(known)
        if len(units) > 1:
            strange = {text: count for text, count in _others(known, reading).items() if units_of({text: 1})}
            if sum(strange.values()) > FEW * sum(known.values()):
                raise ValueError(f"cannot be read as numbers: {_several(units)}")
    else:
        reading = Reading("time", dates=find_dates(known, (hints.kind or "").removeprefix("date").strip("-")))
    odd = _others(known, reading)
    if known and len(odd) == len(known):
        what = "numbers" if hints.kind == "number" else "dates or times"
        raise ValueError(f"has no {what}, but holds {next(iter(odd))!r:.60}")
    return reading


def _others(known: Counts, reading: Reading) -> dict[str, int]:
    """The texts that cannot be read in this way."""
    return {text: known[text] for text, meaning in reading.meanings(known).items() if meaning is None}


def _places(texts: Sequence[str | None], marks: Collection[str], where: Callable[[int], str]) -> dict[str, str]:
    """The place of each of these texts."""
    if not marks:
        return {}
    counts: Counter[str] = Counter()
    first: dict[str, int] = {}
    for row, text in enumerate(texts):
        if text is not None and (plain := text.strip()) in marks:
            counts[plain] += 1
            first.setdefault(plain, row)
    return {
        mark: where(first[mark]) if count == 1 else f"{count:,} rows, first in {where(first[mark])}"
        for mark, count in counts.most_common()
    }


def _why_not_times(known: Counts, hints: Hints) -> str:
    """Why texts that look like times are not read as times; empty if they do not look like times."""
    reading = _tried(_times, known, hints)
    if reading is None or reading.kind != "time":
        return ""
    odd = [text for text in _others(known, reading) if not is_mark(text)]
    dates = reading.dates
    zone = replace(dates, zoned=not dates.zoned)
    same = [text for text in odd if zone.read(text) is not None]
    if same and 10 * (len(odd) - len(same)) <= len(known):
        which = "has none" if dates.zoned else "has one"
        return f"not read as dates or times, because only some have a zone: {same[0]!r:.60} {which}"
    return _most_are("dates or times", known, reading)


def _why_not_numbers(known: Counts, hints: Hints) -> str:
    """Why texts that look like numbers are not read as numbers; empty if they do not look like numbers."""
    if 2 * len(known) <= sum(known.values()):  # they may all be codes
        return ""
    some = _some(known)
    units = units_of(some)
    numerals = sum(count for text, count in some.items() if units_of({text: 1}))
    if len(units) > 1 and numerals >= (1 - FEW) * sum(some.values()):
        return f"not read as numbers, because {_several(units)}"
    reading = _tried(_numbers, known, hints)
    return "" if reading is None else _most_are("numbers", known, reading)


def _most_are(what: str, known: Counts, reading: Reading) -> str:
    """A sentence that most texts, but not all, can be read in this way; empty if that is not so.

    Marks of missing values do not count on either side.
    """
    others = _others(known, reading)
    odd = {text: count for text, count in others.items() if not is_mark(text)}
    right = sum(known.values()) - sum(others.values())
    total = right + sum(odd.values())
    if 2 * right <= total:
        return ""
    return f"not read as {what}, though {right:,} of {total:,} values are: {next(iter(odd))!r:.60} is not"


def _several(units: Sequence[str]) -> str:
    shown = ", ".join(repr(unit) if unit else "none" for unit in units[:4])
    return f"they have different units ({shown}{', ...' if len(units) > 4 else ''})"
