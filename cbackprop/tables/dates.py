"""Parse dates and times in the forms that people and programs write.

Whether ``01/02/2018`` is in January or in February is decided from all dates of a column. If they do not show it, the
user is asked.
"""

from __future__ import annotations

import datetime
import re
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

__all__ = ["ORDERS", "UNDECIDED", "Dates", "find_dates", "is_compact"]

# The order of day and month, if both are numbers and the year is last.
ORDERS = {"dmy": "day first", "mdy": "month first"}
UNDECIDED = "undecided"

# The months in English, German, French, Spanish, Italian, Portuguese and Dutch, and how they are abbreviated.
NAMES = (
    "jan january januar janvier janv enero ene gennaio gen janeiro januari",
    "feb february februar février fevrier févr fevr febrero febbraio fevereiro fev februari",
    "mar march märz maerz mär mrz mars marzo março marco maart mrt",
    "apr april avril avr abril abr aprile",
    "may mai mayo maggio mag maio mei",
    "jun june juni juin junio giugno giu junho",
    "jul july juli juillet juil julio luglio lug julho",
    "aug august août aout agosto ago augustus",
    "sep sept september septembre septiembre settembre set setembro",
    "oct october oktober okt octobre octubre ottobre ott outubro out",
    "nov november novembre noviembre novembro",
    "dec december dezember dez décembre decembre déc diciembre dic dicembre dezembro",
)
MONTHS = {name: number for number, names in enumerate(NAMES, 1) for name in names.split()}
MONTH = rf"(?:de\s)?(?P<name>{'|'.join(sorted(MONTHS, key=len, reverse=True))})\.?"
# The UTC offsets, in hours, of unambiguous zone names. Those of North America are defined in RFC 5322.
ZONES = {"z": 0, "utc": 0, "ut": 0, "gmt": 0, "est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6}
ZONES |= {"pst": -8, "pdt": -7, "wet": 0, "west": 1, "cet": 1, "cest": 2, "eet": 2, "eest": 3, "msk": 3, "jst": 9}
DAY = r"(?P<day>[0-9]{1,2})(?:st|nd|rd|th)?"
YEAR = r"(?P<year>[0-9]{4})"
GAP = r"[-/., ]\s?"
WEEKDAY = r"(?:(?:mon|tue|tues|wed|wednes|thu|thur|thurs|fri|sat|satur|sun)(?:day)?\.?,?\s+)?"
CLOCK = (
    r"(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:[.,](?P<part>[0-9]{1,9}))?)?"
    r"\s*(?P<half>[ap]\.?m\.?|uhr)?"
    rf"\s*(?:(?P<zone>(?:utc|gmt)?[-+][0-9]{{2}}(?::?[0-9]{{2}})?|{'|'.join(ZONES)}|[a-z]+(?:/[a-z_]+)+)"
    r"\s?(?:\[[\w/+-]+\]|\([\w\s]+\))?)?"
)
# After a date, points may replace colons. Alone, 12.30 is a number.
LATER_CLOCK = CLOCK.replace("):(", ")(?P<colon>[:.])(").replace("(?::(", "(?:(?P=colon)(")
DATES = (
    rf"{YEAR}(?P<mark>[-/.])(?P<month>[0-9]{{1,2}})(?P=mark)(?P<day>[0-9]{{1,2}})",
    r"(?P<first>[0-9]{1,2})(?P<mark>[-/. ])\s?(?P<second_number>[0-9]{1,2})(?P=mark)\s?(?P<year>[0-9]{4}|[0-9]{2})",
    rf"{DAY}(?:{GAP})?{MONTH}(?:{GAP}){{0,2}}(?:de\s)?(?P<year>[0-9]{{4}}|[0-9]{{2}})",
    rf"{MONTH}(?:{GAP})?{DAY}(?:{GAP}){{1,2}}{YEAR}",
    rf"{YEAR}{GAP}{MONTH}{GAP}{DAY}",
    rf"{MONTH}{GAP}(?:de\s)?{YEAR}",
    rf"{YEAR}[年년]\s?(?P<month>[0-9]{{1,2}})[月월]\s?(?P<day>[0-9]{{1,2}})[日일]",
    rf"{YEAR}{GAP}{MONTH}",
    rf"{YEAR}[-/](?P<month>[0-9]{{2}})",
    rf"(?P<month>[0-9]{{2}})/{YEAR}",
    rf"{YEAR}-?w(?P<week>[0-9]{{2}})(?:-?(?P<weekday>[1-7]))?",
    rf"{YEAR}[- /]?q(?P<quarter>[1-4])|q(?P<quarter_first>[1-4])[- /]?(?P<year_last>[0-9]{{4}})",
)
COMPACT = re.compile(
    rf"{YEAR}(?P<month>[0-9]{{2}})(?P<day>[0-9]{{2}})"
    r"(?:t(?P<hour>[0-9]{2})(?P<minute>[0-9]{2})(?P<second>[0-9]{2})?(?P<zone>z|[-+][0-9]{2}(?::?[0-9]{2})?)?)?"
)
PATTERNS = [
    *(re.compile(rf"{WEEKDAY}{date}(?:(?:t|,?\s+|,|:){LATER_CLOCK})?") for date in DATES),
    re.compile(rf"{WEEKDAY}{MONTH}\s+{DAY}\s+{CLOCK}\s+{YEAR}"),  # as in C and Unix
    COMPACT,
    re.compile(CLOCK),
]
# Eight digits are a date only in these years; others are numbers.
YEARS = range(1800, 2200)
PLAIN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{6})?)?)?")
# Years that databases and programs write if there is no date.
NEVER = (1, 9999)
EPOCH = datetime.date(1970, 1, 1)
# Two-digit years from this one on belong to the last century, as in POSIX.
TURN = 69
# If dates of one order are this many times as frequent as those of the other, the others are mistakes.
RARE = 50


@dataclass(frozen=True)
class Dates:
    """The format of the dates or times in a column.

    Parameters
    ----------
    order : {"", "dmy", "mdy", "undecided"}, default ""
        The order of day and month, as in ``01/02/2018``; "" if there are no such dates.
    zoned : bool, default False
        Whether times are given with a zone. They are converted to UTC.
    clock : bool, default False
        Whether these are times of the day, without a date.
    """

    order: str = ""
    zoned: bool = False
    clock: bool = False

    def __post_init__(self) -> None:
        if self.order not in ("", UNDECIDED, *ORDERS):
            raise ValueError(f"order must be one of {list(ORDERS)}, but got {self.order!r}.")

    def read(self, text: str) -> datetime.datetime | None:
        """The time that a text means, in UTC and without a zone; ``None`` if it is not a time of this format."""
        if not self.zoned and not self.clock and PLAIN.fullmatch(text):  # a fast path
            try:
                return _unless_never(datetime.datetime.fromisoformat(text))
            except ValueError:
                return None
        found = _match(text)
        if found is None or bool(found.get("zone")) != self.zoned or _is_clock(found) != self.clock:
            return None
        for order in ORDERS if self.order == UNDECIDED else (self.order,):
            try:
                return _unless_never(_time_of(found, order))
            except (ValueError, OverflowError):  # an invalid day or hour
                continue
        return None

    def __str__(self) -> str:
        """A note on the format, such as ``day first``."""
        found = [ORDERS[self.order]] if self.order in ORDERS else []
        return ", ".join([*found, "converted to UTC"] if self.zoned else found)


def _unless_never(moment: datetime.datetime) -> datetime.datetime | None:
    return None if moment.year in NEVER else moment


def _match(text: str) -> dict[str, str] | None:
    """The parts of a text that looks like a date or time."""
    lowered = text.lower().removeprefix("'").strip()
    if len(lowered) < 4 or len(lowered) > 80 or not any(sign in lowered for sign in "0123456789"):
        return None
    for pattern in PATTERNS:
        if found := pattern.fullmatch(lowered):
            return {name: part for name, part in found.groupdict().items() if part is not None}
    return None


def _is_clock(parts: Mapping[str, str]) -> bool:
    return not ("year" in parts or "year_last" in parts)


def _time_of(parts: Mapping[str, str], order: str) -> datetime.datetime:
    """The time that the parts of a text mean. Raises ValueError if it does not exist."""
    moment = datetime.datetime.combine(_day_of(parts, order), datetime.time())
    if "hour" in parts:
        moment += _since_midnight(parts)
    return moment - _offset(parts.get("zone", "z"), moment)


def _day_of(parts: Mapping[str, str], order: str) -> datetime.date:
    if _is_clock(parts):
        return EPOCH
    digits = parts.get("year") or parts["year_last"]
    year = int(digits) + (0 if len(digits) == 4 else 1900 if int(digits) >= TURN else 2000)
    if "week" in parts:
        return datetime.date.fromisocalendar(year, int(parts["week"]), int(parts.get("weekday", 1)))
    if "first" in parts:
        day, month = parts["first"], parts["second_number"]
        if order == "mdy":
            day, month = month, day
        return datetime.date(year, int(month), int(day))
    quarter = parts.get("quarter") or parts.get("quarter_first")
    if quarter:
        return datetime.date(year, 3 * int(quarter) - 2, 1)
    month_number = MONTHS[parts["name"]] if "name" in parts else int(parts["month"])
    return datetime.date(year, month_number, int(parts.get("day", 1)))


def _since_midnight(parts: Mapping[str, str]) -> datetime.timedelta:
    hour, minute, second = (int(parts.get(name, 0)) for name in ("hour", "minute", "second"))
    if parts.get("half", "uhr") != "uhr":
        if not 1 <= hour <= 12:
            raise ValueError
        hour = hour % 12 + 12 * (parts["half"][0] == "p")
    if hour > 23 or minute > 59 or second > 60:
        raise ValueError
    fraction = int(parts.get("part", "0").ljust(9, "0")) // 1000
    return datetime.timedelta(hours=hour, minutes=minute, seconds=second, microseconds=fraction)


def _offset(zone: str, moment: datetime.datetime) -> datetime.timedelta:
    """The UTC offset of a zone at a local time. Subtract it from the time to get UTC."""
    if zone in ZONES:
        return datetime.timedelta(hours=ZONES[zone])
    if "/" in zone:
        return _regions()[zone].utcoffset(moment) or datetime.timedelta()
    zone = zone.removeprefix("utc").removeprefix("gmt")
    digits = zone[1:].replace(":", "").ljust(4, "0")
    offset = datetime.timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    if offset > datetime.timedelta(hours=18) or int(digits[2:]) > 59:
        raise ValueError
    return -offset if zone[0] == "-" else offset


class _Regions(dict[str, zoneinfo.ZoneInfo]):
    """Zones such as Europe/Berlin, by their names in small letters. Each is read from its file when needed."""

    def __init__(self) -> None:
        super().__init__()
        self.names = {name.lower(): name for name in zoneinfo.available_timezones()}

    def __missing__(self, name: str) -> zoneinfo.ZoneInfo:
        if name not in self.names:
            raise ValueError
        self[name] = zoneinfo.ZoneInfo(self.names[name])
        return self[name]


@cache
def _regions() -> _Regions:
    return _Regions()


def is_compact(text: str) -> bool:
    """Whether a text has eight digits that may be a date, such as ``20180131``."""
    return len(text) == 8 and text.isdecimal() and int(text[:4]) in YEARS and Dates().read(text) is not None


def find_dates(texts: Mapping[str, int], order: str = "") -> Dates:
    """The format of the dates and times among these texts: the one in which most can be read.

    Parameters
    ----------
    texts : dict of str to int
        How often each text occurs.
    order : {"", "dmy", "mdy"}, default ""
        The order of day and month, if known.
    """
    if all(map(PLAIN.fullmatch, texts)):
        return Dates()
    zoned = clock = total = 0
    pairs: dict[tuple[int, int], int] = {}
    marks = set()
    for text, count in texts.items():
        parts = _match(text)
        if parts is None:
            continue
        total += count
        zoned += count * ("zone" in parts)
        clock += count * _is_clock(parts)
        if "first" in parts:
            pair = int(parts["first"]), int(parts["second_number"])
            pairs[pair] = pairs.get(pair, 0) + count
            marks.add(parts["mark"])
    if not order and pairs:
        order = _decided(pairs)
        if order == UNDECIDED and marks == {"."}:  # dates with points have the day first
            order = "dmy"
    return Dates(order, 2 * zoned > total, 2 * clock > total)


def _decided(pairs: Mapping[tuple[int, int], int]) -> str:
    """The order of day and month that these pairs of numbers show."""
    days = sum(count for (first, second), count in pairs.items() if 12 < first <= 31 and second <= 12)
    months = sum(count for (first, second), count in pairs.items() if 12 < second <= 31 and first <= 12)
    if days > RARE * months:
        return "dmy"
    if months > RARE * days:
        return "mdy"
    same = all(first == second for first, second in pairs)
    return "dmy" if same else UNDECIDED
