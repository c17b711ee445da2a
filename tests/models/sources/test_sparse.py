"""Sparse matrices of SciPy as inputs: the numbers of dense arrays, without the memory of dense arrays."""

import tracemalloc

import numpy as np
import pytest
import scipy.sparse

import cbackprop as cb
from cbackprop import layers
from cbackprop.engine import SparseRows

ENGINES = ["compiled", "reference"]
FORMATS = ["csr_matrix", "csr_array", "csc_matrix", "coo_array", "lil_matrix", "bsr_array"]


def network(engine="compiled", first="dense", dtype="float32", units=20):
    cb.config.set_floatx(dtype)
    cb.utils.set_random_seed(3)
    x = cb.Input((41,))
    h = {
        "dense": lambda: layers.Dense(units, activation="tanh")(x),
        "no bias": lambda: layers.Dense(units, use_bias=False)(x),
        "two": lambda: layers.Add()([layers.Dense(units)(x), layers.Dense(units, activation="relu")(x)]),
        "dropout": lambda: layers.Dense(units)(layers.Dropout(0.3)(x)),
        "dense and flat": lambda: layers.Concatenate()([layers.Dense(units)(x), x]),
        "reshaped": lambda: layers.Flatten()(layers.Dense(2)(layers.Reshape((41, 1))(x))),
    }[first]()
    model = cb.Model(x, layers.Dense(2)(h))
    model.compile(cb.optimizers.Adam(0.01), "mse", metrics=["mae"], engine=engine)
    return model


def matrix(rng, rows=200, columns=41, density=0.15, dtype="float64"):
    """With rows that hold nothing."""
    x = scipy.sparse.random(rows - 3, columns, density, "csr", dtype, random_state=rng)
    return scipy.sparse.vstack([scipy.sparse.csr_matrix((3, columns), dtype=dtype), x], "csr")


def results(model, x, y, **kwargs):
    history = model.fit(x, y, epochs=2, verbose=0, **kwargs)
    scores = [np.array(history.history["loss"]), np.array(model.evaluate(x, y, verbose=0))]
    return [*model.get_weights(), *scores, model.predict(x, verbose=0)]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("batch_size", [32, 200])
@pytest.mark.parametrize("first", ["dense", "no bias", "two", "dropout", "dense and flat", "reshaped"])
def test_the_numbers_of_dense_arrays(first, batch_size, engine, rng):
    x, y = matrix(rng), rng.normal(size=(200, 2))
    kwargs = {"batch_size": batch_size, "sample_weight": rng.uniform(size=200)}
    found = results(network(engine, first, "float64"), x, y, **kwargs)
    expected = results(network(engine, first, "float64"), x.toarray(), y, **kwargs)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "bool"])
def test_every_format(name, dtype, rng):
    dense = matrix(rng).toarray()
    x = getattr(scipy.sparse, name)((dense * 10).astype(dtype))
    model = network()
    np.testing.assert_allclose(model.predict(x, verbose=0), model.predict(x.toarray(), verbose=0), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("first", ["dense", "two", "dropout"])
@pytest.mark.parametrize("batch_size", [32, 200])
def test_the_same_bits_on_any_number_of_threads(first, batch_size, rng, every_step_is_shared):
    x, y = matrix(rng), rng.normal(size=(200, 2))
    found = []
    for threads in (1, 2, 3):
        with cb.config.num_threads(threads):
            found.append(results(network(first=first), x, y, batch_size=batch_size))
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("units", [1, 3, 16, 33])
def test_a_row_is_the_same_in_any_company(units, rng):
    x = matrix(rng)
    model = network(units=units)
    whole = model.predict(x, verbose=0)
    for row in (0, 5, 199):
        np.testing.assert_array_equal(model.predict(x[row : row + 1], verbose=0), whole[row : row + 1])


def test_gradients_are_right(rng):
    x, y = matrix(rng, 12), rng.normal(size=(12, 2))
    model = network()
    assert model.check_gradients(x, y).max_relative_error < 1e-6
    for a, b in zip(model.gradients(x, y), model.gradients(x.toarray(), y), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_entries_that_repeat_or_are_not_sorted(rng):
    x = scipy.sparse.csr_matrix((41 * [1.0], ([0] * 41, list(range(40, -1, -1)))), (1, 41))
    indices = np.array([7, 3, 3, 40], np.int32)
    odd = scipy.sparse.csr_matrix((np.array([1.0, 2.0, 3.0, 4.0]), indices, np.array([0, 4])), (1, 41))
    model = network()
    for given in (x, odd):
        before = given.indices.copy()
        np.testing.assert_allclose(
            model.predict(given, verbose=0), model.predict(given.toarray(), verbose=0), rtol=1e-5, atol=1e-6
        )
        np.testing.assert_array_equal(given.indices, before)


def test_gradients_of_rows_that_are_not_sorted(rng):
    x, y = matrix(rng), rng.normal(size=(200, 2))
    shuffled = x.copy()
    for begin, end in zip(x.indptr, x.indptr[1:], strict=False):
        order = begin + rng.permutation(end - begin)
        shuffled.indices[begin:end], shuffled.data[begin:end] = x.indices[order], x.data[order]
    shuffled.has_sorted_indices = False
    model = network()
    model.predict(x, verbose=0)
    for a, b in zip(model.gradients(shuffled, y), model.gradients(x, y), strict=True):
        np.testing.assert_array_equal(a, b)


def test_more_numbers_in_a_batch_than_blas_could_be_told(rng):
    columns = 3_000_000
    x = scipy.sparse.random(1000, columns, 5 / columns, "csr", "float32", random_state=rng)
    model = cb.Sequential([cb.Input((columns,)), layers.Dense(1, kernel_initializer="ones")])
    model.compile(cb.optimizers.SGD(0.0), "mse")
    expected = float(np.square(x.sum(axis=1)).mean())
    assert model.evaluate(x, np.zeros(1000), batch_size=1000, verbose=0) == pytest.approx(expected, rel=1e-4)
    model.fit(x, np.zeros(1000), batch_size=1000, verbose=0)


def test_one_sparse_input_among_others(rng):
    a, b = cb.Input((41,), name="a"), cb.Input((3,), name="b")
    joined = layers.Concatenate()([layers.Dense(5)(a), b])
    model = cb.Model({"a": a, "b": b}, layers.Dense(2)(joined))
    model.compile(cb.optimizers.SGD(0.01), "mse")
    start = model.get_weights()
    x, other, y = matrix(rng), rng.normal(size=(200, 3)), rng.normal(size=(200, 2))
    found = []
    for given in (x, x.toarray()):
        model.set_weights(start)
        found.append(results(model, {"a": given, "b": other}, y, shuffle=False))
    for left, right in zip(*found, strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-4, atol=1e-6)


def test_classes_weights_splits_and_generators(rng):
    x, y = matrix(rng), rng.integers(3, size=200)
    cb.utils.set_random_seed(0)
    model = cb.Sequential([layers.Dense(8, activation="relu"), layers.Dense(3, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x, y, class_weight={1: 2.0}, validation_split=0.2, validation_batch_size=7, verbose=0).history
    dense = model.evaluate(x[160:].toarray(), y[160:], verbose=0)
    assert [history["val_loss"][0], history["val_accuracy"][0]] == pytest.approx(dense, rel=1e-5)
    batches = ((x[i : i + 50], y[i : i + 50]) for i in range(0, 200, 50))
    assert model.evaluate(batches, verbose=0) == pytest.approx(model.evaluate(x, y, verbose=0), rel=1e-5)
    assert model.predict(x[:0:-1], verbose=0).shape == (199, 3)
    np.testing.assert_allclose(model(x[:2]), model(x[:2].toarray()), rtol=1e-5, atol=1e-6)


def test_dense_predictions_after_sparse_ones(rng):
    """Contexts keep pointers to the last data, which must be dropped."""
    x = matrix(rng, dtype="float32")
    model = network()
    expected = model.predict(x.toarray(), verbose=0)
    for _ in range(2):
        np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(model(x[:2].toarray()), expected[:2], rtol=1e-4, atol=1e-6)
        np.testing.assert_array_equal(model.predict(x.toarray(), verbose=0), expected)


def test_memory_stays_that_of_what_is_stored(rng):
    """A dense matrix of 20,000 samples with 50,000 columns would take 4 GB; the stored numbers take 12 MB."""
    columns, rows = 50_000, 20_000
    x = scipy.sparse.random(rows, columns, 50 / columns, "csr", "float32", random_state=rng)
    y = rng.integers(2, size=rows)
    model = cb.Sequential([cb.Input((columns,)), layers.Dense(8, activation="relu"), layers.Dense(1, "sigmoid")])
    model.compile(cb.optimizers.SGD(0.1), "binary_crossentropy")
    tracemalloc.start()
    model.fit(x, y, batch_size=2000, verbose=0)
    model.evaluate(x, y, batch_size=2000, verbose=0)
    model.predict(x, verbose=0)
    assert tracemalloc.get_traced_memory()[1] < 40e6
    tracemalloc.stop()


def test_columns_that_change_while_training_do_no_harm(rng):
    """A callback that writes nonsense into the user's own matrix."""
    x, y = matrix(rng, dtype="float32"), rng.normal(size=(200, 2))

    def scribble(batch, logs=None):
        x.indices[:] = rng.integers(-(2**31), 2**31 - 1, size=x.indices.shape)

    model = network()
    model.fit(x, y, callbacks=[cb.callbacks.LambdaCallback(on_train_batch_end=scribble)], epochs=2, verbose=0)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


def broken(x, value):
    x = x.astype("float64")
    x.data[11] = value
    return x


MISTAKES = {
    "nan": (lambda m, x: m.fit(broken(x, np.nan), np.zeros((200, 2))), ValueError, r"x .*must be finite.*nan at index"),
    "overflow": (lambda m, x: m.predict(broken(x, 1e300)), ValueError, r"x as float32 must be finite.*inf at index"),
    "complex": (lambda m, x: m.predict(x.astype(complex)), TypeError, "must hold real numbers, but got dtype complex"),
    "width": (lambda m, x: m.predict(x[:, :5]), ValueError, r"x must have shape \(None, 41\), but got \(200, 5\)"),
    "empty": (lambda m, x: m.predict(x[:0]), ValueError, "x holds no samples"),
    "targets": (lambda m, x: m.fit(x, x[:, :2]), TypeError, "Convert a sparse matrix first"),
    "lengths": (lambda m, x: m.fit(x, np.zeros((5, 2))), ValueError, "y must have 200 samples"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name, rng):
    act, error, message = MISTAKES[name]
    with pytest.raises(error, match=message):
        act(network(), matrix(rng))


@pytest.mark.parametrize(
    ("starts", "columns"), [([0, 5], [0]), ([1, 0], [0]), ([-1, 1], [0]), ([], [0]), ([0, 1], [0, 1])]
)
def test_rows_that_do_not_fit_are_refused(starts, columns):
    with pytest.raises(ValueError, match="do not fit"):
        SparseRows(np.array(starts, np.int64), np.array(columns, np.int32), np.ones(1), 3)


@pytest.mark.parametrize("kind", ["bsr", "coo", "csc", "csr", "dia", "dok", "lil"])
@pytest.mark.parametrize("of", ["matrix", "array"])
def test_any_kind_of_sparse_matrix(kind, of):
    """One of them, dok, is a dict."""
    make = getattr(scipy.sparse, f"{kind}_{of}")
    dense = np.tri(20, 4, -3) * np.linspace(1, 2, 20)[:, None]
    x, y = make(dense), dense.sum(axis=1, keepdims=True)
    found, expected = (cb.Sequential([layers.Dense(3, "tanh"), layers.Dense(1)]) for _ in range(2))
    named = cb.Input((4,), name="a")
    beside = cb.Model({"a": named}, layers.Dense(1)(named))
    for model, data in ((found, x), (expected, dense)):
        model.compile("sgd", "mse")
        model.build((None, 4))
        model.set_weights([np.full(weight.shape, 0.1) for weight in model.get_weights()])
        model.fit(data, y, batch_size=6, epochs=2, shuffle=False, verbose=0, validation_data=(data, y))
        model.train_on_batch(data, y)
    np.testing.assert_allclose(found.predict(x, verbose=0), expected.predict(dense, verbose=0), rtol=1e-5)
    np.testing.assert_allclose(found(x), expected(dense), rtol=1e-5)
    np.testing.assert_allclose(found.evaluate(x, y, verbose=0), expected.evaluate(dense, y, verbose=0), rtol=1e-5)
    for given in (x, {"a": x}):
        np.testing.assert_allclose(beside.predict(given, verbose=0), beside.predict(dense, verbose=0), rtol=1e-5)
    unbuilt = cb.Sequential([layers.Dense(1)])
    unbuilt.compile("sgd", "mse")
    unbuilt.fit(make([[0.0, 1.0]]), [1.0], verbose=0)
    for call in (
        lambda: found.fit(dense, make(y), verbose=0),
        lambda: found.fit(dense, y, sample_weight=make(y), verbose=0),
        lambda: layers.Dense(2)(x),
    ):
        with pytest.raises(TypeError, match="Convert a sparse matrix first"):
            call()
