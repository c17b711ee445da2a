"""A Sequential that gets its shape from data takes data of other sizes, too, where its layers do."""

import copy
import pickle

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers

EACH_ENGINE = pytest.mark.parametrize("engine", ["compiled", "reference"])


def model_of(engine="compiled", *more):
    cb.utils.set_random_seed(1)
    model = cb.Sequential([layers.Dense(5, activation="relu"), *more, layers.Dense(2)])
    model.compile(cb.optimizers.Adam(0.01), "mse", metrics=["mae"], engine=engine)
    return model


def batches(lengths, rows=4):
    rng = np.random.default_rng(0)
    for length in lengths:
        yield rng.normal(size=(rows, length, 3)).astype("float32"), rng.normal(size=(rows, length, 2)).astype("float32")


def test_generators(tmp_path):
    for engine in ("compiled", "reference"):
        model = model_of(engine)
        twin = cb.Sequential([cb.Input((None, 3)), *model_of(engine).layers])
        cb.utils.set_random_seed(1)
        first = next(batches([6]))[0]
        model.predict(iter([first]), verbose=0)
        twin.set_weights(model.get_weights())
        twin.compile(cb.optimizers.Adam(0.01), "mse", metrics=["mae"], engine=engine)
        histories = [m.fit(batches([6, 3, 9, 6, 3]), verbose=0).history for m in (model, twin)]
        assert histories[0] == histories[1]
        for a, b in zip(model.get_weights(), twin.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
        assert model.output_shape == (None, 6, 2)
        for length in (3, 6, 12):
            x = np.random.default_rng(1).normal(size=(2, length, 3))
            np.testing.assert_array_equal(model.predict(x, verbose=0), twin.predict(x, verbose=0))
            np.testing.assert_array_equal(model(x), twin(x))
        assert model.evaluate(batches([5, 2]), verbose=0) == twin.evaluate(batches([5, 2]), verbose=0)
        assert model.plan.input_shapes == [(6, 3)]
        model.save(tmp_path / "m.safetensors")
        x = first[:2]
        np.testing.assert_array_equal(cb.models.load_model(tmp_path / "m.safetensors")(x), model(x))


@EACH_ENGINE
def test_arrays_one_after_the_other(engine):
    model = model_of(engine)
    model.fit(*next(batches([6])), verbose=0)
    before = model.optimizer.iterations
    for length in (4, 6, 9):
        x, y = next(batches([length]))
        assert model.predict(x, verbose=0).shape == (4, length, 2)
        assert model(x).shape == (4, length, 2)
        assert model.train_on_batch(x, y)
        assert model.gradients(x, y, wrt="inputs").shape == x.shape
    assert model.optimizer.iterations == before + 3


@EACH_ENGINE
def test_calls_alone(engine):
    for layer, shapes in [
        (layers.Flatten(), [(3, 5, 7), (2, 7, 5)]),
        (layers.Reshape((-1, 8)), [(1, 12, 2), (1, 20, 2)]),
        (layers.Permute((2, 1)), [(2, 3, 4), (2, 4, 3)]),
    ]:
        model = cb.Sequential([layer])
        model.compile("sgd", "mse", engine=engine)
        for shape in shapes:
            x = np.arange(np.prod(shape), dtype="float32").reshape(shape)
            np.testing.assert_array_equal(model(x), type(layer).from_config(layer.get_config())(x))
        parts = list(model.predict(iter([np.ones(shape) for shape in shapes[:1]]), verbose=0))
        assert len(parts) == shapes[0][0]


def test_layers_say_what_they_cannot_take():
    model = model_of()
    model.fit(batches([6, 6]), verbose=0)
    with pytest.raises(ValueError, match="built for inputs of width 3"):
        model.predict(np.ones((2, 6, 4)), verbose=0)
    with pytest.raises(ValueError, match="must have shape"):
        model.predict(np.ones((2, 6, 4, 3)), verbose=0)
    flat = model_of("compiled", layers.Flatten())
    flat.fit(next(batches([6]))[0], np.ones((4, 2)), verbose=0)
    with pytest.raises(ValueError, match="built for inputs of width 30"):
        flat.predict(np.ones((2, 5, 3)), verbose=0)
    assert flat.predict(np.ones((2, 6, 3)), verbose=0).shape == (2, 2)


def test_a_stated_input_and_features_stay_as_they_are():
    stated = cb.Sequential([cb.Input((6, 3)), layers.Dense(2)])
    with pytest.raises(ValueError, match=r"x must have shape \(None, 6, 3\)"):
        stated.predict(np.ones((2, 5, 3)), verbose=0)
    table = cb.Sequential([layers.Rescaling(2.0)])
    table.predict(np.ones((2, 5)), verbose=0)
    with pytest.raises(ValueError, match=r"x must have shape \(None, 5\)"):
        table.predict(np.ones((2, 4)), verbose=0)


def test_copies_and_changes():
    model = model_of()
    model.fit(batches([6, 3]), verbose=0)
    x = np.ones((2, 8, 3))
    for again in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
    model.add(layers.ReLU())
    assert model.predict(np.ones((2, 6, 3)), verbose=0).shape == (2, 6, 2)
    assert model.predict(x, verbose=0).shape == (2, 8, 2)


def test_threads_are_kept_between_batches_of_one_shape():
    """An engine for open sizes keeps the threads of the current engine during a run, and ends them afterwards."""
    model = cb.Sequential([cb.Input((None, 3)), layers.Dense(2)])
    model.compile("sgd", "mse")
    kept = []

    class Watch(cb.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            kept.append(model._engine._keepers == 1)

    model.fit(batches([4, 4, 7, 4]), verbose=0, callbacks=[Watch()])
    assert kept == [True] * 4
    assert model._engine._keepers == 0
