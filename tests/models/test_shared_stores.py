"""Models that share layers share the memory of weights: it moves, and it is left, without a trace."""

import gc
import threading

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers
from cbackprop.parameter_store import ParameterStore

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(64, 3)), RNG.normal(size=(64, 2))


def network(engine="compiled", metrics=None, dtype="float64", **arguments):
    cb.utils.set_random_seed(0)
    model = cb.Sequential(
        [
            cb.Input((3,), dtype=dtype),
            layers.Dense(4, "tanh", name="shared", dtype=dtype),
            layers.BatchNormalization(name="norm", dtype=dtype),
            layers.Dense(2, name="top", dtype=dtype),
        ]
    )
    model.compile(cb.optimizers.Adam(0.01), "mse", metrics=metrics, engine=engine)
    return model


def with_another_top(model):
    """A second model on the first layers; its first run moves their weights to a place that it has, too."""
    middle = model.get_layer("norm").output
    return cb.Model(model.inputs, layers.Dense(5, dtype=middle.dtype)(middle))


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_weights_may_move_in_the_middle_of_a_run(engine):
    alone = network(engine, [lambda y_true, y_pred: np.abs(y_true - y_pred)])
    alone.fit(X, Y, batch_size=8, epochs=2, shuffle=False, verbose=0)

    calls, others = [], []

    def move(y_true, y_pred):
        calls.append(1)
        if len(calls) in (3, 5):
            others.append(with_another_top(model))
            others[-1].predict(X, verbose=0)
        return np.abs(y_true - y_pred)

    model = network(engine, [move])
    model.fit(X, Y, batch_size=8, epochs=2, shuffle=False, verbose=0)
    assert len(others) == 2
    for a, b in zip(alone.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    shared = model.get_layer("shared").get_weights()[0]
    np.testing.assert_array_equal(others[0].layers[1].get_weights()[0], shared)


def test_weights_of_a_new_model_get_a_place_together():
    """They are in no other place before, so that no other engine must look for them again."""
    model, moves = network(), ParameterStore.moves.count
    assert not any(variable.is_placed for variable in model.variables)
    model.fit(X, Y, verbose=0)
    assert len({variable.store for variable in model.variables}) == 1
    assert ParameterStore.moves.count == moves
    offsets = {
        trainable: [v.offset for v in model.variables if v.trainable is trainable] for trainable in (True, False)
    }
    assert max(offsets[True]) < min(offsets[False])


def test_new_weights_beside_placed_ones():
    model, same = network(), network()
    before = model.get_weights()  # puts each of them into a store of its own
    other = with_another_top(model)  # with two weights that have no place yet
    for a, b in zip(before, same.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    kernel = other.layers[-1].kernel
    assert not kernel.is_placed
    other.predict(X, verbose=0)
    assert kernel.store is model.get_layer("shared").kernel.store


def test_threads_give_a_new_weight_one_place():
    for _ in range(200):
        weight, barrier, found = cb.Variable("ones", (3,)), threading.Barrier(4), []

        def look(weight=weight, barrier=barrier, found=found):
            barrier.wait()
            found.append(weight.position)

        threads = [threading.Thread(target=look) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 4
        assert len(set(found)) == 1


def test_two_trainings_and_a_third_model():
    """When a run ends, its changes are in the place where the weights are by then."""
    shared = layers.Dense(1, use_bias=False, kernel_initializer="zeros", dtype="float64")
    barrier, moved = threading.Barrier(3, timeout=20), threading.Event()
    calls = {}

    def model_of(name):
        def wait(y_true, y_pred):  # in the middle of the fit: all trainings run when the weights move
            calls[name] = calls.get(name, 0) + 1
            if calls[name] == 4:
                barrier.wait()
                moved.wait(20)
            return np.abs(y_true - y_pred)

        x = cb.Input((1,), dtype="float64")
        model = cb.Model(x, shared(x))
        model.compile(cb.optimizers.SGD(0.5), Push(), metrics=[wait])
        return model

    class Push(cb.losses.Loss):
        """Each step adds 0.5 to the weight."""

        def call(self, y_true, y_pred):
            return np.zeros(len(y_pred)), -np.ones_like(y_pred)

    models = [model_of("a"), model_of("b")]
    for model in models:
        model.predict([[1.0]], verbose=0)
    ones = np.ones((8, 1))
    threads = [
        threading.Thread(target=lambda m=m: m.fit(ones, ones, batch_size=1, shuffle=False, verbose=0)) for m in models
    ]
    for thread in threads:
        thread.start()
    barrier.wait()
    x = cb.Input((1,), dtype="float64")
    third = cb.Model(x, layers.Dense(1, dtype="float64")(shared(x)))
    third.predict([[1.0]], verbose=0)
    moved.set()
    for thread in threads:
        thread.join(30)
    assert calls == {"a": 8, "b": 8}
    np.testing.assert_array_equal(shared.get_weights()[0], [[8.0]])  # 16 steps


def test_models_that_are_gone_leave_no_weights_behind():
    base = network(dtype="float32")
    for _ in range(20):
        with_another_top(base).predict(X, verbose=0)
    gc.collect()
    with_another_top(base).predict(X, verbose=0)
    store = base.weights[0].store
    assert len(store.variables) <= len(base.weights) + 2
    assert store.values.size <= 16 * (len(base.weights) + 4)


def test_what_lies_between_weights_that_are_left_is_not_trained():
    base = network(dtype="float32")
    other = with_another_top(base)
    other.compile("sgd", "mse")
    other.fit(X, np.ones((64, 5)), verbose=0)
    base.fit(X, Y, verbose=0)
    store = base.weights[0].store
    place, size = other.layers[-1].weights[0].offset, other.layers[-1].weights[0].size
    before = store.values[place : place + size].copy()
    assert before.any()
    del other
    gc.collect()
    base.compile(cb.optimizers.AdamW(0.1, weight_decay=0.5), "mse")
    base.fit(X, Y, verbose=0)
    assert base.weights[0].store is store
    np.testing.assert_array_equal(store.values[place : place + size], before)


@pytest.mark.parametrize("alternate", [True, False])
def test_models_share_layers(alternate, rng):
    """An adversarial pair: two models train different parts of their shared layers."""
    first, second = layers.Dense(3, name="first"), layers.Dense(1, name="second")
    x = cb.Input((3,))
    h = first(x)
    whole = cb.Model(x, second(h))
    z = cb.Input((3,))
    head = cb.Model(z, second(z))
    head.compile(cb.optimizers.Adam(0.1), "mse")
    second.trainable = False
    whole.compile(cb.optimizers.Adam(0.1), "mse")
    data, y = rng.normal(size=(10, 3)), rng.normal(size=(10, 1))
    before = [v.numpy() for v in whole.weights]
    whole.train_on_batch(data, y)
    assert not np.array_equal(first.get_weights()[0], before[0])
    np.testing.assert_array_equal(second.get_weights()[0], before[2])
    for _ in range(3 if alternate else 1):
        kept = first.get_weights()[0]
        head.train_on_batch(data, y)
        np.testing.assert_array_equal(first.get_weights()[0], kept)
        whole.train_on_batch(data, y)
    assert not np.array_equal(second.get_weights()[0], before[2])
    np.testing.assert_allclose(
        whole.predict(data, verbose=0), head.predict(cb.Model(x, h).predict(data, verbose=0), verbose=0), rtol=1e-5
    )
