"""The setting that decides whether tiles or BLAS multiply matrices."""

import contextlib
import os
import subprocess
import sys

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers, matrix_products, threads
from cbackprop.engine import thread_trials
from cbackprop.optimizers import muon

NETWORK = """
import sys
import numpy as np
import cbackprop as cb
from cbackprop import layers

x = np.random.default_rng(0).normal(size=(64, 40)).astype("float32")
a, b = cb.Input((40,)), cb.Input((40,))
dot = layers.Dot(-1)([layers.Dense(8)(a), layers.Dense(8)(b)])
model = cb.Model([a, b], layers.Dense(1)(dot))
model.compile("muon", "mse")
model.fit([x, x], x[:, :1], epochs=2, verbose=0)
model.evaluate([x, x], x[:, :1], verbose=0)
model.predict([x, x], verbose=0)
"""
BLOCKS = """
import numpy as np
import cbackprop as cb
from cbackprop import layers
from cbackprop.engine import gradient_work, thread_trials
from cbackprop.engine.room import Room

Room.samples_of_block = lambda self: 48
thread_trials.LEAST_WORK = gradient_work.PORTION = gradient_work.PART_STEP = 1
rng = np.random.default_rng(0)
x, y = rng.normal(size=(200, 30)).astype("float32"), rng.normal(size=(200, 1)).astype("float32")
results = []
for count in (1, 2, 3, 8):
    cb.config.set_num_threads(count)
    cb.utils.set_random_seed(1)
    model = cb.Sequential([cb.Input((30,)), layers.Dense(17, "tanh"), layers.Dense(40), layers.Dense(1)])
    model.compile("adam", "mse")
    model.fit(x, y, 200, 2, verbose=0)
    assert len(model._engine.learner.passes.groups_of_blocks(200)) > 3
    results.append([array.tobytes() for array in model.get_weights()])
assert all(result == results[0] for result in results[1:])
"""
LOADED = """
loaded = [name for name in sys.modules if "cython_blas" in name or name == "cbackprop.compiled.kernels.blas"]
"""


@pytest.fixture(autouse=True)
def same_setting():
    before = cb.config.matrix_products()
    yield
    cb.config.set_matrix_products(before)
    cb.config.set_num_threads(1)


def run(code, **variables):
    environment = {name: value for name, value in os.environ.items() if name != "CBACKPROP_PRODUCTS"} | variables
    return subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, env=environment)


def network():
    cb.utils.set_random_seed(3)
    model = cb.Sequential([cb.Input((50,)), layers.Dense(70, "tanh"), layers.Dense(5)])
    model.compile(cb.optimizers.Adam(0.01), "mse")
    return model


def data():
    rng = np.random.default_rng(0)
    return rng.normal(size=(200, 50)).astype("float32"), rng.normal(size=(200, 5)).astype("float32")


def test_blas_is_not_loaded_before_it_is_needed():
    done = run(NETWORK + LOADED + "assert not loaded, loaded")
    assert done.returncode == 0, done.stderr


def test_blas_is_loaded_by_the_first_run_that_needs_it():
    done = run("import cbackprop, sys" + LOADED + "assert not loaded, loaded", CBACKPROP_PRODUCTS="blas")
    assert done.returncode == 0, done.stderr
    done = run(NETWORK + LOADED + "assert len(loaded) >= 2, loaded", CBACKPROP_PRODUCTS="blas")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("value", ["tiles", "blas", "auto"])
def test_the_environment_variable(value):
    done = run("import cbackprop; print(cbackprop.config.matrix_products())", CBACKPROP_PRODUCTS=value)
    assert done.stdout.strip() == value, done.stderr


def test_an_unknown_value_of_the_environment_variable():
    done = run("import cbackprop", CBACKPROP_PRODUCTS="mkl")
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last == "ValueError: CBACKPROP_PRODUCTS must be 'tiles', 'blas' or 'auto', but got 'mkl'."


@pytest.mark.parametrize("value", ["mkl", "BLAS", "", None, 1, ["blas"]])
def test_an_unknown_setting(value):
    cb.config.set_matrix_products("tiles")
    with pytest.raises(ValueError, match="value must be 'tiles', 'blas' or 'auto', but got"):
        cb.config.set_matrix_products(value)
    assert cb.config.matrix_products() == "tiles"


@pytest.mark.parametrize(("value", "words"), [("tiles", "tiles (tiles)"), ("blas", "BLAS (blas)")])
def test_info_says_what_is_used(value, words, capsys):
    cb.config.set_matrix_products(value)
    cb.config.show()
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("matrix products")]
    assert line.split(maxsplit=2)[2] == words


def test_auto_takes_blas_where_tiles_have_no_vectors(monkeypatch):
    cb.config.set_matrix_products("auto")
    assert matrix_products.uses_blas() is not matrix_products.HAS_VECTORS
    monkeypatch.setattr(matrix_products, "HAS_VECTORS", False)
    cb.config.set_matrix_products("auto")
    assert matrix_products.uses_blas()
    assert matrix_products.description() == "BLAS (auto)"
    cb.config.set_matrix_products("tiles")
    assert not matrix_products.uses_blas()


def test_a_change_takes_effect_at_the_next_run():
    """Of a model that is built already; the numbers differ by rounding, and come back with the setting."""
    x, y = data()
    model = network()
    found = {}
    for value in ("tiles", "blas", "tiles", "blas"):
        cb.config.set_matrix_products(value)
        results = model.predict(x, verbose=0), *model.gradients(x, y), model.predict_on_batch(x[:1])
        assert model._engine.network.blas == (value == "blas")
        for new, old in zip(results, found.setdefault(value, results), strict=True):
            assert new.tobytes() == old.tobytes()
    for a, b in zip(found["tiles"], found["blas"], strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5)
    assert any(a.tobytes() != b.tobytes() for a, b in zip(found["tiles"], found["blas"], strict=True))


def test_a_change_by_a_callback_takes_effect_at_the_next_epoch():
    class Change(cb.callbacks.Callback):
        seen = ()

        def on_epoch_end(self, epoch, logs=None):
            self.seen = (*self.seen, self.model._engine.network.blas)
            cb.config.set_matrix_products("blas")

    cb.config.set_matrix_products("tiles")
    change = Change()
    network().fit(*data(), epochs=3, verbose=0, callbacks=[change])
    assert change.seen == (False, True, True)


def test_a_change_from_within_a_step_leaves_that_run_alone():
    x, y = data()
    cb.config.set_matrix_products("tiles")
    expected = network().fit(x, y, verbose=0).history["loss"]

    class Change(layers.Layer):
        def call(self, inputs):
            cb.config.set_matrix_products("blas")
            return inputs

        def backward(self, inputs, outputs, delta):
            return delta

    cb.utils.set_random_seed(3)
    model = cb.Sequential([cb.Input((50,)), layers.Dense(70, "tanh"), layers.Dense(5), Change()])
    model.compile(cb.optimizers.Adam(0.01), "mse")
    cb.config.set_matrix_products("tiles")
    assert model.fit(x, y, verbose=0).history["loss"] == expected


def test_blas_is_held_to_one_thread_meanwhile(monkeypatch):
    seen = []
    monkeypatch.setattr(threads, "limited", lambda n: seen.append(n) or contextlib.nullcontext())
    model = network()
    for value, calls in (("tiles", []), ("blas", [1, 1])):
        cb.config.set_matrix_products(value)
        model.fit(*data(), verbose=0)
        model.predict_on_batch(data()[0][:1])
        assert seen == calls


@pytest.mark.parametrize("units", [1, 3, 17, 64])
@pytest.mark.parametrize("inputs", [5, 30, 300])
def test_the_same_bits_on_any_number_of_threads(units, inputs, monkeypatch):
    """With BLAS, whose sums may depend on the number of rows."""
    monkeypatch.setattr(thread_trials, "LEAST_WORK", 1)
    cb.config.set_matrix_products("blas")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(333, inputs)).astype("float32"), rng.normal(size=(333, 1)).astype("float32")
    results = []
    for count in (1, 2, 3, 8):
        cb.config.set_num_threads(count)
        cb.utils.set_random_seed(1)
        model = cb.Sequential([cb.Input((inputs,)), layers.Dense(units, "tanh"), layers.Dense(40), layers.Dense(1)])
        model.compile("adam", "mse")
        model.fit(x, y, 131, 2, verbose=0)
        results.append([array.tobytes() for array in (*model.get_weights(), model.predict(x, verbose=0))])
    assert all(result == results[0] for result in results[1:])


def test_the_same_bits_of_blocks_on_any_number_of_threads():
    """With the code of OpenBLAS for older processors, whose sums depend on the number of rows."""
    done = run(BLOCKS, CBACKPROP_PRODUCTS="blas", OPENBLAS_CORETYPE="Prescott")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("optimizer", [muon.Muon, cb.optimizers.Adam])
def test_steps_on_arrays(optimizer):
    """`apply`, outside of any model."""
    rng = np.random.default_rng(0)
    # Sums so long that BLAS and the tiles cut them into blocks of different sizes: bits tell which computed them.
    start, gradient = (rng.normal(size=(40, 3000)).astype("float32") for _ in range(2))
    found = {}
    for value in ("tiles", "blas"):
        cb.config.set_matrix_products(value)
        found[value] = start.copy()
        optimizer().apply([gradient], [found[value]])
    np.testing.assert_allclose(found["tiles"], found["blas"], rtol=0, atol=1e-5)
    assert (found["tiles"].tobytes() != found["blas"].tobytes()) == (optimizer is muon.Muon)
