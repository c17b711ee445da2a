"""Large targets and weights are not copied, and give the same bits as copied ones."""

import tracemalloc

import numpy as np
import pytest

import cbackprop as cb
from cbackprop.models import large_targets
from cbackprop.models.engines import make_engine

RNG = np.random.default_rng(0)


def model_of(loss, units, activation=None, engine="compiled", positions=None):
    cb.utils.set_random_seed(0)
    shape = (3,) if positions is None else (positions, 3)
    model = cb.Sequential([cb.Input(shape), cb.layers.Dense(4, "tanh"), cb.layers.Dense(units, activation)])
    metrics = ["accuracy"] if "crossentropy" in loss else ["mae"]
    model.compile("adam", loss, weighted_metrics=metrics, metrics=metrics, engine=engine)
    return model


def labels(shape, classes):
    return RNG.integers(0, classes, shape)


CASES = {
    "doubles": ("mse", 2, None, None, RNG.random((90, 2))),
    "columns": ("mse", 2, None, None, RNG.random((90, 5))[:, 1:-2]),
    "backwards": ("mse", 2, None, None, RNG.random((90, 2)).astype("float32")[::-1]),
    "bytes": ("mse", 2, None, None, labels((90, 4), 9).astype("uint8")[:, ::2]),
    "one axis": ("mse", 1, None, None, RNG.random((180,))[::2]),
    "0 and 1": ("binary_crossentropy", 1, "sigmoid", None, labels((90, 3), 2).astype("int8")[:, 1:2]),
    "rows of 0 and 1": ("categorical_crossentropy", 3, "softmax", None, np.eye(3)[labels(90, 3)][:, ::-1]),
    "classes as bytes": ("sparse_categorical_crossentropy", 3, "softmax", None, labels(90, 3).astype("uint8")),
    "every other class": ("sparse_categorical_crossentropy", 3, "softmax", None, labels(180, 3)[::2]),
    "classes as floats": ("sparse_categorical_crossentropy", 3, "softmax", None, labels((90, 1), 3).astype("float64")),
    "positions": ("sparse_categorical_crossentropy", 3, "softmax", 5, labels((90, 9), 3).astype("uint16")[:, ::2]),
    "values at positions": ("mse", 2, None, 5, RNG.random((90, 5, 3))[..., 1:]),
}


def numbers_of(case, engine, weight):
    loss, units, activation, positions, y = CASES[case]
    model = model_of(loss, units, activation, engine, positions)
    x = np.linspace(-1, 1, 90 * (positions or 1) * 3).reshape(90, *(() if positions is None else (positions,)), 3)
    history = model.fit(x, y, sample_weight=weight, batch_size=16, epochs=3, verbose=0, validation_split=0.2)
    return [*history.history.values(), model.evaluate(x, y, sample_weight=weight, verbose=0), *model.get_weights()]


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("case", CASES)
def test_same_bits(case, engine, monkeypatch):
    positions = CASES[case][3]
    each = (90,) if positions is None else (90, positions)
    weights = [None, RNG.random(180)[::2], RNG.integers(0, 5, each).astype("uint8"), RNG.random(each)[::-1]]
    for weight in weights:
        expected = numbers_of(case, engine, weight)
        with monkeypatch.context() as patch:
            patch.setattr(large_targets, "LARGE", 0)
            for a, b in zip(numbers_of(case, engine, weight), expected, strict=True):
                np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("case", CASES)
def test_they_are_not_copied(case, monkeypatch):
    monkeypatch.setattr(large_targets, "LARGE", 0)
    loss, units, activation, positions, y = CASES[case]
    model = model_of(loss, units, activation, positions=positions)
    weight = RNG.random(180)[::2]
    x = np.zeros((90, *(() if positions is None else (positions,)), 3))
    data = model._samples(make_engine(model), x, y, weight).data
    assert np.shares_memory(y, data.values[0] if data.classes[0] is None else data.classes[0])
    assert np.shares_memory(weight, data.weights[0])


@pytest.mark.parametrize(
    ("case", "wrong", "message"),
    [
        ("classes as bytes", np.full(90, 3, "uint8"), r"classes in \[0, 3\), but got 3"),
        ("classes as floats", np.full((90, 1), 0.5), "fraction 0.5"),
        ("every other class", np.full(180, -1)[::2], r"but got -1"),
        ("doubles", np.full((90, 2), np.nan), "must be finite"),
        ("doubles", np.full((90, 2), 1e300), "as|finite"),
        ("columns", np.zeros((90, 3)), "shape of the predictions"),
    ],
)
def test_wrong_targets_are_refused_as_small_ones_are(case, wrong, message, monkeypatch):
    loss, units, activation, *_ = CASES[case]
    messages = []
    for limit in (2**24, 0):
        monkeypatch.setattr(large_targets, "LARGE", limit)
        with pytest.raises(ValueError, match=message) as raised:
            model_of(loss, units, activation).fit(np.zeros((90, 3)), wrong, verbose=0)
        messages.append(str(raised.value))
    assert messages[0] == messages[1]


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 1e300])
def test_wrong_weights_are_refused_as_small_ones_are(wrong, monkeypatch):
    weight = np.ones(90)
    weight[50] = wrong
    messages = []
    for limit in (2**24, 0):
        monkeypatch.setattr(large_targets, "LARGE", limit)
        with pytest.raises(ValueError, match="sample_weight") as raised:
            model_of("mse", 1).fit(np.zeros((90, 3)), np.zeros(90), sample_weight=weight, verbose=0)
        messages.append(str(raised.value))
    assert messages[0] == messages[1]


def test_classes_that_change_during_training_cannot_be_looked_up_beyond_the_row(monkeypatch):
    monkeypatch.setattr(large_targets, "LARGE", 0)
    y = np.zeros((90, 2), "uint8")
    model = model_of("sparse_categorical_crossentropy", 3, "softmax")

    def spoil(epoch, logs):
        y[:] = 255

    history = model.fit(
        np.zeros((90, 3)), y[:, 0], epochs=3, verbose=0, callbacks=cb.callbacks.LambdaCallback(on_epoch_end=spoil)
    )
    assert np.isfinite(history.history["loss"]).all()


def test_memory():
    masks = np.zeros((300, 128, 2048), "uint8")[..., ::2]  # 39 million class numbers
    x = np.broadcast_to(np.zeros(1, "float32"), (300, 128, 1024, 1))
    cb.utils.set_random_seed(0)
    model = cb.Sequential([cb.Input((128, 1024, 1)), cb.layers.Dense(3, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    weight = np.ones(300)
    model.evaluate(x[:4], masks[:4], sample_weight=weight[:4], batch_size=1, verbose=0)
    tracemalloc.start()
    try:
        model.evaluate(x, masks, sample_weight=weight, batch_size=1, verbose=0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2**24
