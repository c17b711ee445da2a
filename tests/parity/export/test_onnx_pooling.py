"""Pooling in ONNX files of others: padding of all kinds, channels first; and what comes back as the same layer."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import parser

import cbackprop as cb
from cbackprop import export, layers


def read_and_run(tmp_path, text, shape):
    """The predictions of this library and ONNX Runtime from the same graph, and the names of the layers."""
    model = parser.parse_model(f'<ir_version: 8, opset_import: ["": 18]> {text}')
    path = str(tmp_path / "m.onnx")
    onnx.save(model, path)
    x = np.random.default_rng(0).normal(size=shape).astype("float32")
    found = export.from_onnx(path)
    expected = onnxruntime.InferenceSession(path).run(None, {"x": x})[0]
    np.testing.assert_allclose(found.predict(x, verbose=0), expected, rtol=1e-6, atol=1e-6)
    return [type(layer).__name__ for layer in found.layers]


@pytest.mark.parametrize("operator", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize(
    "options",
    [
        "kernel_shape=[2,2]",
        "kernel_shape=[2,2], strides=[2,2]",
        "kernel_shape=[3,2], strides=[2,3]",
        'kernel_shape=[3,2], strides=[2,1], auto_pad="SAME_UPPER"',
        'kernel_shape=[3,3], strides=[2,1], auto_pad="SAME_LOWER"',
        'kernel_shape=[3,2], strides=[2,1], auto_pad="VALID"',
        "kernel_shape=[3,3], strides=[2,2], pads=[1,1,1,1]",
        "kernel_shape=[3,3], strides=[1,1], pads=[1,1,1,1]",
        "kernel_shape=[4,3], strides=[3,2], pads=[1,0,2,1]",
        "kernel_shape=[2,3], strides=[1,3], ceil_mode=1",
        "kernel_shape=[5,3], strides=[2,1], pads=[0,1,2,0]",
    ],
)
@pytest.mark.parametrize("sizes", [(7, 6), (8, 9)])
def test_windows(tmp_path, operator, options, sizes):
    text = f"g (float[b,3,{sizes[0]},{sizes[1]}] x) => (float[b,3,h,w] y) {{ y = {operator}<{options}>(x) }}"
    assert f"{operator}ing2D" in read_and_run(tmp_path, text, (2, 3, *sizes))


@pytest.mark.parametrize(("rank", "dims"), [(1, "5"), (3, "5,4,6")])
def test_other_ranks(tmp_path, rank, dims):
    ones = ",".join("1" * rank)
    text = f"g (float[b,2,{dims}] x) => (float y) {{ y = MaxPool<kernel_shape=[{ones.replace('1', '3')}], "
    text += f"pads=[{ones},{ones}], strides=[{ones}]>(x) }}"
    assert f"MaxPooling{rank}D" in read_and_run(tmp_path, text, (2, 2, *map(int, dims.split(","))))


@pytest.mark.parametrize(
    ("call", "name"),
    [
        ("GlobalAveragePool(x)", "GlobalAveragePooling2D"),
        ("GlobalMaxPool(x)", "GlobalMaxPooling2D"),
        ("ReduceMean<keepdims=0>(x, {2, 3})", "GlobalAveragePooling2D"),
        ("ReduceMax(x, {-1, -2})", "GlobalMaxPooling2D"),
        ("ReduceMean(x, {1, 2})", "GlobalAveragePooling2D"),
        ("ReduceMax<keepdims=0>(x, {1, 3})", "Maximum"),
    ],
)
def test_of_all_positions(tmp_path, call, name):
    axes = call.partition("{")[2].partition("}")[0]
    constant = f"a = Constant<value_ints=[{axes}]>() " if axes else ""
    call = call.replace(f"{{{axes}}}", "a")
    text = f"g (float[b,3,70,6] x) => (float y) {{ {constant} y = {call} }}"
    assert name in read_and_run(tmp_path, text, (2, 3, 70, 6))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("MaxPool<kernel_shape=[2,2], dilations=[2,1]>(x)", "dilated"),
        ("AveragePool<kernel_shape=[3,3], pads=[1,1,1,1], count_include_pad=1>(x)", "counts padding in its means"),
        ("MaxPool<kernel_shape=[3,3], pads=[2,2,2,2]>(x)", "half a window"),
        ("MaxPool<kernel_shape=[2,2], strides=[2,2], ceil_mode=1>(x)", "ceil_mode"),
        ('MaxPool<kernel_shape=[2,2], auto_pad="SAME_LOWER">(x)', "half a window"),
    ],
)
def test_what_is_not_read(tmp_path, call, message):
    with pytest.raises(ValueError, match=message):
        read_and_run(tmp_path, f"g (float[b,3,7,6] x) => (float y) {{ y = {call} }}", (2, 3, 7, 6))


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("name", ["MaxPooling2D", "AveragePooling2D"])
def test_the_same_layer_comes_back(tmp_path, name, data_format, padding):
    layer = getattr(layers, name)((3, 2), (2, 1), padding, data_format)
    model = cb.Sequential([cb.Input((5, 6, 4)), layer])
    export.onnx(model, tmp_path / "m.onnx")
    _, again = export.from_onnx(tmp_path / "m.onnx").layers
    assert again.get_config() | {"name": ""} == layer.get_config() | {"name": ""}


def test_a_network_of_pytorch(tmp_path):
    net = torch.nn.Sequential(
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(3, 2, padding=1),
        torch.nn.AvgPool2d(2),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
    )
    x = torch.randn(2, 3, 17, 14)
    path = str(tmp_path / "m.onnx")
    torch.onnx.export(net, (x,), path, dynamo=False, input_names=["x"], dynamic_axes={"x": {0: "b"}})
    found = export.from_onnx(path).predict(x.numpy(), verbose=0)
    np.testing.assert_allclose(found, net(x).numpy(), rtol=1e-5, atol=1e-6)
