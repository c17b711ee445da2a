"""Inputs made by ``Input(optional=True)``: data for them can be left out."""

import json

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers

RNG = np.random.default_rng(0)
A, B = (RNG.normal(size=(12, 2)).astype("float32") for _ in range(2))
Y = RNG.normal(size=(12, 1)).astype("float32")
ENGINES = pytest.mark.parametrize("engine", ["compiled", "reference"])


@cb.saving.register_keras_serializable("tests.optional")
class Mixed(layers.Layer):
    """x, or x + 2 y where y is there; its gradient is its own."""

    def call(self, x, y=None):
        return x if y is None else x + 2 * y

    def backward(self, inputs, outputs, delta):
        return {"x": delta, "y": None if inputs["y"] is None else 2 * delta}


@cb.saving.register_keras_serializable("tests.optional")
class Stated(Mixed):
    """The same with a shape that need not be found by a call."""

    def compute_output_shape(self, x_shape):
        return x_shape


def inputs_of():
    return cb.Input((2,), name="a"), cb.Input((2,), name="b", optional=True)


def model_of(nest=lambda a, b: {"a": a, "b": b}, engine="compiled", layer=Mixed):
    a, b = inputs_of()
    model = cb.Model(nest(a, b), layers.Dense(1)(layer()(layers.Dense(2)(a), b)))
    model.compile("sgd", "mse", engine=engine)
    return model


def without_b(model):
    """A plain model of the same weights that has no such input."""
    a = cb.Input((2,))
    plain = cb.Sequential([a, layers.Dense(2), layers.Dense(1)])
    plain.set_weights(model.get_weights())
    plain.compile("sgd", "mse")
    return plain


FORMS = {
    "none in a dict": (lambda a, b: {"a": a, "b": b}, {"a": A, "b": None}),
    "no key": (lambda a, b: {"a": a, "b": b}, {"a": A}),
    "none in a list": (lambda a, b: [a, b], [A, None]),
    "a tuple": (lambda a, b: (a, b), (A, None)),
    "a dict for a list": (lambda a, b: [a, b], {"a": A}),
    "nested": (lambda a, b: {"p": [a], "q": {"b": b}}, {"p": [A]}),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("layer", [Mixed, Stated])
@ENGINES
def test_a_model_without_an_optional_input_is_one_that_never_had_it(engine, layer, form):
    nest, x = FORMS[form]
    model = model_of(nest, engine, layer)
    plain = without_b(model)
    close = {"rtol": 1e-5, "atol": 1e-6}
    np.testing.assert_allclose(model(x), plain(A), **close)
    np.testing.assert_allclose(model.predict(x, verbose=0), plain.predict(A, verbose=0), **close)
    np.testing.assert_allclose(model.predict_on_batch(x), plain(A), **close)
    assert model.evaluate(x, Y, verbose=0) == pytest.approx(plain.evaluate(A, Y, verbose=0), rel=1e-5)
    settings = {"batch_size": 5, "epochs": 2, "verbose": 0, "shuffle": False}
    found = model.fit(x, Y, validation_data=(x, Y), **settings).history
    expected = plain.fit(A, Y, validation_data=(A, Y), **settings).history
    assert {name: pytest.approx(values, rel=1e-4) for name, values in expected.items()} == found
    model.train_on_batch(x, Y)
    plain.train_on_batch(A, Y)
    model.fit(x, Y, validation_split=0.25, verbose=0)
    plain.fit(A, Y, validation_split=0.25, verbose=0)
    assert model.test_on_batch(x, Y) == pytest.approx(plain.test_on_batch(A, Y), rel=1e-3)


@ENGINES
def test_given_data_is_used(engine):
    model = model_of(engine=engine)
    first, second = (layer for layer in model.layers if isinstance(layer, layers.Dense))
    expected = second(first(A) + 2 * B)
    np.testing.assert_allclose(model.predict({"a": A, "b": B}, verbose=0), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model({"a": A, "b": B}), expected, rtol=1e-5, atol=1e-6)


@ENGINES
def test_some_batches_of_a_generator_are_without(engine):
    found = []
    for some in (False, True):
        cb.utils.set_random_seed(1)
        model = model_of(engine=engine)

        def batches(some=some):
            for i in range(6):
                yield {"a": A, "b": None if some and i % 2 else B * (i % 2 == 0)}, Y

        history = model.fit(batches(), verbose=0).history
        found.append([*history["loss"], *model.get_weights(), model.evaluate(batches(), verbose=0)])
    for with_zeros, without in zip(*found, strict=True):
        np.testing.assert_allclose(without, with_zeros, rtol=1e-5, atol=1e-6)


@ENGINES
def test_gradients(engine):
    model = model_of(engine=engine)
    x = {"a": A}
    by_input = model.gradients(x, Y, wrt="inputs")
    assert by_input["b"] is None
    np.testing.assert_allclose(by_input["a"], without_b(model).gradients(A, Y, wrt="inputs"), rtol=1e-4, atol=1e-6)
    assert model.gradients({"a": A, "b": B}, Y, wrt="inputs")["b"].shape == B.shape
    assert model.backward(x, np.ones_like(Y), wrt="inputs")["b"] is None
    assert len(model.gradients(x, Y, per_sample=True)[0]) == len(A)
    assert model.check_gradients(x, Y).max_relative_error < 1e-6


@ENGINES
def test_within_another_model(engine):
    model = model_of(engine=engine)
    u, v = cb.Input((2,), name="u"), cb.Input((2,), name="v", optional=True)
    outer = cb.Model([u, v], model({"a": u, "b": v}))
    np.testing.assert_allclose(outer([A, None]), model({"a": A}), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(outer([A, B]), model({"a": A, "b": B}), rtol=1e-5, atol=1e-6)
    required = cb.Input((2,), name="v")
    with pytest.raises(ValueError, match=r"Input 'v' is not optional"):
        cb.Model([u, required], model({"a": u, "b": required})).predict([A, None], verbose=0)
    inner = cb.Model([a := cb.Input((2,), name="a"), b := cb.Input((2,), name="b")], layers.Add()([a, b]))
    with pytest.raises(ValueError, match=r"'v' is optional and was left out, but Model '.*' takes it as its input 'b'"):
        cb.Model([u, v], inner([u, v])).predict([A, None], verbose=0)


def test_together_with_sizes_that_come_with_the_data():
    a, b = cb.Input((None, 2), name="a"), cb.Input((None, 2), name="b", optional=True)
    model = cb.Model([a, b], Mixed()(layers.Dense(2)(a), b))
    for length in (3, 5):
        x = RNG.normal(size=(4, length, 2)).astype("float32")
        np.testing.assert_allclose(model([x, x]) - model([x, None]), 2 * x, atol=1e-5)
    assert cb.Model([a, b], model([a, b])).predict([x, None], verbose=0).shape == x.shape


@pytest.mark.h5py
@pytest.mark.parametrize("name", ["m.keras", "m.safetensors"])
def test_files_and_copies(name, tmp_path):
    model = model_of()
    model.save(tmp_path / name)
    copies = [cb.saving.load_model(tmp_path / name), cb.models.clone_model(model)]
    copies.append(cb.Model.from_config(json.loads(json.dumps(model.get_config()))))
    for copy in copies:
        copy.set_weights(model.get_weights())
        np.testing.assert_array_equal(copy({"a": A}), model({"a": A}))


@pytest.mark.h5py
@pytest.mark.parametrize("shape", [(None, 4), (4,)])
@pytest.mark.parametrize("sparse", [False, True])
def test_inputs_of_every_kind_come_back_from_keras_files(shape, sparse, tmp_path):
    tensor = cb.Input(shape, name="x", sparse=sparse, optional=True)
    cb.Model(tensor, layers.Dense(2)(tensor)).save(tmp_path / "m.keras")
    layer = cb.saving.load_model(tmp_path / "m.keras").layers[0]
    assert (layer.batch_shape, layer.sparse, layer.optional) == ((None, *shape), sparse, True)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ({"b": B}, r"x must have the keys \['a'\], but got \['b'\]"),
        ({"a": None, "b": B}, r"x\['a'\] is missing: .* Input 'a' is not optional: only inputs made by Input"),
        ({"a": None, "b": None}, r"x\['a'\] is missing"),
        ({"a": A, "b": B[:3]}, r"All inputs must have as many samples, but got \[12, 3\]"),
    ],
)
def test_what_must_be_there(x, message):
    model = model_of()
    before = model.get_weights()
    for run in (model.predict, model, lambda x: model.fit(x, Y, verbose=0)):
        with pytest.raises(ValueError, match=message):
            run(x)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@ENGINES
def test_a_compiled_layer_cannot_do_without(engine):
    a, b = inputs_of()
    model = cb.Model([a, b], layers.Add()([a, b]))
    model.compile("sgd", "mse", engine=engine)
    np.testing.assert_allclose(model([A, B]), A + B)
    with pytest.raises(
        ValueError, match=r"'b' is optional and was left out, but Add '.*' needs it: only a layer in Py"
    ):
        model.fit([A, None], A, verbose=0)


def test_something_must_be_left():
    b, c = (cb.Input((2,), name=name, optional=True) for name in "bc")
    model = cb.Model([b, c], Mixed()(b, c))
    with pytest.raises(ValueError, match=r"at least, but all of .* are None"):
        model.predict([None, None], verbose=0)
    assert cb.Model([b, c], [Mixed()(b, c), c]).predict([A, B], verbose=0)[1].shape == B.shape
    with pytest.raises(ValueError, match="'c' is an output, too, so it cannot be left out"):
        cb.Model([b, c], [Mixed()(b, c), c]).predict([A, None], verbose=0)
    with pytest.raises(ValueError, match=r"'b' is optional and was left out, but Mixed '.*' takes nothing else"):
        cb.Model([b, c], Mixed()(Mixed()(b), c)).predict([None, A], verbose=0)


@pytest.mark.parametrize("x", [None, [None], {"x": None}])
def test_data_of_a_plain_input_cannot_be_left_out(x):
    tensor = cb.Input((3,), name="x")
    model = cb.Model(tensor, layers.Dense(1)(tensor))
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"x is missing: .* is not optional"):
        model.fit(x, Y, verbose=0)
