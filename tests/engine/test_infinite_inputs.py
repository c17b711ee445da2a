"""Predictions find numbers that are not finite, wherever they are, and layers written in Python never see them."""

import numpy as np
import pytest

import cbackprop as cb
from cbackprop.engine.room import Room
from cbackprop.losses.target import NotFiniteError

ROWS, WIDTH = 500, 40


class OnlyFinite(cb.layers.Layer):
    def call(self, x):
        assert not isinstance(x, np.ndarray) or np.isfinite(x).all(), "This is no message for a user."
        return 2 * x


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Blocks of 48 samples, which all threads share."""
    monkeypatch.setattr(Room, "samples_of_block", lambda self: 48)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("row", [0, 47, 48, 250, ROWS - 1])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("first", [cb.layers.Dense, OnlyFinite], ids=["compiled", "python"])
@pytest.mark.usefixtures("every_step_is_shared")
def test_each_row_is_checked(threads, row, bad, first):
    model = cb.Sequential([cb.Input((WIDTH,)), first(60) if first is cb.layers.Dense else first(), cb.layers.Dense(3)])
    x = np.ones((ROWS, WIDTH), np.float32)
    with cb.config.num_threads(threads):
        expected = model.predict(x, verbose=0)
        x[row, WIDTH - 1] = bad
        with pytest.raises(NotFiniteError, match=rf"at index \({row}, {WIDTH - 1}\)"):
            model.predict(x, verbose=0)
        x[row, WIDTH - 1] = 1
        np.testing.assert_array_equal(model.predict(x, verbose=0), expected)
