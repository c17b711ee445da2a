"""Check an answer."""

from __future__ import annotations

from typing import Any

from cbackprop.suggestions import nearest
from cbackprop.teach import pages as pages
from cbackprop.teach.exercise import exercises

__all__ = ["check"]


def check(name: str, answer: Any) -> bool:
    """Check whether an answer is right. If not, give a hint.

    Parameters
    ----------
    name : str
        The exercise: its page and number, as in ``"neuron/1"``.
    answer : object
        A number, a shape, an array, or a function, depending on the exercise. Numbers are compared to three digits.

    Returns
    -------
    bool
        Whether it is right. The result is also printed.

    Raises
    ------
    ValueError
        If there is no such exercise.

    References
    ----------
    The course is in the documentation, in the section Learn.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.teach.check("batches/1", 3)
    batches/1: not yet. The last batch may be smaller than the others.
    False
    >>> cb.teach.check("batches/1", 4)
    batches/1: right.
    True
    """
    known = exercises()
    if not isinstance(name, str) or name not in known:
        raise ValueError(f"There is no exercise {name!r}. {nearest(str(name), list(known))}")
    hint = known[name].judge(answer)
    print(f"{name}: right." if hint is None else f"{name}: not yet. {hint}")
    return hint is None
