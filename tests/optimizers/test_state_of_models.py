"""One optimizer for several models: each has its own count of steps and its own memory."""

import copy
import gc
import pickle
import threading
import weakref

import families
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import cbackprop as cb
from cbackprop import layers, optimizers

EACH_ENGINE = pytest.mark.parametrize("engine", ["compiled", "reference"])
FULL_BATCH = {name: cls for name, cls in optimizers.registry if issubclass(cls, optimizers.FullBatchOptimizer)}
OPTIONS = {
    "plain": {},
    "everything": {"use_ema": True, "ema_momentum": 0.8, "gradient_accumulation_steps": 2, "weight_decay": 0.01},
    "schedule": {"learning_rate": optimizers.schedules.ExponentialDecay(0.05, 3, 0.5)},
}
CASES = [(cls, options) for cls in families.stepping_optimizers().values() for options in OPTIONS.values()]
CASES += [(cls, {}) for cls in FULL_BATCH.values()]
EACH_CASE = pytest.mark.parametrize(("cls", "options"), CASES, ids=[f"{c.__name__}-{list(o)[:1]}" for c, o in CASES])


@pytest.fixture
def data(rng):
    x = rng.normal(size=(24, 3)).astype("float32")
    return x, np.tanh(x[:, :2]) * 2


def unused(seed=4):
    cb.utils.set_random_seed(seed)
    return cb.Sequential([cb.Input((3,)), layers.Dense(5, activation="tanh"), layers.Dense(2)])


def compiled(optimizer, engine="compiled", seed=4):
    model = unused(seed)
    model.compile(optimizer, "mse", engine=engine)
    return model


def losses(model, data, epochs=4):
    size = None if isinstance(model.optimizer, optimizers.FullBatchOptimizer) else 8
    return model.fit(*data, batch_size=size, epochs=epochs, shuffle=False, verbose=0).history["loss"]


def losses_of_one(cls, options, engine, data, epochs=4):
    return losses(compiled(cls(**options), engine), data, epochs)


@EACH_ENGINE
@EACH_CASE
def test_folds(cls, options, engine, data):
    """The same training again, with the same optimizer object, gives the same losses to the last bit."""
    optimizer = cls(**options)
    expected = losses_of_one(cls, options, engine, data)
    for _ in range(3):
        assert losses(compiled(optimizer, engine), data) == expected


@EACH_ENGINE
@EACH_CASE
def test_two_models_in_turns(cls, options, engine, data):
    optimizer = cls(**options)
    a, b = compiled(optimizer, engine, 4), compiled(optimizer, engine, 5)
    found = [[], []]
    for _ in range(4):
        found[0] += losses(a, data, 1)
        found[1] += losses(b, data, 1)
    for seed, ours in zip((4, 5), found, strict=True):
        alone = compiled(cls(**options), engine, seed)
        assert ours == [losses(alone, data, 1)[0] for _ in range(4)]


@EACH_ENGINE
def test_what_an_optimizer_shows_is_of_the_model_compiled_last(engine, data):
    optimizer = optimizers.Adam(0.01)
    a = compiled(optimizer, engine)
    losses(a, data, 2)
    assert optimizer.iterations == 6
    assert len(optimizer.variables) == 2 + 2 * 4
    b = compiled(optimizer, engine)
    assert (optimizer.iterations, len(optimizer.variables), optimizer.built) == (0, 2, False)
    losses(a, data, 1)
    assert optimizer.iterations == 0
    b.train_on_batch(*data)
    assert optimizer.iterations == 1
    a.compile(optimizer, "mse", engine=engine)
    assert optimizer.iterations == 9


@EACH_ENGINE
def test_settings_are_shared(engine, data):
    optimizer = optimizers.SGD(0.1)
    a, b = compiled(optimizer, engine), compiled(optimizer, engine)
    losses(a, data), losses(b, data)
    optimizer.learning_rate = 0.0
    for model in (a, b):
        before = model.get_weights()
        losses(model, data)
        for x, y in zip(model.get_weights(), before, strict=True):
            assert_array_equal(x, y)


@EACH_ENGINE
@EACH_CASE
def test_compiling_again_goes_on(cls, options, engine, data):
    """The same model with the same optimizer; another one in between is no matter."""
    model, twin = compiled(cls(**options), engine), compiled(cls(**options), engine)
    mine = model.optimizer
    losses(model, data, 2), losses(twin, data, 2)
    averaged = model.get_weights()
    model.compile("sgd", "mae", engine=engine)
    assert model.optimizer.iterations == 0
    model.set_weights(averaged)
    model.compile(mine, "mse", engine=engine)
    assert losses(model, data, 2) == losses(twin, data, 2)


def test_frozen_layers_keep_what_is_remembered_of_them(data):
    optimizer = optimizers.Adam(0.01)
    model = compiled(optimizer)
    losses(model, data)
    m = optimizer.slots[model.layers[0].kernel][0].copy()
    model.layers[0].trainable = False
    model.compile(optimizer, "mse")
    losses(model, data)
    assert_array_equal(optimizer.slots[model.layers[0].kernel][0], m)
    model.layers[0].trainable = True
    model.compile(optimizer, "mse")
    losses(model, data, 1)
    assert not np.array_equal(optimizer.slots[model.layers[0].kernel][0], m)


def test_adversarial_pair(data):
    """Two models that share layers, one optimizer object: as with two of them."""

    def pair(first, second):
        cb.utils.set_random_seed(2)
        generator = cb.Sequential([cb.Input((3,)), layers.Dense(2, activation="tanh")])
        critic = cb.Sequential([cb.Input((2,)), layers.Dense(4, activation="tanh"), layers.Dense(1)])
        critic.compile(first, "mse")
        both = cb.Sequential([cb.Input((3,)), generator, critic])
        both.compile(second, "mse")
        return both, critic

    def play(both, critic):
        x, y = data
        found = []
        for _ in range(5):
            found.append(critic.train_on_batch(y, y[:, :1]))
            found.append(both.train_on_batch(x, y[:, 1:]))
        return found

    one = optimizers.Adam(0.02)
    assert play(*pair(one, one)) == play(*pair(optimizers.Adam(0.02), optimizers.Adam(0.02)))
    assert one.iterations == 5


@EACH_ENGINE
@pytest.mark.parametrize("way", [lambda v: pickle.loads(pickle.dumps(v)), copy.deepcopy])
@EACH_CASE
def test_copies(cls, options, engine, way, data):
    """Of one of two models, and of both together, whichever was compiled last."""
    optimizer = cls(**options)
    a, b = compiled(optimizer, engine, 4), compiled(optimizer, engine, 5)
    losses(a, data, 2), losses(b, data, 1)
    alone, (c, d), (f, e) = way(a), way([a, b]), way([b, a])
    assert alone.optimizer.iterations == alone.optimizer.iterations_of(optimizer.state_for(a))
    assert c.optimizer is d.optimizer
    assert c.optimizer.iterations == f.optimizer.iterations == optimizer.iterations
    expected = losses(a, data, 2), losses(b, data, 2)
    for model, wanted in ((alone, 0), (c, 0), (d, 1), (e, 0), (f, 1)):
        assert losses(model, data, 2) == expected[wanted]


@pytest.mark.parametrize("cls", families.stepping_optimizers().values())
def test_files(cls, data, tmp_path):
    optimizer = cls(**OPTIONS["everything"])
    a, b = compiled(optimizer, seed=4), compiled(optimizer, seed=5)
    losses(a, data, 2), losses(b, data, 1)
    a.save(tmp_path / "a"), b.save(tmp_path / "b")
    a.save_weights(tmp_path / "w")
    other = compiled(cls(**OPTIONS["everything"]), seed=7)
    other.load_weights(tmp_path / "w")
    read = [cb.models.load_model(tmp_path / name) for name in "ab"]
    assert read[0].optimizer.iterations == other.optimizer.iterations == 3
    expected = losses(a, data, 2), losses(b, data, 2)
    assert (losses(read[0], data, 2), losses(read[1], data, 2)) == expected
    assert losses(other, data, 2) == expected[0]


@pytest.mark.parametrize("name", ["batches", "learning_rate", "averages"])
def test_loading_into_one_model_leaves_the_other_alone(name, data, tmp_path):
    optimizer = optimizers.Adam(0.01, use_ema=True)
    a, b = compiled(optimizer, seed=4), compiled(optimizer, seed=5)
    losses(a, data, 2)
    a.save_weights(tmp_path / "w")
    expected = losses_of_one(optimizers.Adam, {"learning_rate": 0.01, "use_ema": True}, "compiled", data, 2)
    a.load_weights(tmp_path / "w")
    b.set_weights(unused(4).get_weights())
    assert losses(b, data, 2) == expected


def test_backup_and_restore(data, tmp_path):
    """Of two models with one optimizer, the one that was compiled first is interrupted."""

    class Stop(cb.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    def pair():
        optimizer = optimizers.Adam(optimizers.schedules.ExponentialDecay(0.05, 3, 0.5))
        return compiled(optimizer, seed=4), compiled(optimizer, seed=5)

    backup = {"callbacks": [cb.callbacks.BackupAndRestore(tmp_path), Stop()]}
    a, _ = pair()
    with pytest.raises(KeyboardInterrupt):
        a.fit(*data, batch_size=8, epochs=5, verbose=0, **backup)
    again, _ = pair()
    again.fit(*data, batch_size=8, epochs=5, verbose=0, callbacks=[cb.callbacks.BackupAndRestore(tmp_path)])
    whole, _ = pair()
    whole.fit(*data, batch_size=8, epochs=5, verbose=0)
    for x, y in zip(again.get_weights(), whole.get_weights(), strict=True):
        assert_array_equal(x, y)


def test_logs_tell_the_rate_of_the_model_that_is_trained(data):
    optimizer = optimizers.SGD(optimizers.schedules.PiecewiseConstantDecay([3], [0.5, 0.25]))
    a, _ = compiled(optimizer), compiled(optimizer)
    plateau = cb.callbacks.ReduceLROnPlateau("loss", patience=100)
    history = a.fit(*data, batch_size=8, epochs=3, verbose=0, callbacks=[plateau]).history
    assert history["learning_rate"] == [0.5, 0.25, 0.25]


def test_swapping_averages_of_the_model_that_is_trained(data):
    optimizer = optimizers.SGD(0.1, use_ema=True)
    a, _ = compiled(optimizer), compiled(optimizer)
    swap = {"callbacks": [cb.callbacks.SwapEMAWeights()], "validation_data": data}
    ours = a.fit(*data, epochs=3, verbose=0, **swap).history["val_loss"]
    alone = compiled(optimizers.SGD(0.1, use_ema=True))
    assert ours == alone.fit(*data, epochs=3, verbose=0, **swap).history["val_loss"]


# Steps on arrays and variables


def test_apply_on_arrays_counts_by_itself(data):
    optimizer = optimizers.Adam(0.1)
    w = np.ones(2)
    optimizer.apply([np.ones(2)], [w])
    assert optimizer.iterations == 1
    expected = losses_of_one(optimizers.Adam, {"learning_rate": 0.1}, "compiled", data)
    model = compiled(optimizer)
    assert losses(model, data) == expected
    assert optimizer.iterations == 12
    with pytest.raises(TypeError, match="must be a variable of the model compiled with this optimizer"):
        optimizer.apply_gradients([(np.ones(2), w)])
    assert optimizer.iterations == 12


def test_apply_and_fit_of_one_model_go_on_from_each_other(data):
    model, twin = compiled(optimizers.Adam(0.1)), compiled(optimizers.Adam(0.1))
    for other in (model, twin):
        other.train_on_batch(*data)
    for _ in range(3):
        model.optimizer.apply(model.gradients(*data, training=True), model.trainable_variables)
        twin.train_on_batch(*data)
    assert model.optimizer.iterations == twin.optimizer.iterations == 4
    for x, y in zip(model.get_weights(), twin.get_weights(), strict=True):
        assert_allclose(x, y, rtol=1e-6)


def test_apply_finds_the_model_whose_variables_these_are(data):
    optimizer = optimizers.Adam(0.1)
    a, b = compiled(optimizer), compiled(optimizer)
    twin = compiled(optimizers.Adam(0.1))
    for _ in range(3):
        for model in (a, b):
            optimizer.apply(model.gradients(*data), model.trainable_variables)
        twin.train_on_batch(*data)
    assert optimizer.iterations == 3
    for model in (a, b):
        for x, y in zip(model.get_weights(), twin.get_weights(), strict=True):
            assert_allclose(x, y, rtol=1e-6)


def test_strangers_are_refused():
    a, b = unused(4), unused(5)
    optimizer = optimizers.Adam(0.1)
    gradients = [np.ones(v.shape) for v in a.trainable_variables]
    optimizer.apply(gradients, a.trainable_variables)
    before = b.get_weights()
    with pytest.raises(ValueError, match=r"Unknown variable: 'dense.*/kernel'.*Make another optimizer"):
        optimizer.apply(gradients, b.trainable_variables)
    assert optimizer.iterations == 1
    for x, y in zip(b.get_weights(), before, strict=True):
        assert_array_equal(x, y)
    optimizer.apply(gradients[:1], a.trainable_variables[:1])


def test_what_was_set_before_compile_is_the_first_models(data):
    optimizer = optimizers.SGD(optimizers.schedules.PiecewiseConstantDecay([100], [0.5, 0.0]))
    optimizer.iterations = 200
    a = compiled(optimizer)
    before = a.get_weights()
    losses(a, data)
    for x, y in zip(a.get_weights(), before, strict=True):
        assert_array_equal(x, y)
    b = compiled(optimizer)
    assert losses(b, data)[0] != losses(a, data)[0]
    model = unused()
    built = optimizers.Adam()
    built.build(model.trainable_variables)
    model.compile(built, "mse")
    assert built.built
    assert len(built.variables) == 10


def test_a_copied_optimizer_goes_its_own_way(data):
    model = compiled(optimizers.Adam(0.1))
    losses(model, data)
    other = copy.copy(model.optimizer)
    assert other.iterations == 12
    losses(model, data)
    assert (other.iterations, model.optimizer.iterations) == (12, 24)
    assert not np.shares_memory(*[o.slots[model.layers[0].kernel][0] for o in (other, model.optimizer)])


def test_the_memory_of_a_model_goes_with_it(data):
    optimizer = optimizers.Adam(0.1)
    model = compiled(optimizer)
    losses(model, data)
    kernel = weakref.ref(model.layers[0].kernel)
    other = compiled(optimizer)
    del model
    gc.collect()
    assert kernel() is None
    rule = weakref.ref(optimizer)
    other.compile("sgd", "mse")
    del optimizer
    gc.collect()
    assert rule() is None


def test_models_trained_by_several_threads_share_an_optimizer(data):
    optimizer = optimizers.Adam(0.01)
    expected = losses_of_one(optimizers.Adam, {"learning_rate": 0.01}, "compiled", data, 20)
    models = [compiled(optimizer) for _ in range(4)]
    found = [None] * 4

    def train(index):
        found[index] = losses(models[index], data, 20)

    threads = [threading.Thread(target=train, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4
