"""The costs of a sample in a summary: multiply-adds, and memory in training."""

import math

import numpy as np
import pytest
from layer_cases import LAYERS, called

import cbackprop as cb
from cbackprop import layers


def lines_of(model, **arguments):
    texts = []
    model.summary(print_fn=texts.append, **arguments)
    return texts[0].split("\n")


def adds_of(model):
    """The multiply-adds of each row, by the layer's name, and of the whole model."""
    lines = lines_of(model, show_costs=True, expand_nested=True, line_length=200)
    begin = lines[2].index("Multiply-adds")
    rows = [line for line in lines[4 : lines.index("=" * 200, 2)] if line[begin : begin + 13].strip()]
    total = [line.partition(": ")[2] for line in lines if line.startswith("Multiply-adds per")]
    found = {row.split(" (")[0]: row[begin : begin + 13].strip() for row in rows}
    return found, *total


def test_layers_that_multiply():
    model = cb.Sequential(
        [
            cb.Input((9, 8, 3)),
            layers.RandomRotation(0.1, name="turned"),
            layers.Conv2D(6, (3, 2), strides=2, groups=3, activation="relu", name="conv"),
            layers.BatchNormalization(name="norm"),
            layers.MaxPooling2D((2, 2), name="pool"),
            layers.Conv2DTranspose(5, (2, 3), name="up"),
            layers.Flatten(name="flat"),
            layers.Dense(7, name="dense"),
            layers.Dropout(0.5, name="drop"),
        ]
    )
    shapes = {layer.name: math.prod(layer.output.shape[1:]) for layer in model.layers}
    expected = {
        "turned": 0,
        "conv": shapes["conv"] * 3 * 2 * 3 // 3,
        "norm": shapes["norm"],
        "pool": 0,
        "up": shapes["pool"] * 2 * 3 * 5,
        "flat": 0,
        "dense": shapes["flat"] * 7,
        "drop": 0,
    }
    rows, total = adds_of(model)
    assert rows == {name: f"{adds:,}" for name, adds in expected.items()}
    assert total == f"{sum(expected.values()):,}"


def test_shared_and_nested_layers_count_for_each_call():
    inner = cb.Sequential([cb.Input((4,)), layers.Dense(4, name="deep")], name="inner")
    shared = layers.Dense(4, name="shared")
    x = cb.Input((4,), name="x")
    y = shared(inner(shared(inner(x))))
    rows, total = adds_of(cb.Model(x, layers.Dot(axes=1, name="dot")([y, y])))
    assert rows == {"x": "0", "shared": "32", "inner": "32", "  deep": "16", "dot": "4"}
    assert total == "68"


@pytest.mark.parametrize("axis", [1, 2, 3])
def test_normalization_multiplies_each_number_once(axis):
    model = cb.Sequential([cb.Input((4, 5, 6)), layers.BatchNormalization(axis=axis)])
    assert adds_of(model)[1] == "120"


@pytest.mark.parametrize("layer", [layers.PReLU, layers.Normalization, lambda: layers.LayerNormalization((1, 2))])
def test_weights_of_several_axes_are_no_matrices(layer):
    assert adds_of(cb.Sequential([cb.Input((4, 5)), layer()]))[1] == "20"


@pytest.mark.parametrize("layer", [layers.MaxPooling1D(2), layers.Embedding(9, 3), layers.ReLU()])
def test_layers_that_multiply_nothing(layer):
    model = cb.Sequential([cb.Input((4, 3) if not isinstance(layer, layers.Embedding) else (4,)), layer])
    assert adds_of(model)[1] == "0"


@pytest.mark.parametrize("name", sorted(LAYERS))
def test_every_layer_has_costs(name):
    for make, shapes in LAYERS[name]:
        inputs = [cb.Input(shape) for shape in shapes]
        layer = make()
        outputs = called(layer, inputs)
        rows, total = adds_of(cb.Model(inputs, outputs))
        assert rows[layer.name] == total or layer.is_model


def test_sizes_that_come_with_the_data():
    model = cb.Sequential([cb.Input((None, None, 3)), layers.Conv2D(4, 3, name="conv")])
    assert adds_of(model) == ({"conv": "?"},)
    assert lines_of(model)[-1].startswith("Non-trainable params")


def test_memory_is_that_of_the_engine():
    model = cb.Sequential([cb.Input((8, 8, 2)), layers.Conv2D(4, 3, activation="relu"), layers.MaxPooling2D(3)])
    before = lines_of(model)[-1]
    model.compile("sgd", "mse")
    assert lines_of(model)[-1] == before
    model.fit(np.zeros((4, 8, 8, 2)), np.zeros((4, 2, 2, 4)), verbose=0)
    assert lines_of(model)[-1] == before
    memory = model._engine.memory
    rows = 100
    size = float(before.partition(": ")[2].removesuffix(" KB")) * 1024
    assert memory._arrange(rows, memory.of_one_thread).size / rows == pytest.approx(size, rel=0.05)


def test_memory_leaves_the_model_as_it_was():
    losses = []
    for shows in (True, False):
        cb.utils.set_random_seed(1)
        model = cb.Sequential([cb.Input((4,)), layers.Dropout(0.5), layers.Dense(3)])
        if shows:
            model.summary(print_fn=str)
        model.compile("sgd", "mse")
        losses += model.fit(np.ones((64, 4)), np.ones((64, 3)), verbose=0).history["loss"]
    assert losses[0] == losses[1]


def test_nothing_is_trained():
    model = cb.Sequential([cb.Input((4,)), layers.Dense(3)])
    model.trainable = False
    assert lines_of(model)[-1] == "Multiply-adds per sample: 12"


def test_doubles_take_twice_the_memory():
    sizes = {}
    for dtype in ("float32", "float64"):
        model = cb.Sequential([cb.Input((4,), dtype=dtype), layers.Dense(32, dtype=dtype)])
        sizes[dtype] = lines_of(model)[-1]
    assert sizes == {
        "float32": "Memory per sample in training: 256 B",
        "float64": "Memory per sample in training: 512 B",
    }
