"""Learning rate schedules: the learning rate as a function of the step."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cbackprop.absent import explain
from cbackprop.compiled.optimizers.schedules import PythonSchedule
from cbackprop.registry import Registry
from cbackprop.spec import Spec
from cbackprop.validation import check_boolean, check_items, check_name, check_number

__all__ = [
    "CosineDecay",
    "CosineDecayRestarts",
    "ExponentialDecay",
    "InverseTimeDecay",
    "LearningRateSchedule",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
    "deserialize",
    "get",
    "registry",
    "serialize",
]

registry = Registry("learning rate schedule", "optimizers.schedules")


class LearningRateSchedule(Spec):
    """Base of all schedules: functions from the number of previous steps to the learning rate.

    Give one to any optimizer as its `learning_rate`. The schedules of this module run in compiled code. For a schedule
    of your own, define a subclass with a method ``__call__(step)``, where `step` is an int and the result a number.

    Raises
    ------
    NotImplementedError
        If the base class itself is called.

    References
    ----------
    Arguments and results are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> class Halving(cb.optimizers.schedules.LearningRateSchedule):
    ...     def __init__(self, start):
    ...         self.start = start
    ...
    ...     def __call__(self, step):
    ...         return self.start / 2**step
    >>> optimizer = cb.optimizers.SGD(Halving(0.1))
    >>> optimizer.learning_rate
    0.1
    """

    def __call__(self, step: Any) -> Any:
        """The learning rate after `step` steps; for an array of steps, an array of rates."""
        found = self.implementation_in("reference")
        if found is None:
            raise NotImplementedError(f"{type(self).__name__} must override __call__(step).")
        steps = np.asarray(step) if hasattr(step, "__array__") or isinstance(step, (list, tuple)) else None
        rule = found(self)
        if steps is None or not steps.ndim:
            return _rate_at(rule, "step", step if steps is None else steps.item())
        rates = [_rate_at(rule, "every step", value) for value in steps.ravel().tolist()]
        return np.reshape(np.array(rates, np.float64), steps.shape)

    def implementation_in(self, package: str) -> Any:
        """The class that evaluates this schedule in ``cbackprop.compiled`` or ``cbackprop.reference``, or ``None``."""
        for cls in type(self).__mro__:
            if registry.name_of(cls) is not None:
                return getattr(importlib.import_module(f"cbackprop.{package}.optimizers.schedules"), cls.__name__)
        return None

    def compiled(self, rate_at: Callable[[int], float]) -> Any:
        """The compiled schedule; for one written in Python, an object that calls `rate_at`."""
        found = self.implementation_in("compiled")
        if found is None or type(self).__call__ is not LearningRateSchedule.__call__:
            return PythonSchedule(rate_at)
        return found(self)

    def __repr__(self) -> str:
        try:
            return super().__repr__()
        except AttributeError:  # a user's class may store its arguments under other names
            return f"<{type(self).__name__}>"


def _rate_at(rule: Any, name: str, step: Any) -> float:
    """The rate of a step. The formula may be undefined, for example for negative steps."""
    number = check_number(name, step)
    try:
        return float(rule.rate(number))
    except (ArithmeticError, ValueError) as error:
        raise ValueError(f"{name} is {number:g}, for which the schedule has no rate: {error}.") from None


def _check_rate(name: str, value: Any) -> float:
    return check_number(name, value, 0)


def _check_steps(name: str, value: Any) -> float:
    """Check a number of steps. An int stays an int, so that configs are the same."""
    check_number(name, value, 0, open_minimum=True)
    return value if isinstance(value, int) else float(value)


@registry.register()
class ExponentialDecay(LearningRateSchedule):
    """``initial_learning_rate decay_rate^(step / decay_steps)``.

    Parameters
    ----------
    initial_learning_rate : float
    decay_steps : int
        The number of steps of the decay, greater than 0.
    decay_rate : float
        The factor in the formula, at least 0.
    staircase : bool, default False
        Round ``step / decay_steps`` down.
    name : str, default "ExponentialDecay"

    Raises
    ------
    TypeError, ValueError
        If a number is of the wrong type or out of range.

    References
    ----------
    Arguments and results are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> schedule = cb.optimizers.schedules.ExponentialDecay(0.1, decay_steps=100, decay_rate=0.5)
    >>> schedule(200)
    0.025
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
        name: str = "ExponentialDecay",
    ) -> None:
        self.initial_learning_rate = _check_rate("initial_learning_rate", initial_learning_rate)
        self.decay_steps = _check_steps("decay_steps", decay_steps)
        self.decay_rate = check_number("decay_rate", decay_rate, 0)
        self.staircase = check_boolean("staircase", staircase)
        self.name = check_name(name)


@registry.register()
class PiecewiseConstantDecay(LearningRateSchedule):
    """``values[i]`` where ``boundaries[i - 1] < step <= boundaries[i]``.

    Parameters
    ----------
    boundaries : list of int
        The steps at which the rate changes, in increasing order.
    values : list of float
        The rates, one more than there are boundaries.
    name : str, default "PiecewiseConstant"

    Raises
    ------
    TypeError, ValueError
        If a number is of the wrong type or out of range, the boundaries do not increase, or the number of values is
        not that of boundaries plus 1.

    References
    ----------
    Arguments and results are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> schedule = cb.optimizers.schedules.PiecewiseConstantDecay([100, 200], [0.1, 0.01, 0.001])
    >>> schedule(100), schedule(101)
    (0.1, 0.01)
    """

    def __init__(self, boundaries: Sequence[float], values: Sequence[float], name: str = "PiecewiseConstant") -> None:
        self.boundaries = _check_list("boundaries", boundaries)
        self.values = [float(value) for value in _check_list("values", values)]
        if len(self.boundaries) != len(self.values) - 1:
            raise ValueError(
                "values must have one more element than boundaries, "
                f"but got {len(self.values)} values and {len(self.boundaries)} boundaries."
            )
        if any(a >= b for a, b in zip(self.boundaries, self.boundaries[1:], strict=False)):
            raise ValueError(f"boundaries must increase, but got {self.boundaries}.")
        self.name = check_name(name)


def _check_list(name: str, values: Any) -> list[float]:
    given = check_items(name, values, "a list of numbers")
    for index, value in enumerate(given):
        check_number(f"{name}[{index}]", value, 0)
    return [value if isinstance(value, int) else float(value) for value in given]


@registry.register()
class PolynomialDecay(LearningRateSchedule):
    """``(initial_learning_rate - end_learning_rate) (1 - step / decay_steps)^power + end_learning_rate``.

    After `decay_steps` it stays at `end_learning_rate`. With `cycle`, it continues instead with the next larger
    multiple of `decay_steps` in the formula.

    Parameters
    ----------
    initial_learning_rate : float
    decay_steps : int
        The number of steps of the decay, greater than 0.
    end_learning_rate : float, default 0.0001
    power : float, default 1.0
        At least 0.
    cycle : bool, default False
        Whether to start again after `decay_steps`.
    name : str, default "PolynomialDecay"

    Raises
    ------
    TypeError, ValueError
        If a number is of the wrong type or out of range.

    References
    ----------
    Arguments and results are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> schedule = cb.optimizers.schedules.PolynomialDecay(1.0, decay_steps=10, end_learning_rate=0.0)
    >>> schedule(5), schedule(20)
    (0.5, 0.0)
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str = "PolynomialDecay",
    ) -> None:
        self.initial_learning_rate = _check_rate("initial_learning_rate", initial_learning_rate)
        self.decay_steps = _check_steps("decay_steps", decay_steps)
        self.end_learning_rate = _check_rate("end_learning_rate", end_learning_rate)
        self.power = check_number("power", power, 0)
        self.cycle = check_boolean("cycle", cycle)
        self.name = check_name(name)


@registry.register()
class InverseTimeDecay(LearningRateSchedule):
    """``initial_learning_rate / (1 + decay_rate step / decay_steps)``.

    Parameters
    ----------
    initial_learning_rate : float
    decay_steps : int
        The number of steps of the decay, greater than 0.
    decay_rate : float
        The factor in the formula, at least 0.
    staircase : bool, default False
        Round ``step / decay_steps`` down.
    name : str, default "InverseTimeDecay"

    Raises
    ------
    TypeError, ValueError
        If a number is of the wrong type or out of range.

    References
    ----------
    Arguments and results are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> schedule = cb.optimizers.schedules.InverseTimeDecay(0.1, decay_steps=10, decay_rate=1.0)
    >>> schedule(10)
    0.05
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
        name: str = "InverseTimeDecay",
    ) -> None:
        self.initial_learning_rate = _check_rate("initial_learning_rate", initial_learning_rate)
        self.decay_steps = _check_steps("decay_steps", decay_steps)
        self.decay_rate = check_number("decay_rate", decay_rate, 0)
        self.staircase = check_boolean("staircase", staircase)
        self.name = check_name(name)


@registry.register()
class CosineDecay(LearningRateSchedule):
    """Decay by half a cosine, optionally after a warm-up.

    Without warm-up the rate is ``initial_learning_rate ((1 - alpha) (1 + cos(pi step / decay_steps)) / 2 + alpha)``
    until `decay_steps`, and then constant. With a `warmup_target`, the rate first goes linearly from
    `initial_learning_rate` to the target in `warmup_steps`, and decays from there.

    Parameters
    ----------
    initial_learning_rate : float
    decay_steps : int
        The number of steps of the decay, without the warm-up; greater than 0.
    alpha : float, default 0.0
        The fraction of the rate that remains at the end.
    name : str, default "CosineDecay"
    warmup_target : float, optional
        The rate at the end of the warm-up. By default there is no warm-up.
    warmup_steps : int, default 0
        The number of steps of the warm-up.

    Raises
    ------
    TypeError, ValueError
        If a number is of the wrong type or out of range.

    References
    ----------
    Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017. Arguments
    and results are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> schedule = cb.optimizers.schedules.CosineDecay(0.0, decay_steps=100, warmup_target=0.1, warmup_steps=10)
    >>> schedule(5), schedule(10), round(schedule(60), 6)
    (0.05, 0.1, 0.05)
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        alpha: float = 0.0,
        name: str = "CosineDecay",
        warmup_target: float | None = None,
        warmup_steps: int = 0,
    ) -> None:
        self.initial_learning_rate = _check_rate("initial_learning_rate", initial_learning_rate)
        self.decay_steps = _check_steps("decay_steps", decay_steps)
        self.alpha = check_number("alpha", alpha, 0)
        self.name = check_name(name)
        self.warmup_target = None if warmup_target is None else _check_rate("warmup_target", warmup_target)
        check_number("warmup_steps", warmup_steps, 0)
        self.warmup_steps = warmup_steps if isinstance(warmup_steps, int) else float(warmup_steps)


@registry.register()
class CosineDecayRestarts(LearningRateSchedule):
    """Repeat the decay of `CosineDecay`.

    Parameters
    ----------
    initial_learning_rate : float
    first_decay_steps : int
        The length of the first decay, greater than 0.
    t_mul : float, default 2.0
        Each decay is this many times as long as the one before; at least 1.
    m_mul : float, default 1.0
        Each decay starts at this many times the rate of the one before.
    alpha : float, default 0.0
        The fraction of the rate that remains at the end of each decay.
    name : str, default "SGDRDecay"

    Raises
    ------
    TypeError, ValueError
        If a number is of the wrong type or out of range.

    References
    ----------
    Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017. Arguments
    and results are those of Keras 3.

    Examples
    --------
    >>> import cbackprop as cb
    >>> schedule = cb.optimizers.schedules.CosineDecayRestarts(0.1, first_decay_steps=10)
    >>> schedule(0), schedule(10), round(schedule(20), 6)
    (0.1, 0.1, 0.05)
    """

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: int,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        name: str = "SGDRDecay",
    ) -> None:
        self.initial_learning_rate = _check_rate("initial_learning_rate", initial_learning_rate)
        self.first_decay_steps = _check_steps("first_decay_steps", first_decay_steps)
        self.t_mul = check_number("t_mul", t_mul, 1)
        self.m_mul = check_number("m_mul", m_mul, 0)
        self.alpha = check_number("alpha", alpha, 0)
        self.name = check_name(name)


def get(identifier: Any) -> Any:
    """Return the schedule that is given by a config or an object.

    Raises
    ------
    TypeError, ValueError
        If it is neither.
    """
    found = registry.get(identifier)
    if not isinstance(found, LearningRateSchedule):
        raise TypeError(f"Expected a learning rate schedule or its config, but got {identifier!r}.")
    return found


def serialize(learning_rate_schedule: Any) -> Any:
    """Describe a schedule by plain values, which `deserialize` turns back into a schedule."""
    return registry.serialize(learning_rate_schedule)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """Make the schedule that `serialize` described."""
    return registry.deserialize(config, custom_objects)


explain(__name__)
