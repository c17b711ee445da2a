"""Whoever writes weights, or copies all of them, waits for the runs of other threads, and never for its own."""

import functools
import gc
import threading

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers

X, Y = np.ones((8, 3), "float32"), np.zeros((8, 2), "float32")


class Gate:
    """A loss in which a chosen thread stays until it is let go."""

    def __init__(self):
        self.thread = None
        self.reached, self.open = threading.Event(), threading.Event()

    def __call__(self, y_true, y_pred):
        if threading.current_thread() is self.thread:
            self.reached.set()
            self.open.wait(20)
        return (y_true - y_pred) ** 2

    def gradient(self, y_true, y_pred):
        return 2 * (y_pred - y_true)


def network(loss="mse", engine="compiled", optimizer="sgd"):
    norm = layers.Normalization()
    model = cb.Sequential([cb.Input((3,)), norm, layers.Dense(4, "tanh"), layers.Dense(2)])
    model.compile(optimizer, loss, engine=engine)
    return model


def gated_metric(gate):
    def metric(y_true, y_pred):
        gate(y_true, y_pred)
        return np.abs(y_true - y_pred)

    return metric


def load(model, folder):
    other = cb.models.clone_model(model)
    other.compile(cb.optimizers.Adam(), "mse")
    other.save_weights(folder / "other.weights")
    model.load_weights(folder / "other.weights")


def step(model, folder):
    optimizer = cb.optimizers.SGD(0.1)
    optimizer.apply([np.ones(v.shape) for v in model.trainable_variables], model.trainable_variables)


ACTS = {
    "model.set_weights": lambda model, folder: model.set_weights([w + 1 for w in model.get_weights()]),
    "layer.set_weights": lambda model, folder: model.layers[1].set_weights([np.ones((3, 4)), np.ones(4)]),
    "model.get_weights": lambda model, folder: model.get_weights(),
    "layer.get_weights": lambda model, folder: model.layers[1].get_weights(),
    "assign": lambda model, folder: model.layers[1].kernel.assign(np.ones((3, 4))),
    "assign_add": lambda model, folder: model.layers[1].kernel.assign_add(np.ones((3, 4))),
    "assign_sub": lambda model, folder: model.layers[1].kernel.assign_sub(np.ones((3, 4))),
    "numpy": lambda model, folder: model.layers[1].kernel.numpy(),
    "value": lambda model, folder: model.layers[1].kernel.value,
    "adapt": lambda model, folder: model.layers[0].adapt(X),
    "load_weights": load,
    "save_weights": lambda model, folder: model.save_weights(folder / "a.weights"),
    "save": lambda model, folder: model.save(folder / "a.model"),
    "clone": lambda model, folder: cb.models.clone_model(model).set_weights(model.get_weights()),
    "slots": lambda model, folder: model.optimizer.variables[-1].assign(np.zeros(2)),
    "optimizer.set_state": lambda model, folder: model.optimizer.set_state(model.optimizer.state()),
    "apply": step,
    "swap_averages": lambda model, folder: model.optimizer.swap_averages(),
    "averages": lambda model, folder: model.optimizer.finalize_variable_values(model.trainable_variables),
    "predict": lambda model, folder: model.predict(X, verbose=0),
    "call": lambda model, folder: model(X),
    "training call": lambda model, folder: model(X, training=True),
    "gradients": lambda model, folder: model.gradients(X, Y),
    "gradients of inputs": lambda model, folder: model.gradients(X, Y, wrt="inputs"),
    "evaluate": lambda model, folder: model.evaluate(X, Y, verbose=0),
    "train_on_batch": lambda model, folder: model.train_on_batch(X, Y),
    "reset_metrics": lambda model, folder: model.reset_metrics(),
}


def in_thread(act):
    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("name", ACTS)
def test_waits_for_the_step_of_another_thread(name, engine, tmp_path):
    gate = Gate()
    model = cb.Sequential([cb.Input((3,)), layers.Normalization(), layers.Dense(4, "tanh"), layers.Dense(2)])
    optimizer = cb.optimizers.Adam(0.01, use_ema=True)
    model.compile(optimizer, "mse", metrics=[gated_metric(gate)], engine=engine)
    model.fit(X, Y, verbose=0)  # so that everything is there
    model.gradients(X, Y)
    errors = []

    def fit():
        gate.thread = threading.current_thread()
        model.fit(X, Y, batch_size=4, verbose=0)

    def act():
        try:
            ACTS[name](model, tmp_path)
        except Exception as error:
            errors.append(error)

    fitting = in_thread(fit)
    assert gate.reached.wait(20)
    acting = in_thread(act)
    acting.join(0.1)
    waited = acting.is_alive()
    gate.open.set()
    fitting.join(20)
    acting.join(20)
    assert not fitting.is_alive()
    assert not acting.is_alive()
    assert errors == []
    assert waited


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("name", [name for name in ACTS if name not in ("evaluate", "train_on_batch")])
@pytest.mark.parametrize("hook", ["on_train_begin", "on_epoch_begin", "on_train_batch_end", "on_epoch_end"])
def test_never_waits_for_its_own_thread(name, engine, hook, tmp_path):
    model = cb.Sequential([cb.Input((3,)), layers.Normalization(), layers.Dense(4, "tanh"), layers.Dense(2)])
    model.compile(cb.optimizers.Adam(0.01, use_ema=True), "mse", engine=engine)
    model.fit(X, Y, verbose=0)
    callback = type("Own", (cb.callbacks.Callback,), {hook: lambda self, *_: ACTS[name](model, tmp_path)})()
    fitting = in_thread(lambda: model.fit(X, Y, batch_size=4, epochs=2, callbacks=[callback], verbose=0))
    fitting.join(20)
    assert not fitting.is_alive()


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_code_of_a_step_writes_the_weights_of_its_model(engine):
    def metric(y_true, y_pred):
        model.layers[-1].bias.assign(model.layers[-1].bias.numpy() + 1)
        model.set_weights(model.get_weights())
        return np.abs(y_true - y_pred)

    model = network(engine=engine)
    model.compile("sgd", "mse", metrics=[metric], engine=engine)
    fitting = in_thread(lambda: model.evaluate(X, Y, batch_size=4, verbose=0))
    fitting.join(20)
    assert not fitting.is_alive()
    np.testing.assert_array_equal(model.layers[-1].bias, [2, 2])


def test_models_that_share_layers_are_trained_and_written_by_several_threads():
    shared = layers.Dense(3, "tanh")
    models = [cb.Sequential([cb.Input((3,)), shared, layers.Dense(2)]) for _ in range(3)]
    for model in models:
        model.compile("sgd", "mse")

    def use(model, others):
        write = cb.callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs: [other.set_weights(other.get_weights()) for other in others]
        )
        for _ in range(5):
            model.fit(X, Y, batch_size=2, epochs=3, callbacks=[write], verbose=0)

    threads = [in_thread(functools.partial(use, model, models)) for model in models]
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)


def test_predictions_and_copies_are_of_one_moment():
    """All weights are set to one number, then to another: predictions and copies never mix the two."""
    size = 1200
    model = cb.Sequential([cb.Input((size,)), layers.Dense(size, use_bias=False), layers.Dense(size, use_bias=False)])
    x = np.ones((1, size), "float32")
    model.set_weights([np.full((size, size), 1.0)] * 2)
    done, mixed = threading.Event(), []

    def write():
        for number in range(40):
            model.set_weights([np.full((size, size), 1.0 + number % 2)] * 2)
        done.set()

    writer = in_thread(write)
    while not done.is_set():
        found = {int(value) for value in np.unique(model.predict(x, verbose=0)) / size**2}
        if found not in ({1}, {4}):
            mixed.append(found)
        weights = np.unique(model.get_weights())
        if len(weights) > 1:
            mixed.append(weights)
    writer.join(20)
    assert mixed == []


def test_nothing_that_is_set_while_weights_move_is_lost():
    """Another thread makes models of the same layers, which moves their weights."""
    layer = layers.Dense(2, use_bias=False)
    cb.Sequential([cb.Input((2,)), layer]).predict(np.ones((1, 2)), verbose=0)
    done, lost = threading.Event(), []

    def move():
        for _ in range(300):
            cb.Sequential([cb.Input((2,)), layer, layers.Dense(1)]).predict(np.ones((1, 2)), verbose=0)
        done.set()

    mover = in_thread(move)
    number = 0
    while not done.is_set():
        number += 1
        layer.kernel.assign(np.full((2, 2), number))
        if (layer.kernel.numpy() != number).any():
            lost.append(number)
    mover.join(60)
    assert lost == []


def test_a_layer_of_a_model_that_is_gone_is_used_by_another_one():
    layer = layers.Dense(2)
    for _ in range(3):
        cb.Sequential([cb.Input((3,)), layer, layers.Dense(1)]).predict(X, verbose=0)
        gc.collect()
    assert len(layer.kernel.store.users) <= 1


def test_a_copy_of_a_model_has_a_turn_of_its_own():
    import copy
    import pickle

    model = network()
    model.fit(X, Y, verbose=0)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model)), cb.models.clone_model(model)):
        other.predict(X, verbose=0)
        assert other._model_lock is not model._model_lock
        assert other._model_lock.lock is not model._model_lock.lock
