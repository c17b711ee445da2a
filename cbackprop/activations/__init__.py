"""Activation functions a = f(z).

Each can be named in a layer (``Dense(8, activation="relu")``), called on an array, or called on a
symbolic tensor of a functional model.
"""

from cbackprop.activations import function, gates, links, rectifiers, shrinks, sigmoids
from cbackprop.activations.function import *  # noqa: F403
from cbackprop.activations.gates import *  # noqa: F403
from cbackprop.activations.links import *  # noqa: F403
from cbackprop.activations.rectifiers import *  # noqa: F403
from cbackprop.activations.shrinks import *  # noqa: F403
from cbackprop.activations.sigmoids import *  # noqa: F403

__all__ = [
    *function.__all__,
    *gates.__all__,
    *links.__all__,
    *rectifiers.__all__,
    *shrinks.__all__,
    *sigmoids.__all__,
]
