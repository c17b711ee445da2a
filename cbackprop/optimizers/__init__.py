"""Optimizers: rules by which gradients change the weights."""

from __future__ import annotations

from typing import Any

from cbackprop.absent import explain
from cbackprop.optimizers import schedules
from cbackprop.optimizers.adadelta import Adadelta
from cbackprop.optimizers.adafactor import Adafactor
from cbackprop.optimizers.adagrad import Adagrad
from cbackprop.optimizers.adam import Adam
from cbackprop.optimizers.adamax import Adamax
from cbackprop.optimizers.adamw import AdamW
from cbackprop.optimizers.ftrl import Ftrl
from cbackprop.optimizers.full_batch import FullBatchOptimizer
from cbackprop.optimizers.lamb import Lamb
from cbackprop.optimizers.lbfgs import LBFGS
from cbackprop.optimizers.levenberg_marquardt import LevenbergMarquardt
from cbackprop.optimizers.lion import Lion
from cbackprop.optimizers.muon import Muon
from cbackprop.optimizers.nadam import Nadam
from cbackprop.optimizers.optimizer import Optimizer, registry
from cbackprop.optimizers.rmsprop import RMSprop
from cbackprop.optimizers.rprop import Rprop
from cbackprop.optimizers.schedule_free_adamw import ScheduleFreeAdamW
from cbackprop.optimizers.sgd import SGD
from cbackprop.validation import ArgumentTypeError

__all__ = [
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Ftrl",
    "FullBatchOptimizer",
    "Lamb",
    "LevenbergMarquardt",
    "Lion",
    "Muon",
    "Nadam",
    "Optimizer",
    "RMSprop",
    "Rprop",
    "ScheduleFreeAdamW",
    "deserialize",
    "get",
    "registry",
    "schedules",
    "serialize",
]


def get(identifier: Any) -> Any:
    """Return the optimizer that is given by a name, a config, a class or an object; ``None`` for ``None``.

    Raises
    ------
    ValueError
        For an unknown name (the message lists similar known names).

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.optimizers.get("adam")
    Adam(learning_rate=0.001)
    """
    if identifier is None:
        return None
    found = registry.get(identifier)
    if not isinstance(found, Optimizer):
        raise ArgumentTypeError(f"Expected an optimizer, its name or its config, but got {identifier!r}.")
    return found


def serialize(optimizer: Any) -> Any:
    """Describe an optimizer by plain values, which `deserialize` turns back into an optimizer."""
    return registry.serialize(optimizer)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """Make the optimizer that `serialize` described."""
    return registry.deserialize(config, custom_objects)


explain(__name__)
