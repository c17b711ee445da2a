"""Parse numbers in the forms that people and programs write: separators, currencies, units, parentheses.

The format of a column is decided from all its numbers, because ``1,234`` alone may be 1234 or 1.234.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

__all__ = [
    "Numerals",
    "decimal_of",
    "exact",
    "find_numerals",
    "has_decimals",
    "plain_numbers",
    "units_of",
]

LONGEST = 290  # the most digits that fit any float64, even with a factor of a billion
PLAIN = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
# Other minus signs, and spaces that do not break.
SAME_SIGNS = {**dict.fromkeys("−‒–－", "-"), "’": "'", **dict.fromkeys("\u00a0\u2007\u2009\u202f", " ")}  # noqa: RUF001
# Arabic, Persian, Hindi and Bengali digits, full-width digits, and the punctuation that goes with them.
SAME_SIGNS |= {chr(zero + digit): str(digit) for zero in (0x660, 0x6F0, 0x966, 0x9E6, 0xFF10) for digit in range(10)}
SAME = str.maketrans(SAME_SIGNS | dict(zip("٫٬．，＋％", ".,.,+%", strict=True)))  # noqa: RUF001
CURRENCY = r"(?:[A-Z]{1,3}\s?)?[$€£¥₹₽₩₺₫₴₦₱฿]"
# Other letters before a number make it a code, such as "A12".
LETTERS = "USD EUR GBP CHF JPY CNY RMB INR AUD CAD NZD SEK NOK DKK PLN CZK HUF RUB BRL MXN ZAR TRY KRW HKD SGD ILS"
NUMERAL = re.compile(
    rf"""
    (?P<open>\()? \s* (?P<sign>[-+])? \s*
    (?P<before>{CURRENCY}|Fr\.|[Kk]r\.?|Rs\.?|{LETTERS.replace(" ", "|")})? \s* (?P<inner>[-+])? \s*
    (?P<body>[0-9][0-9.,]*(?:[ '][0-9][0-9.,]*)*|[.,][0-9]+) (?P<exponent>[eE][-+]?[0-9]+)?
    \s* (?P<after>(?:[A-Za-z]{{1,8}}\.?\s?)?{CURRENCY}|(?:{CURRENCY})?\s?/\s?[^\W\d_]\w{{0,11}}
        |[%‰°"″]?\s?(?:[^\W\d_][\w/·^.-]{{0,11}})?(?:\s[^\W\d_]\w{{0,7}})?)
    \s* (?P<behind>-)? \s* (?P<close>\))?
    """,
    re.VERBOSE,
)

# Words and letters beside a currency that multiply the number.
MANY = {"k": 10**3, "tsd": 10**3, "thousand": 10**3, "m": 10**6, "mn": 10**6, "mio": 10**6, "million": 10**6}
MANY |= {"b": 10**9, "bn": 10**9, "mrd": 10**9, "billion": 10**9, "tn": 10**12, "trillion": 10**12}
AMOUNT = re.compile(rf"(?P<many>{'|'.join(MANY)})\.?\s?(?P<currency>{CURRENCY})", re.IGNORECASE)


@dataclass(frozen=True)
class Numerals:
    """The format of the numbers in a column.

    Parameters
    ----------
    decimal : {".", ","}, default "."
        The decimal separator.
    thousands : {"", ",", ".", " ", "'"}, default ""
        The thousands separator, between groups of three digits.
    unit : str, default ""
        A currency, a percent sign or a unit, which every number except zero has.
    """

    decimal: str = "."
    thousands: str = ""
    unit: str = ""

    def __post_init__(self) -> None:
        if self.decimal not in (".", ","):
            raise ValueError(f"decimal must be '.' or ',', but got {self.decimal!r}.")
        if self.thousands not in ("", ",", ".", " ", "'") or self.thousands == self.decimal:
            raise ValueError(f"thousands must be another mark than decimal, but got {self.thousands!r}.")
        if not isinstance(self.unit, str):
            raise TypeError(f"unit must be a string, but got {self.unit!r}.")

    def read(self, text: str) -> int | float | None:
        """The number that a text means; ``None`` if it is not a number of this format."""
        if self == PLAINEST and PLAIN.fullmatch(text):
            whole = text.lstrip("+-").isdecimal() and len(text) <= LONGEST
            return int(text) if whole else float(text)
        parts = _parts(text)
        if parts is None or (_key(parts.unit) != _key(self.unit) and (parts.unit or parts.body.strip("0.,"))):
            return None
        return parts.value(self.decimal, self.thousands)

    def read_all(self, texts: Collection[str]) -> dict[str, int | float | None]:
        """`read` for many different texts."""
        plain = plain_numbers([*texts]) if self == PLAINEST else None
        return dict(zip(texts, map(self.read, texts) if plain is None else plain, strict=True))

    def __str__(self) -> str:
        """A note on an unusual format, such as ``decimal comma, unit 'kg'``."""
        found = ["decimal comma"] if self.decimal == "," else []
        if self.thousands:
            found.append(f"thousands with {NAMES[self.thousands]}")
        return ", ".join([*found, f"unit {self.unit!r}"] if self.unit else found)


PLAINEST = Numerals()
# Characters that no plain number has, and characters that only numbers with decimals have.
STRANGE = re.compile(r"[^0-9eE+.\n-]")
FRACTION = re.compile(r"[.eE]")
THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2}(?:\.[0-9]{3})+")
DIGIT = re.compile(r"\d")
# This many different texts, spread over a column, are enough to find the decimal separator.
SAMPLE = 1000
NAMES = {",": "commas", ".": "points", " ": "spaces", "'": "apostrophes"}


@dataclass(frozen=True)
class _Parts:
    """The parts of a written number."""

    negative: bool
    body: str
    exponent: str
    unit: str
    scale: int = 1

    def value(self, decimal: str, thousands: str) -> int | float | None:
        """The number; ``None`` if its digits are not grouped correctly."""
        if not _shape(decimal, thousands).fullmatch(self.body):
            return None
        digits = self.body.replace(thousands, "") if thousands else self.body
        sign = -1 if self.negative else 1
        if decimal in digits or self.exponent:
            return sign * float(digits.replace(decimal, ".") + self.exponent) * self.scale
        # Numbers beyond float64 become infinite. Python refuses to convert thousands of digits to an int.
        return sign * (int(digits) if len(digits) <= LONGEST else float(digits)) * self.scale


def _parts(text: str) -> _Parts | None:
    """The parts of a text that looks like a number. A leading apostrophe, by which spreadsheets mark texts, is
    ignored."""
    found = NUMERAL.fullmatch(text.translate(SAME).removeprefix("'").strip())
    if found is None or bool(found["open"]) != bool(found["close"]):
        return None
    unit, scale = _unit(found["before"] or "", found["after"].strip())
    signs = [sign for sign in (found["open"], found["sign"], found["inner"], found["behind"]) if sign]
    if unit is None or len(signs) > 1:
        return None
    negative = bool(signs) and signs[0] != "+"
    return _Parts(negative, found["body"], found["exponent"] or "", unit, scale)


def _unit(before: str, after: str) -> tuple[str | None, int]:
    """The unit, from the texts before and after a number, and the factor that multiplies the number.

    The unit is ``None`` if there are two.
    """
    if before and after:
        if after.startswith("/"):
            return before + after, 1
        scale = MANY.get(after.lower().rstrip("."))
        return (None, 1) if scale is None else (before, scale)
    amount = AMOUNT.fullmatch(after)
    return (amount["currency"], MANY[amount["many"].lower()]) if amount else (before or after, 1)


@lru_cache
def _shape(decimal: str, thousands: str) -> re.Pattern[str]:
    """The pattern of digits: in groups of three, or, as in India, of two except for the last."""
    point = re.escape(decimal)
    whole = r"[0-9]+"
    if thousands:
        mark = re.escape(thousands)
        whole += rf"|[1-9][0-9]{{0,2}}(?:{mark}[0-9]{{3}})+|[1-9][0-9]?(?:{mark}[0-9]{{2}})+{mark}[0-9]{{3}}"
    return re.compile(rf"(?:{whole})(?:{point}[0-9]*)?|{point}[0-9]+")


def _key(unit: str) -> str:
    """A key that is the same for "kg" and "KG", for "day" and "days"."""
    folded = unit.casefold().rstrip(".").replace(" ", "")
    return folded.removesuffix("s") if len(folded) > 3 else folded


def units_of(texts: Mapping[str, int]) -> list[str]:
    """The units in texts that look like numbers, most frequent first; "" stands for numbers without a unit.

    Parameters
    ----------
    texts : dict of str to int
        How often each text occurs.
    """
    return [""] if plain_numbers([*texts]) else _units(_parsed(texts))


def decimal_of(texts: Iterable[str | None]) -> str | None:
    """The decimal separator, "." or ",", if these numbers can be read in only one way."""
    digits = [text.strip() for text in texts if text is not None and DIGIT.search(text)]
    if plain_numbers(digits):
        return "." if has_decimals(digits) else None
    some = digits[:: max(len(digits) // SAMPLE, 1)]
    found = [parts for parts, _ in _parsed(dict.fromkeys(some, 1))]
    read = {decimal: _best(found, decimal)[1] for decimal in ".,"}
    return None if read["."] == read[","] else max(read, key=lambda decimal: read[decimal])


def find_numerals(
    texts: Mapping[str, int], decimal: str | None = None, likely: str | None = None, separator: str = ","
) -> Numerals:
    """The format of the numbers among these texts: the one in which most can be read.

    Parameters
    ----------
    texts : dict of str to int
        How often each text occurs.
    decimal : {".", ","}, optional
        The decimal separator, if known.
    likely : {".", ","}, optional
        The decimal separator in other columns of the file. It decides if the numbers can be read in two ways.
    separator : str, default ","
        The column separator of the file. If it is a comma, decimal commas are less likely.
    """
    digits = [text for text in texts if DIGIT.search(text)]
    if decimal != "," and plain_numbers(digits) and (has_decimals(digits) or not any("." in text for text in digits)):
        return Numerals()
    parsed = _parsed(texts)
    unit = next(iter(_units(parsed)), "")
    mine = [parts for parts, _ in parsed if _key(parts.unit) == _key(unit)]
    if decimal is None:
        read = {mark: _best(mine, mark)[1] for mark in ".,"}
        if read["."] == read[","]:
            decimal = likely or _guess([parts.body for parts in mine], separator)
        else:
            decimal = max(read, key=lambda mark: read[mark])
    return Numerals(decimal, _best(mine, decimal)[0], unit)


def _parsed(texts: Mapping[str, int]) -> list[tuple[_Parts, int]]:
    """The parts of all texts that look like numbers, and how often each text occurs."""
    pairs = [(_parts(text), count) for text, count in texts.items() if DIGIT.search(text)]
    return [(parts, count) for parts, count in pairs if parts is not None]


def _units(parsed: Sequence[tuple[_Parts, int]]) -> list[str]:
    """The units of all numbers except zeros, most frequent first."""
    names: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for parts, count in parsed:
        if parts.unit or parts.body.strip("0.,"):
            counts[_key(parts.unit)] += count
            names.setdefault(_key(parts.unit), parts.unit)
    return [names[key] for key, _ in counts.most_common()]


def plain_numbers(texts: Sequence[str]) -> list[int] | list[float] | None:
    """The numbers, if all texts are in the form that programs write; much faster than reading them one by one."""
    joined = "\n".join(texts)
    if not joined or STRANGE.search(joined):
        return None
    try:
        return list(map(float, texts)) if FRACTION.search(joined) else list(map(int, texts))
    except ValueError:
        return None


def has_decimals(texts: Iterable[str]) -> bool:
    """Whether one of these plain numbers has a point that cannot be a thousands separator."""
    return any("." in text and not THOUSANDS.fullmatch(text) for text in texts)


def _best(parts: list[_Parts], decimal: str) -> tuple[str, int]:
    """The thousands separator with which most numbers can be read, and how many those are."""
    used = {mark for part in parts for mark in ",. '" if mark in part.body and mark != decimal}
    read = {mark: sum(part.value(decimal, mark) is not None for part in parts) for mark in ["", *sorted(used)]}
    best = max(read, key=lambda mark: read[mark])
    return best, read[best]


def _guess(bodies: list[str], separator: str) -> str:
    """The decimal separator to assume, if each number is whole or has one mark before three digits.

    If all whole numbers are below 1000, such marks separate thousands: a program that writes decimals would leave out
    zeros at the end.
    """
    mark = next((mark for body in bodies for mark in ",." if mark in body), ".")
    other = "." if mark == "," else ","
    whole = [body for body in bodies if mark not in body]
    if mark == "." and separator != ";":
        return "."
    if whole:
        return other if all(len(body) < 4 for body in whole) else mark
    return "." if mark == "." or separator == "," else ","


def exact(values: list[Any]) -> bool:
    """Whether all numbers are whole and fit into 64 bits."""
    return all(isinstance(value, int) and -(2**63) <= value < 2**63 for value in values)
