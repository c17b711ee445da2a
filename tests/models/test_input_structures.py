"""Data nested as a model's inputs are, with more keys than these, or with a last axis of 1 more or less."""

import warnings

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers

RNG = np.random.default_rng(0)
A, B, C = (RNG.normal(size=(12, 3)).astype("float32") for _ in range(3))
Y = RNG.normal(size=(12, 1)).astype("float32")


def model_of(nest):
    """A model whose inputs a, b and c are nested by `nest`; their sum, weighed by 1, 10 and 100, is its output."""
    tensors = {name: cb.Input((3,), name=name) for name in "abc"}
    scaled = [layers.Rescaling(factor)(tensors[name]) for name, factor in zip("abc", (1, 10, 100), strict=True)]
    output = layers.Dense(1, kernel_initializer="ones")(layers.Add()(scaled))
    model = cb.Model(nest(tensors["a"], tensors["b"], tensors["c"]), output)
    model.compile("sgd", "mse")
    return model


NESTS = {
    "list": lambda a, b, c: [a, b, c],
    "dict": lambda a, b, c: {"z": a, "b": b, "c": c},
    "list in list": lambda a, b, c: [a, [b, c]],
    "dict in list": lambda a, b, c: [a, {"x": b, "w": c}],
    "list in dict": lambda a, b, c: {"p": [a, b], "k": c},
    "dict in dict": lambda a, b, c: {"p": {"a": a, "b": b}, "q": {"c": c}},
    "deep": lambda a, b, c: [[[a]], {"u": [b, {"v": c}]}],
    "tuple": lambda a, b, c: (c, (b, a)),
}


@pytest.mark.parametrize("kind", NESTS)
def test_nested_data(kind):
    nest = NESTS[kind]
    model = model_of(nest)
    x, expected = nest(A, B, C), (A + 10 * B + 100 * C).sum(1, keepdims=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(model.predict_on_batch(x), expected, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(model(x), expected, rtol=1e-4, atol=1e-4)
        model.evaluate(x, Y, verbose=0)
        model.fit(x, Y, verbose=0, validation_split=0.5, batch_size=4)
        model.fit(x, Y, verbose=0, validation_data=(x, Y))
        model.train_on_batch(x, Y)
        model.fit(((nest(A[i : i + 4], B[i : i + 4], C[i : i + 4]), Y[i : i + 4]) for i in (0, 4, 8)), verbose=0)


def test_files_in_nested_data(tmp_path, monkeypatch):
    from cbackprop.models.sources import blocks

    monkeypatch.setattr(blocks, "PIECE", 64)
    np.save(tmp_path / "a.npy", A)
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    model = model_of(NESTS["deep"])
    expected = model.predict(NESTS["deep"](A, B, C), verbose=0)
    np.testing.assert_array_equal(model.predict(NESTS["deep"](mapped, B, C), verbose=0), expected)
    model.fit(NESTS["deep"](mapped, B, C), Y, verbose=0)


@pytest.mark.parametrize("kind", ["dict in list", "deep"])
def test_a_flat_list_is_taken_in_order(kind):
    model = model_of(NESTS[kind])
    flat = [A, C, B] if kind == "dict in list" else [A, B, C]
    expected = model.predict(NESTS[kind](A, B, C), verbose=0)
    np.testing.assert_array_equal(model.predict(flat, verbose=0), expected)


@pytest.mark.parametrize(
    ("kind", "x", "message"),
    [
        ("list in dict", {"p": [A], "k": C}, r"x\['p'\] must be a list of 2, as the model's inputs are, but got 1"),
        ("list in dict", {"p": A, "k": C}, r"x\['p'\] must be a list of 2, as the model's inputs are, but got ndarray"),
        ("list in dict", {"k": C}, r"x must have the keys \['k', 'p'\], but got \['k'\]"),
        ("dict in list", [A, {"x": B}], r"x\[1\] must have the keys \['w', 'x'\], but got \['x'\]"),
        (
            "dict in dict",
            {"p": A, "q": {"c": C}},
            r"x\['p'\] must be a dict with the keys \['a', 'b'\], but got ndarray",
        ),
        ("list in list", [A, B], r"x must hold 3 arrays \(\['a', 'b', 'c'\]\), but got 2"),
        ("list in list", A, "x must be a list or dict of 3 arrays"),
    ],
)
def test_nesting_that_does_not_fit(kind, x, message):
    with pytest.raises(ValueError, match=message):
        model_of(NESTS[kind]).predict(x, verbose=0)


@pytest.mark.parametrize("kind", ["list", "dict"])
def test_more_keys_than_inputs(kind):
    model = model_of(NESTS[kind])
    x = {"a": A, "z": A, "b": B, "c": C, "id": np.array(list("abcdefghijkl"))}
    expected = model.predict(NESTS[kind](A, B, C), verbose=0)
    left = "'z', 'id'" if kind == "list" else "'a', 'id'"
    with pytest.warns(UserWarning, match=rf"\[{left}\] is ignored"):
        np.testing.assert_array_equal(model.predict(x, verbose=0), expected)
    with pytest.warns(UserWarning, match="is ignored"):
        model.fit(x, Y, verbose=0)
    one = cb.Sequential([cb.Input((3,), name="a"), layers.Dense(1)])
    with pytest.warns(UserWarning, match=r"the model's inputs are \['a'\]: \['b'\] is ignored"):
        one.predict({"a": A, "b": B}, verbose=0)


@pytest.mark.parametrize(
    ("input_shape", "data_shape"),
    [
        ((3,), (8, 3, 1)),
        ((3, 1), (8, 3)),
        ((1,), (8,)),
        ((4, 3), (8, 4, 3, 1)),
        ((4, 3, 1), (8, 4, 3)),
        ((1,), (8, 1, 1)),
    ],
)
@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_a_last_axis_of_1(input_shape, data_shape, engine):
    model = cb.Sequential([cb.Input(input_shape), layers.Flatten(), layers.Dense(2)])
    model.compile("sgd", "mse", engine=engine)
    x = RNG.normal(size=data_shape).astype("float32")
    fitting = x.reshape(8, *input_shape)
    y = np.zeros((8, 2))
    expected = model.predict(fitting, verbose=0)
    for found in (model.predict(x, verbose=0), model.predict_on_batch(x), model(x)):
        np.testing.assert_array_equal(found, expected)
    assert model.evaluate(x, y, verbose=0) == model.evaluate(fitting, y, verbose=0)
    model.fit(x, y, verbose=0)
    model.train_on_batch(x, y)


@pytest.mark.parametrize("data_shape", [(8, 3, 2), (8,), (8, 3, 1, 1), (8, 1, 3), (8, 4, 1)])
def test_other_ranks_are_refused(data_shape):
    model = cb.Sequential([cb.Input((3,)), layers.Dense(2)])
    with pytest.raises(ValueError, match=r"x must have shape \(None, 3\)"):
        model.predict(np.zeros(data_shape), verbose=0)


STRUCTURE = "The structure of `inputs` doesn't match the expected structure"


@pytest.mark.parametrize("kind", ["dict in list", "list in dict"])
def test_a_flat_list_for_nested_inputs_is_told_of(kind):
    model = model_of(NESTS[kind])
    flat = cb.tensor.flatten(NESTS[kind](A, B, C))
    for run in (
        lambda: model.predict(flat, verbose=0),
        lambda: model(flat),
        lambda: model.evaluate(flat, Y, verbose=0),
    ):
        if kind == "list in dict":  # keys "p", "k"
            with pytest.raises(ValueError, match=rf"{STRUCTURE}: .* but got no dict. Give a dict"):
                run()
        else:
            with pytest.warns(UserWarning, match=f"{STRUCTURE}: .* a flat list, which is read in the order") as told:
                run()
            assert len(told) == 1


def test_lists_for_dicts():
    a, b = cb.Input((3,), name="a"), cb.Input((3,), name="b")
    ordered = cb.Model({"a": a, "b": b}, layers.Subtract()([a, b]))
    with pytest.warns(UserWarning, match=STRUCTURE):
        np.testing.assert_array_equal(ordered.predict([A, B], verbose=0), A - B)
    unordered = cb.Model({"b": b, "a": a}, layers.Subtract()([a, b]))
    np.testing.assert_array_equal(unordered({"a": A, "b": B}), A - B)
    with pytest.raises(ValueError, match=STRUCTURE):
        unordered([A, B])


@pytest.mark.parametrize("kind", NESTS)
def test_calls_on_nested_symbols(kind):
    nest = NESTS[kind]
    model = model_of(nest)
    tensors = [cb.Input((3,)) for _ in "abc"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        outer = cb.Model(tensors, model(nest(*tensors)))
        np.testing.assert_array_equal(outer.predict([A, B, C], verbose=0), model.predict(nest(A, B, C), verbose=0))
    if isinstance(nest(A, B, C), dict):
        more = nest(*tensors) | {"more": cb.Input((1,))}
        outer = cb.Model(tensors, model(more))
        np.testing.assert_array_equal(outer.predict([A, B, C], verbose=0), model.predict(nest(A, B, C), verbose=0))


@pytest.mark.parametrize(
    ("kind", "x", "message"),
    [
        ("list in dict", lambda a, b, c: {"p": [a], "k": c}, r"x\['p'\] must be a list of 2"),
        ("dict", lambda a, b, c: {"b": b, "c": c}, r"x must have the keys \['b', 'c', 'z'\]"),
        ("list", lambda a, b, c: [a, b], r"x must hold 3 arrays"),
    ],
)
def test_nested_symbols_that_do_not_fit(kind, x, message):
    with pytest.raises(ValueError, match=message):
        model_of(NESTS[kind])(x(*(cb.Input((3,)) for _ in "abc")))


def test_what_inputs_and_outputs_are_made_of():
    a = cb.Input((3,), name="a")
    for inputs, outputs, message in (
        ({"a": "a"}, a, "All `inputs` values must be KerasTensors, .* but got 'a' of type str"),
        (a, "outputs", "All `outputs` values must be KerasTensors, .* but got 'outputs' of type str"),
    ):
        with pytest.raises(ValueError, match=message):
            cb.Model(inputs, outputs)


@pytest.mark.h5py
@pytest.mark.parametrize("name", ["m.keras", "m.safetensors"])
def test_outputs_nested_in_dicts_travel_in_files(name, tmp_path):
    tensors = [cb.Input((3,)) for _ in "abc"]
    found = [layers.Dense(units)(tensor) for units, tensor in enumerate(tensors, 1)]
    model = cb.Model({"1": tensors[0], "o": {"2": tensors[1], "3": tensors[2]}}, {"1": found[0], "o": {"2": found[1:]}})
    model.save(tmp_path / name)
    x = {"1": A, "o": {"2": B, "3": C}}
    expected, found = model(x), cb.saving.load_model(tmp_path / name)(x)
    np.testing.assert_array_equal(found["1"], expected["1"])
    for one, other in zip(found["o"]["2"], expected["o"]["2"], strict=True):
        np.testing.assert_array_equal(one, other)
