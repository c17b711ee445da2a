"""The source of all random numbers: initial weights, shuffling and dropout draw from it."""

from __future__ import annotations

import os
import random as python_random
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.absent import explain
from cbackprop.compiled.kernels import random as kernels
from cbackprop.validation import check_integer

__all__ = [
    "check_state",
    "draw_seed",
    "generator",
    "permutation",
    "permutation_keys",
    "seeded",
    "set_random_seed",
    "set_state",
    "state",
]

_generator = np.random.default_rng()
_scoped: ContextVar[np.random.Generator | None] = ContextVar("generator of seeded", default=None)


def set_random_seed(seed: int) -> None:
    """Seed all random numbers, so that later results can be repeated.

    This seeds this library and, as in Keras, Python's ``random`` and the global generator of NumPy.

    Parameters
    ----------
    seed : int
        At least 0 and below 2**32.

    Raises
    ------
    TypeError, ValueError
        If `seed` is not such a number.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.utils.set_random_seed(1)
    >>> a = cb.initializers.RandomNormal()((2, 2))
    >>> cb.utils.set_random_seed(1)
    >>> b = cb.initializers.RandomNormal()((2, 2))
    >>> bool((a == b).all())
    True
    """
    global _generator
    seed = check_integer("seed", seed, minimum=0, maximum=2**32 - 1)
    python_random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - the global one is what is to be seeded
    _generator = np.random.default_rng(seed)


def _after_fork() -> None:
    """Make a new lock in a child process: a thread that exists only in the parent may hold the old one.

    Then NumPy 2.5 would wait for that thread before it gives the state. Such a thread was just drawing, so that the
    numbers that come next are not decided, and the child takes others of the same seed.
    """
    global _generator
    before = _generator.bit_generator
    if not before.lock.acquire(blocking=False):
        _generator = np.random.default_rng(before.seed_seq.generate_state(4))
        return
    state = before.state
    before.lock.release()
    _generator = np.random.default_rng(0)
    _generator.bit_generator.state = state


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Inside the ``with`` block, draw from a separate generator and leave that of the process unchanged.

    It affects only this thread, so that parallel work can be repeated.

    Parameters
    ----------
    seed : int
        At least 0 and below 2**32.

    Raises
    ------
    TypeError, ValueError
        If `seed` is not such a number.

    Examples
    --------
    >>> import cbackprop as cb
    >>> with cb.utils.seeded(1):
    ...     a = cb.initializers.RandomNormal()((2, 2))
    >>> with cb.utils.seeded(1):
    ...     b = cb.initializers.RandomNormal()((2, 2))
    >>> bool((a == b).all())
    True
    """
    token = _scoped.set(np.random.default_rng(check_integer("seed", seed, minimum=0, maximum=2**32 - 1)))
    try:
        yield
    finally:
        _scoped.reset(token)


def generator(seed: int | None = None) -> np.random.Generator:
    """A new generator from `seed`; without a seed the generator of `seeded`, or else that of the process."""
    if seed is not None:
        return np.random.default_rng(seed)
    scoped = _scoped.get()
    return _generator if scoped is None else scoped


def permutation(n: int) -> NDArray[np.int64]:
    """The numbers 0, ..., n - 1 in random order, drawn from the `generator`."""
    key = generator().bit_generator.random_raw()
    return kernels.permutation(n, key & 0xFFFFFFFF, key >> 32)


def permutation_keys(count: int) -> tuple[NDArray[np.uint64], dict[str, Any]]:
    """What `count` calls of `permutation` draw, one after the other, and the `state` before the last."""
    draw = generator().bit_generator.random_raw
    keys = [draw() for _ in range(count - 1)]
    before_last = state()
    keys += [draw() for _ in range(min(count, 1))]
    return np.array(keys, np.uint64), before_last


def draw_seed() -> int:
    """Draw a 32-bit seed from the `generator`."""
    return int(generator().integers(2**32))


def state() -> dict[str, Any]:
    """The state of the `generator` as plain values."""
    return dict(generator().bit_generator.state)


def check_state(value: Any) -> dict[str, Any]:
    """Return `value` if it is the state of such a generator.

    Raises
    ------
    TypeError, ValueError
        If it is not.
    """
    numbers = [value["state"]["state"], value["state"]["inc"], value["has_uint32"], value["uinteger"]]
    limits = [2**128, 2**128, 2, 2**32]
    if value["bit_generator"] != "PCG64" or not all(
        type(number) is int and 0 <= number < limit for number, limit in zip(numbers, limits, strict=True)
    ):
        raise ValueError("a random state must be one of NumPy's PCG64")
    return dict(value)


def set_state(value: dict[str, Any]) -> None:
    """Restore a state, so that the same random numbers follow as after `state` returned it."""
    generator().bit_generator.state = check_state(value)


explain(__name__)
