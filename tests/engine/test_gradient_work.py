"""How gradients are divided among threads, and what happens between gradients and update."""

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers
from cbackprop.engine import thread_trials
from cbackprop.engine.room import Room

SAMPLES, BATCH, POSITIONS = 77, 41, 3000


@pytest.fixture(autouse=True)
def whole_batches(monkeypatch):
    """All steps are shared among threads, and none passes in blocks, which need no chunks."""
    monkeypatch.setattr(thread_trials, "LEAST_WORK", 1)
    monkeypatch.setattr(Room, "samples_of_block", lambda self: 10**6)
    yield
    cb.config.set_num_threads("auto")


def small_kernels():
    """Few weights at many positions; the second layer is used twice."""
    x = cb.Input((POSITIONS, 6))
    again = layers.Dense(5, "tanh")
    return cb.Model(x, layers.Dense(1)(again(again(layers.Dense(5, "tanh")(x)))))


def trained(threads, dtype="float32", engine="compiled"):
    cb.config.set_floatx(dtype)
    cb.config.set_num_threads(threads)
    cb.utils.set_random_seed(1)
    model = small_kernels()
    model.compile(cb.optimizers.Adam(0.01), "mse", engine=engine)
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(SAMPLES, POSITIONS, 6)), rng.normal(size=(SAMPLES, POSITIONS, 1))
    model.fit(x, y, batch_size=BATCH, epochs=2, verbose=0)
    found = [*model.get_weights(), *model.gradients(x[:BATCH], y[:BATCH])]
    cb.config.set_floatx("float32")
    return model, found


def test_long_sums_are_cut_and_the_bits_stay():
    model, alone = trained(1)
    gradients = model._engine.weights.gradients
    assert max(gradients.chunk_counts(BATCH)) > 1
    assert set(gradients.chunk_counts(1)) == {1}
    for threads in (2, 3, 8):
        for a, b in zip(alone, trained(threads)[1], strict=True):
            assert a.tobytes() == b.tobytes(), threads


@pytest.mark.parametrize("threads", [1, 3])
def test_long_sums_are_those_of_the_twin(threads):
    for a, b in zip(trained(threads, "float64")[1], trained(1, "float64", "reference")[1], strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-11 * max(1, np.abs(b).max()))


def test_partial_sums_are_of_one_variable_alone():
    """A wide kernel beside a small one has enough elements for all threads: it needs no chunks."""
    model = cb.Sequential([cb.Input((3000, 6)), layers.Dense(5), layers.Flatten(), layers.Dense(100)])
    model.compile("sgd", "mse")
    model.fit(np.ones((64, 3000, 6), "float32"), np.ones((64, 100)), batch_size=64, verbose=0)
    counts = model._engine.weights.gradients.chunk_counts(64)
    assert sum(count > 1 for count in counts) <= 1


def test_parts_a_little_larger_than_the_others_stay_whole():
    """A chunk would cost as much memory as the weights, and gain nothing."""
    model = cb.Sequential([cb.Input((784,)), layers.Dense(512), layers.Dense(256), layers.Dense(10)])
    model.compile("sgd", "mse")
    model.train_on_batch(np.zeros((256, 784), "float32"), np.zeros((256, 10)))
    assert set(model._engine.weights.gradients.chunk_counts(256)) <= {1}


def test_a_step_too_large_for_the_memory_of_its_chunks_is_refused():
    model, _ = trained(1)
    engine = model._engine
    engine.weights.bind_gradients()  # again, with room for one chunk
    with pytest.raises(ValueError, match="no memory for the gradients"):
        engine.learner.train(None, 0, BATCH, BATCH, False)


# Between gradients and update


def regression(threads, **settings):
    cb.config.set_num_threads(threads)
    cb.utils.set_random_seed(2)
    model = cb.Sequential([cb.Input((4,)), layers.Dense(3, "tanh", kernel_regularizer="l2"), layers.Dense(1)])
    model.compile(cb.optimizers.SGD(0.1, **settings), "mse")
    rng = np.random.default_rng(2)
    model.train_on_batch(np.zeros((1, 4)), np.zeros((1, 1)))
    return model, rng.normal(size=(40, 4)), rng.normal(size=(40, 1))


@pytest.mark.parametrize("settings", [{}, {"global_clipnorm": 0.1}, {"clipnorm": 0.1}])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_gradients_are_complete_when_they_are_exchanged(threads, settings):
    model, x, y = regression(threads, **settings)
    expected = model.gradients(x, y)
    before, seen = model.get_weights(), []
    engine = model._engine

    def exchange():
        seen.append([engine.view(engine.gradient_vector, variable).copy() for variable in engine.trainable])
        for a, b in zip(before, model.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
        engine.gradient_vector[:] = 0

    engine.learner.set_exchange(exchange)
    model.fit(x, y, batch_size=40, shuffle=False, verbose=0)
    assert len(seen) == 1
    for a, b in zip(seen[0], expected, strict=True):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    engine.learner.set_exchange(None)
    model.fit(x, y, batch_size=40, verbose=0)
    assert len(seen) == 1


@pytest.mark.parametrize("threads", [1, 3])
def test_what_an_exchange_raises_ends_the_run_in_time(threads):
    model, x, y = regression(threads)
    before, steps = model.get_weights(), int(model.optimizer.iterations)

    def exchange():
        raise ConnectionError("the other machine is gone")

    model._engine.learner.set_exchange(exchange)
    with pytest.raises(ConnectionError, match="other machine"):
        model.fit(x, y, batch_size=10, verbose=0)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert int(model.optimizer.iterations) == steps
    model._engine.learner.set_exchange(None)
    model.fit(x, y, batch_size=10, verbose=0)


def test_tables_cannot_be_exchanged():
    model = cb.Sequential([cb.Input((1,)), layers.Embedding(10, 2), layers.Flatten(), layers.Dense(1)])
    model.compile("sgd", "mse")
    model.train_on_batch([[1]], [[1.0]])
    with pytest.raises(ValueError, match="tables"):
        model._engine.learner.set_exchange(print)


@pytest.mark.parametrize(
    ("block", "batch", "large", "vectors"),
    [
        # 413 blocks in 16 groups, whose gradients must be summed before they are added to those of other groups.
        (48, 19_800, True, {1: 2, 2: 3, 3: 4, 7: 8, 15: 16, 16: 16}),
        (48, 19_800, False, {1: 2, 2: 3, 3: 4, 7: 8, 15: 16, 16: 16}),
        # 10 groups of one block, whose gradients may be added at once.
        (48, 470, True, {1: 1, 2: 2, 3: 3, 7: 7, 10: 10, 16: 10}),
        (48, 470, False, {1: 2, 2: 3, 3: 4, 7: 8, 10: 10, 16: 10}),
    ],
)
def test_gradient_vectors_of_a_batch_in_blocks(monkeypatch, block, batch, large, vectors):
    """Whatever vectors they pass through, and whoever is first, groups of blocks are added up in the same order."""
    monkeypatch.setattr(Room, "samples_of_block", lambda self: block)
    width = 1100 if large else 64  # with 1,100 units, the gradient vector takes more than a megabyte
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(batch + 200, 300)).astype("float32"), rng.normal(size=batch + 200).astype("float32")
    trained = {}
    for threads, expected in vectors.items():
        cb.utils.set_random_seed(1)
        with cb.config.num_threads(threads):
            model = cb.Sequential([cb.Input((300,)), layers.Dense(width, "relu"), layers.Dense(1)])
            model.compile("adam", "mse")
            model.fit(x, y, batch_size=batch, epochs=2, verbose=0)
        assert model._engine.weights.gradients.n_vectors == expected
        trained[threads] = model.get_weights()
    for threads, weights in trained.items():
        for one, other in zip(trained[1], weights, strict=True):
            np.testing.assert_array_equal(one, other, err_msg=f"{threads} threads")
