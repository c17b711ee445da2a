"""Dates and times as people and other programs write them.

Whether ``01/02/2018`` is in January or in February is decided from all dates of a column, and asked for if they do not
tell.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["ORDERS", "UNDECIDED", "Dates", "find_dates", "is_compact"]

# The order of day and month where both are numbers and the year is last.
ORDERS = {"dmy": "day first", "mdy": "month first"}
UNDECIDED = "undecided"

MONTHS = {"janfebmaraprmayjunjulaugsepoctnovdec"[3 * index :][:3]: index + 1 for index in range(12)}
MONTH = (
    r"(?P<name>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
DAY = r"(?P<day>[0-9]{1,2})(?:st|nd|rd|th)?"
YEAR = r"(?P<year>[0-9]{4})"
GAP = r"[-/., ]\s?"
WEEKDAY = r"(?:(?:mon|tue|tues|wed|wednes|thu|thur|thurs|fri|sat|satur|sun)(?:day)?\.?,?\s+)?"
CLOCK = (
    r"(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:[.,](?P<part>[0-9]{1,9}))?)?"
    r"\s*(?P<half>[ap]\.?m\.?)?\s*(?P<zone>z|utc|gmt|[-+][0-9]{2}(?::?[0-9]{2})?)?"
)
DATES = (
    rf"{YEAR}(?P<mark>[-/.])(?P<month>[0-9]{{1,2}})(?P=mark)(?P<day>[0-9]{{1,2}})",
    r"(?P<first>[0-9]{1,2})(?P<mark>[-/. ])\s?(?P<second_number>[0-9]{1,2})(?P=mark)\s?(?P<year>[0-9]{4}|[0-9]{2})",
    rf"{DAY}(?:{GAP})?{MONTH}(?:{GAP}){{0,2}}(?P<year>[0-9]{{4}}|[0-9]{{2}})",
    rf"{MONTH}(?:{GAP})?{DAY}(?:{GAP}){{1,2}}{YEAR}",
    rf"{YEAR}{GAP}{MONTH}{GAP}{DAY}",
    rf"{MONTH}{GAP}{YEAR}",
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
    *(re.compile(rf"{WEEKDAY}{date}(?:(?:t|,?\s+|,|:){CLOCK})?") for date in DATES),
    COMPACT,
    re.compile(CLOCK),
]
# Eight digits are a date only within these years; any others are numbers.
YEARS = range(1800, 2200)
PLAIN = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{6})?)?)?")
EPOCH = datetime.date(1970, 1, 1)
# Two digits of a year from here on belong to the last century, as in POSIX.
TURN = 69
# Dates of one order may be outnumbered so many times by those of the other one, and are then mistakes.
RARE = 50


@dataclass(frozen=True)
class Dates:
    """How the dates or times of a column are written.

    Parameters
    ----------
    order : {"", "dmy", "mdy", "undecided"}, default ""
        The order of ``01/02/2018``; "" if there are no such dates.
    zoned : bool, default False
        Whether times are given with a zone. They are converted to UTC.
    clock : bool, default False
        Whether there are times of the day only.
    """

    order: str = ""
    zoned: bool = False
    clock: bool = False

    def __post_init__(self) -> None:
        if self.order not in ("", UNDECIDED, *ORDERS):
            raise ValueError(f"order must be one of {list(ORDERS)}, but got {self.order!r}.")

    def read(self, text: str) -> datetime.datetime | None:
        """The time that a text means, in UTC and without a zone; ``None`` if it is not a time that is written so."""
        if not self.zoned and not self.clock and PLAIN.fullmatch(text):  # the same, but faster
            try:
                return datetime.datetime.fromisoformat(text)
            except ValueError:
                return None
        found = _match(text)
        if found is None or bool(found.get("zone")) != self.zoned or _is_clock(found) != self.clock:
            return None
        for order in ORDERS if self.order == UNDECIDED else (self.order,):
            try:
                return _time_of(found, order)
            except (ValueError, OverflowError):  # there is no such day, or no such hour
                continue
        return None

    def __str__(self) -> str:
        """A note about the form, such as ``day first``."""
        found = [ORDERS[self.order]] if self.order in ORDERS else []
        return ", ".join([*found, "converted to UTC"] if self.zoned else found)


def _match(text: str) -> dict[str, str] | None:
    """The parts of a text that looks like a date or time."""
    lowered = text.lower().removeprefix("'").strip()
    if len(lowered) < 4 or len(lowered) > 60 or not any(sign in lowered for sign in "0123456789"):
        return None
    for pattern in PATTERNS:
        if found := pattern.fullmatch(lowered):
            return {name: part for name, part in found.groupdict().items() if part is not None}
    return None


def _is_clock(parts: Mapping[str, str]) -> bool:
    return not ("year" in parts or "year_last" in parts)


def _time_of(parts: Mapping[str, str], order: str) -> datetime.datetime:
    """The time that the parts of a text mean; ValueError if there is no such time."""
    moment = datetime.datetime.combine(_day_of(parts, order), datetime.time())
    if "hour" in parts:
        moment += _since_midnight(parts)
    return moment - _offset(parts.get("zone", "z"))


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
    month_number = MONTHS[parts["name"][:3]] if "name" in parts else int(parts["month"])
    return datetime.date(year, month_number, int(parts.get("day", 1)))


def _since_midnight(parts: Mapping[str, str]) -> datetime.timedelta:
    hour, minute, second = (int(parts.get(name, 0)) for name in ("hour", "minute", "second"))
    if "half" in parts:
        if not 1 <= hour <= 12:
            raise ValueError
        hour = hour % 12 + 12 * (parts["half"][0] == "p")
    if hour > 23 or minute > 59 or second > 60:
        raise ValueError
    fraction = int(parts.get("part", "0").ljust(9, "0")) // 1000
    return datetime.timedelta(hours=hour, minutes=minute, seconds=second, microseconds=fraction)


def _offset(zone: str) -> datetime.timedelta:
    """The offset of this zone: subtract it from a time to get UTC."""
    if zone[0] not in "+-":
        return datetime.timedelta()
    digits = zone[1:].replace(":", "").ljust(4, "0")
    offset = datetime.timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    if offset > datetime.timedelta(hours=18) or int(digits[2:]) > 59:
        raise ValueError
    return -offset if zone[0] == "-" else offset


def is_compact(text: str) -> bool:
    """Whether these are eight digits that may be a date, such as ``20180131``."""
    return len(text) == 8 and text.isdecimal() and int(text[:4]) in YEARS and Dates().read(text) is not None


def find_dates(texts: Mapping[str, int], order: str = "") -> Dates:
    """How the dates and times among these texts are written: so that as many as possible can be read.

    Parameters
    ----------
    texts : dict of str to int
        How often each text occurs.
    order : {"", "dmy", "mdy"}, default ""
        The order of day and month, if it is known.
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
        if order == UNDECIDED and marks == {"."}:  # with points, the day is first
            order = "dmy"
    return Dates(order, 2 * zoned > total, 2 * clock > total)


def _decided(pairs: Mapping[tuple[int, int], int]) -> str:
    """The order that pairs of day and month in any order tell."""
    days = sum(count for (first, second), count in pairs.items() if 12 < first <= 31 and second <= 12)
    months = sum(count for (first, second), count in pairs.items() if 12 < second <= 31 and first <= 12)
    if days > RARE * months:
        return "dmy"
    if months > RARE * days:
        return "mdy"
    same = all(first == second for first, second in pairs)
    return "dmy" if same else UNDECIDED
