"""Arrays that were broadcast to more numbers than any memory holds."""

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers
from cbackprop.losses.target import without_repetition

SAMPLES = 2**36
X, Y = np.broadcast_to(np.float32(1), (SAMPLES, 3)), np.broadcast_to(np.float32(1), (SAMPLES, 1))


class EnoughError(Exception):
    pass


class Stop(cb.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        raise EnoughError


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_training_begins_at_once(engine):
    """Without a look at every single one of them: that would take minutes."""
    model = cb.Sequential([cb.Input((3,)), layers.Dense(1)])
    model.compile("sgd", "mse", engine=engine)
    with pytest.raises(EnoughError):
        model.fit(X, Y, shuffle=False, verbose=0, callbacks=[Stop()])
    with pytest.raises(MemoryError):
        model.predict(X, verbose=0)


def test_numbers_keep_their_places():
    array = np.broadcast_to(np.array([[1.0], [np.nan]], "f4"), (2, 2**40))
    part = without_repetition(array)
    assert part.shape == (2, 1)
    with pytest.raises(ValueError, match=r"\(1, 0\)|\[1, 0\]"):
        cb.losses.target.check_finite("x", array)
    assert without_repetition(np.zeros((0, 3))).size == 0
    assert without_repetition(np.float32(2).reshape(())).shape == ()


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_evaluate_refuses_one_sample_again_and_again(engine):
    """It would go on for hours. A share of them it evaluates."""
    model = cb.Sequential([cb.Input((3,)), layers.Dense(1)])
    model.compile("sgd", "mse", engine=engine)
    model.set_weights([np.zeros((3, 1)), np.zeros(1)])
    with pytest.raises(ValueError, match=f"x repeats one sample {SAMPLES} times"):
        model.evaluate(X, Y, verbose=0)
    assert model.evaluate(X, Y, steps=3, batch_size=32, verbose=0) == 1.0
    with pytest.raises(ValueError, match="repeats one sample"):
        model.fit(X[:9], Y[:9], validation_data=(X, Y), verbose=0)


@pytest.mark.parametrize("axis", [-1, 1, None, (1, 2)])
@pytest.mark.parametrize("shape", [(5, 1, 3), (1, 2, 3), (1, 1, 3), (4, 2, 1), (1, 1, 1)])
def test_adapt_takes_each_number_once(axis, shape, rng):
    numbers = rng.normal(size=shape) + 3
    small, large = np.broadcast_to(numbers, (5 if shape[0] == 5 else 4, 2, 3)), None
    found, expected = layers.Normalization(axis=axis), layers.Normalization(axis=axis)
    other = np.arange(12.0).reshape(2, 2, 3)
    expected.adapt([small.copy(), other])
    found.adapt([small, other])
    for ours, theirs in zip(found.get_weights(), expected.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-6)
    if shape[0] == 1:
        large = np.broadcast_to(numbers, (SAMPLES, 2, 3))
        found.adapt(large)
        once = np.broadcast_to(numbers, (1, 2, 3)).copy()
        expected.adapt(once)
        for ours, theirs in zip(found.get_weights(), expected.get_weights(), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=2e-6)


def test_whole_numbers_and_weights_are_looked_at_once():
    from cbackprop.models.class_weights import check_fits
    from cbackprop.models.inputs import check_whole

    check_whole("x", X, 4)
    with pytest.raises(ValueError, match="must hold whole numbers"):
        check_whole("x", np.broadcast_to(np.float32(0.5), (SAMPLES, 3)), None)
    check_fits("sample_weight", np.broadcast_to(1.0, (SAMPLES, 1)), "float32")
    with pytest.raises(ValueError, match="sample_weight must be at most"):
        check_fits("sample_weight", np.broadcast_to(1e300, (SAMPLES, 1)), "float32")
