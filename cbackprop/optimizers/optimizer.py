"""The base of all optimizers."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from numpy.typing import NDArray

from cbackprop.absent import attribute_missing
from cbackprop.config_reading import reading
from cbackprop.config_writing import to_config
from cbackprop.contract.implementation import find
from cbackprop.optimizers import schedules
from cbackprop.optimizers.array_steps import split_pairs, take_step
from cbackprop.optimizers.learning_rate import LearningRate
from cbackprop.optimizers.memories import Memories
from cbackprop.optimizers.python_rules import refuse_python_rule
from cbackprop.optimizers.schedules import LearningRateSchedule
from cbackprop.optimizers.settings import check_count, check_limit, derived_from
from cbackprop.optimizers.state_methods import StateMethods
from cbackprop.optimizers.weight_decay import DecayExclusions
from cbackprop.registry import Registry, snake_case
from cbackprop.spec import Spec
from cbackprop.suggestions import nearest
from cbackprop.validation import check_boolean, check_name, check_number
from cbackprop.variable import Variable

__all__ = ["Optimizer", "registry"]

registry = Registry("optimizer", "optimizers")

Array = NDArray[Any]


class Optimizer(StateMethods, Spec):
    """Base of all optimizers.

    Each step clips the gradients, decays the weights, updates them by the optimizer's rule, and then averages them.

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or callable
        Positive or 0. A schedule, or a function without arguments, is called at every step.
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
        Also after every so many steps, the weights become their averages.
    loss_scale_factor : float, optional
        `apply` divides gradients by it, because the loss is expected to have been multiplied by it. No effect in `fit`.
    gradient_accumulation_steps : int, optional
        At least 2. Update once in this many batches, with the mean of their gradients.
    name : str, optional

    Attributes
    ----------
    learning_rate : float
        The current learning rate. It can be set at any time, also during training, unless there is a schedule.
    iterations : int
        Updates so far, for the model compiled last.
    batches : int
        Batches so far. There are more batches than updates if gradients are accumulated. Schedules count batches.
    variables : list of OptimizerVariable
        The state for the model compiled last.

    Notes
    -----
    Several models may use one optimizer. They share its settings, such as the learning rate. Each has its own state:
    the number of batches, and the slots (`state_for`).

    Raises
    ------
    TypeError, ValueError
        If a number is of the wrong type or out of range, or more than one kind of clipping is asked for.
    """

    # "module.Class" below cbackprop.compiled.optimizers and cbackprop.reference.optimizers.
    implementation: ClassVar[str | None] = None
    always_shown: ClassVar[tuple[str, ...]] = ("learning_rate",)

    weight_decay: float | None
    clipnorm: float | None
    clipvalue: float | None
    global_clipnorm: float | None
    ema_momentum: float
    ema_overwrite_frequency: int | None
    loss_scale_factor: float | None
    _undecayed: DecayExclusions

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
        decay = None if weight_decay is None else check_number("weight_decay", weight_decay, 0)
        limits = {
            "clipnorm": check_limit("clipnorm", clipnorm),
            "clipvalue": check_limit("clipvalue", clipvalue),
            "global_clipnorm": check_limit("global_clipnorm", global_clipnorm),
        }
        if sum(limit is not None for limit in limits.values()) > 1:
            raise ValueError("Only one of clipnorm, clipvalue and global_clipnorm can be given.")
        # `__setattr__` need not check what is checked already: it would take half of the time to make an optimizer.
        self.__dict__.update(
            limits,
            weight_decay=decay,
            use_ema=check_boolean("use_ema", use_ema),
            ema_momentum=check_number("ema_momentum", ema_momentum, 0, 1),
            ema_overwrite_frequency=check_count("ema_overwrite_frequency", ema_overwrite_frequency, 1),
            loss_scale_factor=check_limit("loss_scale_factor", loss_scale_factor),
            gradient_accumulation_steps=check_count("gradient_accumulation_steps", gradient_accumulation_steps, 2),
            name=check_name(name) or snake_case(type(self).__name__),
            _undecayed=DecayExclusions(),
            _memories=Memories(),
        )

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        refuse_python_rule(cls)

    # How often settings other than the learning rate have changed. Engines use new settings from their next run on.
    settings_version = 0

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            raise attribute_missing(self, "Optimizer", name)

    def __setattr__(self, name: str, value: Any) -> None:
        if "_memories" in self.__dict__:  # after the constructor; that of a subclass may set its own arguments once
            if name in self.argument_names() and name in self.__dict__:
                derived = derived_from(self, name, value, self._memories.have_slots())
                self.__dict__.update(derived, settings_version=self.settings_version + 1)
                value = derived[name]
            if not (name.startswith("_") or name in self.argument_names() or hasattr(self, name)):
                near = nearest(name, self.argument_names())
                raise AttributeError(f"{type(self).__name__} has no setting {name!r}. {near}")
        super().__setattr__(name, value)

    @property
    def rests_without_gradient(self) -> bool:
        """Whether a step changes neither weights nor slots where the gradient is 0.

        Then steps can skip those rows of a large table (see `Embedding`) that a batch did not read.
        """
        return False

    def scale_loss(self, loss: Any) -> Any:
        """`loss` multiplied by `loss_scale_factor`, if there is one."""
        return loss if self.loss_scale_factor is None else loss * self.loss_scale_factor

    # Configs

    def argument(self, name: str) -> Any:
        """A constructor argument as it was given: the schedule, not the current learning rate."""
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
        """Leave variables out of weight decay. Replaces earlier calls; must be called before training.

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
        self._undecayed = DecayExclusions(var_list, var_names)

    def decays(self, variable: Variable) -> bool:
        """Whether weight decay applies to a variable."""
        return variable not in self._undecayed

    def decay_of(self, variable: Any) -> float:
        """The weight decay of a variable (or a plain array); 0 if there is none."""
        if not self.weight_decay:
            return 0.0
        decays = not isinstance(variable, Variable) or self.decays(variable)
        return self.weight_decay if decays else 0.0

    def compiled_rule(self, dtype: Any) -> Any:
        """The compiled object that applies the rule, for weights of this float type."""
        return self.implementation_in("compiled", dtype)(self)

    def implementation_in(self, package: str, dtype: Any = None) -> Any:
        """The class that implements this optimizer in ``cbackprop.compiled`` or ``cbackprop.reference``."""
        cls: Any = type(self)  # which mypy does not take for hashable
        return _implementation(cls, package, dtype)

    # Steps on arrays

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Any]]) -> int:
        """`apply` for pairs of a gradient and a variable. Returns the number of batches so far.

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
        gradients, variables = split_pairs(grads_and_vars)
        self.apply(gradients, variables)
        return self._memories.of_variables(variables).batches

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Any] | None = None) -> None:
        """Take one step on arrays, in place.

        Parameters
        ----------
        grads : sequence of ndarray
            One gradient for each variable, shaped like it. If a gradient is ``None``, its variable is not changed, and
            there is a warning.
        trainable_variables : sequence of ndarray or Variable, optional
            All float32 or all float64. Arrays must be the same ones, in the same order, at every call, and no model may
            use the optimizer. By default those of `build`.

        Raises
        ------
        TypeError
            If a variable is not such an array, if a gradient is a variable, or if a variable is an array although a
            model is compiled with the optimizer: the step would not change the model.
        ValueError
            If numbers, shapes or dtypes do not fit, or a gradient is not finite. Nothing is changed then.

        Examples
        --------
        >>> import numpy as np
        >>> import cbackprop as cb
        >>> w = np.array([1.0, 2.0])
        >>> cb.optimizers.SGD(0.5).apply([np.array([1.0, 1.0])], [w])
        >>> w
        array([0.5, 1.5])
        """
        take_step(self, self._memories, grads, trainable_variables)


@functools.lru_cache(maxsize=1024)
def _implementation(kind: Any, package: str, dtype: Any) -> Any:
    cls = next(cls for cls in kind.__mro__ if cls.__module__.startswith("cbackprop."))
    path = kind.implementation or f"{cls.__module__.rpartition('.')[2]}.{cls.__name__}"
    if cls is Optimizer:
        raise TypeError(f"{kind.__name__} has no rule: derive it from one of the optimizers of this library.")
    return find(f"{package}.optimizers", path, dtype)
