"""Initializers: the initial values of weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from cbackprop.absent import explain
from cbackprop.initializers.constant import Constant, Identity, Ones, Zeros, from_array
from cbackprop.initializers.distributions import RandomNormal, RandomUniform, TruncatedNormal
from cbackprop.initializers.glorot_he_lecun import (
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    LecunNormal,
    LecunUniform,
)
from cbackprop.initializers.initializer import Initializer, registry
from cbackprop.initializers.orthogonal import Orthogonal
from cbackprop.initializers.variance_scaling import VarianceScaling

__all__ = [
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "IdentityInitializer",
    "Initializer",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "OrthogonalInitializer",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "constant",
    "deserialize",
    "get",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "identity",
    "lecun_normal",
    "lecun_uniform",
    "ones",
    "orthogonal",
    "random_normal",
    "random_uniform",
    "registry",
    "serialize",
    "truncated_normal",
    "variance_scaling",
    "zeros",
]

# As in Keras, every class also has these names.
IdentityInitializer = Identity
OrthogonalInitializer = Orthogonal
constant = Constant
glorot_normal = GlorotNormal
glorot_uniform = GlorotUniform
he_normal = HeNormal
he_uniform = HeUniform
identity = Identity
lecun_normal = LecunNormal
lecun_uniform = LecunUniform
ones = Ones
orthogonal = Orthogonal
random_normal = RandomNormal
random_uniform = RandomUniform
truncated_normal = TruncatedNormal
variance_scaling = VarianceScaling
zeros = Zeros


def get(identifier: Any) -> Any:
    """Return the initializer that is given by a name, a config, a class, an array or an object.

    Parameters
    ----------
    identifier : str, dict, type, callable, array or None
        A name (``"he_normal"`` or ``"HeNormal"``), the config that `serialize` wrote, a class, an initializer, or
        any function ``f(shape, dtype)`` that returns an array. An array gives an initializer that returns copies of
        it and refuses other shapes. None gives None.

    Returns
    -------
    callable or None
        Called as ``initializer(shape, dtype=None)``.

    Raises
    ------
    ValueError
        For an unknown name (the message lists similar known names), or an array that holds NaN or infinity.
    TypeError
        If the identifier is none of these.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> cb.initializers.get("he_normal")
    HeNormal()
    >>> cb.initializers.get({"class_name": "Constant", "config": {"value": 2.0}})
    Constant(value=2.0)
    >>> halves = cb.initializers.get(lambda shape, dtype=None: np.full(shape, 0.5, dtype))
    >>> halves((2,), dtype="float32")
    array([0.5, 0.5], dtype=float32)
    >>> cb.initializers.get(np.array([1, 2]))((2,))
    array([1., 2.], dtype=float32)
    """
    if isinstance(identifier, (np.ndarray, np.generic)):
        return from_array(np.asarray(identifier))
    if isinstance(identifier, type) and issubclass(identifier, Initializer):
        return identifier()
    return registry.get(identifier)


def serialize(initializer: Any) -> Any:
    """`initializer` as plain values that can be written as JSON and read by `deserialize`.

    Raises
    ------
    ValueError
        If it is not an initializer of this module, for example a function of your own.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.initializers.serialize(cb.initializers.Constant(2.0))["config"]
    {'value': 2.0}
    """
    return registry.serialize(initializer)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """Make the initializer that `serialize` described.

    Parameters
    ----------
    config : dict or str
        The result of `serialize`, here or in Keras, or a name.
    custom_objects : dict, optional
        Classes by name, looked up before those of this module.

    Raises
    ------
    ValueError
        For an unknown name, or for something that is not a config.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.initializers.deserialize(cb.initializers.serialize(cb.initializers.HeNormal(seed=1)))
    HeNormal(seed=1)
    """
    found = registry.deserialize(config, custom_objects)
    return found() if isinstance(found, type) else found


explain(__name__)
