"""Epochs that nobody watches are trained several in one call, with the results of epochs that are watched."""

import pkgutil

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers, random
from cbackprop.callbacks.progress import Display
from cbackprop.compiled.kernels.random import permutation
from cbackprop.engine.compiled import CompiledEngine

RNG = np.random.default_rng(7)
X = RNG.normal(size=(50, 4)).astype("float32")
Y = (X[:, :1] * X[:, 1:2]).astype("float32")


class Watch(cb.callbacks.Callback):
    """Has epochs end one by one."""


def network(optimizer="adam", loss="mse", metrics=None, dropout=0.3, **arguments):
    model = cb.Sequential(
        [cb.Input((4,)), layers.Dense(6, "tanh"), layers.BatchNormalization(), layers.Dropout(dropout, seed=1)]
    )
    model.add(layers.Dense(1, **arguments))
    model.compile(optimizer, loss, metrics=metrics)
    return model


def two_outputs():
    inputs = cb.Input((4,))
    a, b = layers.Dense(1, name="a")(inputs), layers.Dense(1, "sigmoid", name="b")(inputs)
    model = cb.Model(inputs, {"a": a, "b": b})
    model.compile("sgd", {"a": "mse", "b": "mae"}, loss_weights={"b": 0.3}, metrics={"a": ["mae", "mse"], "b": ["mse"]})
    return model


def fit(make, watched, calls, y=Y, **arguments):
    cb.utils.set_random_seed(3)
    model = make()
    calls.clear()
    history = model.fit(X, y, verbose=0, callbacks=[Watch()] if watched else None, **arguments)
    return model, history, list(calls)


@pytest.fixture
def calls(monkeypatch):
    """The numbers of epochs that the engine is called for."""
    found = []
    alone, several = CompiledEngine.train, CompiledEngine.train_epochs

    def train(self, *args, **kwargs):
        found.append(1)
        return alone(self, *args, **kwargs)

    def train_epochs(self, data, order, epochs, *args, **kwargs):
        found.append(epochs)
        return several(self, data, order, epochs, *args, **kwargs)

    monkeypatch.setattr(CompiledEngine, "train", train)
    monkeypatch.setattr(CompiledEngine, "train_epochs", train_epochs)
    return found


def same(one, other):
    (model, history, _), (twin, expected, _) = one, other
    assert history.history == expected.history
    assert history.epoch == expected.epoch
    for a, b in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "make",
    [
        network,
        lambda: network("sgd", "huber", ["mae", "mse"]),
        lambda: network(cb.optimizers.Adam(cb.optimizers.schedules.ExponentialDecay(0.1, 3, 0.5), use_ema=True)),
        lambda: network(kernel_regularizer="l2", kernel_constraint="max_norm"),
        lambda: network(cb.optimizers.SGD(0.1, gradient_accumulation_steps=3)),
        two_outputs,
    ],
)
@pytest.mark.parametrize(
    "arguments", [{}, {"batch_size": 7}, {"batch_size": 50}, {"shuffle": False}, {"batch_size": 90}]
)
def test_same_as_watched(calls, make, arguments):
    y = {"a": Y, "b": Y} if make is two_outputs else Y
    quiet = fit(make, False, calls, y, epochs=9, **arguments)
    drawn = random.draw_seed()
    position = quiet[0].training_position()
    watched = fit(make, True, calls, y, epochs=9, **arguments)
    same(quiet, watched)
    assert (quiet[2], watched[2]) == ([9], [1] * 9)
    assert random.draw_seed() == drawn
    expected = watched[0].training_position()
    for each in (position, expected):
        each.pop("generator")
    assert position == expected
    assert quiet[0].metrics_names == watched[0].metrics_names
    shown = [[metric.result() for metric in each[0].metrics] for each in (quiet, watched)]
    assert str(shown[0]) == str(shown[1])


def test_in_portions(calls, monkeypatch):
    monkeypatch.setattr("cbackprop.engine.compiled.MOST_AT_ONCE", 4 * len(X))
    quiet = fit(network, False, calls, epochs=10, initial_epoch=1)
    same(quiet, fit(network, True, calls, epochs=10, initial_epoch=1))
    assert quiet[2] == [4, 4, 1]
    monkeypatch.setattr("cbackprop.engine.compiled.MOST_WORK_AT_ONCE", 1)
    assert fit(network, False, calls, epochs=3)[2] == [1, 1, 1]


@pytest.mark.parametrize(
    ("make", "arguments"),
    [
        (network, {"validation_split": 0.2}),
        (network, {"steps_per_epoch": 1}),
        (lambda: network(loss="binary_crossentropy", metrics=[cb.metrics.AUC()], activation="sigmoid"), {}),
    ],
)
def test_watched(calls, make, arguments):
    y = (Y > 0).astype("float32")
    assert fit(make, False, calls, y, epochs=3, **arguments)[2] == [1, 1, 1]


def test_lines_are_shown(calls, capsys):
    fit(network, False, calls, epochs=2)
    network().fit(X, Y, epochs=2, verbose=2)
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_warning_of_divergence(calls):
    with pytest.warns(RuntimeWarning, match=r"loss became .* in epoch \d") as found:
        network(cb.optimizers.SGD(1e20), dropout=0).fit(X, Y, epochs=5, verbose=0)
    assert found[0].filename == __file__


class Interrupts(Display):
    """Presses Ctrl-C in the middle of an epoch."""

    def __init__(self):
        super().__init__(0, 0, None)

    def tick(self, logs):
        return self.interrupt

    def interrupt(self, done):
        raise KeyboardInterrupt


def test_interrupt(monkeypatch):
    """After Ctrl-C, the state is as if only this epoch had begun: its order is drawn, the next one's is not."""
    monkeypatch.setattr("cbackprop.engine.compiled.MOST_AT_ONCE", 1 << 23)
    monkeypatch.setattr("cbackprop.engine.compiled.MOST_WORK_AT_ONCE", 1 << 60)
    cb.utils.set_random_seed(5)
    model = network()
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, epochs=10**7, batch_size=5, verbose=Interrupts())
    history = model.history
    done = len(history.epoch)
    assert 0 < done < 10**5
    assert history.epoch == list(range(done))
    assert {len(values) for values in history.history.values()} == {done}
    position = model.training_position()
    assert (position["epoch"], position["step"]) == (done, 0)
    assert done * 10 <= model.optimizer.iterations <= (done + 1) * 10
    drawn = random.draw_seed()
    cb.utils.set_random_seed(5)
    network()
    for _ in range(done + 1):
        random.permutation(len(X))
    assert random.draw_seed() == drawn


@pytest.mark.parametrize("place", ["models.quiet_epochs.logs_of_epochs", "callbacks.history._put"])
def test_interrupt_while_epochs_are_recorded(monkeypatch, place):
    """The history has all finished epochs, each once."""
    function = pkgutil.resolve_name(f"cbackprop.{place}")
    presses = iter([True])

    def interrupted(*args):
        if not next(presses, False):
            return function(*args)
        if place.endswith("_put"):
            function(args[0][:1])
        raise KeyboardInterrupt

    monkeypatch.setattr(f"cbackprop.{place}", interrupted)
    model = network(metrics=["mae"])
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, epochs=4, verbose=0)
    assert model.history.epoch == [0, 1, 2, 3]
    assert {name: len(values) for name, values in model.history.history.items()} == {"loss": 4, "mae": 4}


def test_keys_of_permutations():
    cb.utils.set_random_seed(1)
    one_by_one = [random.permutation(9) for _ in range(4)]
    cb.utils.set_random_seed(1)
    keys, before_last = random.permutation_keys(4)
    drawn = [permutation(9, int(key) & 0xFFFFFFFF, int(key) >> 32) for key in keys]
    np.testing.assert_array_equal(drawn, one_by_one)
    random.set_state(before_last)
    np.testing.assert_array_equal(random.permutation(9), one_by_one[-1])
    assert random.permutation_keys(0)[0].shape == (0,)
