"""The numbers do not depend on the number of threads, nor on whether a batch is held as a whole or passes in blocks.

The bits are the same on 1, 2, 3 and 8 threads. The numbers are those of the NumPy twin, which has neither threads nor
blocks.
"""

import os
import sys
import threading

import families
import layer_cases
import loss_cases
import masked_models
import numpy as np
import pytest
import random_models

import cbackprop as cb
from cbackprop import layers
from cbackprop.engine import gradient_work
from cbackprop.engine.room import Room

THREADS = (1, 2, 3, 8)
# Batches that are no multiple of anything, and a last one that is smaller.
SAMPLES, BATCH = 333, 131


pytestmark = pytest.mark.usefixtures("every_step_is_shared")


@pytest.fixture(params=["whole", "in_blocks"])
def in_blocks(request, monkeypatch):
    """Whether batches pass in blocks: then these are as small as they can be."""
    if request.param == "in_blocks":
        monkeypatch.setattr(Room, "samples_of_block", lambda self: 48)
    return request.param == "in_blocks"


def trained(
    make_model, threads, optimizer="adam", loss="mse", engine="compiled", dtype="float32", at_once=32, **settings
):
    """Everything that comes out of training, evaluating and predicting, as arrays."""
    cb.config.set_floatx(dtype)
    cb.config.set_num_threads(threads)
    cb.utils.set_random_seed(5)
    cb.utils.clear_session(free_memory=False)
    model = make_model()
    rng = np.random.default_rng(5)
    x, y = loss_cases.data_for(model, SAMPLES, rng, loss)
    weights = rng.uniform(0.5, 1.5, size=SAMPLES)
    model.compile(optimizer if isinstance(optimizer, str) else optimizer(), loss, engine=engine, **settings)
    history = model.fit(x, y, batch_size=BATCH, epochs=2, sample_weight=weights, verbose=0)
    gradients = model.gradients(x, y, sample_weight=weights)
    numbers = [value for values in history.history.values() for value in values]
    numbers += model.evaluate(x, y, batch_size=BATCH, verbose=0, return_dict=True).values()
    predictions = model.predict(x, batch_size=at_once, verbose=0)
    predictions = predictions if isinstance(predictions, list) else [predictions]
    return [np.array(numbers), *model.get_weights(), *gradients, *predictions]


def assert_same(make_model, **settings):
    results = {threads: trained(make_model, threads, **settings) for threads in THREADS}
    for threads in THREADS[1:]:
        for a, b in zip(results[1], results[threads], strict=True):
            assert a.tobytes() == b.tobytes(), f"{threads} threads"
    assert_as_twin(make_model, **settings)


def assert_as_twin(make_model, threads=2, **settings):
    pair = [
        trained(make_model, threads, engine=engine, dtype="float64", **settings) for engine in ("compiled", "reference")
    ]
    for a, b in zip(*pair, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-11 * max(1, np.abs(b).max()))


@pytest.mark.parametrize(
    ("make", "shapes"),
    layer_cases.EACH,
)
def test_every_layer(make, shapes, in_blocks):
    assert_same(lambda: layer_cases.around(make, shapes))


@pytest.mark.parametrize(("make", "shapes"), layer_cases.EACH)
def test_every_layer_with_gradients_in_parts(make, shapes, monkeypatch):
    """Even the gradient of the smallest weight is divided among the threads, like those of large weights."""
    monkeypatch.setattr(gradient_work, "MOST_PARTS", 1000)
    monkeypatch.setattr(gradient_work, "LEAST_PART", 1)
    monkeypatch.setattr(gradient_work, "PART_STEP", 1)
    assert_as_twin(lambda: layer_cases.around(make, shapes), threads=16)


@pytest.fixture
def by_tiles():
    """Bits of BLAS may depend on how many rows a call has, so also on the size of portions."""
    before = cb.config.matrix_products()
    cb.config.set_matrix_products("tiles")
    yield
    cb.config.set_matrix_products(before)


@pytest.mark.usefixtures("by_tiles")
@pytest.mark.parametrize(("make", "shapes"), layer_cases.EACH)
def test_every_layer_with_gradients_of_blocks_in_portions(make, shapes, monkeypatch):
    """The gradient of a block is added to the sum in the smallest portions. The bits are those of whole gradients."""
    monkeypatch.setattr(Room, "samples_of_block", lambda self: 48)
    monkeypatch.setattr(gradient_work, "PART_STEP", 1)
    found = []
    for portion in (gradient_work.PORTION, 1):
        monkeypatch.setattr(gradient_work, "PORTION", portion)
        found.append(trained(lambda: layer_cases.around(make, shapes), threads=1))
    for whole, in_portions in zip(*found, strict=True):
        assert whole.tobytes() == in_portions.tobytes()


@pytest.mark.parametrize("name", masked_models.MASKED)
def test_masks(name, in_blocks):
    assert_same(masked_models.MASKED[name], weighted_metrics=["mae"])


@pytest.mark.parametrize("couples", ["in_training", "always"])
@pytest.mark.parametrize("seed", [1, 2])
def test_layers_that_see_whole_batches(seed, couples, monkeypatch):
    """A layer that one thread runs on a whole batch gives the bits that it gives when all threads run it.

    All samples are predicted at once: with BLAS, bits may depend on how many rows a product has, and other layers are
    given as many as suit the caches.
    """

    def results(threads):
        return trained(lambda: random_models.random_model(seed, "float32"), threads, at_once=SAMPLES)

    divided = results(3)
    monkeypatch.setattr(layers.Dense, "couples_samples", couples)
    monkeypatch.setattr(layers.Concatenate, "couples_samples", couples)
    for threads in THREADS:
        for a, b in zip(divided, results(threads), strict=True):
            assert a.tobytes() == b.tobytes()
    assert_same(lambda: random_models.random_model(seed, cb.config.floatx()))


@pytest.mark.parametrize("channels", [5, 300])
def test_moments_of_parts_of_a_large_batch(channels, monkeypatch):
    """Parts of more rows than threads are usually divided at, and more channels than are looked at together."""
    monkeypatch.setattr(sys.modules[__name__], "SAMPLES", 1337)
    monkeypatch.setattr(sys.modules[__name__], "BATCH", 1100)

    def make():
        return cb.Sequential([cb.Input((channels,)), layers.BatchNormalization(), layers.Dense(3)])

    assert_same(make)


@pytest.mark.parametrize("normalized", [False, True])
@pytest.mark.parametrize(("batch", "threads"), [(16, 2), (32, 8), (9, 2), (100, 3), (1000, 8), (131, 2)])
def test_all_threads_have_rows_of_a_batch(batch, threads, normalized):
    """All threads have about the same number of rows, also if they meet within the network."""
    cb.config.set_num_threads(threads)
    middle = [layers.BatchNormalization()] if normalized else []
    model = cb.Sequential([cb.Input((5,)), *middle, layers.Dense(3)])
    model.compile("sgd", "mse")
    model.fit(np.ones((batch, 5)), np.ones((batch, 3)), batch_size=batch, verbose=0)
    rows = model._engine.contexts.rows_of_threads()
    assert (len(rows), sum(rows)) == (threads, batch)
    assert min(rows) > 0
    assert max(rows) <= 2 * batch / threads


@pytest.mark.parametrize(("samples", "room"), [(1, 1), (2, 2), (7, 8), (20, 24), (100, 120)])
def test_a_prediction_has_room_for_its_samples(samples, room):
    model = cb.Sequential([cb.Input((5,)), layers.Dense(3)])
    model.predict(np.ones((samples, 5)), verbose=0)
    assert model._predictor.room.blocks[0] == room


def test_a_workspace_is_one_threads_and_as_large_as_layers_want_it():
    """Blocks and shares of one thread use the same; without matrix products there is none."""
    cb.config.set_num_threads(2)
    sizes = {}
    for name, layer in {"product": layers.Dense(3), "none": layers.LayerNormalization()}.items():
        model = cb.Sequential([cb.Input((5,)), layer])
        model.compile("sgd", "mse")
        width = model.output_shape[-1]
        for batch in (20, 3000):
            model.fit(np.ones((3000, 5)), np.ones((3000, width)), batch_size=batch, verbose=0)
        sizes[name] = model._engine.contexts.workspace_bytes()
    assert sizes["none"] == [0, 0]
    assert len(sizes["product"]) == 2
    assert min(sizes["product"]) > 0


@pytest.mark.parametrize("rows", [1, 3, 8, 20, 47])
def test_blocks_of_few_rows(rows, monkeypatch):
    """As many rows as fit into the cache if samples are large. Blocks of 8: only a full batch has groups of several."""
    monkeypatch.setattr(Room, "samples_of_block", lambda self: rows)
    assert_same(lambda: random_models.random_model(4, cb.config.floatx()))


@pytest.mark.parametrize("batch", [1, 2, 5, 16, 17, 33, 64])
def test_small_batches_with_weights(batch):
    """Threads that have no row of a batch: losses and metrics are weighted all the same."""
    rng = np.random.default_rng(batch)
    x, y = rng.normal(size=(70, 8)).astype("float32"), rng.integers(0, 3, 70)
    weights, by_class = rng.uniform(0.1, 4.0, 70), {0: 0.2, 1: 3.0}
    results = []
    for threads in (1, 2, 3, 8):
        cb.config.set_num_threads(threads)
        cb.utils.set_random_seed(0)
        model = cb.Sequential([cb.Input((8,)), layers.Dense(6, "tanh"), layers.Dense(3, "softmax")])
        model.compile("sgd", "sparse_categorical_crossentropy", weighted_metrics=["accuracy"])
        history = model.fit(
            x, y, batch, 2, sample_weight=weights, class_weight=by_class, validation_data=(x, y, weights), verbose=0
        )
        found = [history.history, model.evaluate(x, y, batch, sample_weight=weights, verbose=0)]
        found += [model.train_on_batch(x[:batch], y[:batch], weights[:batch])]
        results.append((repr(found), [array.tobytes() for array in model.get_weights()]))
    assert all(result == results[0] for result in results[1:])


@pytest.mark.parametrize("seed", range(8))
def test_random_graphs(seed, in_blocks):
    assert_same(lambda: random_models.random_model(seed, cb.config.floatx()))


def classifier():
    return cb.Sequential(
        [
            cb.Input((30,)),
            layers.Dense(50, activation="tanh"),
            layers.Dropout(0.2, seed=1),
            layers.Dense(17, activation="relu"),
            layers.Dense(7, activation="softmax"),
        ]
    )


@pytest.mark.parametrize(
    "clip",
    [
        {},
        {"clipnorm": 0.01},
        {"clipvalue": 0.001},
        {"global_clipnorm": 0.01},
        {"use_ema": True, "gradient_accumulation_steps": 2},
    ],
)
@pytest.mark.parametrize("name", families.stepping_optimizers())
def test_every_optimizer(name, clip, in_blocks):
    def optimizer():
        return cb.optimizers.get({"class_name": name, "config": {"weight_decay": 0.01, **clip}})

    assert_same(classifier, optimizer=optimizer, loss="sparse_categorical_crossentropy", weighted_metrics=["accuracy"])


@pytest.mark.parametrize("reduction", ["sum", "sum_over_batch_size", "mean_with_sample_weight"])
def test_every_reduction(reduction, in_blocks):
    loss = cb.losses.SparseCategoricalCrossentropy(reduction=reduction)
    assert_same(classifier, optimizer=lambda: cb.optimizers.SGD(1e-4), loss=loss)


def test_shared_layer(in_blocks, monkeypatch):
    """Gradients of its uses are added up before a portion is complete."""
    monkeypatch.setattr(gradient_work, "PORTION", 100)
    monkeypatch.setattr(gradient_work, "PART_STEP", 1)

    def make():
        shared = layers.Dense(20, activation="tanh")
        x, z = cb.Input((20,)), cb.Input((20,))
        return cb.Model([x, z], layers.Dense(3)(layers.Add()([shared(shared(x)), shared(z)])))

    assert_same(make)


def test_a_loss_on_what_no_weight_is_behind(in_blocks):
    """No step computes its delta, also not a layer that reads that output, over what others keep."""

    def make():
        x = cb.Input((20,))
        given = layers.ReLU()(x)
        return cb.Model(x, [layers.Dense(3, "tanh")(layers.Dense(20)(given)), given])

    assert_same(make)


def test_wide_layers_are_computed_in_parts():
    def make():
        return cb.Sequential([cb.Input((300,)), layers.Dense(400, activation="relu"), layers.Dense(10)])

    assert_same(make)


def test_more_threads_than_rows():
    cb.config.set_num_threads(64)
    model = cb.Sequential([cb.Input((3,)), layers.Dense(2)])
    model.compile("sgd", "mse")
    x = np.ones((5, 3), "float32")
    history = model.fit(x, x[:, :2], batch_size=5, verbose=0)
    assert np.isfinite(history.history["loss"][0])
    assert model.predict(x, verbose=0).shape == (5, 2)


def test_an_exception_from_a_display_ends_all_threads(monkeypatch):
    """An exception in the caller between two batches stops its helpers too, and the model can be used again."""
    cb.config.set_num_threads(2)
    model = classifier()
    model.compile("sgd", "sparse_categorical_crossentropy")
    x, y = loss_cases.data_for(model, 4000, np.random.default_rng(0), "sparse")
    engine = model._prepare(x, "fit")
    data = model._samples(model._engine, x, y).data
    order = np.tile(np.arange(4000), 500)

    def stop(done):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engine.train(data, order, 0, len(order), 100, tick=stop)
    before = threading.active_count()
    assert 0 < model.optimizer.iterations < 20_000
    assert np.isfinite(model.fit(x, y, verbose=0).history["loss"][0])
    assert threading.active_count() == before


def test_models_in_python_threads_with_teams():
    """Two Python threads, each training a model with its own team, give the same results as alone."""
    cb.config.set_num_threads(2)
    x, y = loss_cases.data_for(classifier(), SAMPLES, np.random.default_rng(0), "sparse")

    def train(results, index):
        results[index] = models[index].fit(x, y, batch_size=BATCH, epochs=20, verbose=0, shuffle=False).history["loss"]

    models = [classifier() for _ in range(2)]
    start = models[0].get_weights()
    for model in models:
        model.compile("adam", "sparse_categorical_crossentropy")
        model.set_weights(start)
    results = [None, None]
    threads = [threading.Thread(target=train, args=(results, index)) for index in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results[0] == results[1]


def test_a_child_of_a_process_whose_threads_wait_for_the_next_epoch():
    """Threads stay together during `fit`, and do not survive a fork: the child starts its own."""
    cb.config.set_num_threads(2)
    model = classifier()
    x, y = np.ones((333, 30), "float32"), np.zeros(333)

    class Fork(cb.callbacks.Callback):
        codes = ()

        def on_epoch_end(self, epoch, logs=None):
            child = os.fork()
            if child == 0:
                try:
                    model.train_on_batch(x, y)
                    os._exit(0 if np.isfinite(model.predict(x, verbose=0)).all() else 1)
                finally:
                    os._exit(2)
            self.codes = (*self.codes, os.waitpid(child, 0)[1])

    model.compile("sgd", "sparse_categorical_crossentropy")
    fork = Fork()
    model.fit(x, y, batch_size=131, epochs=2, verbose=0, callbacks=[fork])
    assert fork.codes == (0, 0)
