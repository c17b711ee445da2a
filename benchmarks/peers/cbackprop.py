"""cbackprop: `fit` on arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from attention_nets import WIDER, AttentionNetwork
from convnets import (
    Average,
    Conv,
    ConvNetwork,
    ConvTranspose,
    Dense,
    Depthwise,
    Flatten,
    Norm,
    Pool,
    Residual,
)
from recurrent_nets import RecurrentNetwork
from workloads import MOMENTUM, RATES, RHO, RMSPROP_EPSILON, Network, Prediction

import cbackprop as cb
from cbackprop import layers, optimizers

TITLE = "cbackprop"
PACKAGES = ("cbackprop",)
LOSSES = {"mse": "mse", "ce": "sparse_categorical_crossentropy"}
OPTIMIZERS = {
    "sgd": lambda rate: optimizers.SGD(rate),
    "momentum": lambda rate: optimizers.SGD(rate, momentum=MOMENTUM),
    "adam": lambda rate: optimizers.Adam(rate),
    "rmsprop": lambda rate: optimizers.RMSprop(rate, RHO, epsilon=RMSPROP_EPSILON),
}


def set_threads(n: int | Literal["auto"]) -> None:
    cb.config.set_num_threads(n)


def make(network: Network, engine: str) -> cb.Model:
    """The compiled model with the network's weights."""
    model = maker_of(network)(network)
    model.compile(OPTIMIZERS[network.optimizer](RATES[network.optimizer]), LOSSES[network.loss], engine=engine)
    model.set_weights(network.weights())
    return model


def maker_of(network: Network) -> Callable[[Any], cb.Model]:
    """The function that makes a model for such a network."""
    if isinstance(network, RecurrentNetwork):
        return make_recurrent
    if isinstance(network, AttentionNetwork):
        return make_attention
    return make_images if isinstance(network, ConvNetwork) else make_dense


def make_recurrent(network: RecurrentNetwork) -> cb.Model:
    features, units, outputs = network.widths
    layer = getattr(layers, network.cell)(units)
    return cb.Sequential([cb.Input((network.length, features)), layer, layers.Dense(outputs)])


def make_attention(network: AttentionNetwork) -> cb.Model:
    width, outputs = network.widths
    inputs = x = cb.Input((network.length, width))
    for _ in range(network.blocks):
        attended = layers.MultiHeadAttention(network.heads, width // network.heads)(
            x, x, use_causal_mask=network.causal
        )
        x = layers.LayerNormalization()(layers.Add()([x, attended]))
        wide = layers.Dense(WIDER * width, activation="relu")(x)
        x = layers.LayerNormalization()(layers.Add()([x, layers.Dense(width)(wide)]))
    return cb.Model(inputs, layers.Dense(outputs)(layers.GlobalAveragePooling1D()(x)))


def make_dense(network: Network) -> cb.Model:
    *hidden, outputs = network.widths[1:]
    stack = [layers.Dense(width, activation=network.activation) for width in hidden]
    last = layers.Dense(outputs, activation="softmax" if network.loss == "ce" else "linear")
    return cb.Sequential([cb.Input((network.widths[0],)), *stack, last])


def make_images(network: ConvNetwork) -> cb.Model:
    inputs = cb.Input(network.widths)
    outputs = connect(network.layers, inputs)
    if network.loss == "ce":
        outputs = layers.Softmax()(outputs)
    return cb.Model(inputs, outputs)


def connect(stack: tuple[Any, ...], x: Any) -> Any:
    """The output of the layers for a symbolic tensor."""
    for one in stack:
        axes = len(x.shape) - 2
        activation = "relu" if getattr(one, "relu", False) else None
        match one:
            case Conv():
                options = {"strides": one.strides, "padding": one.padding, "dilation_rate": one.dilation}
                kind = getattr(layers, f"Conv{axes}D")
                x = kind(one.filters, one.size, use_bias=one.bias, activation=activation, **options)(x)
            case ConvTranspose():
                kind = getattr(layers, f"Conv{axes}DTranspose")
                x = kind(one.filters, one.size, one.strides, padding="same", activation=activation)(x)
            case Depthwise():
                x = getattr(layers, f"DepthwiseConv{axes}D")(one.size, padding="same")(x)
            case Norm():
                x = layers.BatchNormalization()(x)
                x = layers.ReLU()(x) if activation else x
            case Dense():
                x = layers.Dense(one.units, activation=activation)(x)
            case Residual():
                x = layers.ReLU()(layers.Add()([x, connect(one.layers, x)]))
            case Average():
                x = getattr(layers, f"GlobalAveragePooling{axes}D")()(x)
            case Flatten():
                x = layers.Flatten()(x)
            case Pool():
                x = getattr(layers, f"MaxPooling{axes}D")(one.size)(x)
    return x


class Training:
    engine = "compiled"

    def __init__(self, network: Network) -> None:
        self.batch = network.batch
        self.x, self.y = network.data()
        self.model = make(network, self.engine)

    def steps(self, count: int) -> list[Any]:
        for _ in range(count):
            self.model.train_on_batch(self.x[: self.batch], self.y[: self.batch])
        return self.model.get_weights()

    def run(self, epochs: int) -> None:
        self.model.fit(self.x, self.y, batch_size=self.batch, epochs=epochs, verbose=0)


class Inference:
    def __init__(self, prediction: Prediction) -> None:
        model = make(prediction.network, "compiled")
        doors = {
            "predict_on_batch": model.predict_on_batch,
            "model(x)": model,
            "predict": lambda x: model.predict(x, verbose=0),
        }
        self.call = doors[prediction.door]
        self.x = prediction.network.inputs(prediction.rows)

    def run(self, calls: int) -> Any:
        for _ in range(calls):
            y = self.call(self.x)
        return y
