"""cbackprop trains neural networks by backpropagation in compiled C, with the names and numbers of Keras 3."""

from typing import TYPE_CHECKING

from cbackprop import (
    activations,
    callbacks,
    config,
    constraints,
    datasets,
    export,
    initializers,
    layers,
    losses,
    metrics,
    models,
    optimizers,
    regularizers,
    saving,
    utils,
)
from cbackprop.callbacks import Callback
from cbackprop.initializers import Initializer
from cbackprop.layers import Input, Layer
from cbackprop.losses import Loss
from cbackprop.metrics import Metric
from cbackprop.models import Model, Sequential
from cbackprop.optimizers import Optimizer
from cbackprop.tensor import KerasTensor
from cbackprop.variable import Variable
from cbackprop.version import __version__

__all__ = [
    "Callback",
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
    "export",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "optimizers",
    "regularizers",
    "saving",
    "utils",
]


if TYPE_CHECKING:
    from cbackprop import tables as tables
else:

    def __getattr__(name):
        """`tables` is imported when it is asked for: networks alone need not wait for it."""
        if name == "tables":
            import importlib

            return importlib.import_module("cbackprop.tables")
        raise AttributeError(f"module 'cbackprop' has no attribute {name!r}")
