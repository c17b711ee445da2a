"""The flat vectors that hold weights, and how threads share them."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from cbackprop.compiled.kernels.memory import aligned_zeros

if TYPE_CHECKING:
    from cbackprop.variable import Variable

__all__ = ["AtRest", "ParameterStore"]

# Every variable starts at a cache line.
ALIGNMENT = 64


class Moves:
    """Counts how often variables have moved. It is no attribute of a class: to set one slows down all its objects."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


class ParameterStore:
    """The flat vector that holds variables, each at its own offset.

    All models that share a layer share a store, so that a weight is in memory once, however many models use it. The
    gaps that align the variables hold zeros, and stay zero in every step. A variable whose model no longer exists
    leaves the store when that is united with another one.
    """

    # How often variables have moved. If it has not changed, all variables are in the same places.
    moves: ClassVar[Moves] = Moves()
    # Held while variables move, and by code that needs several of them to stay in place.
    moving: ClassVar[Any] = threading.RLock()
    # The values of variables when they left for another store. What runs change here later is copied there.
    left: NDArray[Any] | None = None
    # Weak references to the engines that work on these values. Each holds its `lock` while it runs.
    users: tuple[Any, ...] = ()

    def __init__(self, variables: Iterable[Variable], values: Iterable[NDArray[Any]], dtype: DTypeLike) -> None:
        listed = list(variables)
        self._known = list(map(weakref.ref, listed))
        self.dtype = np.dtype(dtype)
        offsets = [0]
        for variable in listed:
            offsets.append(self.next_offset(offsets[-1] + variable.size))
        self.values = vector = aligned_zeros(offsets.pop(), self.dtype)
        for variable, offset, value in zip(listed, offsets, values, strict=True):
            vector[offset : offset + variable.size] = value.reshape(-1)
            variable.position = self, offset
            variable.__dict__.pop("_before_placed", None)

    @property
    def variables(self) -> list[Variable]:
        """The variables in this store that are still in use, in the order of their offsets."""
        return [variable for reference in self._known if (variable := reference()) is not None]

    def next_offset(self, end: int) -> int:
        """The offset of a variable if the one before it ends here."""
        step = ALIGNMENT // self.dtype.itemsize
        return (end + step - 1) // step * step

    def __getstate__(self) -> dict[str, Any]:
        """For copies and pickles, which cannot have weak references."""
        return self.__dict__ | {"_known": self.variables, "left": None, "users": ()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Copy the vector: that of a copy or a pickle may be read-only, or not aligned, or without memory behind it."""
        self.__dict__ |= state | {"_known": [weakref.ref(variable) for variable in state["_known"]]}
        values = self.values
        self.values = aligned_zeros(values.size, values.dtype)
        self.values[:] = values
        self.moves.count += 1

    @classmethod
    def unite(cls, variables: Sequence[Variable]) -> ParameterStore | None:
        """The store of all `variables`: the one that they share, or else a new one; ``None`` without variables.

        A new store gets all variables of the old ones, trainable variables first, so that optimizers need not skip any.
        """
        with cls.moving:
            if variables and not any(variable.is_placed for variable in variables):  # those of a new model
                everything = sorted(dict.fromkeys(variables), key=lambda variable: not variable.trainable)
                return cls(everything, [variable._before_placed for variable in everything], variables[0].dtype)
            stores = list(dict.fromkeys(variable.position[0] for variable in variables))
            if len(stores) <= 1:
                return stores[0] if stores else None
            everything = [variable for store in stores for variable in store.variables]
            everything.sort(key=lambda variable: not variable.trainable)
            # Engines that run now continue with the old values, and copy their changes at the end of the run. So what
            # they start from must be the same here and there.
            users = {user: None for store in stores for reference in store.users if (user := reference()) is not None}
            if users:
                for store in stores:
                    store.left = store.values.copy()
            places = [(variable.size, *variable.position) for variable in everything]
            values = [(s.values if s.left is None else s.left)[begin : begin + size] for size, s, begin in places]
            united = cls(everything, values, stores[0].dtype)
            cls.moves.count += 1
            united.users = tuple(map(weakref.ref, users))
            return united

    def add_user(self, engine: Any) -> None:
        """Note an engine that works on these values. The caller holds `moving`."""
        others = (user for user in self.users if user() not in (None, engine))
        self.users = (*others, weakref.ref(engine))

    def remove_user(self, engine: Any) -> None:
        """Forget an engine that works on these values no more."""
        with self.moving:
            self.users = tuple(user for user in self.users if user() not in (None, engine))

    def bring_along(self, variable: Variable, offset: int) -> None:
        """Copy to a variable that has left this offset what has changed here since."""
        if variable.store is self or self.left is None:
            return
        part = slice(offset, offset + variable.size)
        then, now, there = self.left[part], self.values[part], variable.array.reshape(-1)
        there[...] = np.where(there == then, now, there + (now - then))
        then[...] = now


class AtRest:
    """For a ``with`` block in which no engine of another thread runs on some variables, and they do not move.

    The block begins when the runs of other threads have ended. Code inside of a run, such as that of a layer in Python,
    does not wait, because the other threads may be waiting for that run.

    Parameters
    ----------
    variables : collection of Variable
    model_locks : collection of ModelLock, optional
        Further models that must wait, whether or not they have run on the variables yet. A block that asks an engine
        for anything must name its model here: engines take their lock first and the one of the variables second, and
        two threads that take them in different orders would wait for each other.
    """

    def __init__(self, variables: Collection[Variable], model_locks: Collection[Any] = ()) -> None:
        self.variables, self.model_locks = variables, model_locks
        self.held: list[Any] = []

    def __enter__(self) -> None:
        """Take the locks of all engines that work on the variables."""
        while True:
            moving = ParameterStore.moving
            wanted = self._locks()
            waits = not any(map(_holds, (*wanted, moving)))
            locks = _acquire(wanted) if waits else {lock for lock in wanted if lock.acquire(blocking=False)}
            try:
                moving.acquire()
                self.held = [*locks, moving]
            except BaseException:  # an interrupt while waiting
                _release(locks)
                raise
            # Another engine may have been bound to the variables while this thread waited.
            if not waits or self._locks() <= locks:
                return
            _release(self.held)

    def __exit__(self, *_: object) -> None:
        _release(self.held)

    def _locks(self) -> set[Any]:
        stores = {variable.position[0] for variable in self.variables if variable.is_placed}
        users = (user for store in stores for reference in store.users if (user := reference()) is not None)
        return {user.lock for user in (*users, *self.model_locks)}


def _holds(lock: Any) -> bool:
    """Whether this thread holds a lock. Only the thread that holds it may call `notify`."""
    try:
        threading.Condition(lock).notify(0)
    except RuntimeError:
        return False
    return True


def _forget_movers() -> None:
    """Replace the lock in a child process: it has none of the threads that may have held it."""
    ParameterStore.moving = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_movers)


def _release(locks: Iterable[Any]) -> None:
    for lock in locks:
        lock.release()


def _acquire(locks: set[Any]) -> set[Any]:
    """Take all locks, and return them. A thread that waits for one holds no other, so that none waits forever."""
    first = next(iter(locks), None)
    while first is not None:
        first.acquire()
        taken = [first]
        for lock in locks - {first}:
            if not lock.acquire(blocking=False):
                _release(taken)
                first = lock
                break
            taken.append(lock)
        else:
            break
    return locks
