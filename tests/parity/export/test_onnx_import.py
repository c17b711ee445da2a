"""ONNX files as models: those that the library writes, PyTorch's, and graphs written by hand."""

import re

import layer_cases
import numpy as np
import onnx
import pytest
import random_models
from onnx import helper
from onnx.reference import ReferenceEvaluator
from onnx_checks import ACTIVATIONS, LIMITS, activation_model, assert_same, inputs_for, model_of

import cbackprop as cb
from cbackprop import export, layers
from cbackprop.export.formulas import ACTIVATIONS as ACTIVATION_FORMULAS
from cbackprop.export.formulas import DOUBLES, OTHER_SPELLINGS, mean_rule
from cbackprop.export.formulas import LAYERS as FORMULAS_OF_LAYERS
from cbackprop.export.onnx_limits import OPSET
from cbackprop.export.onnx_writer.graph import Graph

# Layers that come back as others: what they compute is all that a graph holds.
AS_OTHERS = {
    *("Flatten", "Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "AlphaDropout"),
    *("GaussianNoise", "GaussianDropout", "ActivityRegularization", "Normalization", "Average"),
    # Its way back is a product with a matrix of its own.
    "ReversibleEmbedding",
    *("ReLU", "LeakyReLU", "ELU", "Softmax", "Model", "Sequential", "SeparableConv1D", "SeparableConv2D"),
    *("RandomFlip", "RandomTranslation", "RandomRotation", "RandomZoom", "RandomShear"),
    *("RandomBrightness", "RandomContrast"),
    # Each time step is written by itself.
    *("SimpleRNN", "LSTM", "GRU", "RNN", "Bidirectional", "TimeDistributed"),
    *("ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"),
    # Factors of scores are factors of the query, and projections are layers of their own.
    *("Attention", "MultiHeadAttention", "GroupQueryAttention"),
    *("CenterCrop", "Resizing", "UpSampling1D", "UpSampling2D", "UpSampling3D"),
    # Windows of several sizes, and means in float64, are written one by one.
    *(f"Adaptive{kind}Pooling{rank}D" for kind in ("Max", "Average") for rank in (1, 2, 3)),
    *(f"AveragePooling{rank}D" for rank in (1, 2, 3)),
}


def there_and_back(model, path):
    """The model that is read from what is written of another; it predicts the same, and has the same names."""
    export.onnx(model, path)
    again = export.from_onnx(path)
    x = inputs_for(model)
    assert_same(again.predict(x, verbose=0), model.predict(x, verbose=0), model.dtype)
    assert again.dtype == model.dtype
    assert again.input_names == model.input_names
    assert again.output_names == model.output_names
    return again


@pytest.mark.parametrize("dtype", LIMITS)
@pytest.mark.parametrize(("make", "shapes"), layer_cases.EACH)
def test_layer(tmp_path, make, shapes, dtype):
    model = model_of(make, shapes, dtype)
    again = there_and_back(model, tmp_path / "m.onnx")
    (name,) = {type(layer).__name__ for layer in model.layers} - {"InputLayer"}
    if name not in AS_OTHERS:
        found = {type(layer).__name__ for layer in again.layers}
        assert name in found, f"{name} comes back as {found}: recognize it, or enter it in AS_OTHERS"
        assert len(again.trainable_weights) >= len(model.trainable_weights)


@pytest.mark.parametrize("dtype", LIMITS)
@pytest.mark.parametrize("function", ACTIVATIONS)
def test_activation(tmp_path, function, dtype):
    again = there_and_back(activation_model(function, dtype), tmp_path / "m.onnx")
    (layer,) = again.layers[1:]
    if function.kernel().name != "linear":
        assert layer.activation.kernel().name == function.kernel().name
        assert layer.activation.kernel().numbers == function.kernel().numbers


@pytest.mark.parametrize("seed", range(36))
def test_random_model(tmp_path, seed):
    model = random_models.random_model(seed, "float64" if seed % 4 == 0 else "float32")
    there_and_back(model, tmp_path / "m.onnx")


def test_a_model_that_was_read_goes_on_training(tmp_path):
    model = cb.Sequential(
        [cb.Input((3,)), layers.Dense(8, "gelu"), layers.BatchNormalization(), layers.Dense(1, name="last")]
    )
    again = there_and_back(model, tmp_path / "m.onnx")
    x = np.random.default_rng(0).normal(size=(64, 3))
    losses = []
    for one in (model, again):
        one.compile("adam", "mse")
        losses.append(one.fit(x, x.sum(axis=1, keepdims=True), epochs=3, shuffle=False, verbose=0).history["loss"])
    # epsilon and momentum have come back to the last digit, so that training is the same
    np.testing.assert_allclose(*losses, rtol=1e-5)


# Cases of formulas that no test above covers
OPEN = {
    "threshold": 0.3,
    "default_value": 0.5,
    "low": -0.3,
    "axis": 1,
    "axes": np.array([-1]),
    "epsilon": 0.01,
    "scale": np.array([0.5, 2.0, 3.0], "float32"),
    "offset": np.array([0.5, -1.0, 0.0], "float32"),
    "table": np.arange(6.0).reshape(3, 2),
    "slope": np.array([0.5, 2.0, 3.0]),
    "last": np.array([-1]),
    "shape": np.array([1, 3]),
    "points": mean_rule()[0],
    "weights": mean_rule()[1],
    "negative_slope": 0.2,
    "alpha": 0.7,
    "filling": helper.make_tensor("filling", onnx.TensorProto.FLOAT, [1], [0.0]),
}
ATTENTION = ("attention", "attention_weights", "attention_or_0", "attention_without_nan", "additive_attention")
SPELLINGS = [
    *OTHER_SPELLINGS,
    *DOUBLES.items(),
    # Both spellings of "resized" are written by Resizing, one for each order of axes; "chosen" becomes several layers.
    *(
        (name, text)
        for name, texts in FORMULAS_OF_LAYERS.items()
        if name not in ("resized", "chosen", *ATTENTION)
        for text in texts[1:]
        if not text.endswith("Where(Less(x, 0), Add(x, rows), x))") and "Less(z, 0)" not in text
        # of whole numbers; see test_onnx_keras_exports
    ),
]


def spelled(text, sample, values):
    """A file with nothing but a formula, and if it needs one, a mask "m" of truth values as an input."""
    graph = Graph(onnx, "float32", ["x", "y", "m"])
    ends = [helper.make_tensor_value_info(end, onnx.TensorProto.FLOAT, ["n", *sample]) for end in ("x", "y")]
    inputs = ends[:1]
    if re.search(r"\bw\b", text):
        inputs = [*inputs, helper.make_tensor_value_info("m", onnx.TensorProto.BOOL, ["n", *sample])]
        low = -np.inf if "IsNaN" in text else -1e30
        values = values | {"w": graph.add("Where", "m", 0.0, low) if "Add(s, w)" in text else "m"}
    graph.add("Identity", graph.formula(text, "x", "x", **({"v": "x"} | values)))
    graph.nodes[-1].output[0] = "y"
    made = helper.make_graph(graph.nodes, "g", inputs, ends[1:], graph.constants)
    opset = 24 if "Swish" in text else OPSET
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)


@pytest.mark.parametrize(("name", "text"), SPELLINGS, ids=lambda value: value)
def test_every_spelling(tmp_path, name, text):
    proto = spelled(text, [3], OPEN)
    onnx.save(proto, tmp_path / "m.onnx")
    model = export.from_onnx(tmp_path / "m.onnx")
    (x,) = inputs_for(model)
    (y,) = ReferenceEvaluator(proto).run(None, {"x": x})
    assert_same(model.predict(x, verbose=0), y, "float32")
    found = [layer for layer in model.layers if not isinstance(layer, (layers.InputLayer, layers.Identity))]
    assert len(found) == 1, found
    if isinstance(found[0], layers.Activation):
        assert found[0].activation.kernel().name == name


CAUSAL = np.tril(np.ones((3, 3), bool))
OPEN_OF_ATTENTION = {
    "factor": 0.7,
    "divisor": 1.4,
    "root": 0.8,
    "low": -1e30,
    "large": 1e30,
    "added": np.where(CAUSAL, 0, -1e30)[None],
    "of_queries": np.array([2]),
    "of_keys": np.array([1]),
    "scale": np.array([0.5, 2.0, -1.0]),
    "last": np.array([3]),
}


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("name", ATTENTION)
def test_every_spelling_of_attention(tmp_path, rng, name, swapped):
    for text in FORMULAS_OF_LAYERS[name]:
        values = dict(OPEN_OF_ATTENTION)
        if swapped:
            values |= {"of_queries": np.array([1]), "of_keys": np.array([2])}
        text = text.replace("seen[...]", "Not(hides[...])").replace("hidden[...]", "Not(Not(hides[...]))")
        proto = spelled(text, [3, 3], values | {"hides": ~CAUSAL})
        onnx.save(proto, tmp_path / "m.onnx")
        model = export.from_onnx(tmp_path / "m.onnx")
        arrays = inputs_for(model)
        if len(arrays) > 1:
            arrays[1] = rng.random((7, 3, 3)) < 0.6
            arrays[1][:, :, 0] |= "IsNaN" not in text and "0), v" not in text  # elsewhere nothing may be seen
        (y,) = ReferenceEvaluator(proto).run(None, dict(zip(model.input_names, arrays, strict=True)))
        assert_same(model.predict(arrays if len(arrays) > 1 else arrays[0], verbose=0), y, "float32")
        assert any(isinstance(layer, layers.Attention) for layer in model.layers)


BLIND = np.array([[False, True, True], [True, True, True], [False, False, False]])


def test_masks_of_attention_that_are_not_read(tmp_path):
    for values, message in [
        ({"added": np.zeros((2, 3, 3))}, "differs between samples"),
        ({"added": np.where(CAUSAL, 0, -1.0)}, "numbers other than 0 and negative infinity"),
        ({"low": -0.5}, "-0.5 in place of the scores of attention hides nothing"),
        ({"low": -np.inf, "hides": BLIND}, "a query of attention sees no key"),
        ({"large": 0.5, "hides": ~CAUSAL}, "0.5 less than the scores of attention hides nothing"),
    ]:
        text = "MatMul(Softmax(Add(MatMul(x, y), added[...]), axis=-1), v)"
        if "added" not in values:
            text = "MatMul(Softmax(Where(Not(hides[...]), MatMul(x, y), low), axis=-1), v)"
        if "large" in values:
            text = "s = MatMul(x, y); MatMul(Softmax(Where(hides[...], Sub(s, large), s), axis=-1), v)"
        constants = OPEN_OF_ATTENTION | {"hides": ~CAUSAL} | values
        onnx.save(spelled(text, [3, 3], constants), tmp_path / "m.onnx")
        with pytest.raises(ValueError, match=message):
            export.from_onnx(tmp_path / "m.onnx")


def test_what_sees_nothing_gets_0(tmp_path):
    for text in FORMULAS_OF_LAYERS["attention_or_0"][:4]:
        proto = spelled(text.replace("seen[...]", "Not(hides[...])"), [3, 3], OPEN_OF_ATTENTION | {"hides": BLIND})
        onnx.save(proto, tmp_path / "m.onnx")
        model = export.from_onnx(tmp_path / "m.onnx")
        (x,) = inputs_for(model)
        (y,) = ReferenceEvaluator(proto).run(None, {"x": x})
        assert not y[:, 1].any()
        assert_same(model.predict(x, verbose=0), y, "float32")


LAST, ROWS = np.array([-1]), np.array([0.0, 2.0, 1.0])
# Formulas of which a constant is not as it must be
NEARLY = {
    "hard_shrink": ("Where(Or(Greater(x, threshold), Less(x, low)), x, 0)", [3], {"threshold": 0.3, "low": -0.2}),
    "one_hot": (FORMULAS_OF_LAYERS["one_hot"][0], [3], {"last": LAST, "classes": ROWS}),
    "count": (
        FORMULAS_OF_LAYERS["count"][0],
        [2, 3],
        {"last": LAST, "classes": np.arange(3.0), "axes": np.array([-3])},
    ),
    "unit": (FORMULAS_OF_LAYERS["unit"][0], [3], {"axes": LAST, "limit": 5.0}),
    "cosine": (FORMULAS_OF_LAYERS["cosine"][0], [2, 3], {"axes": LAST, "limit": 5.0, "perm": [0, 2, 1]}),
    "masking": (FORMULAS_OF_LAYERS["masking"][0], [2, 3], {"mask_value": 0.0, "last": np.array([1])}),
    "gelu": (DOUBLES["gelu"], [3], {"last": LAST, "points": mean_rule()[0], "weights": 2 * mean_rule()[1]}),
    "sparsemax": (
        ACTIVATION_FORMULAS["sparsemax"][1],
        [3],
        {"axis": 1, "axes": LAST + 2, "along": np.array(1), "length": LAST + 4, "count": ROWS},
    ),
}


@pytest.mark.parametrize("name", NEARLY)
def test_what_nearly_fits_a_formula_is_not_taken_for_it(tmp_path, name):
    text, sample, values = NEARLY[name]
    proto = spelled(text, sample, values)
    onnx.save(proto, tmp_path / "m.onnx")
    if name in ("count", "gelu"):  # which the operators say without a formula
        model = export.from_onnx(tmp_path / "m.onnx")
        (x,) = inputs_for(model)
        assert_same(model.predict(x, verbose=0), ReferenceEvaluator(proto).run(None, {"x": x}), "float32")
        return
    with pytest.raises(ValueError, match=r"no layer computes \w|does not fit"):
        export.from_onnx(tmp_path / "m.onnx")
