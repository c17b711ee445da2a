"""The base of all optimizers."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from cbackprop.compiled.optimizers.optimizer import SegmentList
from cbackprop.compiled.optimizers.schedules import PythonSchedule
from cbackprop.optimizers import schedules
from cbackprop.optimizers.schedules import LearningRateSchedule
from cbackprop.optimizers.segment import Segment
from cbackprop.optimizers.state import OptimizerVariable, check_array
from cbackprop.registry import Registry, nearest, reading, snake_case, to_config
from cbackprop.spec import Spec
from cbackprop.validation import check_boolean, check_integer, check_name, check_number
from cbackprop.variable import Variable

__all__ = ["LearningRate", "Optimizer", "registry"]

registry = Registry("optimizer", "optimizers")

Array = NDArray[Any]
# A number, a schedule, or a function without arguments.
LearningRate = float | LearningRateSchedule | Callable[[], float]


class Optimizer(Spec):
    """Base of all optimizers.

    Each step clips the gradients, decays the weights, updates them by the optimizer's rule, and then averages them.

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or callable
        Positive or 0. A schedule (or a function without arguments) is asked at every step.
    weight_decay : float, optional
        Before the update, ``w = w - weight_decay learning_rate w``.
    clipnorm : float, optional
        Each variable's gradient is scaled down to at most this Euclidean norm.
    clipvalue : float, optional
        Each element of a gradient is limited to [-clipvalue, clipvalue].
    global_clipnorm : float, optional
        All gradients together are scaled down to at most this norm.
    use_ema : bool, default False
        Keep a moving average of the weights, ``average = ema_momentum average + (1 - ema_momentum) w`` after each
        batch. When `fit` ends, the weights become their averages.
    ema_momentum : float, default 0.99
        In [0, 1].
    ema_overwrite_frequency : int, optional
        The weights become their averages after each so many steps, too.
    loss_scale_factor : float, optional
        `apply` divides the gradients by it, as they are taken to be those of a loss that was multiplied by it. In `fit`
        it has no effect: both would cancel.
    gradient_accumulation_steps : int, optional
        Update once in so many batches, by the mean of their gradients; at least 2.
    name : str, optional

    Attributes
    ----------
    learning_rate : float
        The current one. Can be set at any time, also during training, unless there is a schedule.
    iterations : int
        Updates so far.
    batches : int
        Batches so far: more than updates where gradients are accumulated. Schedules count by them.
    variables : list of OptimizerVariable
        Everything that is remembered.

    Raises
    ------
    TypeError, ValueError
        If a number is of the wrong type or out of range, or more than one clipping is asked for.
    """

    # Names of what the optimizer remembers of each parameter, in order.
    slot_names: tuple[str, ...] = ()
    # "module.Class" below cbackprop.compiled.optimizers and cbackprop.reference.optimizers.
    implementation: ClassVar[str | None] = None
    # Whether the rule needs whole variables, because their elements are not updated each by itself.
    whole_variables: ClassVar[bool] = False

    def __init__(
        self,
        learning_rate: LearningRate,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        self.refuse_unknown(kwargs)
        self._learning_rate: Any = 0.0
        self.learning_rate = learning_rate  # type: ignore[assignment]
        self.weight_decay = None if weight_decay is None else check_number("weight_decay", weight_decay, 0)
        self.clipnorm = _check_limit("clipnorm", clipnorm)
        self.clipvalue = _check_limit("clipvalue", clipvalue)
        self.global_clipnorm = _check_limit("global_clipnorm", global_clipnorm)
        if sum(limit is not None for limit in (self.clipnorm, self.clipvalue, self.global_clipnorm)) > 1:
            raise ValueError("Only one of clipnorm, clipvalue and global_clipnorm can be given.")
        self.use_ema = check_boolean("use_ema", use_ema)
        self.ema_momentum = check_number("ema_momentum", ema_momentum, 0, 1)
        self.ema_overwrite_frequency = _check_count("ema_overwrite_frequency", ema_overwrite_frequency, 1)
        self.loss_scale_factor = _check_limit("loss_scale_factor", loss_scale_factor)
        self.gradient_accumulation_steps = _check_count("gradient_accumulation_steps", gradient_accumulation_steps, 2)
        self.name = check_name(name) or snake_case(type(self).__name__)
        self.batches = 0
        # By variable; for plain arrays given to `apply`, by their place in the list.
        self.slots: dict[Any, list[Array | None]] = {}
        self._undecayed: tuple[set[Variable], tuple[str, ...]] = (set(), ())
        self._built: list[Any] | None = None
        self._applied: dict[int, tuple[tuple[int, ...], np.dtype[Any]]] | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        if "_applied" in self.__dict__:  # made; a subclass may still be setting its own arguments, each once
            if name in self.argument_names() and name in self.__dict__:
                raise AttributeError(f"{name} of {type(self).__name__} is fixed when it is made. Make another one.")
            if not (name.startswith("_") or name in self.argument_names() or hasattr(self, name)):
                near = nearest(name, self.argument_names())
                raise AttributeError(f"{type(self).__name__} has no setting {name!r}. {near}")
        super().__setattr__(name, value)

    # Learning rate and steps

    @property
    def learning_rate(self) -> float:
        """The step size, a non-negative number; with a schedule, that of the coming batch."""
        return self.rate_at(self.batches)

    @learning_rate.setter
    def learning_rate(self, value: LearningRate) -> None:
        schedules.registry.refuse_foreign(value)
        if isinstance(value, LearningRateSchedule) or (callable(value) and not isinstance(value, type)):
            self._learning_rate = value
            return
        if isinstance(self._learning_rate, LearningRateSchedule):
            raise TypeError(
                f"learning_rate cannot be set: it is a schedule, {self._learning_rate!r}. Make the optimizer with a "
                "number, or set another schedule."
            )
        self._learning_rate = check_number("learning_rate", value, 0)

    def rate_at(self, step: int) -> float:
        """The learning rate of the batch that comes after `step` others.

        Raises
        ------
        TypeError, ValueError
            If a schedule gives no finite number of at least 0.
        """
        rate = self._learning_rate
        if isinstance(rate, float):
            return rate
        try:
            value = rate(step) if isinstance(rate, LearningRateSchedule) else rate()
        except Exception as error:
            error.add_note(f"This came from the learning rate {rate!r} at step {step}.")
            raise
        return check_number(f"The learning rate of {rate!r} at step {step}", value, 0)

    def bad_rate(self, step: int, value: float) -> ValueError:
        """The error for a schedule that compiled code evaluated."""
        return ValueError(
            f"The learning rate of {self._learning_rate!r} at step {step} must be finite and at least 0, "
            f"but got {value}."
        )

    def compiled_schedule(self) -> Any:
        """What gives compiled code the learning rate of each step; ``None`` if that is always the same."""
        if isinstance(self._learning_rate, LearningRateSchedule):
            return self._learning_rate.compiled(self.rate_at)
        return None if isinstance(self._learning_rate, float) else PythonSchedule(self.rate_at)

    @property
    def batches(self) -> int:
        """Batches so far."""
        return self._batches

    @batches.setter
    def batches(self, value: int) -> None:
        self.__dict__["_batches"] = check_integer("batches", value, 0, 2**62)

    @property
    def rests_without_gradient(self) -> bool:
        """Whether a weight, and what is remembered of it, stays as it is where the gradient is 0.

        Then steps over large tables (see `Embedding`) can leave out the rows that a batch did not read.
        """
        return False

    @property
    def iterations(self) -> int:
        """Updates so far."""
        return self._batches // (self.gradient_accumulation_steps or 1)

    @iterations.setter
    def iterations(self, value: int) -> None:
        self._batches = check_integer("iterations", value, 0, 2**40) * (self.gradient_accumulation_steps or 1)

    def scale_loss(self, loss: Any) -> Any:
        """`loss` multiplied by `loss_scale_factor`, if there is one."""
        return loss if self.loss_scale_factor is None else loss * self.loss_scale_factor

    # Configs

    def argument(self, name: str) -> Any:
        """What a constructor argument was given as: the schedule, not the current learning rate."""
        return self._learning_rate if name == "learning_rate" else super().argument(name)

    def get_config(self) -> dict[str, Any]:
        """Constructor arguments as plain values; a schedule as its config."""
        if callable(self._learning_rate) and not isinstance(self._learning_rate, LearningRateSchedule):
            raise ValueError(f"The learning rate {self._learning_rate!r} cannot be written into a config.")
        return {name: to_config(self.argument(name)) for name in self.argument_names()}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None) -> Self:
        """The optimizer that `get_config` described."""
        with reading(cls.__name__, config):
            rate = config.get("learning_rate")
            if isinstance(rate, dict):
                config = config | {"learning_rate": schedules.deserialize(rate, custom_objects)}
            return cls(**config)

    # Weight decay

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

    def decay_of(self, variable: Any) -> float:
        """The weight decay of a variable (or a plain array); 0 if there is none."""
        decays = not isinstance(variable, Variable) or self.decays(variable)
        return (self.weight_decay or 0.0) if decays else 0.0

    def implementation_in(self, package: str) -> Any:
        """The class that carries this optimizer out in ``cbackprop.compiled`` or ``cbackprop.reference``."""
        cls = type(self)
        path = cls.implementation or f"{cls.__module__.rpartition('.')[2]}.{cls.__name__}"
        module, _, name = path.rpartition(".")
        return getattr(importlib.import_module(f"cbackprop.{package}.optimizers.{module}"), name)

    # What is remembered of each variable

    @property
    def memory_names(self) -> tuple[str, ...]:
        """Names of the slots of the rule, and behind them of those that every optimizer may have."""
        names = self.slot_names
        if self.use_ema:
            names = (*names, "average")
        return (*names, "gradient_accumulator") if self.gradient_accumulation_steps else names

    def new_slot(self, name: str, values: Array, path: str) -> Array | None:
        """What a slot holds before the first step of a variable with these values; ``None`` if it needs none."""
        return np.zeros_like(values, order="C", subok=False)

    def remembered(self, variable: Any, values: Array) -> list[Array | None]:
        """The slots of a variable as they are now; new ones, if it has none yet."""
        found = self.slots.get(variable)
        if found is not None:
            return found
        path = variable.path if isinstance(variable, Variable) else ""
        common = len(self.slot_names)
        own = [self.new_slot(name, values, path) for name in self.slot_names]
        return own + [np.zeros_like(values, order="C", subok=False) for _ in self.memory_names[common:]]

    @property
    def built(self) -> bool:
        """Whether anything is remembered of any variable."""
        return bool(self.slots) or self._built is not None

    def build(self, variables: Iterable[Any]) -> None:
        """Begin to remember things of variables, as the first step does; `apply` then knows them.

        Parameters
        ----------
        variables : iterable of Variable or ndarray

        Raises
        ------
        TypeError, ValueError
            If they are none.
        """
        listed = list(variables)
        arrays = [v.array if isinstance(v, Variable) else v for v in listed]
        _check_variables(arrays)
        self.slots.update(self._slots_of(listed, arrays))
        self._built = listed

    @property
    def variables(self) -> list[OptimizerVariable]:
        """The number of batches, the learning rate if it is constant, and the slots of all variables."""

        def write_batches(value: Array) -> None:
            self.batches = int(value)

        def write_rate(value: Array) -> None:
            self.learning_rate = float(value)

        found = [OptimizerVariable(self.name, "iteration", lambda: np.int64(self.batches), write_batches)]
        if isinstance(self._learning_rate, float):
            found.append(OptimizerVariable(self.name, "learning_rate", lambda: self._learning_rate, write_rate))
        for key in self.slots:
            owner = key.path.replace("/", "_") if isinstance(key, Variable) else f"variable_{key}"
            for index, (name, array) in enumerate(zip(self.memory_names, self.slots[key], strict=True)):
                if array is not None:
                    read, write = self._slot_access(key, index)
                    found.append(OptimizerVariable(self.name, f"{owner}_{name}", read, write))
        return found

    def _slot_access(self, key: Any, index: int) -> tuple[Callable[[], Any], Callable[[Array], None]]:
        """How to read and to write a slot, wherever it is at that moment."""

        def write(value: Array) -> None:
            slot = self.slots[key][index]
            assert slot is not None
            slot[...] = value

        return lambda: self.slots[key][index], write

    def state(self, variables: Iterable[Any] | None = None) -> dict[str, Any]:
        """Everything that is remembered, to be saved and given to `set_state` later.

        Parameters
        ----------
        variables : iterable of Variable, optional
            In which order they are numbered, such as ``model.trainable_variables``; by default the order in which the
            optimizer met them.

        Returns
        -------
        dict
            ``"batches"``: int; ``"learning_rate"``: float, if there is no schedule; ``"NUMBER/SLOT"``: ndarray (a copy)
            for each slot of each variable.
        """
        found: dict[str, Any] = {"batches": self.batches}
        if isinstance(self._learning_rate, float):
            found["learning_rate"] = self._learning_rate
        for number, key in enumerate(self.slots if variables is None else _keys(list(variables))):
            for name, array in zip(self.memory_names, self.slots.get(key, ()), strict=False):
                if array is not None:
                    found[f"{number}/{name}"] = array.copy()
        return found

    def set_state(self, state: dict[str, Any], variables: Iterable[Any] | None = None) -> None:
        """Go on where `state` was taken.

        Parameters
        ----------
        state : dict
        variables : iterable of Variable, optional
            As they were given to `state`. An optimizer that has not met its variables yet needs them.

        Raises
        ------
        TypeError, ValueError
            If something is missing or too much, or does not fit; nothing is changed then.
        """
        listed = list(self.slots) if variables is None else list(variables)
        keys = _keys(listed)
        slots: dict[Any, list[Array | None]] = {}
        expected = {"batches", *(["learning_rate"] if isinstance(self._learning_rate, float) else [])}
        for number, (key, variable) in enumerate(zip(keys, listed, strict=True)):
            if key not in self.slots and not any(name.startswith(f"{number}/") for name in state):
                continue
            values = variable.array if isinstance(variable, Variable) else variable
            slots[key] = self.remembered(key, values)
            named = zip(self.memory_names, slots[key], strict=True)
            expected.update(f"{number}/{name}" for name, array in named if array is not None)
        if expected != set(state):
            odd = sorted(expected.symmetric_difference(state))[0]
            fault = "lacks" if odd in expected else "has an unknown entry"
            raise ValueError(f"The state of an optimizer {fault} {odd!r}: it is that of another one.")
        batches = check_integer("batches", state["batches"], 0, 2**62)
        rate = check_number("learning_rate", state.get("learning_rate", 0.0), 0)
        pairs = [
            (array, check_array(f"{number}/{name}", state[f"{number}/{name}"], array.shape))
            for number, key in enumerate(keys)
            for name, array in zip(self.memory_names, slots.get(key, ()), strict=False)
            if array is not None
        ]
        for array, value in pairs:
            array[...] = value
        self.slots.update(slots)
        self.batches = batches
        if isinstance(self._learning_rate, float):
            self._learning_rate = rate

    # Averages

    @property
    def averages(self) -> dict[Any, Array]:
        """The moving averages by variable: live, writing to one changes it. Empty without `use_ema`."""
        found = {}
        if self.use_ema:
            for key, slots in self.slots.items():
                average = slots[len(self.slot_names)]
                assert average is not None
                found[key] = average
        return found

    def swap_averages(self) -> None:
        """Exchange the weights and their moving averages.

        Raises
        ------
        ValueError
            Without `use_ema`.
        """
        if not self.use_ema:
            raise ValueError("swap_averages needs an optimizer with use_ema=True.")
        for variable, average in self.averages.items():
            if isinstance(variable, Variable):
                earlier = variable.value
                variable.array[...] = average
                average[...] = earlier

    def finalize_variable_values(self, var_list: Iterable[Any]) -> None:
        """With `use_ema`, give weights the values of their moving averages. `fit` does so in the end.

        Parameters
        ----------
        var_list : iterable of Variable, or ndarrays as given to `apply`

        Raises
        ------
        ValueError
            If one of them has no average yet.
        """
        if not self.use_ema:
            return
        averages, listed = self.averages, list(var_list)
        keys = _keys(listed)
        for key in keys:
            if key not in averages:
                raise ValueError(f"The optimizer has no average of {key!r}: it has not been trained.")
        for key, variable in zip(keys, listed, strict=True):
            target = variable.array if isinstance(variable, Variable) else variable
            target[...] = averages[key]

    # Steps on arrays

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Any]]) -> int:
        """`apply` for pairs of a gradient and a variable; the number of batches so far is returned.

        Raises
        ------
        TypeError, ValueError
            As `apply`.

        Examples
        --------
        >>> import numpy as np
        >>> import cbackprop as cb
        >>> w = np.array([1.0, 2.0])
        >>> cb.optimizers.SGD(0.5).apply_gradients(zip([np.array([1.0, 1.0])], [w]))
        1
        """
        pairs = list(grads_and_vars)
        self.apply([gradient for gradient, _ in pairs], [variable for _, variable in pairs])
        return self.batches

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Any] | None = None) -> None:
        """Take one step on arrays, in place.

        Parameters
        ----------
        grads : sequence of ndarray
            One gradient for each variable, shaped like it. A variable whose gradient is ``None`` is left alone, with a
            warning.
        trainable_variables : sequence of ndarray or Variable, optional
            All float32 or all float64. Arrays must be the same ones, in the same order, at every call. By default
            those of `build`.

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
        if trainable_variables is None and self._built is None:
            raise ValueError("apply needs trainable_variables, unless build has been called with them.")
        variables = list(self._built if trainable_variables is None else trainable_variables)  # type: ignore[arg-type]
        arrays = [v.array if isinstance(v, Variable) else v for v in variables]
        gradients = _check_gradients(grads, arrays)
        slots = self._slots_of(variables, arrays)
        segments, targets = [], []
        for key, variable, array, gradient in zip(slots, variables, arrays, gradients, strict=True):
            if gradient is not None:
                gradient /= self.loss_scale_factor or 1
                segments.append(Segment(array.copy(order="C"), gradient, slots[key], self.decay_of(variable)))
                targets.append(array)
        compiled = self.implementation_in("compiled")(self, arrays[0].dtype == np.float64)
        compiled.apply(self.batches, SegmentList(compiled, segments))
        self.batches += 1
        self.slots.update(slots)
        for array, segment in zip(targets, segments, strict=True):
            array[...] = segment.values
        for variable in variables:
            if isinstance(variable, Variable) and variable.constraint is not None:
                variable.assign(variable.constraint(variable.numpy()))

    def _slots_of(self, variables: list[Any], arrays: list[Array]) -> dict[Any, list[Array | None]]:
        """What is remembered of each variable, or of each array by its place in the list."""
        keys = _keys(variables)
        shapes = {key: (a.shape, a.dtype) for key, a in zip(keys, arrays, strict=True) if isinstance(key, int)}
        if len(set(keys)) != len(keys):
            raise ValueError("trainable_variables must not hold a variable twice.")
        if shapes and self._applied not in (None, shapes):
            raise ValueError("apply needs arrays of the same shapes and dtype, in the same order, at every call.")
        self._applied = shapes or self._applied
        return {key: self.remembered(key, array) for key, array in zip(keys, arrays, strict=True)}


def _keys(variables: list[Any]) -> list[Any]:
    """Under what each variable is remembered."""
    return [v if isinstance(v, Variable) else index for index, v in enumerate(variables)]


def _check_variable(value: Any) -> Variable:
    if not isinstance(value, Variable):
        raise TypeError(f"var_list must hold variables, but got {type(value).__name__}.")
    return value


def _check_limit(name: str, value: Any) -> float | None:
    return None if value is None else check_number(name, value, 0, open_minimum=True)


def _check_count(name: str, value: Any, minimum: int) -> int | None:
    return None if value is None else check_integer(name, value, minimum, 2**31)


def _check_variables(arrays: Sequence[Any]) -> None:
    for index, array in enumerate(arrays):
        if not isinstance(array, np.ndarray) or array.dtype not in (np.float32, np.float64):
            got = getattr(array, "dtype", type(array).__name__)
            raise TypeError(f"Variable {index} must be a float32 or float64 array, but got {got}.")
        if array.dtype != arrays[0].dtype:
            raise ValueError(f"Variables must have one dtype, but variable {index} has {array.dtype}.")
        if not array.flags.writeable or array.size == 0:
            raise ValueError(f"Variable {index} must be writable and not empty.")


def _check_gradients(grads: Sequence[Any], arrays: Sequence[Any]) -> list[Array | None]:
    """Copies of all gradients, once they are known to fit the variables."""
    grads = list(grads)
    if not arrays or len(grads) != len(arrays):
        raise ValueError(f"Expected one gradient for each variable, but got {len(grads)} for {len(arrays)}.")
    _check_variables(arrays)
    missing = [index for index, gradient in enumerate(grads) if gradient is None]
    if len(missing) == len(grads):
        raise ValueError("There is no gradient for any variable.")
    found = [
        None if g is None else _check_gradient(i, g, a) for i, (g, a) in enumerate(zip(grads, arrays, strict=True))
    ]
    if missing:
        warnings.warn(f"There are no gradients for variables {missing}: they are left alone.", stacklevel=3)
    return found


def _check_gradient(index: int, gradient: Any, array: Array) -> Array:
    if np.asarray(gradient).dtype.kind not in "fiu":
        raise TypeError(f"Gradient {index} must hold real numbers, but got {gradient!r}.")
    if np.shape(gradient) != array.shape:
        raise ValueError(
            f"Gradient {index} must have shape {array.shape} like its variable, but got {np.shape(gradient)}."
        )
    with np.errstate(over="ignore"):
        copy = np.array(gradient, array.dtype, order="C")
    if not np.isfinite(copy).all():
        raise ValueError("Gradients must be finite, but got NaN or infinity.")
    return copy
