"""Learning rate schedules: how large the steps are, step by step."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

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
    """Base of all schedules: a function of the number of steps before this one.

    Any optimizer takes one as its `learning_rate`. Those of this module are evaluated in compiled code. A schedule of
    one's own is a subclass with a method ``__call__(step)`` in Python; `step` is an int, the result a number.

    Raises
    ------
    NotImplementedError
        When the base itself is called.

    References
    ----------
    As Keras 3.

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
        """The rate of the step that comes after `step` others; for an array of steps, an array of rates."""
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
        """The class that evaluates this schedule in ``cbackprop.compiled`` or ``cbackprop.reference``, if there is."""
        for cls in type(self).__mro__:
            if registry.name_of(cls) is not None:
                return getattr(importlib.import_module(f"cbackprop.{package}.optimizers.schedules"), cls.__name__)
        return None

    def compiled(self, rate_at: Callable[[int], float]) -> Any:
        """What evaluates this schedule without the GIL; if it is written in Python, by calling `rate_at`."""
        found = self.implementation_in("compiled")
        if found is None or type(self).__call__ is not LearningRateSchedule.__call__:
            return PythonSchedule(rate_at)
        return found(self)

    def __repr__(self) -> str:
        try:
            return super().__repr__()
        except AttributeError:  # a user's own class may keep its arguments under other names
            return f"<{type(self).__name__}>"


def _rate_at(rule: Any, name: str, step: Any) -> float:
    """The rate of a step; before the first one the formula may have none."""
    number = check_number(name, step)
    try:
        return float(rule.rate(number))
    except (ArithmeticError, ValueError) as error:
        raise ValueError(f"{name} is {number:g}, for which the schedule has no rate: {error}.") from None


def _check_rate(name: str, value: Any) -> float:
    return check_number(name, value, 0)


def _check_steps(name: str, value: Any) -> float:
    """A number of steps as it was given: an int stays one in configs."""
    check_number(name, value, 0, open_minimum=True)
    return value if isinstance(value, int) else float(value)


@registry.register()
class ExponentialDecay(LearningRateSchedule):
    """``initial_learning_rate decay_rate^(step / decay_steps)``.

    Parameters
    ----------
    initial_learning_rate : float
    decay_steps : int
        Greater than 0.
    decay_rate : float
        At least 0.
    staircase : bool, default False
        Round ``step / decay_steps`` down.
    name : str, default "ExponentialDecay"

    Raises
    ------
    TypeError, ValueError
        If a number is of the wrong type or out of range.

    References
    ----------
    As Keras 3.

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
        Increasing.
    values : list of float
        One more.
    name : str, default "PiecewiseConstant"

    Raises
    ------
    TypeError, ValueError
        If a number is of the wrong type or out of range, the boundaries do not increase, or there are not as many
        values as pieces.

    References
    ----------
    As Keras 3.

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

    After `decay_steps` it stays at `end_learning_rate`; or, with `cycle`, begins anew with the next multiple of
    `decay_steps` in the place of `decay_steps`.

    Parameters
    ----------
    initial_learning_rate : float
    decay_steps : int
        Greater than 0.
    end_learning_rate : float, default 0.0001
    power : float, default 1.0
        At least 0.
    cycle : bool, default False
    name : str, default "PolynomialDecay"

    Raises
    ------
    TypeError, ValueError
        If a number is of the wrong type or out of range.

    References
    ----------
    As Keras 3.

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
        Greater than 0.
    decay_rate : float
        At least 0.
    staircase : bool, default False
        Round ``step / decay_steps`` down.
    name : str, default "InverseTimeDecay"

    Raises
    ------
    TypeError, ValueError
        If a number is of the wrong type or out of range.

    References
    ----------
    As Keras 3.

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
    """Half a cosine, if wanted after a warm-up.

    Without warm-up, ``initial_learning_rate ((1 - alpha) (1 + cos(pi step / decay_steps)) / 2 + alpha)`` until
    `decay_steps`, and from then on as at `decay_steps`. With a `warmup_target`, the rate first goes from
    `initial_learning_rate` to the target on a straight line in `warmup_steps`, and decays from there.

    Parameters
    ----------
    initial_learning_rate : float
    decay_steps : int
        Greater than 0; without those of the warm-up.
    alpha : float, default 0.0
        The part of the rate that is left at the end.
    name : str, default "CosineDecay"
    warmup_target : float, optional
    warmup_steps : int, default 0

    Raises
    ------
    TypeError, ValueError
        If a number is of the wrong type or out of range.

    References
    ----------
    Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017. As Keras 3.

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
    """Half cosines one after the other, as in `CosineDecay`.

    Parameters
    ----------
    initial_learning_rate : float
    first_decay_steps : int
        Length of the first one, greater than 0.
    t_mul : float, default 2.0
        How many times as long as the one before each is; at least 1.
    m_mul : float, default 1.0
        How many times as high.
    alpha : float, default 0.0
        The part of the rate that is left at the end of each.
    name : str, default "SGDRDecay"

    Raises
    ------
    TypeError, ValueError
        If a number is of the wrong type or out of range.

    References
    ----------
    Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017. As Keras 3.

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
    """The schedule that a config or an object stands for.

    Raises
    ------
    TypeError, ValueError
        If it stands for none.
    """
    found = registry.get(identifier)
    if not isinstance(found, LearningRateSchedule):
        raise TypeError(f"Expected a learning rate schedule or its config, but got {identifier!r}.")
    return found


def serialize(learning_rate_schedule: Any) -> Any:
    """A schedule as plain values."""
    return registry.serialize(learning_rate_schedule)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """The schedule that `serialize` described."""
    return registry.deserialize(config, custom_objects)
