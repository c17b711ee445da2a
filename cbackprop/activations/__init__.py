"""Activation functions a = f(z).

Use one in a layer by its name (``Dense(8, activation="relu")``), or call it on an array or on a symbolic tensor of a
functional model.
"""

from cbackprop.absent import explain
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


explain(__name__)
