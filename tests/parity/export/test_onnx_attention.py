"""Attention in ONNX files: masks, weights as outputs, and several axes."""

import numpy as np
import onnxruntime
import pytest

import cbackprop as cb
from cbackprop import export, layers

TRIL = np.tril(np.ones((5, 5), bool))
HEADS = np.random.default_rng(1).random((2, 5, 5)) < 0.5
HEADS[:, :, 0] = True


def run(path, arrays):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    return session.run(None, dict(zip(names, arrays, strict=True)))


def heads(**options):
    return layers.MultiHeadAttention(2, 3, bias_initializer="random_normal", **options)


CALLS = [
    (heads, (5, 4), {"use_causal_mask": True}),
    (heads, (5, 4), {"return_attention_scores": True, "use_causal_mask": True}),
    (heads, (5, 4), {"attention_mask": HEADS[None]}),
    (lambda: heads(sliding_window=2), (5, 4), {"use_causal_mask": True, "attention_mask": TRIL}),
    (lambda: heads(attention_axes=(2, 1), use_gate=True), (2, 3, 4), {"use_causal_mask": True}),
    (lambda: heads(attention_axes=1, output_shape=(2, 2)), (3, 2, 4), {"return_attention_scores": True}),
    (lambda: layers.GroupQueryAttention(2, 4, 2), (5, 4), {"use_causal_mask": True}),
    (lambda: layers.GroupQueryAttention(2, 4, 2), (5, 4), {"attention_mask": TRIL, "return_attention_scores": True}),
    (layers.Attention, (3, 5, 4), {"use_causal_mask": True}),
    (layers.Attention, (5, 4), {"attention_mask": HEADS[0], "return_attention_scores": True}),
    (layers.AdditiveAttention, (5, 4), {"attention_mask": HEADS[0], "use_causal_mask": True}),
]


@pytest.mark.parametrize(("make", "shape", "call"), CALLS)
def test_settings_of_calls(tmp_path, make, shape, call, rng):
    inputs, layer = cb.Input(shape), make()
    outputs = layer([inputs, inputs], **call) if isinstance(layer, layers.Attention) else layer(inputs, inputs, **call)
    model = cb.Model(inputs, list(outputs) if isinstance(outputs, (list, tuple)) else outputs)
    x = rng.normal(size=(3, *shape)).astype("f")
    expected = model.predict(x, verbose=0)
    expected = expected if isinstance(expected, list) else [expected]
    export.onnx(model, tmp_path / "m.onnx")
    for a, b in zip(run(tmp_path / "m.onnx", [x]), expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    if "return_attention_scores" not in call:
        again = export.from_onnx(tmp_path / "m.onnx")
        np.testing.assert_allclose(again.predict(x, verbose=0), expected[0], rtol=1e-4, atol=1e-5)


def test_a_mask_for_each_sample(tmp_path, rng):
    inputs, mask = cb.Input((5, 4)), cb.Input((5, 5))
    model = cb.Model([inputs, mask], heads()(inputs, inputs, attention_mask=mask, use_causal_mask=True))
    x, seen = rng.normal(size=(3, 5, 4)).astype("f"), (rng.random((3, 5, 5)) < 0.5).astype("f")
    seen[:, :, 0] = 1
    export.onnx(model, tmp_path / "m.onnx")
    (found,) = run(tmp_path / "m.onnx", [x, seen])
    np.testing.assert_allclose(found, model.predict([x, seen], verbose=0), rtol=1e-4, atol=1e-5)
