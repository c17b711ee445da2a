"""Attention as PyTorch writes it to ONNX files, for any size of the batch."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper
from torch import nn
from torch.nn import functional

from cbackprop import export, layers
from cbackprop.export.onnx_reader.graph import ReadGraph
from cbackprop.export.onnx_reader.inference import BATCH
from cbackprop.export.onnx_reader.open_sizes import Product

TRIL = torch.tril(torch.ones(6, 6, dtype=torch.bool))


class Attention(nn.Module):
    """Two heads of one projection."""

    def __init__(self, **options):
        super().__init__()
        self.projection, self.options = nn.Linear(8, 24), options
        self.register_buffer("mask", options.pop("attn_mask", None))

    def forward(self, x):
        q, k, v = (part.reshape(-1, 6, 2, 4).transpose(1, 2) for part in self.projection(x).chunk(3, -1))
        y = functional.scaled_dot_product_attention(q, k, v, attn_mask=self.mask, **self.options)
        return y.transpose(1, 2).reshape(-1, 6, 8)


def read(module, folder):
    path = folder / "m.onnx"
    sizes = ({0: torch.export.Dim("batch", min=1, max=99)},)
    torch.onnx.export(module, (torch.zeros(3, 6, 8),), path, dynamo=True, dynamic_shapes=sizes, verbose=False)
    return export.from_onnx(path)


CASES = {
    "all keys": {},
    "causal": {"is_causal": True},
    "scale": {"scale": 0.3},
    "mask": {"attn_mask": TRIL.flip(0) | torch.eye(6, dtype=torch.bool)},
    "added": {"attn_mask": torch.zeros(6, 6).masked_fill(~TRIL, -torch.inf)},
}


@pytest.mark.parametrize("name", CASES)
def test_one_layer_reads_it(tmp_path, rng, name):
    torch.manual_seed(0)
    module = Attention(**CASES[name]).eval()
    model = read(module, tmp_path)
    found = [layer for layer in model.layers if isinstance(layer, layers.Attention)]
    assert len(found) == 1
    for rows in (1, 4):
        x = rng.normal(size=(rows, 6, 8)).astype("f")
        with torch.no_grad():
            expected = module(torch.tensor(x)).numpy()
        np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-4, atol=1e-5)


def test_a_query_that_sees_nothing(tmp_path, rng):
    """PyTorch gives it 0, but its file, where -3.4e38 stands for negative infinity, the mean of all values."""
    mask = TRIL.clone()
    mask[2] = False
    model = read(Attention(attn_mask=mask).eval(), tmp_path)
    x = rng.normal(size=(2, 6, 8)).astype("f")
    (expected,) = onnxruntime.InferenceSession(tmp_path / "m.onnx").run(None, {"x": x})
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=1e-4, atol=1e-5)


def shapes_of(nodes, constants):
    value = helper.make_tensor_value_info
    initializers = [helper.make_tensor(n, TensorProto.INT64, [len(v)], v) for n, v in constants.items()]
    graph = helper.make_graph(
        nodes, "g", [value("x", TensorProto.FLOAT, ["n", 6, 8])], [value("y", TensorProto.FLOAT, None)], initializers
    )
    return ReadGraph(onnx, helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])).shapes


def test_the_batch_is_followed_where_its_symbol_gets_lost():
    node = helper.make_node
    found = shapes_of(
        [node("Reshape", ["x", "a"], ["h"]), node("Reshape", ["h", "b"], ["g"]), node("Identity", ["h"], ["y"])],
        {"a": [-1, 6, 2, 4], "b": [-1, 2, 4]},
    )
    assert found["y"] == found["h"] == (BATCH, 6, 2, 4)
    assert found["g"] == (Product(6, (BATCH,)), 2, 4)


def test_a_batch_of_no_other_size():
    """A size that cannot be computed for another input is left unknown."""
    node = helper.make_node
    found = shapes_of(
        [node("Reshape", ["x", "a"], ["h"]), node("Reshape", ["h", "b"], ["y"])], {"a": [-1, 7], "b": [5, 7]}
    )
    assert found["x"] == (BATCH, 6, 8)
    assert found.get("h", (None,))[0] is None
