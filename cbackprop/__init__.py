"""cbackprop trains neural networks by backpropagation in compiled C, with the names and numbers of Keras 3."""

import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

from cbackprop import (
    activations,
    callbacks,
    config,
    constraints,
    datasets,
    distribution,
    export,
    initializers,
    layers,
    losses,
    metrics,
    models,
    optimizers,
    regularizers,
    saving,
    trace,
    utils,
)
from cbackprop import (
    random as random,
)
from cbackprop.absent import AbsentModules, name_error
from cbackprop.callbacks import Callback
from cbackprop.initializers import Initializer
from cbackprop.layers import Input, Layer
from cbackprop.losses import Loss
from cbackprop.metrics import Metric
from cbackprop.models import Ensemble, Model, Sequential, fit_many
from cbackprop.optimizers import Optimizer
from cbackprop.tensor import KerasTensor
from cbackprop.variable import Variable
from cbackprop.version import __version__

if TYPE_CHECKING:
    from cbackprop import plotting

__all__ = [
    "Callback",
    "Ensemble",
    "Initializer",
    "Input",
    "KerasTensor",
    "Layer",
    "Loss",
    "Metric",
    "Model",
    "Optimizer",
    "Sequential",
    "Variable",
    "__version__",
    "activations",
    "callbacks",
    "config",
    "constraints",
    "datasets",
    "distribution",
    "export",
    "fit_many",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "optimizers",
    "plotting",
    "regularizers",
    "saving",
    "trace",
    "utils",
]


if TYPE_CHECKING:
    from cbackprop import playground as playground
    from cbackprop import plotting as plotting
    from cbackprop import sklearn as sklearn
    from cbackprop import tables as tables
    from cbackprop import teach as teach
    from cbackprop import wrappers as wrappers


def __getattr__(name: str) -> Any:
    """Import tools only when they are used, so that importing the library is fast."""
    if name in ("playground", "plotting", "sklearn", "tables", "teach", "wrappers"):
        return import_module(f"{__name__}.{name}")
    raise name_error(sys.modules[__name__], name, sys._getframe(1))


sys.meta_path.append(AbsentModules)
