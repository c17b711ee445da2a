"""Layers: what a network is made of."""

from cbackprop.layers.activation import Activation, ActivationLayer, Softmax
from cbackprop.layers.dense import Dense
from cbackprop.layers.input import Input, InputLayer
from cbackprop.layers.layer import Layer, registry

__all__ = ["Activation", "ActivationLayer", "Dense", "Input", "InputLayer", "Layer", "Softmax", "registry"]
