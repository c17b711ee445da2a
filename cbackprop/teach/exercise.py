"""The exercises' questions, and checks of the answers."""

from __future__ import annotations

import reprlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["Exercise", "close", "exercises", "on_examples", "register"]

_known: dict[str, Exercise] = {}


@dataclass(frozen=True)
class Exercise:
    """A question of the course.

    Attributes
    ----------
    name : str
        The page and the number: ``"neuron/1"``.
    question : str
    judge : callable
        Returns ``None`` for a right answer, and a hint otherwise.
    """

    name: str
    question: str
    judge: Callable[[Any], str | None]


def register(name: str, question: str, judge: Callable[[Any], str | None]) -> None:
    """Add an exercise."""
    _known[name] = Exercise(name, question, judge)


def exercises() -> dict[str, Exercise]:
    """All exercises by name.

    Examples
    --------
    >>> import cbackprop as cb
    >>> len(cb.teach.exercises())
    24
    >>> cb.teach.exercises()["batches/1"].question
    'How many steps does an epoch of 100 samples have in batches of 32?'
    """
    return dict(_known)


def shown(answer: Any) -> str:
    """The answer, cut off if it is long."""
    return reprlib.repr(answer)


def close(right: Any, hint: str) -> Callable[[Any], str | None]:
    """Judge a number or an array, to three digits."""

    def judge(answer: Any) -> str | None:
        try:
            found = np.asarray(answer, np.float64)
        except (TypeError, ValueError, OverflowError):
            return f"A number was expected, not {shown(answer)}. {hint}"
        wanted = np.asarray(right, np.float64)
        if found.shape != wanted.shape:
            return f"The shape should be {wanted.shape}, but is {found.shape}. {hint}"
        return None if np.allclose(found, wanted, rtol=1e-3, atol=1e-9) else hint

    return judge


def on_examples(right: Callable[..., Any], examples: Callable[[], list[tuple[Any, ...]]], hint: str) -> Any:
    """Judge a function: it must return the same values as the right one for some arguments."""

    def judge(answer: Any) -> str | None:
        if not callable(answer):
            return f"A function was expected, not {shown(answer)}."
        for arguments in examples():
            copies = [np.array(value) if isinstance(value, np.ndarray) else value for value in arguments]
            try:
                found = answer(*copies)
            except Exception as error:  # the learner's code may raise anything; the error is the hint
                return f"It raised {type(error).__name__}: {error}"
            wanted = right(*arguments)
            found, wanted = (value if isinstance(value, tuple) else (value,) for value in (found, wanted))
            if len(found) != len(wanted):
                return f"It should return {len(wanted)} values, but returned {len(found)}. {hint}"
            for mine, theirs in zip(found, wanted, strict=True):
                wrong = close(theirs, hint)(mine)
                if wrong is not None:
                    return wrong
        return None

    return judge
