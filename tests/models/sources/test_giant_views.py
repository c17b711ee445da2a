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
