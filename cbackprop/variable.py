"""Weights: each is a named part of a flat vector, which all layers of a network share."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from cbackprop import config, constraints, initializers, regularizers
from cbackprop.absent import attribute_missing
from cbackprop.acts_as_array import ActsAsArray
from cbackprop.initializers.initializer import checks_values
from cbackprop.number_types import check_float_type
from cbackprop.parameter_store import AtRest, ParameterStore
from cbackprop.regularizers.regularizer import check_penalty
from cbackprop.spec import Adjustable
from cbackprop.validation import check_boolean, check_integer, check_items, check_memory, check_name, named

__all__ = ["Variable", "are_blank", "blank_variables"]

# While a model is made from a file: how many numbers for further weights the file has. Otherwise None.
_left_to_make: ContextVar[int | None] = ContextVar("elements left to make", default=None)


@contextmanager
def blank_variables(elements: int) -> Iterator[None]:
    """Inside the ``with`` block, make variables of zeros without their initializers, of `elements` numbers at most."""
    token = _left_to_make.set(elements)
    try:
        yield
    finally:
        _left_to_make.reset(token)


def are_blank() -> bool:
    """Whether new variables get their values later, from a file."""
    return _left_to_make.get() is not None


class Variable(ActsAsArray):
    """A weight of a layer. It can be used in computations and comparisons like the array of its values.

    Parameters
    ----------
    initializer : array_like, str, Initializer or callable
        The first values, or a function that is called as ``initializer(shape, dtype=dtype)``.
    shape : tuple of int, optional
        By default that of the values.
    dtype : {"float32", "float64"}, optional
        By default that of an array, or else ``config.floatx()``.
    trainable : bool, default True
        Whether gradients are taken and optimizers change it.
    autocast, aggregation, synchronization
        Accepted because code for Keras passes them; they have no effect.
    name : str, default "variable"
    regularizer : str or Regularizer, optional
        Adds to the loss while the variable is trainable.
    constraint : str or Constraint, optional
        Applied after each step.

    Attributes
    ----------
    shape, dtype, name, trainable
        As given.
    path : str
        Name of the layer and of the variable, such as ``"dense/kernel"``.

    Raises
    ------
    TypeError, ValueError
        If an argument is wrong, or a shape is missing.

    References
    ----------
    Arguments are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.Variable([1.0, 2.0]).assign_add([1.0, 1.0]) * 2
    array([4., 6.], dtype=float32)
    >>> cb.Variable("ones", shape=(2, 3), trainable=False, name="count")
    <Variable path='count' shape=(2, 3) dtype=float32 trainable=False value=[[1., 1., 1.],
     [1., 1., 1.]]>
    """

    # The store and the offset in it, in one attribute, so that both change together for other threads. Set when it is
    # first needed: the weights of a new model then get one store together, instead of one each that they leave again.
    position: tuple[ParameterStore, int]
    # The values until then.
    _before_placed: NDArray[Any]

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name == "position" and self.__dict__:
                self._place()
                return self.__dict__["position"]
            raise attribute_missing(self, "Variable", name)

    def __init__(
        self,
        initializer: Any,
        shape: Any = None,
        dtype: Any = None,
        trainable: bool = True,
        autocast: bool = True,
        aggregation: str | None = "none",
        synchronization: str | None = "auto",
        name: str | None = None,
        *,
        regularizer: Any = None,
        constraint: Any = None,
    ) -> None:
        if callable(shape):  # (shape, initializer, dtype, name, trainable), as before Keras's order was taken over
            initializer, shape = shape, initializer
            if isinstance(trainable, str):
                trainable, name = autocast, trainable
        self._begin(*_first_values(initializer, shape, dtype), trainable, name)
        self.regularizer, self.constraint = regularizer, constraint

    @classmethod
    def _of_checked(
        cls,
        start: Callable[..., ArrayLike],
        shape: tuple[int, ...],
        dtype: str,
        trainable: Any = True,
        name: Any = None,
        regularizer: Any = None,
        constraint: Any = None,
    ) -> Variable:
        """A variable of an initializer, a shape and a float type that the caller has checked."""
        variable = cls.__new__(cls)
        variable._begin(start, shape, dtype, trainable, name)
        if regularizer is not None:
            variable.regularizer = regularizer
        if constraint is not None:
            variable.constraint = constraint
        return variable

    def _begin(
        self,
        start: Callable[..., ArrayLike],
        shape: tuple[int, ...],
        dtype: str,
        trainable: Any,
        name: Any,
    ) -> None:
        self.shape, self.dtype = shape, dtype
        self.size = math.prod(shape)
        self.name = self.path = _checked_name(name)
        self.trainable = check_boolean("trainable", trainable)
        self.__dict__["regularizer"] = self.__dict__["constraint"] = None
        self._before_placed = self._first_value(start)

    @property
    def regularizer(self) -> Any:
        """What is added to the loss while the variable is trainable. If it is set, the next run uses it.

        Raises
        ------
        TypeError, ValueError
            If a value that is set is no regularizer, or cannot take the variable.
        """
        return self.__dict__["regularizer"]

    @regularizer.setter
    def regularizer(self, value: Any) -> None:
        found = named("regularizer", regularizers.get, value)
        if found is not None and not are_blank():
            check_penalty(found, self.numpy(), self.name)
        self.__dict__["regularizer"] = found
        Adjustable.note_change()

    @property
    def constraint(self) -> Any:
        """What is applied to the variable after each step. If it is set, the next run uses it.

        Raises
        ------
        TypeError, ValueError
            If a value that is set is no constraint, or cannot take the variable.
        """
        return self.__dict__["constraint"]

    @constraint.setter
    def constraint(self, value: Any) -> None:
        found = named("constraint", constraints.get, value)
        if found is not None and not are_blank():
            self.check(found(self.numpy()), finite=True)
        self.__dict__["constraint"] = found
        Adjustable.note_change()

    @property
    def is_placed(self) -> bool:
        """Whether the variable is in a store."""
        return "position" in self.__dict__

    def _place(self) -> None:
        """Put the variable into a store of its own, unless another thread has just put it into one."""
        with ParameterStore.moving:
            if not self.is_placed:
                ParameterStore([self], [self._before_placed], self.dtype)

    def __getstate__(self) -> dict[str, Any]:
        """For copies and pickles: with a place, which a copy shares."""
        if not self.is_placed:
            self._place()
        return self.__dict__

    def _first_value(self, initializer: Callable[..., ArrayLike]) -> NDArray[Any]:
        """A new array of the first values."""
        left = _left_to_make.get()
        if left is None and checks_values(initializer):
            values = initializer._values_for(self.shape, self.dtype)
            return values if values.shape == self.shape else self.check(values)
        if left is None:
            return np.array(self.check(initializer(self.shape, dtype=self.dtype), finite=True))
        if self.size > left:
            raise ValueError(f"Weight {self.name!r} of shape {self.shape} is larger than all that the file holds.")
        _left_to_make.set(left - self.size)
        return np.zeros(self.shape, self.dtype)

    @property
    def store(self) -> ParameterStore:
        """The store that holds the values."""
        return self.position[0]

    @property
    def offset(self) -> int:
        """Where the values begin in the store."""
        return self.position[1]

    @property
    def span(self) -> slice:
        """Where the values are in the vector of the store."""
        offset = self.position[1]
        return slice(offset, offset + self.size)

    @property
    def array(self) -> NDArray[Any]:
        """The live values: writing to this array changes the network, also in the middle of another thread's step."""
        store, offset = self.position
        return store.values[offset : offset + self.size].reshape(self.shape)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def value(self) -> NDArray[Any]:
        """A copy of the values."""
        return self.numpy()

    def numpy(self) -> NDArray[Any]:
        """A copy of the values. If another thread trains them, this waits for the end of its run."""
        with AtRest((self,)):
            return self.array.copy()

    def assign(self, value: ArrayLike) -> Variable:
        """Replace the values, and return the variable.

        NaN and infinity are allowed, because training may have diverged. If another thread runs a model of this
        variable, such as an epoch of `fit`, this waits for the end of the run.

        Raises
        ------
        ValueError
            If the shape differs, or a value is too large for the dtype.
        TypeError
            If the values are not real numbers.
        """
        checked = self.check(value)
        with AtRest((self,)):
            self.array[...] = checked
        return self

    def assign_add(self, value: ArrayLike) -> Variable:
        """Add to the values, and return the variable. Raises the errors of `assign`."""
        with AtRest((self,)):
            return self.assign(self.array + np.asarray(value))

    def assign_sub(self, value: ArrayLike) -> Variable:
        """Subtract from the values, and return the variable. Raises the errors of `assign`."""
        with AtRest((self,)):
            return self.assign(self.array - np.asarray(value))

    def check(self, value: ArrayLike, finite: bool = False) -> NDArray[Any]:
        """`value` as an array that fits this variable. Raises the errors of `assign`.

        With `finite`, NaN and infinity are refused, too, as in values that an initializer has made.
        """
        if isinstance(value, np.ma.MaskedArray):
            raise TypeError(f"Weight {self.path!r} cannot be a masked array: its mask would be lost.")
        try:
            array = np.asarray(value)
        except ValueError as error:
            raise ValueError(f"Weight {self.path!r} needs one array of shape {self.shape}: {error}.") from None
        if array.dtype.kind not in "fiu":
            raise TypeError(f"Weight {self.path!r} needs real numbers, but got dtype {array.dtype}.")
        if array.shape != self.shape:
            raise ValueError(f"Weight {self.path!r} has shape {self.shape}, but got {array.shape}.")
        converted = array
        if array.dtype != self.dtype:
            with np.errstate(over="ignore"):  # refused below
                converted = array.astype(self.dtype)
        sound = np.isfinite(converted)
        if sound.all():
            return converted
        if finite:
            raise ValueError(f"Weight {self.path!r} cannot begin with NaN or infinity (in {self.dtype}).")
        lost = np.isfinite(array) & ~sound
        if lost.any():
            raise ValueError(f"Weight {self.path!r} is {self.dtype}, which cannot hold {array[lost].flat[0]!r}.")
        return converted

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return self.array.astype(dtype or self.dtype)

    def __repr__(self) -> str:
        about = f"path={self.path!r} shape={self.shape} dtype={self.dtype} trainable={self.trainable}"
        # Large arrays are shortened, with any print options that the user has set.
        values = np.array2string(self.array, threshold=20, edgeitems=2, precision=4, separator=", ")
        return f"<Variable {about} value={values.replace(chr(10), ' ' if self.array.ndim < 2 else chr(10))}>"


def _first_values(initializer: Any, shape: Any, dtype: Any) -> tuple[Callable[..., ArrayLike], tuple[int, ...], str]:
    """The function that makes the first values, their shape and dtype, from arguments of `Variable`."""
    start = named("initializer", initializers.get, initializer) if isinstance(initializer, str) else initializer
    if callable(start):
        if shape is None:
            raise ValueError(
                f"shape must be given with an initializer, but is missing: Variable({initializer!r}, (2, 3))."
            )
        sizes = (shape,) if isinstance(shape, (int, np.integer)) else check_items("shape", shape, "a tuple of integers")
        checked = tuple(check_integer("shape", size, 0) for size in sizes)
        check_memory("shape", checked)
        return start, checked, config.floatx() if dtype is None else check_float_type(dtype)
    try:
        values = np.array(start)
    except ValueError as error:
        raise ValueError(f"initializer must be an array, an initializer or its name: {error}.") from None
    if values.dtype.kind not in "fiub":
        raise TypeError(f"initializer must be numbers, an initializer or its name, but got {initializer!r}.")
    if shape is not None and values.shape != tuple(np.atleast_1d(shape)):
        raise ValueError(f"shape must be that of the values, {values.shape}, but got {shape!r}.")
    if dtype is None and values.dtype.kind != "f":
        raise ValueError(f"A variable holds floats, but got values of dtype {values.dtype}: give dtype='float32'.")
    given = values.dtype if isinstance(initializer, (np.ndarray, np.generic)) else config.floatx()
    kind = check_float_type(given if dtype is None else dtype)
    return (lambda shape, dtype: values), values.shape, kind


def _checked_name(name: Any) -> str:
    if "/" in (checked := check_name(name) or "variable"):
        raise ValueError(f"name must not hold '/', which separates names in a path, but got {name!r}.")
    return checked
