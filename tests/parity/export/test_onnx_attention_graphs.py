"""Random graphs of attention give ONNX Runtime's numbers, also after they are written again; and large masks do."""

import numpy as np
import onnx
import onnx_attention_graphs
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from cbackprop import export, layers


def test_no_graph_gives_other_numbers():
    counts, bad = onnx_attention_graphs.survey(range(100))
    assert bad == []
    assert counts["same"] > 95


def test_every_kind_of_graph_is_made():
    found = set()
    for seed in range(100):
        found.update(node.op_type for node in onnx_attention_graphs.Maker(seed).model().graph.node)
    assert found >= {"Attention", "Softmax", "Where", "Expand", "Gemm", "MatMul", "Transpose", "Div", "Mul"}


def with_mask(mask, length):
    """Attention of x to itself with a constant mask, which is added, or else true for what is seen."""
    node = helper.make_node
    turned = node("Transpose", ["x"], ["k"], perm=[0, 2, 1])
    use = ["m", "s", "low"] if mask.dtype == bool else ["s", "m"]
    hidden = node("Where" if mask.dtype == bool else "Add", use, ["h"])
    nodes = [turned, node("MatMul", ["x", "k"], ["s"]), hidden, node("Softmax", ["h"], ["p"], axis=-1)]
    nodes.append(node("MatMul", ["p", "x"], ["y"]))
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", length, 3]) for name in "xy"]
    constants = [numpy_helper.from_array(mask, "m"), numpy_helper.from_array(np.float32(-np.inf), "low")]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


@pytest.mark.parametrize("length", [128, 300])
@pytest.mark.parametrize("kind", ["causal", "added", "any"])
def test_large_masks(tmp_path, rng, length, kind):
    seen = np.tril(np.ones((length, length), bool))
    if kind == "any":
        seen = (rng.random((length, length)) < 0.5) | np.eye(length, dtype=bool)
    mask = np.where(seen, 0, -np.inf).astype("f")[None] if kind == "added" else seen
    onnx.save(with_mask(mask, length), tmp_path / "m.onnx")
    model = export.from_onnx(tmp_path / "m.onnx")
    x = rng.normal(size=(2, length, 3)).astype("f")
    (expected,) = onnxruntime.InferenceSession(tmp_path / "m.onnx").run(None, {"x": x})
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-4, atol=1e-5)
    (layer,) = (layer for layer in model.layers if isinstance(layer, layers.Attention))
    assert bool(layer.nodes[0].arguments.settings.get("use_causal_mask")) == (kind != "any")


# What no layer computes, and the message; each is a graph of the operator Attention or of one of Microsoft's.
REFUSED = {
    "softcap": ({"softcap": 2.0}, {}, "Attention 'it': its softcap of 2 is not read"),
    "scores": ({}, {"outputs": ["y", "", "", "s"]}, "Attention 'it': scores before softmax"),
    "heads": ({"q_num_heads": 4, "kv_num_heads": 3}, {}, "Attention 'it'.* into 4 heads|Attention 'it'.* 3 heads"),
    "bias": ({}, {"mask": np.eye(4, dtype="f")}, "Attention 'it': 'm', which hides scores of attention"),
    "past": ({}, {"past": True}, "Attention 'it': its input past_key is not read"),
    "contrib": ({"num_heads": 2}, {"domain": "com.microsoft"}, "com.microsoft::MultiHeadAttention"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_layer_computes(tmp_path, name):
    attributes, more, message = REFUSED[name]
    defaults = {} if name == "contrib" else {"q_num_heads": 2, "kv_num_heads": 2}
    inputs, constants = ["x", "x", "x"], []
    if "mask" in more or more.get("past"):
        inputs.append("m" if "mask" in more else "")
        constants = [numpy_helper.from_array(more.get("mask", np.zeros((1, 2, 1, 3), "f")), "m")]
        inputs += ["m", "m"] if more.get("past") else []
    operator = "MultiHeadAttention" if name == "contrib" else "Attention"
    outputs = more.get("outputs", ["y"])
    node = helper.make_node(
        operator, inputs, outputs, name="it", domain=more.get("domain", ""), **(defaults | attributes)
    )
    ends = [helper.make_tensor_value_info(end, TensorProto.FLOAT, ["n", 4, 6]) for end in "xy"]
    if "s" in outputs:
        ends.append(helper.make_tensor_value_info("s", TensorProto.FLOAT, ["n", 2, 4, 4]))
    graph = helper.make_graph([node], "g", ends[:1], ends[1:], constants)
    opsets = [helper.make_opsetid("", 23), helper.make_opsetid("com.microsoft", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), tmp_path / "m.onnx")
    with pytest.raises(ValueError, match=message):
        export.from_onnx(tmp_path / "m.onnx")
