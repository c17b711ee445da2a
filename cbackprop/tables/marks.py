"""Texts that mean a missing value, and whether a few odd texts among numbers are such marks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

__all__ = ["MISSING", "WORDS", "are_marks", "is_mark", "known_texts"]

# Texts that mean a missing value in any column.
MISSING = ("NA", "N/A", "n/a", "<NA>", "#N/A", "NaN", "nan", "NaT", "null", "NULL", "None", "none", "?")
# Those of them that are words: they are classes in a column that the user calls a category.
WORDS = ("None", "none")
# Further texts that mean a missing value among numbers or times.
MARK = re.compile(
    r"""[-–—.…*?#_/!]+ | [-+]?inf(?:inity)? | [-+]?nan | \#[\w/]+[!?]? | [<(\[]\w+[>)\]] | \\n
    | n\.?\s?/?[adk]\.? | nil | nat | null | none | not\s(?:a\snumber|available|applicable|known|given)
    | unk(?:nown|\.)? | miss(?:ing)? | undef(?:ined)? | no\s(?:data|value) | empty | tb[acd] | k\.\s?a\.
    | (?:0000|0001|9999)(?P<dash>[-/.])[0-9]{2}(?P=dash)[0-9]{2}(?:[T\s].*)? | (?:12.31|31.12)[-/.]9999(?:\s.*)?""",  # noqa: RUF001
    re.VERBOSE | re.IGNORECASE,
)
# Other texts among numbers are taken for marks if they are at most this fraction of the cells; or if there are at most
# FEW_MARKS different ones, fewer than half of the cells, and at least SEVERAL numbers.
FEW = 0.1
FEW_MARKS = 2
SEVERAL = 10
# Numbers beside other texts may all be codes, if there are at most this many different ones, which repeat.
MOST_CODES = 20


def is_mark(text: str) -> bool:
    """Whether a text means a missing value among numbers or times, whatever else is there."""
    return MARK.fullmatch(text) is not None


def known_texts(texts: Sequence[str | None], blanks: Sequence[str]) -> Counter[str]:
    """The different texts of a column that do not mean a missing value, and how often each occurs."""
    counts = Counter(text.strip() for text in texts if text is not None)
    for text in ("", *blanks):
        counts.pop(text, None)
    return counts


def are_marks(odd: Mapping[str, int], known: Mapping[str, int]) -> bool:
    """Whether these texts are marks of missing values among numbers or times, which are all other texts.

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
