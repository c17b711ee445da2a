"""The base of all optimizers."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cbackprop.compiled.optimizers.optimizer import SegmentList
from cbackprop.registry import Registry, nearest, snake_case
from cbackprop.spec import Spec
from cbackprop.validation import check_integer, check_name, check_number
from cbackprop.variable import Variable

__all__ = ["Optimizer", "registry"]

registry = Registry("optimizer", "optimizers")


class Optimizer(Spec):
    """Base of all optimizers.

    Each step clips the gradients, decays the weights, and then updates them by the optimizer's rule.

    Parameters
    ----------
    learning_rate : float
        Positive or 0.
    weight_decay : float, optional
        Before the update, ``w = w - weight_decay learning_rate w``.
    clipnorm : float, optional
        Each variable's gradient is scaled down to at most this Euclidean norm.
    clipvalue : float, optional
        Each element of a gradient is limited to [-clipvalue, clipvalue].
    global_clipnorm : float, optional
        All gradients together are scaled down to at most this norm.
    name : str, optional

    Attributes
    ----------
    learning_rate : float
        Can be set at any time, also during training.
    iterations : int
        Steps taken so far.

    Raises
    ------
    TypeError, ValueError
        If a number is of the wrong type or out of range, or more than one clipping is asked for.
    """

    # Names of what the optimizer remembers of each parameter, in order.
    slot_names: tuple[str, ...] = ()
    # "module.Class" below cbackprop.compiled.optimizers and cbackprop.reference.optimizers.
    implementation: ClassVar[str | None] = None

    def __init__(
        self,
        learning_rate: float,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        self.refuse_unknown(kwargs)
        self.learning_rate = learning_rate
        self.weight_decay = None if weight_decay is None else check_number("weight_decay", weight_decay, 0)
        self.clipnorm = _check_limit("clipnorm", clipnorm)
        self.clipvalue = _check_limit("clipvalue", clipvalue)
        self.global_clipnorm = _check_limit("global_clipnorm", global_clipnorm)
        if sum(limit is not None for limit in (self.clipnorm, self.clipvalue, self.global_clipnorm)) > 1:
            raise ValueError("Only one of clipnorm, clipvalue and global_clipnorm can be given.")
        self.name = check_name(name) or snake_case(type(self).__name__)
        self.iterations = 0
        # By variable; for plain arrays given to `apply`, by their place in the list.
        self.slots: dict[Any, list[NDArray[Any]]] = {}
        self._undecayed: tuple[set[Variable], tuple[str, ...]] = (set(), ())
        self._applied: dict[int, tuple[tuple[int, ...], np.dtype[Any]]] | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        if "_applied" in self.__dict__:  # made; a subclass may still be setting its own arguments, each once
            if name in self.argument_names() and name in self.__dict__:
                raise AttributeError(f"{name} of {type(self).__name__} is fixed when it is made. Make another one.")
            if not (name.startswith("_") or name in self.argument_names() or hasattr(self, name)):
                near = nearest(name, self.argument_names())
                raise AttributeError(f"{type(self).__name__} has no setting {name!r}. {near}")
        super().__setattr__(name, value)

    @property
    def learning_rate(self) -> float:
        """The step size, a non-negative number."""
        return self._learning_rate

    @learning_rate.setter
    def learning_rate(self, value: float) -> None:
        self._learning_rate = check_number("learning_rate", value, 0)

    @property
    def iterations(self) -> int:
        """Steps taken so far."""
        return self._iterations

    @iterations.setter
    def iterations(self, value: int) -> None:
        self._iterations = check_integer("iterations", value, 0, 2**62)

    def exclude_from_weight_decay(
        self, var_list: Iterable[Variable] | None = None, var_names: Iterable[str] | None = None
    ) -> None:
        """Leave variables out of weight decay, those of earlier calls no longer; to be called before training.

        Parameters
        ----------
        var_list : iterable of Variable, optional
        var_names : iterable of str, optional
            Every variable whose name contains one of these is left out.

        Raises
        ------
        TypeError
            If `var_list` holds anything but variables, or `var_names` anything but strings.

        Examples
        --------
        >>> import cbackprop as cb
        >>> optimizer = cb.optimizers.AdamW()
        >>> optimizer.exclude_from_weight_decay(var_names=["bias"])
        """
        variables, names = set(map(_check_variable, var_list or ())), tuple(var_names or ())
        if isinstance(var_names, str) or not all(isinstance(name, str) for name in names):
            raise TypeError(f"var_names must be a list of strings, but got {var_names!r}.")
        self._undecayed = variables, names

    def decays(self, variable: Variable) -> bool:
        """Whether weight decay applies to a variable."""
        variables, names = self._undecayed
        return variable not in variables and not any(name in variable.name for name in names)

    def implementation_in(self, package: str) -> Any:
        """The class that carries this optimizer out in ``cbackprop.compiled`` or ``cbackprop.reference``."""
        cls = type(self)
        path = cls.implementation or f"{cls.__module__.rpartition('.')[2]}.{cls.__name__}"
        module, _, name = path.rpartition(".")
        return getattr(importlib.import_module(f"cbackprop.{package}.optimizers.{module}"), name)

    def apply(self, grads: Sequence[NDArray[Any]], trainable_variables: Sequence[Any]) -> None:
        """Take one step on arrays, in place.

        Parameters
        ----------
        grads : sequence of ndarray
            One gradient for each variable, shaped like it.
        trainable_variables : sequence of ndarray or Variable
            All float32 or all float64. Arrays must be the same ones, in the same order, at every call.

        Raises
        ------
        TypeError
            If a variable is no such array.
        ValueError
            If numbers, shapes or dtypes do not fit, or a gradient is not finite; nothing is changed then.

        Examples
        --------
        >>> import numpy as np
        >>> import cbackprop as cb
        >>> w = np.array([1.0, 2.0])
        >>> cb.optimizers.SGD(0.5).apply([np.array([1.0, 1.0])], [w])
        >>> w
        array([0.5, 1.5])
        """
        variables = list(trainable_variables)
        arrays = [v.array if isinstance(v, Variable) else v for v in variables]
        gradients = _check_gradients(grads, arrays)
        slots = self._slots_of(variables, arrays)
        compiled = self.implementation_in("compiled")(self, arrays[0].dtype == np.float64)
        values = _flat(arrays)
        flat_slots = [_flat(column) for column in zip(*slots.values(), strict=True)]
        ends = np.cumsum([array.size for array in arrays]).tolist()
        decay = [self.decays(v) if isinstance(v, Variable) else True for v in variables]
        segments = list(zip([0, *ends[:-1]], ends, decay, strict=True))
        compiled.apply(
            self.learning_rate, self.iterations + 1, SegmentList(compiled, values, gradients, flat_slots, segments)
        )
        self.iterations += 1
        self.slots.update(slots)
        for column, vector in zip([arrays, *zip(*slots.values(), strict=True)], [values, *flat_slots], strict=True):
            for array, (begin, end, _) in zip(column, segments, strict=True):
                array[...] = vector[begin:end].reshape(array.shape)
        for variable in variables:
            if isinstance(variable, Variable) and variable.constraint is not None:
                variable.assign(variable.constraint(variable.numpy()))

    def _slots_of(self, variables: list[Any], arrays: list[NDArray[Any]]) -> dict[Any, list[NDArray[Any]]]:
        """What is remembered of each variable, or of each array by its place in the list; zeros at first."""
        keys = [v if isinstance(v, Variable) else index for index, v in enumerate(variables)]
        shapes = {key: (a.shape, a.dtype) for key, a in zip(keys, arrays, strict=True) if isinstance(key, int)}
        if len(set(keys)) != len(keys):
            raise ValueError("trainable_variables must not hold a variable twice.")
        if shapes and self._applied not in (None, shapes):
            raise ValueError("apply needs arrays of the same shapes and dtype, in the same order, at every call.")
        self._applied = shapes or self._applied
        return {
            key: self.slots.get(key) or [np.zeros_like(array) for _ in self.slot_names]
            for key, array in zip(keys, arrays, strict=True)
        }


def _flat(arrays: Iterable[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate([array.ravel() for array in arrays])


def _check_variable(value: Any) -> Variable:
    if not isinstance(value, Variable):
        raise TypeError(f"var_list must hold variables, but got {type(value).__name__}.")
    return value


def _check_limit(name: str, value: Any) -> float | None:
    return None if value is None else check_number(name, value, 0, open_minimum=True)


def _check_gradients(grads: Sequence[Any], arrays: Sequence[Any]) -> NDArray[Any]:
    """All gradients as one vector, once they are known to fit the variables."""
    grads = list(grads)
    if not arrays or len(grads) != len(arrays):
        raise ValueError(f"Expected one gradient for each variable, but got {len(grads)} for {len(arrays)}.")
    for index, array in enumerate(arrays):
        if not isinstance(array, np.ndarray) or array.dtype not in (np.float32, np.float64):
            got = getattr(array, "dtype", type(array).__name__)
            raise TypeError(f"Variable {index} must be a float32 or float64 array, but got {got}.")
        if array.dtype != arrays[0].dtype:
            raise ValueError(f"Variables must have one dtype, but variable {index} has {array.dtype}.")
        if not array.flags.writeable or array.size == 0:
            raise ValueError(f"Variable {index} must be writable and not empty.")
        if np.asarray(grads[index]).dtype.kind not in "fiu":
            raise TypeError(f"Gradient {index} must hold real numbers, but got {grads[index]!r}.")
        if np.shape(grads[index]) != array.shape:
            raise ValueError(
                f"Gradient {index} must have shape {array.shape} like its variable, but got {np.shape(grads[index])}."
            )
    with np.errstate(over="ignore"):
        vector = _flat(np.asarray(gradient, arrays[0].dtype) for gradient in grads)
    if not np.isfinite(vector).all():
        raise ValueError("Gradients must be finite, but got NaN or infinity.")
    return vector
