"""Wide Dense layers: for a few rows, threads divide their columns, so that each reads only its part of the weights."""

import numpy as np
import pytest
import scipy.sparse

import cbackprop as cb
from cbackprop import layers

WIDTH = 530  # no multiple of what threads divide; 530 x 530 float32 weights are more than a megabyte


def plain():
    return cb.Sequential([cb.Input((WIDTH,)), layers.Dense(WIDTH, "relu"), layers.Dense(WIDTH), layers.Dense(3)])


def without_bias():
    stack = [layers.Dense(WIDTH, use_bias=False), layers.BatchNormalization(), layers.Dense(WIDTH, "tanh")]
    return cb.Sequential([cb.Input((WIDTH,)), *stack, layers.Dropout(0.3), layers.Dense(3)])


def added_deltas():
    """The first layer's output is read twice, so the second layer that goes back adds to its delta."""
    inputs = cb.Input((WIDTH,))
    shared = layers.Dense(WIDTH, "relu")(inputs)
    sums = layers.Add()([layers.Dense(WIDTH)(shared), layers.Dense(WIDTH, "sigmoid")(shared), shared])
    return cb.Model(inputs, layers.Dense(3)(sums))


def shared_twice():
    inputs, layer = cb.Input((WIDTH,)), layers.Dense(WIDTH, "tanh")
    return cb.Model(inputs, layers.Dense(3)(layer(layer(inputs))))


def frozen():
    model = plain()
    model.layers[1].trainable = False
    return model


@pytest.fixture(autouse=True)
def by_tiles():
    before = cb.config.matrix_products()
    cb.config.set_matrix_products("tiles")
    yield
    cb.config.set_matrix_products(before)


MODELS = [plain, without_bias, added_deltas, shared_twice, frozen]


def trained(make, threads, batch, dtype, engine="compiled", sparse=False):
    """What training and evaluating give, and the engine."""
    cb.config.set_floatx(dtype)
    cb.utils.set_random_seed(3)
    rng = np.random.default_rng(3)
    model = make()
    model.compile(cb.optimizers.SGD(0.01, momentum=0.9), "mse", engine=engine)
    x, y = rng.normal(size=(2 * batch + 1, WIDTH)), rng.normal(size=(2 * batch + 1, 3))
    if sparse:
        x = scipy.sparse.csr_matrix(x * (rng.random(x.shape) < 0.1))
    with cb.config.num_threads(threads):
        model.fit(x, y, batch_size=batch, epochs=1, verbose=0)
        loss = model.evaluate(x, y, batch_size=batch, verbose=0)
    return [np.array(loss), *model.get_weights()], model._engine


@pytest.mark.usefixtures("every_step_is_shared")
@pytest.mark.parametrize("batch", [1, 2, 9, 33])
@pytest.mark.parametrize("make", MODELS)
@pytest.mark.parametrize(
    ("dtype", "sparse"),
    [("float32", False), ("float32", True), ("float64", False)],
    ids=["float32", "sparse", "float64"],
)
def test_the_number_of_threads_changes_no_bit(make, batch, dtype, sparse):
    first, engine = trained(make, 1, batch, dtype, sparse=sparse)
    assert not engine.learner.passes.meets  # when the model was evaluated
    for threads in (2, 3, 8):
        others, engine = trained(make, threads, batch, dtype, sparse=sparse)
        assert engine.learner.passes.meets
        for one, other in zip(first, others, strict=True):
            assert one.tobytes() == other.tobytes(), f"{threads} threads"


@pytest.mark.usefixtures("every_step_is_shared")
@pytest.mark.parametrize("make", MODELS)
def test_numbers_are_those_of_the_twin(make):
    ours, _ = trained(make, 3, 9, "float64")
    twin, _ = trained(make, 1, 9, "float64", engine="reference")
    for one, other in zip(ours, twin, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-11 * max(1, np.abs(other).max()))


@pytest.mark.usefixtures("every_step_is_shared")
def test_threads_divide_rows_where_a_batch_has_enough():
    _, engine = trained(plain, 2, 100, "float32")
    assert not engine.learner.passes.meets


@pytest.mark.usefixtures("every_step_is_shared")
def test_with_blas_threads_divide_rows():
    cb.config.set_matrix_products("blas")
    first, _ = trained(plain, 1, 9, "float32")
    others, engine = trained(plain, 2, 9, "float32")
    assert not engine.learner.passes.meets
    for one, other in zip(first, others, strict=True):
        assert one.tobytes() == other.tobytes()


@pytest.mark.usefixtures("every_step_is_shared")
def test_schedules_of_many_batch_sizes_are_not_all_kept():
    cb.utils.set_random_seed(3)
    model = plain()
    model.compile("sgd", "mse")
    with cb.config.num_threads(2):
        for rows in range(1, 40):
            model.train_on_batch(np.ones((rows, WIDTH)), np.ones((rows, 3)))
            assert model._engine.learner.passes.meets == (rows <= 68)
    assert len(model._engine.network.schedules) <= 16
