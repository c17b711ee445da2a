"""Models in pickles and copies."""

import copy
import inspect
import pickle

import loss_cases
import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers
from cbackprop.families import families


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
@pytest.mark.parametrize("trained", [False, True])
def test_a_copy_goes_on_as_the_original_does(duplicate, trained, rng):
    model = cb.Sequential(
        [cb.Input((3,)), layers.Dense(4, activation="gelu"), layers.Dropout(0.2, seed=1), layers.Dense(2)]
    )
    model.compile("adam", "mse", metrics=["mae"])
    x, y = loss_cases.data_for(model, 16, rng)
    if trained:
        model.fit(x, y, epochs=2, verbose=0)
    twin = duplicate(model)
    results = [m.fit(x, y, epochs=3, shuffle=False, verbose=0).history for m in (model, twin)]
    assert results[0] == results[1]
    for a, b in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    before = model.get_weights()[0]
    twin.fit(x, y, verbose=0)
    np.testing.assert_array_equal(model.get_weights()[0], before)


def test_a_pickle_may_be_read_only(rng):
    """A model that joblib loads from a memory-mapped file has its own memory, aligned and writable."""
    model = cb.Sequential([cb.Input((3,)), layers.Dense(5), layers.Dense(1)])
    model.compile("adam", "mse")
    x, y = loss_cases.data_for(model, 16, rng)
    model.predict(x, verbose=0)  # brings the weights together, in the one vector that the pickle holds
    buffers = []
    plain = pickle.dumps(model, protocol=5, buffer_callback=buffers.append)
    twin = pickle.loads(plain, buffers=[buffer.raw().tobytes() for buffer in buffers])
    assert buffers
    np.testing.assert_array_equal(twin.predict(x, verbose=0), model.predict(x, verbose=0))
    assert twin.layers[0].kernel.array.ctypes.data % 64 == 0
    results = [m.fit(x, y, epochs=2, shuffle=False, verbose=0).history["loss"] for m in (model, twin)]
    assert results[0] == results[1]


@pytest.mark.parametrize(
    "thing", [cb.optimizers.Adam(0.1), cb.losses.Huber(), cb.metrics.MeanSquaredError(), layers.Dense(2)]
)
def test_specs_can_be_copied(thing):
    for twin in (copy.deepcopy(thing), pickle.loads(pickle.dumps(thing))):
        assert twin.get_config() == thing.get_config()


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
@pytest.mark.parametrize("functional", [False, True])
def test_deep_networks(functional, duplicate):
    """Of more layers than recursion can follow."""
    if functional:
        x = y = cb.Input((2,))
        for i in range(400):
            y = layers.Add()([layers.Dense(2, use_bias=False)(y), y]) if i % 100 == 0 else layers.Identity()(y)
        model = cb.Model(x, y)
    else:
        model = cb.Sequential([cb.Input((2,)), *[layers.Identity() for _ in range(400)], layers.Dense(2)])
    twin = duplicate(model)
    np.testing.assert_array_equal(twin.predict([[1.0, 2.0]], verbose=0), model.predict([[1.0, 2.0]], verbose=0))
    assert "calls in order" not in vars(twin)


def test_a_shallow_copy_has_lists_of_its_own(rng):
    """It shares the weights of the original, but not its calls and added losses."""
    model = cb.Sequential([cb.Input((3,)), layers.Dense(2)])
    twin = copy.copy(model)
    twin.add(layers.Dense(1))
    assert (len(model.layers), model.output_shape, twin.output_shape) == (1, (None, 2), (None, 1))
    x = rng.normal(size=(4, 3))
    np.testing.assert_array_equal(model.predict(x, verbose=0), copy.copy(model).predict(x, verbose=0))
    dense = layers.Dense(2)
    dense.build((None, 3))
    other = copy.copy(dense)
    other(cb.Input((3,)))
    assert not dense.nodes
    assert other.kernel is dense.kernel


EVERYTHING = [thing for family in families.values() for _, thing in family if not inspect.isclass(thing)]
CLASSES = [cls for family in families.values() for _, cls in family if inspect.isclass(cls)]


def made(cls):
    """An object of a class, if that needs no arguments."""
    try:
        return cls()
    except (TypeError, ValueError):
        return None


def name_of(thing):
    return getattr(thing, "__name__", type(thing).__name__)


@pytest.mark.parametrize(
    "thing",
    [*EVERYTHING, *filter(None, map(made, CLASSES))],
    ids=lambda thing: getattr(thing, "__name__", type(thing).__name__),
)
def test_everything_can_be_copied(thing):
    for twin in (copy.copy(thing), copy.deepcopy(thing), pickle.loads(pickle.dumps(thing))):
        assert type(twin) is type(thing)
        if hasattr(thing, "get_config"):
            assert twin.get_config() == thing.get_config()


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda thing: pickle.loads(pickle.dumps(thing))])
def test_parts_of_a_model(duplicate):
    x = cb.Input((3,), name="x")
    dense = layers.Dense(2)
    model = cb.Model(x, dense(x))
    model.compile("adam", "mse")
    history = model.fit(np.ones((4, 3)), np.ones((4, 2)), verbose=0)
    assert duplicate(x).shape == (None, 3)
    assert duplicate(dense).output_shape == (None, 2)
    np.testing.assert_array_equal(duplicate(dense.kernel).numpy(), dense.kernel.numpy())
    assert duplicate(history).history == history.history
    assert duplicate(model.optimizer).iterations == 1
    report = model.check_gradients(np.ones((2, 3)), np.ones((2, 2)))
    assert duplicate(report).max_relative_error == report.max_relative_error
