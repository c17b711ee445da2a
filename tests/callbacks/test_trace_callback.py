"""callbacks.Trace: a film of steps in bounded memory."""

import json
import re

import numpy as np
import pytest
from traced_models import state_of, xor_model

import cbackprop as cb
from cbackprop import callbacks


def trained(film, epochs=7, **settings):
    model, x, y = xor_model()
    samples, targets = np.tile(x, (5, 1)), np.tile(y, (5, 1))
    model.fit(samples, targets, batch_size=4, epochs=epochs, callbacks=film, verbose=0, shuffle=False, **settings)
    return model


def test_training_is_the_same():
    _, x, y = xor_model()
    assert state_of(trained([])) == state_of(trained([callbacks.Trace(x, y)]))
    assert state_of(trained([])) == state_of(trained([callbacks.Trace(x, y, every=2)]))


@pytest.mark.parametrize(
    ("every", "batches"),
    [("epoch", [0, 5, 10, 15]), (1, list(range(16))), (4, [0, 4, 8, 12]), (7, [0, 7, 14])],
)
def test_moments(every, batches):
    _, x, y = xor_model()
    film = callbacks.Trace(x, y, every=every)
    model = trained([film], epochs=3)
    assert film.batches == batches
    assert [trace.rule.iteration for trace in film.traces] == batches
    if batches[-1] == 15:
        np.testing.assert_array_equal(film.traces[-1].weights["hidden/kernel"].before, model.get_weights()[0])


@pytest.mark.parametrize("keep", [2, 3, 5, 8])
def test_memory_is_bounded(keep):
    _, x, y = xor_model()
    film = callbacks.Trace(x, y, every=1, keep=keep)
    trained([film], epochs=9)
    assert 2 <= len(film.traces) <= keep
    steps = set(np.diff(film.batches))
    assert len(steps) == 1  # the same distance everywhere
    assert film.batches[0] == 0
    assert film.batches[-1] > 45 - 2 * steps.pop()


def test_page(tmp_path):
    _, x, y = xor_model()
    page = tmp_path / "film.html"
    film = callbacks.Trace(x, y, path=page)
    trained([film], epochs=4)
    data = json.loads(re.search(r'id="data">(.*?)</script>', page.read_text(encoding="utf-8"), re.DOTALL)[1])
    assert [frame["loss"] for frame in data] == pytest.approx([trace.loss for trace in film.traces], rel=1e-8)
    trained([film], epochs=2)  # a new film
    assert len(film.traces) == 3


def test_mistakes(tmp_path):
    _, x, y = xor_model()
    for arguments, kind in (
        ({"every": 0}, ValueError),
        ({"every": "batch"}, ValueError),
        ({"keep": 1}, ValueError),
        ({"keep": 2.5}, TypeError),
        ({"path": "film.txt"}, ValueError),
        ({"path": 5}, TypeError),
    ):
        with pytest.raises(kind):
            callbacks.Trace(x, y, **arguments)
    with pytest.raises(RuntimeError, match="no trace yet"):
        callbacks.Trace(x, y).to_html(tmp_path / "film.html")
    with pytest.raises(ValueError, match="shape"):
        trained([callbacks.Trace(np.ones((2, 5)), np.ones((2, 1)))])
    model = cb.Sequential([cb.Input((2,)), cb.layers.Dense(1)])
    model.compile("sgd")
    with pytest.raises(ValueError, match="loss"):
        model.fit(x, callbacks=[callbacks.Trace(x, y)], verbose=0)
