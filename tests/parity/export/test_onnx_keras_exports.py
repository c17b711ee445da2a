"""Models of Keras, written to ONNX by Keras through PyTorch, predict the same here; and operators like theirs."""

import keras
import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from cbackprop import export

pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(keras.backend.backend() != "torch", reason="Keras exports to ONNX through PyTorch here"),
]

L = keras.layers
LAYERS = {
    "embedding": (L.Embedding(10, 4), (5,), "int32", ["Embedding"]),
    "groups": (L.GroupNormalization(2), (5, 4), None, None),
    "units": (L.UnitNormalization(), (6,), None, None),
    "reshape": (L.Reshape((-1, 4)), (8,), None, ["Reshape"]),
    "repeat": (L.RepeatVector(3), (4,), None, None),
    **{
        name: (L.Dense(4, activation=name), (5,), None, ["Dense", "Activation"])
        for name in ("sparse_plus", "sparse_sigmoid", "hard_sigmoid")
    },
    # Written step by step
    "simple": (L.SimpleRNN(4, return_sequences=True), (4, 3), None, None),
    "lstm": (L.Bidirectional(L.LSTM(2)), (3, 3), None, None),
    "gru": (L.GRU(2, go_backwards=True), (3, 3), None, None),
    "squareplus": (L.Dense(4, activation="squareplus"), (5,), None, None),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers(tmp_path, rng, name):
    layer, shape, dtype, expected = LAYERS[name]
    model = keras.Sequential([keras.Input(shape, dtype=dtype or "float32"), layer])
    x = rng.integers(10, size=(3, *shape)) if dtype else 3 * rng.normal(size=(3, *shape))
    x = x.astype(dtype or "float32")
    wanted = np.array(model(x).detach())
    model.export(str(tmp_path / "m.onnx"), format="onnx", verbose=False)
    found = export.from_onnx(tmp_path / "m.onnx")
    np.testing.assert_allclose(found.predict(x, verbose=0), wanted, rtol=1e-4, atol=1e-5)
    if expected is not None:
        assert [type(part).__name__ for part in found.layers[1:]] == expected


def test_the_sparsemax_of_keras_is_another_one(tmp_path):
    """Its rows do not add up to 1, so that it must not be read as sparsemax."""
    x = np.array([[1.0, 0.8, 0.6]], np.float32)
    model = keras.Sequential([keras.Input((3,)), L.Activation("sparsemax")])
    assert abs(np.array(model(x).detach()).sum() - 1) > 0.1
    model.export(str(tmp_path / "m.onnx"), format="onnx", verbose=False)
    with pytest.raises(ValueError, match=r"Clip .*Keras's sparsemax. Its rows do not add up to 1"):
        export.from_onnx(tmp_path / "m.onnx")


def attending(name):
    """A model of Keras with attention."""
    x, c, mask = keras.Input((4, 6)), keras.Input((5, 6)), keras.Input((4, 5))
    heads, groups = L.MultiHeadAttention(2, 3, bias_initializer="normal"), L.GroupQueryAttention(3, 4, 2)
    return {
        "heads": lambda: keras.Model(x, heads(x, x, use_causal_mask=True)),
        "mask": lambda: keras.Model([x, c, mask], heads(x, c, attention_mask=mask)),
        "scores": lambda: keras.Model([x, c], list(heads(x, c, return_attention_scores=True))),
        "groups": lambda: keras.Model(x, groups(x, x, use_causal_mask=True)),
        "products": lambda: keras.Model([x, c], L.Attention(use_scale=True)([x, c], use_causal_mask=True)),
        "concat": lambda: keras.Model([x, c], L.Attention(score_mode="concat")([x, c])),
        "sums": lambda: keras.Model([x, c], L.AdditiveAttention()([x, c], use_causal_mask=True)),
        "einsum": lambda: keras.Model(x, L.EinsumDense("abc,cde->abde", (4, 2, 5), bias_axes="de")(x)),
    }[name]()


ATTENDING = ("heads", "mask", "scores", "groups", "products", "concat", "sums", "einsum")


@pytest.mark.parametrize("name", ATTENDING)
def test_attention(tmp_path, rng, name):
    model = attending(name)
    arrays = [rng.normal(size=(3, *tensor.shape[1:])).astype("f") for tensor in model.inputs]
    if name == "mask":
        arrays[2] = (arrays[2] > -0.5).astype("f")
        arrays[2][:, :, 0] = 1
    wanted = model(arrays if len(arrays) > 1 else arrays[0])
    model.export(str(tmp_path / "m.onnx"), format="onnx", verbose=False)
    found = export.from_onnx(tmp_path / "m.onnx").predict(arrays if len(arrays) > 1 else arrays[0], verbose=0)
    pairs = zip(*(part if isinstance(part, (list, tuple)) else [part] for part in (found, wanted)), strict=True)
    for mine, theirs in pairs:
        np.testing.assert_allclose(mine, np.array(theirs.detach()), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("shape", [(4, 6), (4, 5, 6)])
def test_a_matrix_times_a_vector(tmp_path, shape):
    class Product(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.vector = torch.nn.Parameter(torch.randn(6))

        def forward(self, x):
            return x @ self.vector

    x, path = torch.randn(*shape), str(tmp_path / "m.onnx")
    module = Product()
    torch.onnx.export(module, (x,), path, dynamo=False, input_names=["x"], dynamic_axes={"x": {0: "batch"}})
    found = export.from_onnx(path).predict(x.numpy(), verbose=0)
    np.testing.assert_allclose(found, module(x).detach().numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("attributes", [{}, {"alpha": 0.3}, {"alpha": 0.5, "beta": 0.6}, {"alpha": -0.4, "beta": 0.1}])
def test_hard_sigmoids_of_any_slope(tmp_path, attributes):
    node = helper.make_node("HardSigmoid", ["x"], ["y"], **attributes)
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 9]) for name in "xy"]
    model = helper.make_model(
        helper.make_graph([node], "g", ends[:1], ends[1:]), opset_imports=[helper.make_opsetid("", 18)]
    )
    onnx.save(model, tmp_path / "m.onnx")
    x = np.linspace(-5, 5, 18, dtype=np.float32).reshape(2, 9)
    expected = np.clip(attributes.get("alpha", 0.2) * x + attributes.get("beta", 0.5), 0, 1)
    np.testing.assert_allclose(export.from_onnx(tmp_path / "m.onnx").predict(x, verbose=0), expected, atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.5])
def test_what_stands_below_minus_one_decides(tmp_path, value):
    """A sparse_plus whose constant is not 0 is none."""

    def constant(name, number):
        return numpy_helper.from_array(np.array(number, np.float32), name)

    filling = helper.make_tensor("v", TensorProto.FLOAT, [1], [value])
    nodes = [
        helper.make_node("LessOrEqual", ["x", "minus"], ["low"]),
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("ConstantOfShape", ["shape"], ["rest"], value=filling),
        helper.make_node("Less", ["x", "one"], ["middle"]),
        helper.make_node("Add", ["x", "one"], ["a"]),
        helper.make_node("Pow", ["a", "two"], ["b"]),
        helper.make_node("Mul", ["b", "quarter"], ["c"]),
        helper.make_node("Where", ["middle", "c", "x"], ["d"]),
        helper.make_node("Where", ["low", "rest", "d"], ["y"]),
    ]  # fmt: skip
    constants = [constant(*pair) for pair in (("minus", -1), ("one", 1), ("two", 2), ("quarter", 0.25))]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3]) for name in "xy"]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]), tmp_path / "m.onnx")
    if value:
        with pytest.raises(ValueError, match="no layer computes Less"):
            export.from_onnx(tmp_path / "m.onnx")
    else:
        x = np.array([[-2, 0, 2]], np.float32)
        np.testing.assert_allclose(export.from_onnx(tmp_path / "m.onnx").predict(x, verbose=0), [[0, 0.25, 2]])


@pytest.mark.parametrize("cast", [True, False])
def test_lookups_that_count_negative_numbers_from_the_end(tmp_path, cast):
    table = np.arange(8, dtype=np.float32).reshape(4, 2)
    nodes = [helper.make_node("Cast", ["x"], ["z"], to=TensorProto.INT64)] if cast else []
    ids = "z" if cast else "x"
    nodes += [
        helper.make_node("Less", [ids, "zero"], ["negative"]),
        helper.make_node("Add", [ids, "rows"], ["moved"]),
        helper.make_node("Where", ["negative", "moved", ids], ["found"]),
        helper.make_node("Gather", ["table", "found"], ["y"]),
    ]
    numbers = [("zero", np.array(0)), ("rows", np.array(4)), ("table", table)]
    constants = [numpy_helper.from_array(array, name) for name, array in numbers]
    x = helper.make_tensor_value_info("x", TensorProto.INT32 if cast else TensorProto.INT64, ["n", 3])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3, 2])
    graph = helper.make_graph(nodes, "g", [x], [y], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]), tmp_path / "m.onnx")
    model = export.from_onnx(tmp_path / "m.onnx")
    np.testing.assert_array_equal(model.predict(np.array([[0, 3, 1]]), verbose=0), table[[[0, 3, 1]]])
    with pytest.raises(ValueError, match="-1"):
        model.predict(np.array([[0, -1, 1]]), verbose=0)
