"""Models of the same kind share an engine, one after the other, with the same bits as with their own engines."""

import copy
import gc
import pickle
import threading
import weakref

import families
import layer_cases
import loss_cases
import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers
from cbackprop.engine.compiled import CompiledEngine
from cbackprop.models.kind import kind_of

RNG = np.random.default_rng(1)
X = RNG.normal(size=(40, 4)).astype("float32")
Y = (X[:, :1] * X[:, 1:2]).astype("float32")


def small(optimizer="adam", loss="mse", metrics=None, activation="tanh", units=3, seed=3, **arguments):
    inputs = cb.Input((4,))
    hidden = layers.Dropout(0.2, seed=seed)(layers.Dense(units, activation, **arguments)(inputs))
    model = cb.Model(inputs, layers.Dense(1)(layers.Concatenate()([hidden, inputs])))
    model.compile(optimizer() if callable(optimizer) else optimizer, loss, metrics=metrics)
    return model


def three(make):
    """Three models that differ in their weights alone."""
    models = []
    for number in range(3):
        with cb.utils.seeded(1):
            model = make()
        rng = np.random.default_rng(number)
        model.set_weights([w + rng.uniform(0, 0.1, w.shape) for w in model.get_weights()])
        models.append(model)
    return models


@pytest.fixture
def made(monkeypatch):
    """The engines that are made."""
    found = []
    init = CompiledEngine.__init__

    def noted(self, *args, **kwargs):
        found.append(weakref.ref(self))
        init(self, *args, **kwargs)

    monkeypatch.setattr(CompiledEngine, "__init__", noted)
    return found


def everything(model, x, y):
    """All that can be seen of a model that was trained."""
    history = [value for values in model.history.history.values() for value in values]
    state = model.optimizer.state_for(model)
    slots = [slot for variable in model.trainable_variables for slot in state.slots.get(variable, ())]
    results = model.evaluate(x, y, verbose=0, return_dict=True)
    predictions = model.predict(x, verbose=0)
    predictions = predictions if isinstance(predictions, list) else [predictions]
    return [*model.get_weights(), *slots, *predictions, np.array([*history, *results.values(), state.batches])]


def assert_as_alone(make, x=X, y=Y, **arguments):
    """Whether or not they share engines: twice, because the second time weights have their places already."""
    alone, together = three(make), three(make)
    for seeds in ([1, 2, 3], [4, 5, 6]):
        for model, seed in zip(alone, seeds, strict=True):
            with cb.utils.seeded(seed):
                model.fit(x, y, epochs=2, verbose=0, **arguments)
        cb.fit_many(together, x, y, epochs=2, verbose=0, seeds=seeds, threads=1, **arguments)
        for one, other in zip(alone, together, strict=True):
            for a, b in zip(everything(one, x, y), everything(other, x, y), strict=True):
                if a is not None:
                    assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize(("make", "shapes"), layer_cases.EACH)
def test_every_layer(make, shapes):
    def compiled():
        model = layer_cases.around(make, shapes)
        model.compile("adam", "mse", metrics=["mae"])
        return model

    x, y = loss_cases.data_for(compiled(), 20, RNG, "mse")
    x = tuple(x) if isinstance(x, list) else x
    assert_as_alone(compiled, x, y, batch_size=8)


@pytest.mark.parametrize("name", sorted(families.stepping_optimizers()))
def test_every_optimizer(name):
    assert_as_alone(lambda: small(name))


@pytest.mark.parametrize(
    "make",
    [
        lambda: small(lambda: cb.optimizers.SGD(0.1, momentum=0.9, nesterov=True, clipnorm=0.1)),
        lambda: small(lambda: cb.optimizers.AdamW(0.01, use_ema=True, ema_momentum=0.9)),
        lambda: small(kernel_regularizer="l2", kernel_constraint="unit_norm"),
        lambda: small("sgd", "binary_crossentropy", ["accuracy", "auc"]),
        lambda: small(activity_regularizer="l1"),
        lambda: small(loss=lambda t, p: (((p - t) ** 2).mean(axis=-1), 2 * (p - t))),
    ],
)
def test_settings(make):
    assert_as_alone(make, y=(Y > 0).astype("float32"))


def in_many_ways():
    """Models that are alike, made in all ways, and some that look alike and are not."""
    with cb.utils.seeded(1):
        first, changed, frozen, scaled = small(), small(), small(), small(kernel_initializer="ones")
        described = cb.Model.from_config(first.get_config())
        described.compile("adam", "mse")
        changed.layers[1].activation = "relu"
        frozen.layers[1].trainable = False
        frozen.compile("adam", "mse")
        thawed = pickle.loads(pickle.dumps(frozen))
        thawed.layers[1].trainable = True
        thawed.compile("adam", "mse")
        scaled.optimizer.weight_decay = 0.01
        copies = [cb.models.clone_model(first), pickle.loads(pickle.dumps(first)), copy.copy(small())]
        return [frozen, first, *copies, described, changed, thawed, scaled]


@pytest.mark.parametrize("threads", [1, 2])
def test_in_whatever_way_they_were_made(threads):
    alone, together = in_many_ways(), in_many_ways()
    seeds = list(range(len(alone)))
    for model, seed in zip(alone, seeds, strict=True):
        with cb.utils.seeded(seed):
            model.fit(X, Y, epochs=2, verbose=0)
    cb.fit_many(together, X, Y, epochs=2, verbose=0, seeds=seeds, threads=threads)
    for one, other in zip(alone, together, strict=True):
        for a, b in zip(everything(one, X, Y), everything(other, X, Y), strict=True):
            assert a.tobytes() == b.tobytes()


def test_metrics_of_layers_belong_to_their_model():
    models = three(small)
    models[1].layers[1].seen = cb.metrics.Mean(name="seen")
    histories = cb.fit_many(models, X, Y, epochs=2, verbose=0, threads=1)
    assert [sorted(history.history) for history in histories] == [["loss"], ["loss", "seen"], ["loss"]]


def test_names_in_logs_belong_to_their_model(made):
    """Models whose outputs have other names are of one kind."""
    models = []
    for names in ("ab", "cd", "ab"):
        inputs = cb.Input((4,))
        models.append(cb.Model(inputs, [layers.Dense(1, name=name)(inputs) for name in names]))
        models[-1].compile("sgd", ["mse", "mae"], metrics=[["mae"], []])
    histories = cb.fit_many(models, X, (Y, Y), epochs=2, verbose=0, threads=1)
    assert len(made) == 1
    found = [list(history.history) for history in histories]
    assert found == [["a_loss", "a_mae", "b_loss", "loss"], ["c_loss", "c_mae", "d_loss", "loss"], found[0]]
    few = [small() for _ in range(2)]
    assert [list(history.history) for history in cb.fit_many(few, X, Y, epochs=2, verbose=0)] == [["loss"]] * 2


def test_one_engine(made):
    models = three(small)
    cb.fit_many(models, X, Y, verbose=0, threads=1)
    assert len(made) == 1
    assert all(model._engine is None for model in models)
    gc.collect()
    assert made[0]() is None


def test_other_hyperparameters(made):
    """Models of one kind may differ in settings of optimizers, first weights and regularizers."""
    models = [
        small(lambda: cb.optimizers.Adam(0.1)),
        small(lambda: cb.optimizers.Adam(0.01, beta_1=0.5, clipvalue=0.1)),
        small(kernel_initializer="zeros"),
        small(kernel_regularizer="l2"),
        small(kernel_constraint="non_neg"),
    ]
    copies = [cb.models.clone_model(model) for model in models]
    for model, twin in zip(models, copies, strict=True):
        twin.set_weights(model.get_weights())
        with cb.utils.seeded(3):
            twin.fit(X, Y, epochs=3, verbose=0)
    made.clear()
    cb.fit_many(models, X, Y, epochs=3, verbose=0, threads=1, seeds=[3] * 5)
    assert len(made) == 1
    for model, twin in zip(models, copies, strict=True):
        for a, b in zip(everything(model, X, Y), everything(twin, X, Y), strict=True):
            assert a.tobytes() == b.tobytes()


def frozen():
    model = small()
    model.layers[1].trainable = False
    model.compile("adam", "mse")
    return model


def crossed():
    inputs = cb.Input((4,))
    hidden = layers.Dropout(0.2, seed=3)(layers.Dense(3, "tanh")(inputs))
    model = cb.Model(inputs, layers.Dense(1)(layers.Concatenate()([inputs, hidden])))
    model.compile("adam", "mse")
    return model


@pytest.mark.parametrize(
    "other",
    [
        lambda: small(units=4),
        lambda: small(activation="relu"),
        lambda: small(use_bias=False),
        lambda: small(seed=4),
        lambda: small("sgd"),
        lambda: small(loss="mae"),
        lambda: small(loss=cb.losses.Huber(0.5)),
        lambda: small(metrics=["mae"]),
        frozen,
        crossed,
    ],
)
def test_other_kinds(other, made):
    assert kind_of(small()) == kind_of(small())
    assert kind_of(other()) == kind_of(other()) is not None
    assert kind_of(other()) != kind_of(small())
    cb.fit_many([small(), other(), small(), other()], X, Y, verbose=0, threads=1)
    assert len(made) == 2


class Double(layers.Dense):
    """A user's class, which may do anything."""


def test_models_with_an_engine_of_their_own(made):
    def own():
        model = cb.Sequential([cb.Input((4,)), Double(3), layers.Dense(1)])
        model.compile("adam", "mse")
        return model

    def reference():
        model = small()
        model.compile("adam", "mse", engine="reference")
        return model

    def nested():
        model = cb.Sequential([cb.Input((4,)), cb.Sequential([layers.Dense(3)]), layers.Dense(1)])
        model.compile("adam", "mse")
        return model

    for make in (own, reference, nested):
        assert kind_of(make()) is None
        assert_as_alone(make)


def test_compiled_in_between():
    """A callback that compiles the model again leaves it the engine that belongs to the new settings."""

    class Again(cb.callbacks.Callback):
        def on_train_end(self, logs=None):
            self.model.compile("sgd", "mae")
            self.model.fit(X, Y, verbose=0)

    models = three(small)
    cb.fit_many(models, X, Y, callbacks=lambda i: [Again()] if i == 0 else [], verbose=0, threads=1)
    assert models[0]._engine is not None
    models[0].fit(X, Y, verbose=0)


def test_a_model_that_has_an_engine_keeps_it():
    models = three(small)
    models[1].fit(X, Y, verbose=0)
    engine = models[1]._engine
    cb.fit_many(models, X, Y, verbose=0, threads=1)
    assert models[1]._engine is engine


def test_position_is_kept(tmp_path):
    """A model that is saved afterwards continues where it stopped."""
    models, alone = three(small), three(small)[0]
    cb.fit_many(models, X, Y, epochs=3, verbose=0, seeds=[1, 2, 3])
    assert models[0].training_position()["epoch"] == 3
    models[0].save(tmp_path / "model.safetensors")
    same = cb.models.load_model(tmp_path / "model.safetensors")
    same.fit(X, Y, epochs=5, initial_epoch=3, verbose=0)
    with cb.utils.seeded(1):
        alone.fit(X, Y, epochs=3, verbose=0)
        alone.fit(X, Y, epochs=5, initial_epoch=3, verbose=0)
    for a, b in zip(alone.get_weights(), same.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    models[1].compile("sgd", "mse")
    assert models[1].training_position() is None


def test_weights_are_read_while_others_train():
    """The engine that trains another model now does not make anybody wait for it."""
    models = three(small)
    seen = []

    class Look(cb.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(models[0].get_weights())

    cb.fit_many(models, X, Y, callbacks=lambda i: [Look()] if i == 1 else [], verbose=0, threads=1)
    assert len(seen) == 1
    assert not models[0].layers[1].kernel.store.users


class Interrupted(cb.utils.PyDataset):
    """Two batches. The second one waits for an event."""

    def __init__(self):
        super().__init__()
        self.has_begun, self.go_on = threading.Event(), threading.Event()

    def __len__(self):
        return 2

    def __getitem__(self, index):
        if index:
            self.has_begun.set()
            assert self.go_on.wait(60)
        return X[index::2], Y[index::2]


USES = {
    "evaluate": lambda model, data: model.evaluate(data, verbose=0),
    "fit": lambda model, data: model.fit(data, verbose=0, shuffle=False).history["loss"],
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_an_engine_in_use_goes_to_no_other_model(use):
    """Another thread begins to use the first model while that is trained, and is not done when the second one is."""

    def plain():
        model = cb.Sequential([cb.Input((4,)), layers.Dense(1)])
        model.compile(cb.optimizers.SGD(0.0), "mse")
        return model

    models, data, results = three(plain), Interrupted(), []
    whole = Interrupted()
    whole.go_on.set()
    expected = use(pickle.loads(pickle.dumps(models[0])), whole)
    other = threading.Thread(target=lambda: results.append(use(models[0], data)))

    def meanwhile(index):
        def begin(*_):
            if index == 0:
                other.start()
                assert data.has_begun.wait(60)
            if index == 1:
                data.go_on.set()
                other.join()

        return [cb.callbacks.LambdaCallback(on_epoch_begin=begin)]

    cb.fit_many(models, X, Y, verbose=0, threads=1, callbacks=meanwhile)
    np.testing.assert_array_equal(results[0], expected)
