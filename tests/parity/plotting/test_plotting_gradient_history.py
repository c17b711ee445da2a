"""plotting.gradient_history: a line for each kernel, with the sizes of its gradients in the traces."""

import numpy as np
import pytest
from matplotlib import pyplot as plt

import cbackprop as cb
from cbackprop import layers, plotting


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.fixture
def film():
    x, y = cb.datasets.xor.load_data()
    model = cb.Sequential([cb.Input((2,)), layers.Dense(3, "tanh", name="first"), layers.Dense(1, name="last")])
    model.compile("adam", "mse")
    film = cb.callbacks.Trace(x, y)
    model.fit(x, y, epochs=4, callbacks=[film], verbose=0)
    return film


def test_lines(film):
    ax = plotting.gradient_history(film)
    assert [line.get_label() for line in ax.lines] == ["first/kernel", "last/kernel"]
    for line in ax.lines:
        gradients = [trace.weights[line.get_label()].gradient for trace in film.traces]
        np.testing.assert_allclose(line.get_ydata(), [np.sqrt((g**2).mean()) for g in gradients], rtol=1e-6)
        np.testing.assert_array_equal(line.get_xdata(), [0, 1, 2, 3, 4])
    again = plotting.gradient_history(film.traces[:2])
    assert len(again.lines[0].get_xdata()) == 2


def test_mistakes(film):
    other = cb.Sequential([cb.Input((2,)), layers.Dense(1, name="other")])
    other.compile("sgd", "mse")
    trace = other.trace([[1.0, 2.0]], [[1.0]])
    for wrong, kind, message in (
        ([], ValueError, "at least one trace"),
        ([1, 2], TypeError, "must be a callback Trace"),
        ([film.traces[0], trace], ValueError, "of one model"),
    ):
        with pytest.raises(kind, match=message):
            plotting.gradient_history(wrong)
