"""Layers: what a network is made of."""

from cbackprop.layers.activation import ELU, Activation, ActivationLayer, LeakyReLU, ReLU, Softmax
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
from cbackprop.layers.prelu import PReLU
from cbackprop.layers.reshaping import Flatten, Identity, Permute, RepeatVector, Reshape

__all__ = [
    "ELU",
    "Activation",
    "ActivationLayer",
    "Add",
    "Average",
    "Concatenate",
    "Dense",
    "Dot",
    "Dropout",
    "Flatten",
    "Identity",
    "Input",
    "InputLayer",
    "Layer",
    "LeakyReLU",
    "Maximum",
    "Merge",
    "Minimum",
    "Multiply",
    "PReLU",
    "Permute",
    "ReLU",
    "RepeatVector",
    "Reshape",
    "Softmax",
    "Subtract",
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
