"""Random graphs give ONNX Runtime's numbers, or are refused; `tests/shared/onnx_graphs.py` runs any number of them."""

import numpy as np
import onnx
import onnx.parser
import onnx_graphs
import onnxruntime
import pytest
from onnx_graph_comparison import is_rounding

SEEDS = 250


# Together more than 2,400 graphs that ONNX Runtime runs
@pytest.mark.parametrize("part", range(12))
def test_no_graph_gives_other_numbers(part):
    counts, bad = onnx_graphs.survey(range(part * SEEDS, (part + 1) * SEEDS))
    assert bad == []
    ran = SEEDS - counts["invalid"]
    assert ran > 0.7 * SEEDS
    assert counts["same"] > 0.6 * ran  # else the test would say little


def test_every_kind_of_graph_is_made():
    """An operator that is in no graph is not tested."""
    found = set()
    for seed in range(1500):
        model = onnx_graphs.graph_of(seed)
        if model is not None:
            found.update(node.op_type for node in model.graph.node)
    expected = {
        *("Gemm", "MatMul", "Add", "Sub", "Mul", "Div", "Pow", "Max", "Min", "Shape", "Gather", "Concat", "Reshape"),
        *("Cast", "Slice", "Split", "Transpose", "Flatten", "Squeeze", "Unsqueeze", "Expand", "Where", "ReduceMean"),
        *("ReduceSum", "ReduceMax", "Softmax", "LayerNormalization", "BatchNormalization", "GroupNormalization"),
        *("InstanceNormalization", "Relu", "Clip", "Erf", "Dropout", "Identity", "Constant", "PRelu"),
    }
    assert expected <= found


def test_last_digits_on_the_way_are_no_fault():
    """x / (1 + tanh(-5)): a last digit of tanh is a thousandth of the result. Half as much again is a fault."""
    text = """<ir_version: 10, opset_import: ["" : 17]> g (float[n,1] x) => (float[n,1] y) <float one = {1}>
        { t = Tanh(x)  s = Add(t, one)  y = Div(x, s) }"""
    model = onnx.parser.parse_model(text)
    data = {"x": np.full((1, 1), -5, "float32")}
    (result,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, data)
    assert is_rounding(model, data, [result * (1 + 1e-3)], [result], "float32")
    assert not is_rounding(model, data, [result * 1.5], [result], "float32")
