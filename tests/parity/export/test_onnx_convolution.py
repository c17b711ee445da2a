"""Convolutions in ONNX: files of ONNX's own options, networks of PyTorch, Transposes that cancel."""

import itertools

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper, numpy_helper
from onnx_checks import assert_same, inputs_for
from torch import nn

import cbackprop as cb
from cbackprop import export, layers

pytestmark = pytest.mark.filterwarnings("ignore")

SHAPES = {1: (7,), 2: (5, 6), 3: (4, 3, 5)}


def operator(path, name, kernel, sizes, channels, bias=None, **attributes):
    """A file with one operator, channels first."""
    inputs = ["x", "w"] if bias is None else ["x", "w", "b"]
    node = helper.make_node(name, inputs, ["y"], name="c/Conv", **attributes)
    x = helper.make_tensor_value_info("x", 1, ["n", channels, *sizes])
    y = helper.make_tensor_value_info("y", 1, ["n", None, *[None] * len(sizes)])
    constants = [numpy_helper.from_array(kernel, "w")]
    constants += [] if bias is None else [numpy_helper.from_array(bias, "b")]
    graph = helper.make_graph([node], "g", [x], [y], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def assert_reads(path, rng, shape):
    """The model predicts what ONNX Runtime computes."""
    x = rng.normal(size=(3, *shape)).astype("float32")
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    model = export.from_onnx(path)
    assert_same(model.predict(x, verbose=0), session.run(None, {"x": x}), "float32")
    return model


def pads_of(rank):
    """Attributes of padding: none, asymmetric, more than "same" has, and by rule."""
    asymmetric = [axis % 2 for axis in range(rank)] + [2] * rank
    return [
        {},
        {"pads": [1] * 2 * rank},
        {"pads": asymmetric},
        {"pads": [2] + [0] * (2 * rank - 1)},
        *({"auto_pad": rule} for rule in ("SAME_UPPER", "SAME_LOWER", "VALID")),
    ]


@pytest.mark.parametrize("rank", SHAPES)
@pytest.mark.parametrize("group", [1, 2])
def test_convolution(tmp_path, rng, rank, group):
    path, sizes = tmp_path / "m.onnx", SHAPES[rank]
    for size, (stride, dilation), pads in itertools.product((1, 2, 3), ((1, 1), (2, 1), (1, 2)), pads_of(rank)):
        if (size - 1) * dilation >= min(sizes) or (dilation > 1 and "auto_pad" in pads):
            continue
        kernel = rng.normal(size=(6, 4 // group, *[size] * rank)).astype("float32")
        bias = rng.normal(size=6).astype("float32") if stride == 1 else None
        numbers = {"strides": [stride] * rank, "dilations": [dilation] * rank, "group": group}
        operator(path, "Conv", kernel, sizes, 4, bias, **numbers, **pads)
        model = assert_reads(path, rng, (4, *sizes))
        assert f"Conv{rank}D" in [type(layer).__name__ for layer in model.layers]


@pytest.mark.parametrize("rank", SHAPES)
def test_transposed_convolution(tmp_path, rng, rank):
    path, sizes = tmp_path / "m.onnx", SHAPES[rank]
    for size, (stride, dilation), more in itertools.product((1, 2, 3), ((1, 1), (2, 1), (3, 1), (1, 2)), (0, 1)):
        if more >= stride:
            continue
        for pads in [*pads_of(rank)[:3], {"auto_pad": "VALID"}]:
            cut = max(a + b for a, b in zip(*np.split(np.array(pads.get("pads", [0] * 2 * rank)), 2), strict=True))
            if (min(sizes) - 1) * stride + (size - 1) * dilation + 1 + more <= cut:
                continue
            kernel = rng.normal(size=(4, 3, *[size] * rank)).astype("float32")
            numbers = {"strides": [stride] * rank, "dilations": [dilation] * rank, "output_padding": [more] * rank}
            operator(path, "ConvTranspose", kernel, sizes, 4, np.ones(3, "float32"), **numbers, **pads)
            assert_reads(path, rng, (4, *sizes))


@pytest.mark.parametrize("rank", SHAPES)
@pytest.mark.parametrize("rule", ["NOTSET", "SAME_UPPER", "SAME_LOWER"])
def test_transposed_convolution_to_a_given_shape(tmp_path, rng, rank, rule):
    path, sizes = tmp_path / "m.onnx", SHAPES[rank]
    for size, less in itertools.product((2, 3, 4), (0, 1, 2)):
        kernel = rng.normal(size=(4, 3, *[size] * rank)).astype("float32")
        shape = [(old - 1) * 2 + size - less for old in sizes]
        options = {"strides": [2] * rank, "output_shape": shape, "auto_pad": rule}
        operator(path, "ConvTranspose", kernel, sizes, 4, **options)
        assert_reads(path, rng, (4, *sizes))


@pytest.mark.parametrize("rank", SHAPES)
@pytest.mark.parametrize("groups", [2, 4])
@pytest.mark.parametrize("biased", [False, True])
def test_transposed_convolution_in_groups(tmp_path, rng, rank, groups, biased):
    path, sizes = tmp_path / "m.onnx", SHAPES[rank]
    for filters, pads in ((1, {}), (3, {"pads": [1, *[0] * (2 * rank - 1)]})):
        kernel = rng.normal(size=(4, filters, *[3] * rank)).astype("float32")
        bias = rng.normal(size=filters * groups).astype("float32") if biased else None
        operator(path, "ConvTranspose", kernel, sizes, 4, bias, strides=[2] * rank, group=groups, **pads)
        assert_reads(path, rng, (4, *sizes))


MISTAKES = {
    "stride and dilation": ("Conv", (6, 4, 2, 2), {"strides": [2, 2], "dilations": [2, 2]}, "cannot go together"),
    "groups of a transposed one": ("ConvTranspose", (4, 3, 2, 2), {"group": 3}, "does not fit values"),
    "bias": ("Conv", (6, 4, 2, 2), {}, r"a bias of shape \(5,\) does not fit 6 filters"),
    "too small": ("Conv", (6, 4, 7, 7), {}, "damaged|needs larger inputs|layers here make another one"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_what_no_layer_computes(tmp_path, name):
    kind, shape, options, message = MISTAKES[name]
    kernel, bias = np.ones(shape, "float32"), np.ones(5, "float32") if name == "bias" else None
    operator(tmp_path / "m.onnx", kind, kernel, (5, 6), 4, bias, **options)
    with pytest.raises(ValueError, match=message):
        export.from_onnx(tmp_path / "m.onnx")


# Networks of PyTorch


class Residual(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.inner = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(),
            nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels),
        )  # fmt: skip

    def forward(self, x):
        return torch.relu(x + self.inner(x))


class View(nn.Module):
    def forward(self, x):
        return x.view(-1, 4, 2, 3)


class Halves(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(4, 3, 1), nn.Conv2d(4, 5, 3, padding=1)

    def forward(self, x):
        return torch.cat([self.a(x), self.b(x)], 1)


# Modules, a sample's shape, and how many Permutes there are.
NETWORKS = {
    "plain": (
        lambda: [
            nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.Tanh(), nn.Flatten(), nn.Linear(72, 5)
        ],
        (3, 5, 6),
        2,
    ),
    "residual": (
        lambda: [nn.Conv2d(3, 4, 3, stride=2, padding=1), Residual(4), Residual(4), nn.Flatten(), nn.Linear(60, 2)],
        (3, 9, 5),
        2,
    ),
    "branches": (lambda: [nn.Conv2d(3, 4, 1), Halves(), nn.Conv2d(8, 2, 2), nn.Flatten()], (3, 5, 6), 2),
    "pooling": (
        lambda: [
            nn.Conv2d(3, 4, 3), nn.GELU(), nn.MaxPool2d(2), nn.Conv2d(4, 4, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        ],
        (3, 8, 8),
        2,
    ),
    "decoder": (
        lambda: [
            nn.Linear(4, 24), View(), nn.ReLU(), nn.ConvTranspose2d(4, 3, 3, 2, 1, 1), nn.SiLU(),
            nn.ConvTranspose2d(3, 2, 4, 2, 1), nn.Sigmoid(),
        ],
        (4,),
        2,
    ),
    "signals": (
        lambda: [nn.Conv1d(2, 4, 3, dilation=2, groups=2), nn.ReLU(), nn.Conv1d(4, 3, 2, stride=2), nn.Flatten()],
        (2, 12),
        2,
    ),
    "volumes": (lambda: [nn.Conv3d(2, 4, 2), nn.Dropout3d(), nn.ConvTranspose3d(4, 2, 2, 2)], (2, 3, 4, 5), 2),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_of_pytorch(tmp_path, name):
    make, shape, permutes = NETWORKS[name]
    torch.manual_seed(0)
    module = nn.Sequential(*make()).eval()
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            for tensor in (norm.running_mean, norm.running_var, norm.weight, norm.bias):
                nn.init.uniform_(tensor, 0.5, 1.0)
    x = torch.randn(4, *shape)
    path, axes = tmp_path / "m.onnx", {"x": {0: "n"}, "y": {0: "n"}}
    torch.onnx.export(
        module, (x,), path, dynamo=False, opset_version=17, input_names=["x"], output_names=["y"], dynamic_axes=axes
    )
    model = export.from_onnx(path)
    with torch.no_grad():
        expected = module(x).numpy()
    np.testing.assert_allclose(model.predict(x.numpy(), verbose=0), expected, rtol=1e-5, atol=1e-5)
    found = [type(layer).__name__ for layer in model.layers]
    assert found.count("Permute") <= permutes, found
    model.compile("sgd", "mse")
    assert np.isfinite(model.train_on_batch(x.numpy(), expected))


# Networks of this library


def network(data_format, **options):
    last = data_format == "channels_last"
    x = cb.Input((6, 7, 3) if last else (3, 6, 7))
    same = {"padding": "same", "data_format": data_format}
    h = layers.Conv2D(4, 3, activation="relu", **same)(x)
    a = layers.Activation("gelu")(layers.BatchNormalization(-1 if last else 1)(layers.Conv2D(4, (1, 3), **same)(h)))
    h = layers.Dropout(0.5)(layers.Add()([h, a]))
    h = layers.Conv2DTranspose(2, 2, strides=2, activation="tanh", **same)(layers.Rescaling(0.5)(h))
    return cb.Model(x, layers.Dense(3)(layers.Flatten()(h)))


@pytest.mark.parametrize(("data_format", "count"), [("channels_last", 2), ("channels_first", 0)])
def test_transposes_between_layers_cancel(tmp_path, data_format, count):
    model = network(data_format)
    path = tmp_path / "m.onnx"
    export.onnx(model, path)
    operators = [node.op_type for node in onnx.load(path).graph.node]
    assert operators.count("Transpose") == count, operators
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (x,) = inputs_for(model)
    expected = model.predict(x, verbose=0)
    assert_same(session.run(None, {model.input_names[0]: x}), expected, "float32")
    again = export.from_onnx(path)
    assert_same(again.predict(x, verbose=0), expected, "float32")
    found = [type(layer).__name__ for layer in again.layers]
    assert found.count("Permute") == 2 - count, found


def test_a_shared_kernel_is_written_once(tmp_path):
    x, conv = cb.Input((5, 5, 2)), layers.Conv2D(2, 3, padding="same")
    export.onnx(cb.Model(x, conv(conv(x))), tmp_path / "m.onnx")
    graph = onnx.load(tmp_path / "m.onnx").graph
    assert [node.op_type for node in graph.node] == ["Transpose", "Conv", "Conv", "Transpose"]
    assert len(graph.initializer) == 2
