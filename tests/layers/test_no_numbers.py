"""Samples with an axis of size 0: every layer takes them, or refuses them with a message, and nothing crashes."""

import layer_cases
import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers

CASES = [
    pytest.param(make, shapes, axis, id=f"{name}{i}-{axis}")
    for name, rows in layer_cases.LAYERS.items()
    for i, (make, shapes) in enumerate(rows)
    for axis in range(max(map(len, shapes)))
]


def total(y_true, y_pred):
    return float(np.sum(y_pred)), np.ones_like(y_pred)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize(("make", "shapes", "axis"), CASES)
@pytest.mark.filterwarnings("ignore")
def test_every_layer(make, shapes, axis, engine):
    shapes = [tuple(0 if i == axis else size for i, size in enumerate(shape)) for shape in shapes]
    arrays = [np.zeros((3, *shape), "float32") for shape in shapes]
    refused = ""
    try:
        inputs = [cb.Input(shape) for shape in shapes]
        model = cb.Model(inputs, layer_cases.called(make(), inputs))
        found = layer_cases.called(make(), arrays)
        model.compile("sgd", total, engine=engine)
        loss = model.fit(arrays, np.zeros(model.predict(arrays, verbose=0).shape), verbose=0).history["loss"][0]
    except ValueError as error:
        refused = str(error)
    if refused:
        assert "cannot reshape" not in refused
        assert len(refused) > 20
    else:
        assert found.shape == (3, *model.output_shape[1:])
        assert np.isfinite(loss)  # not 0 where a weight has a regularizer


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: layers.LayerNormalization(), (0, 10)),
        (lambda: layers.RMSNormalization(), (0, 10)),
        (lambda: layers.UnitNormalization(), (0, 10)),
        (lambda: layers.BatchNormalization(), (0, 10)),
        (lambda: layers.GroupNormalization(5), (0, 10)),
        (lambda: layers.Dense(4, activation="relu"), (0, 10)),
        (lambda: layers.Softmax(), (0, 10)),
        (lambda: layers.Masking(), (0, 10)),
        (lambda: layers.Dropout(0.5), (3, 0)),
    ],
)
def test_weights_stay_as_they_are(make, shape, engine):
    layer = make()
    layer.build((1, *shape))
    x = cb.Input(shape)
    model = cb.Model(x, layer(x))
    model.compile(cb.optimizers.SGD(0.1), "mse", metrics=["mae"], engine=engine)
    before = model.get_weights()
    data = np.zeros((5, *shape))
    targets = np.zeros((5, *model.output_shape[1:]))
    assert model.predict(data, verbose=0).shape == targets.shape
    assert model.fit(data, targets, epochs=2, verbose=0).history["loss"] == [0.0, 0.0]
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_sums_over_nothing():
    x = np.zeros((2, 0))
    np.testing.assert_array_equal(layers.CategoryEncoding(3, "count")(x), np.zeros((2, 3)))
    np.testing.assert_array_equal(layers.Dot((1, 1))([np.zeros((2, 0, 3)), np.zeros((2, 0, 4))]), np.zeros((2, 3, 4)))
    joined = layers.Concatenate(axis=1)([np.zeros((2, 0, 3)), np.ones((2, 1, 3))])
    np.testing.assert_array_equal(joined, np.ones((2, 1, 3)))


def test_weights_have_sizes():
    with pytest.raises(ValueError, match="weight 'kernel' must be at least 1"):
        layers.Dense(2)(cb.Input((0,)))
    with pytest.raises(ValueError, match="must be at least 0, but got -1"):
        cb.Input((-1, 3))
