"""Recognize texts that mean a missing value, including unusual ones among numbers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

__all__ = ["MISSING", "WORDS", "are_marks", "is_mark", "known_texts"]

# Texts that mean a missing value in any column.
MISSING = ("NA", "N/A", "n/a", "<NA>", "#N/A", "NaN", "nan", "NaT", "null", "NULL", "None", "none", "?")
# Those that are words. In a column that the user declares as a category, they are classes.
WORDS = ("None", "none")
# More texts that mean a missing value among numbers or times.
MARK = re.compile(
    r"""[-–—.…*?#_/!]+ | [-+]?inf(?:inity)? | [-+]?nan | \#[\w/]+[!?]? | [<(\[]\w+[>)\]] | \\n
    | n\.?\s?/?[adk]\.? | nil | nat | null | none | not\s(?:a\snumber|available|applicable|known|given)
    | unk(?:nown|\.)? | miss(?:ing)? | undef(?:ined)? | no\s(?:data|value) | empty | tb[acd] | k\.\s?a\.
    | (?:0000|0001|9999)(?P<dash>[-/.])[0-9]{2}(?P=dash)[0-9]{2}(?:[T\s].*)? | (?:12.31|31.12)[-/.]9999(?:\s.*)?""",  # noqa: RUF001
    re.VERBOSE | re.IGNORECASE,
)
# Other texts among numbers count as missing if they are at most this fraction of the cells; or if there are at most
# FEW_MARKS different ones, fewer than half of the cells, and at least SEVERAL numbers.
FEW = 0.1
FEW_MARKS = 2
SEVERAL = 10
# If at most this many different numbers, which repeat, occur beside other texts, they may all be codes.
MOST_CODES = 20


def is_mark(text: str) -> bool:
    """Whether a text always means a missing value among numbers or times."""
    return MARK.fullmatch(text) is not None


def known_texts(texts: Sequence[str | None], blanks: Sequence[str]) -> Counter[str]:
    """The different texts of a column other than missing values, and how often each occurs."""
    counts = Counter(text.strip() for text in texts if text is not None)
    for text in ("", *blanks):
        counts.pop(text, None)
    return counts


def are_marks(odd: Mapping[str, int], known: Mapping[str, int]) -> bool:
    """Whether these texts mark missing values, given that all other texts are numbers or times.

    Parameters
    ----------
    odd, known : dict of str to int
        How often each of these texts, and each text of the column, occurs.
    """
    others = {text: count for text, count in odd.items() if not is_mark(text)}
    right = {text: count for text, count in known.items() if text not in odd}
    if not right or not others:
        return bool(right)
    are_codes = len(right) <= MOST_CODES and 2 * len(right) <= sum(right.values())
    if are_codes and max(others.values()) > 1:
        return False
    some, total = sum(others.values()), sum(known.values())
    few_marks = len(others) <= FEW_MARKS and 2 * some < total and sum(right.values()) >= SEVERAL
    return some <= FEW * total or few_marks
