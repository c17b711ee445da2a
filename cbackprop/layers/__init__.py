"""Layers: what a network is made of."""

from cbackprop.layers.activation import ELU, Activation, ActivationLayer, LeakyReLU, ReLU, Softmax
from cbackprop.layers.dense import Dense
from cbackprop.layers.input import Input, InputLayer
from cbackprop.layers.layer import Layer, registry

__all__ = [
    "ELU",
    "Activation",
    "ActivationLayer",
    "Dense",
    "Input",
    "InputLayer",
    "Layer",
    "LeakyReLU",
    "ReLU",
    "Softmax",
    "registry",
]
