"""Layers: what a network is made of."""

from cbackprop.layers.activation import ELU, Activation, ActivationLayer, LeakyReLU, ReLU, Softmax
from cbackprop.layers.activity_regularization import ActivityRegularization
from cbackprop.layers.batch_normalization import BatchNormalization
from cbackprop.layers.dense import Dense
from cbackprop.layers.dropout import Dropout
from cbackprop.layers.input import Input, InputLayer
from cbackprop.layers.layer import Layer, registry
from cbackprop.layers.merging import (
    Add,
    Average,
    Concatenate,
    Dot,
    Maximum,
    Merge,
    Minimum,
    Multiply,
    Subtract,
    add,
    average,
    concatenate,
    dot,
    maximum,
    minimum,
    multiply,
    subtract,
)
from cbackprop.layers.normalization import (
    GroupNormalization,
    LayerNormalization,
    RMSNormalization,
    UnitNormalization,
)
from cbackprop.layers.prelu import PReLU
from cbackprop.layers.reshaping import Flatten, Identity, Permute, RepeatVector, Reshape

__all__ = [
    "ELU",
    "Activation",
    "ActivationLayer",
    "ActivityRegularization",
    "Add",
    "Average",
    "BatchNormalization",
    "Concatenate",
    "Dense",
    "Dot",
    "Dropout",
    "Flatten",
    "GroupNormalization",
    "Identity",
    "Input",
    "InputLayer",
    "Layer",
    "LayerNormalization",
    "LeakyReLU",
    "Maximum",
    "Merge",
    "Minimum",
    "Multiply",
    "PReLU",
    "Permute",
    "RMSNormalization",
    "ReLU",
    "RepeatVector",
    "Reshape",
    "Softmax",
    "Subtract",
    "UnitNormalization",
    "add",
    "average",
    "concatenate",
    "dot",
    "maximum",
    "minimum",
    "multiply",
    "registry",
    "subtract",
]
