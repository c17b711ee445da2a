"""Gradients by inputs, layers and weights, of batches and of samples, and for a given gradient of the outputs."""

import layer_cases
import loss_cases
import masked_models
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import cbackprop as cb
from cbackprop import layers

ENGINES = pytest.mark.parametrize("engine", ["compiled", "reference"])
STEP = 1e-6


def listed(value):
    if isinstance(value, dict):
        return [value[key] for key in sorted(value)]
    return list(value) if isinstance(value, (list, tuple)) else [value]


def total(result):
    return result[0] if isinstance(result, list) else result


def assert_differences(gradients, arrays, value, rng):
    """Directional derivatives along random vectors against central differences of `value(arrays)`."""
    for index, (gradient, array) in enumerate(zip(gradients, arrays, strict=True)):
        assert gradient.shape == array.shape
        for _ in range(3):
            along = rng.normal(size=array.shape)
            found = []
            for sign in (1, -1):
                moved = list(arrays)
                moved[index] = array + sign * STEP * along
                found.append(value(moved))
            numeric = (found[0] - found[1]) / (2 * STEP)
            exact = float((gradient * along).sum())
            assert abs(numeric - exact) <= 2e-6 * max(1.0, abs(numeric)), (index, numeric, exact)


@ENGINES
@pytest.mark.parametrize(("make", "shapes"), layer_cases.EACH)
def test_inputs_of_every_layer(make, shapes, engine, rng):
    cb.config.set_floatx("float64")
    model = layer_cases.around(make, shapes, beside=True)
    model.compile("sgd", "mse", engine=engine)
    x, y = loss_cases.data_for(model, 3, rng)
    arrays = listed(x)

    def loss(moved):
        return model.evaluate(moved if len(moved) > 1 else moved[0], y, verbose=0)

    assert_differences(listed(model.gradients(x, y, wrt="inputs")), arrays, loss, rng)
    weights = rng.normal(size=(3, 2))

    def outputs(moved):
        return float((model.predict(moved if len(moved) > 1 else moved[0], verbose=0) * weights).sum())

    assert_differences(listed(model.backward(x, weights, wrt="inputs")), arrays, outputs, rng)


@ENGINES
@pytest.mark.parametrize("name", masked_models.MASKED)
def test_masks(name, engine, rng):
    """A loss leaves out masked rows; a given gradient is used unchanged."""
    cb.config.set_floatx("float64")
    model = masked_models.MASKED[name]()
    model.compile("sgd", "mse", engine=engine)
    x, y = loss_cases.data_for(model, 4, rng)
    arrays = listed(x)
    sample_weight = rng.uniform(0.5, 1.5, 4)

    def loss(moved):
        return model.evaluate(moved if len(moved) > 1 else moved[0], y, sample_weight=sample_weight, verbose=0)

    if name != "ids":
        assert_differences(listed(model.gradients(x, y, sample_weight, wrt="inputs")), arrays, loss, rng)
    weights = rng.normal(size=(4, *model.outputs[0].shape[1:]))
    variables = model.trainable_variables

    def outputs(moved):
        before = model.get_weights()
        for variable, value in zip(variables, moved, strict=True):
            variable.assign(value)
        found = float((model.predict(x, verbose=0) * weights).sum())
        model.set_weights(before)
        return found

    assert_differences(model.backward(x, weights), [v.numpy() for v in variables], outputs, rng)


def many(engine="compiled", dtype="float64", training=False):
    """Two inputs, two outputs in dicts, a shared layer, a nested model, regularizers and activity penalties."""
    cb.config.set_floatx(dtype)
    a, b = cb.Input((3,), name="a"), cb.Input((3,), name="b")
    shared = layers.Dense(4, "tanh", name="shared", kernel_regularizer="l2")
    inner_in = cb.Input((4,))
    inner = cb.Model(inner_in, layers.Dense(4, "sigmoid", name="deep")(inner_in), name="inner")
    left, right = inner(shared(a)), shared(b)
    joined = layers.Add(name="joined", activity_regularizer="l2")([left, right])
    one = layers.Dense(2, "softmax", name="one")(joined)
    two = layers.Dense(1, name="two")(layers.Concatenate()([joined, right]))
    model = cb.Model({"a": a, "b": b}, {"one": one, "two": two}, name="many")
    model.compile(
        "sgd", {"one": "categorical_crossentropy", "two": "mse"}, loss_weights={"one": 0.7, "two": 1.3}, engine=engine
    )
    return model


def many_data(rng, samples=6):
    x = {"a": rng.normal(size=(samples, 3)), "b": rng.normal(size=(samples, 3))}
    y = {"one": np.eye(2)[rng.integers(2, size=samples)], "two": rng.normal(size=(samples, 1))}
    return x, y


@ENGINES
def test_several_inputs_and_outputs(engine, rng):
    model = many(engine)
    x, y = many_data(rng)
    found = model.gradients(x, y, wrt="inputs")
    assert list(found) == ["a", "b"]
    assert_differences(
        listed(found),
        listed(x),
        lambda moved: model.evaluate(dict(zip("ab", moved, strict=True)), y, verbose=0)[0],
        rng,
    )
    given = {"one": rng.normal(size=(6, 2)), "two": rng.normal(size=(6, 1))}

    def outputs(moved):
        found = model.predict(dict(zip("ab", moved, strict=True)), verbose=0)
        return float(sum((found[key] * given[key]).sum() for key in found))

    assert_differences(listed(model.backward(x, given, wrt="inputs")), listed(x), outputs, rng)
    alone = model.backward(x, {"two": given["two"]})
    both = [a + b for a, b in zip(alone, model.backward(x, {"one": given["one"], "two": None}), strict=True)]
    for a, b in zip(both, model.backward(x, given), strict=True):
        assert_allclose(a, b, atol=1e-12)


@ENGINES
@pytest.mark.parametrize("wrt", ["joined", "inner", "deep", ("shared", 0), ("shared", 1), "one", "two"])
def test_layers(engine, wrt, rng):
    """The gradient by a layer's output equals the gradient by a number that is added to it."""
    model = many(engine)
    x, y = many_data(rng)
    found = model.gradients(x, y, wrt=wrt)
    name, call = wrt if isinstance(wrt, tuple) else (wrt, 0)
    original = cb.Model.from_config(model.get_config())  # the same graph, with an addition behind the layer
    layer = next(la for la in [*model.layers, *model.get_layer("inner").layers] if la.name == name)
    by_object = model.gradients(x, y, wrt=layer if not isinstance(wrt, tuple) else (layer, call))
    assert_array_equal(found, by_object)
    assert original is not None
    twin = added_to(model, layer, call, engine)
    zeros = np.zeros(found.shape)
    value = lambda moved: twin.evaluate([x["a"], x["b"], moved[0]], y, verbose=0)[0]  # noqa: E731
    assert_differences([found], [zeros], value, rng)


def added_to(model, layer, call, engine):
    """The model `many` with one more input, which is added to the output of a call of a layer."""
    a, b = cb.Input((3,), name="a"), cb.Input((3,), name="b")
    more = cb.Input(
        model.get_layer("one").output.shape[1:] if layer.name == "one" else (1,) if layer.name == "two" else (4,)
    )
    shared, inner = model.get_layer("shared"), model.get_layer("inner")
    deep = inner.layers[-1]

    def put(value, name, number=0):
        return layers.Add()([value, more]) if (layer.name, call) == (name, number) else value

    left = put(put(deep(put(shared(a), "shared", 0)), "deep"), "inner")
    right = put(shared(b), "shared", 1)
    joined = put(model.get_layer("joined")([left, right]), "joined")
    one = put(model.get_layer("one")(joined), "one")
    two = put(model.get_layer("two")(layers.Concatenate()([joined, right])), "two")
    twin = cb.Model([a, b, more], {"one": one, "two": two})
    loss = {"one": "categorical_crossentropy", "two": "mse"}
    twin.compile("sgd", loss, loss_weights={"one": 0.7, "two": 1.3}, engine=engine)
    return twin


@ENGINES
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("wrt", ["weights", "inputs", "joined"])
def test_each_sample_alone(engine, dtype, wrt, rng):
    model = many(engine, dtype)
    x, y = many_data(rng)
    weights = rng.uniform(0.5, 2, 6)
    found = listed(model.gradients(x, y, weights, wrt=wrt, per_sample=True))
    assert all(array.shape[0] == 6 and array.dtype == dtype for array in found)
    for i in range(6):
        rows = slice(i, i + 1)
        alone = model.gradients(
            {k: v[rows] for k, v in x.items()}, {k: v[rows] for k, v in y.items()}, weights[rows], wrt=wrt
        )
        for a, b in zip(found, listed(alone), strict=True):
            assert_array_equal(a[i] if wrt == "weights" else a[rows], b)
    given = {"one": rng.normal(size=(6, 2)), "two": rng.normal(size=(6, 1))}
    single = listed(model.backward(x, given, wrt=wrt, per_sample=True))
    whole = listed(model.backward(x, given, wrt=wrt))
    for a, b in zip(single, whole, strict=True):
        assert_allclose(a.sum(axis=0) if wrt == "weights" else a, b, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("training", [False, True])
def test_engines_agree(dtype, training, rng):
    cb.config.set_floatx(dtype)
    start = None
    results = []
    for engine in ("compiled", "reference"):
        x = cb.Input((5,))
        h = layers.Dropout(0.4, seed=7, name="d")(layers.Dense(8, "gelu")(x))
        model = cb.Model(x, layers.Dense(3)(layers.BatchNormalization()(h)))
        start = start or model.get_weights()
        model.set_weights(start)
        model.compile("adam", "huber", engine=engine)
        data = np.random.default_rng(3)
        a, y, g = data.normal(size=(9, 5)), data.normal(size=(9, 3)), data.normal(size=(9, 3))
        found = [model.gradients(a, y, training=training, wrt=wrt) for wrt in ("inputs", "d")]
        found += [model.backward(a, g, training=training, wrt=wrt) for wrt in ("inputs", "d")]
        found += model.backward(a, g, training=training)
        # dropout draws as for the gradients of weights
        found.append(model.gradients(a, y, training=training)[0])
        results.append(found)
        for old, new in zip(start, model.get_weights(), strict=True):
            assert_array_equal(np.asarray(old, dtype), new)
    for a, b in zip(*results, strict=True):
        assert a.dtype == dtype
        assert_allclose(a, b, rtol=1e-3 if dtype == "float32" else 1e-9, atol=1e-5 if dtype == "float32" else 1e-11)


def test_weights_and_inputs_see_the_same_dropout(rng):
    """With x in front of the weights: dL/dW = x' dL/dz, for the z that dL/dz was taken by."""
    cb.config.set_floatx("float64")
    model = cb.Sequential([cb.Input((4,)), layers.Dense(6, name="z"), layers.Dropout(0.5, seed=1), layers.Dense(1)])
    model.compile("sgd", "mse")
    x, y = rng.normal(size=(7, 4)), rng.normal(size=(7, 1))
    for _ in range(3):
        kernel = model.gradients(x, y, training=True)[0]
        assert_allclose(x.T @ model.gradients(x, y, training=True, wrt="z"), kernel, atol=1e-12)
        model.train_on_batch(x, y)


@ENGINES
def test_whole_numbers_have_no_gradient(engine, rng):
    ids, x = cb.Input((2,), name="ids"), cb.Input((3,), name="x")
    table = layers.Embedding(5, 3, name="table")
    model = cb.Model([ids, x], layers.Dense(1)(layers.Concatenate()([layers.Flatten()(table(ids)), x])))
    model.compile("sgd", "mse", engine=engine)
    data, y = [rng.integers(5, size=(4, 2)), rng.normal(size=(4, 3))], rng.normal(size=(4, 1))
    of_ids, of_x = model.gradients(data, y, wrt="inputs")
    assert of_ids is None
    assert of_x.shape == (4, 3)
    assert model.gradients(data, y, wrt="inputs", per_sample=True)[0] is None
    assert model.gradients(data, y, wrt="table").shape == (4, 2, 3)
    alone = cb.Sequential([cb.Input((2,)), layers.Embedding(5, 3), layers.Flatten(), layers.Dense(1)])
    alone.compile("sgd", "mse", engine=engine)
    with pytest.raises(ValueError, match="inputs are integers, so the loss has no derivative"):
        alone.gradients(data[0], y, wrt="inputs")


def test_a_place_that_no_loss_depends_on(rng):
    x = cb.Input((3,))
    h = layers.Dense(2, name="h")(x)
    beside = layers.Dense(4, name="beside")(x)
    model = cb.Model(x, [layers.Dense(1, name="o")(h), beside])
    model.compile("sgd", ["mse", None])
    a, y = rng.normal(size=(4, 3)), rng.normal(size=(4, 1))
    assert_array_equal(model.gradients(a, [y, None], wrt="beside"), np.zeros((4, 4)))


def test_sparse_and_small_inputs(rng):
    scipy_sparse = pytest.importorskip("scipy.sparse")
    model = cb.Sequential([cb.Input((6,)), layers.Dense(3, "tanh"), layers.Dense(1)])
    model.compile("sgd", "mse")
    x, y = rng.integers(0, 3, size=(5, 6)), rng.normal(size=(5, 1))
    expected = model.gradients(x.astype("float32"), y, wrt="inputs")
    assert_allclose(model.gradients(scipy_sparse.csr_matrix(x.astype("float32")), y, wrt="inputs"), expected, rtol=1e-6)
    assert_allclose(model.gradients(x.astype(np.uint8), y, wrt="inputs"), expected, rtol=1e-6)


def test_gradients_follow_weights_settings_and_shared_stores(rng):
    """Cached results are dropped when they become wrong."""
    x = cb.Input((3,))
    hidden = layers.Dense(4, "tanh")
    model = cb.Model(x, layers.Dense(1)(hidden(x)))
    model.compile("sgd", "mse")
    a, y = rng.normal(size=(5, 3)), rng.normal(size=(5, 1))
    first = model.gradients(a, y, wrt="inputs")
    model.fit(a, y, verbose=0)
    assert not np.array_equal(model.gradients(a, y, wrt="inputs"), first)
    other = cb.Model(x, layers.Dense(2)(hidden(x)))  # unites the weights of both
    other.compile("sgd", "mse")
    other.fit(a, np.ones((5, 2)), verbose=0)
    fresh = cb.models.clone_model(model)
    fresh.set_weights(model.get_weights())
    fresh.compile("sgd", "mae")
    model.compile("sgd", "mae")
    assert_array_equal(model.gradients(a, y, wrt="inputs"), fresh.gradients(a, y, wrt="inputs"))
    hidden.trainable = False
    assert len(model.backward(a, y)) == 2  # no longer trainable
    model.compile("sgd", "mae")
    assert [g.shape for g in model.backward(a, y)] == [(4, 1), (1,)]


def test_before_compile_and_before_a_shape(rng):
    model = cb.Sequential([layers.Dense(2)])
    found = model.backward(rng.normal(size=(3, 4)), np.ones((3, 2)))
    assert [g.shape for g in found] == [(4, 2), (2,)]
    with pytest.raises(RuntimeError, match="Call compile before gradients"):
        model.gradients(rng.normal(size=(3, 4)), np.ones((3, 2)), wrt="inputs")


def model_of_two():
    model = cb.Sequential([cb.Input((3,)), layers.Dense(4, name="hidden"), layers.Dense(2, name="last")])
    model.compile("sgd", "mse")
    return model


X, Y = np.ones((5, 3)), np.ones((5, 2))
MISTAKES = {
    "name": (lambda m: m.gradients(X, Y, wrt="hiden"), ValueError, "wrt must be .* but got 'hiden'.*mean 'hidden'"),
    "weight": (lambda m: m.gradients(X, Y, wrt="weight"), ValueError, "Did you mean 'weights'"),
    "type": (lambda m: m.gradients(X, Y, wrt=3), TypeError, "wrt must be .* but got int"),
    "none": (lambda m: m.backward(X, Y, wrt=None), TypeError, "wrt must be .* but got NoneType"),
    "stranger": (lambda m: m.gradients(X, Y, wrt=layers.Dense(2, name="s")), ValueError, "but got layer 's'"),
    "call": (lambda m: m.gradients(X, Y, wrt=("hidden", 1)), ValueError, "is called 1 times in this model"),
    "call type": (lambda m: m.gradients(X, Y, wrt=("hidden", "a")), ValueError, "must be a number from 0 on"),
    "call below 0": (lambda m: m.gradients(X, Y, wrt=("hidden", -1)), ValueError, "must be a number from 0 on"),
    "shared": (
        lambda _: many("compiled").gradients(*many_data(np.random.default_rng(0)), wrt="shared"),
        ValueError,
        r"'shared' is called 2 times: name the call, such as wrt=\('shared', 0\)",
    ),
    "input layer": (
        lambda _: many().gradients(*many_data(np.random.default_rng(0)), wrt="a"), ValueError, "use wrt='inputs'"
    ),
    "per_sample": (lambda m: m.gradients(X, Y, per_sample=1), TypeError, "per_sample must be True or False"),
    "training": (lambda m: m.backward(X, Y, training="x"), TypeError, "training must be True or False"),
    "shape": (lambda m: m.backward(X, Y[:, :1]), ValueError, r"output_gradient must have shape \(5, 2\).*\(5, 1\)"),
    "samples": (lambda m: m.backward(X, Y[:4]), ValueError, r"must have shape \(5, 2\).*got \(4, 2\)"),
    "nan": (lambda m: m.backward(X, Y * np.nan), ValueError, "output_gradient must be finite"),
    "missing": (lambda m: m.backward(X, None), ValueError, "output_gradient is missing"),
    "text": (lambda m: m.backward(X, [["a"] * 2] * 5), (TypeError, ValueError), "output_gradient must"),
    "x": (lambda m: m.backward(X[:, :2], Y), ValueError, "x must have shape"),
    "x nan": (lambda m: m.backward(X * np.nan, Y), ValueError, "x must be finite"),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name):
    act, error, message = MISTAKES[name]
    with pytest.raises(error, match=message):
        act(model_of_two())


def test_a_model_without_a_loss():
    model = model_of_two()
    model.compile("sgd")
    with pytest.raises(ValueError, match="gradients needs a loss, but the model was compiled without one"):
        model.gradients(X, Y)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "muon"])
def test_a_training_loop_of_ones_own_is_fit(optimizer, rng):
    x, y = rng.normal(size=(30, 3)), rng.normal(size=(30, 2))
    one, other = model_of_two(), model_of_two()
    other.set_weights(one.get_weights())
    for model in (one, other):
        model.compile(optimizer, "mse")
    one.fit(x, y, batch_size=10, epochs=2, shuffle=False, verbose=0)
    for _ in range(2):
        for begin in range(0, 30, 10):
            batch = slice(begin, begin + 10)
            gradients = other.gradients(x[batch], y[batch], training=True)
            other.optimizer.apply(gradients, other.trainable_variables)
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert one.optimizer.iterations == other.optimizer.iterations == 6
