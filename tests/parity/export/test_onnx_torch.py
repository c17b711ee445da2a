"""Networks of PyTorch, written to ONNX by PyTorch, predict the same here, from layers that can be trained."""

import numpy as np
import pytest
import torch
from torch import nn

import cbackprop as cb
from cbackprop import activations

pytestmark = pytest.mark.filterwarnings("ignore")

# Modules, and the activation that each must come back as.
ACTIVATIONS = [
    (nn.ReLU(), activations.relu),
    (nn.ReLU6(), activations.relu6),
    (nn.LeakyReLU(), activations.leaky_relu.bind(0.01)),
    (nn.GELU(), activations.gelu),
    (nn.GELU(approximate="tanh"), activations.gelu.bind(True)),
    (nn.SiLU(), activations.silu),
    (nn.Mish(), activations.mish),
    (nn.Tanh(), activations.tanh),
    (nn.Sigmoid(), activations.sigmoid),
    (nn.LogSigmoid(), activations.log_sigmoid),
    (nn.Hardswish(), activations.hard_silu),
    (nn.Hardsigmoid(), activations.hard_sigmoid),
    (nn.Hardtanh(), activations.hard_tanh),
    (nn.ELU(), activations.elu),
    (nn.SELU(), activations.selu),
    (nn.CELU(0.5), activations.celu.bind(0.5)),
    (nn.Softplus(), activations.softplus),
    (nn.Softsign(), activations.softsign),
    (nn.Softshrink(), activations.soft_shrink),
    (nn.Hardshrink(), activations.hard_shrink),
    (nn.Tanhshrink(), activations.tanh_shrink),
    (nn.Softmax(-1), activations.softmax.bind(1)),
    (nn.LogSoftmax(-1), activations.log_softmax.bind(1)),
]
# Other modules for samples (6,), and the layers that come back.
MODULES = [
    (nn.PReLU(), ["PReLU"]),
    (nn.PReLU(6), ["PReLU"]),
    (nn.Dropout(), []),
    (nn.BatchNorm1d(6), ["BatchNormalization"]),
    (nn.LayerNorm(6), ["LayerNormalization"]),
    (nn.GroupNorm(2, 6), ["GroupNormalization"]),
    (nn.Identity(), []),
    (nn.Softplus(beta=2), ["Rescaling", "Activation", "Rescaling"]),
    (nn.Hardtanh(-0.5, 2.0), ["Rescaling", "Maximum", "Rescaling", "Minimum"]),
]


class Unit(nn.Module):
    """Rows of length 1, for which PyTorch has a function only."""

    def __init__(self, smallest=1e-12):
        super().__init__()
        self.smallest = smallest

    def forward(self, x):
        return nn.functional.normalize(x, eps=self.smallest)


MODULES.append((Unit(), ["UnitNormalization"]))
# Axes of which PyTorch leaves the size open
OPEN = {"x": {0: "n"}, "y": {0: "n"}}


def read(module, x, path, opset, axes=OPEN):
    """The model that is read of what PyTorch writes, compared with the module."""
    module.eval()
    torch.onnx.export(
        module, (x,), path, dynamo=False, opset_version=opset, input_names=["x"], output_names=["y"], dynamic_axes=axes
    )
    model = cb.export.from_onnx(path)
    assert (model.input_names, model.output_names) == (["x"], ["y"])
    with torch.no_grad():
        expected = module(x).numpy()
    np.testing.assert_allclose(model.predict(x.numpy(), verbose=0), expected, rtol=1e-5, atol=1e-5)
    return model


def between(module, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 6), module, nn.Linear(6, 2))


# Before and after GELU, Mish and layer normalization became operators
@pytest.mark.parametrize("opset", [14, 20])
@pytest.mark.parametrize(("module", "activation"), ACTIVATIONS, ids=lambda value: str(value))
def test_activation(tmp_path, module, activation, opset):
    model = read(between(module), torch.randn(5, 6), tmp_path / "m.onnx", opset)
    _, first, between_them, last = model.layers
    assert between_them.activation.kernel() == activation.kernel()
    assert [type(layer).__name__ for layer in (first, last)] == ["Dense", "Dense"]


@pytest.mark.parametrize("opset", [14, 20])
@pytest.mark.parametrize(("module", "expected"), MODULES, ids=lambda value: str(value))
def test_module(tmp_path, module, expected, opset):
    model = read(between(module), torch.randn(5, 6), tmp_path / "m.onnx", opset)
    assert [type(layer).__name__ for layer in model.layers[2:-1]] == expected
    assert len(model.trainable_weights) >= len(list(module.parameters())) + 4


class View(nn.Module):
    def forward(self, x):
        return x.view(x.size(0), -1)


class Embedded(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(10, 3)

    def forward(self, x):
        return self.table(x).flatten(1)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(6, 6)

    def forward(self, x):
        return (x + 2 * self.inner(x) - 0.5) * torch.sigmoid(x)


OTHERS = {
    "samples of two axes": (
        lambda: nn.Sequential(nn.Linear(6, 4), nn.LayerNorm(4), View(), nn.Linear(12, 2)),
        torch.randn(5, 3, 6),
    ),
    "flatten": (lambda: nn.Sequential(nn.Linear(6, 4), nn.Flatten(), nn.Linear(12, 2)), torch.randn(5, 3, 6)),
    "embedding": (lambda: nn.Sequential(Embedded(), nn.Linear(12, 2)), torch.randint(10, (5, 4))),
    "branches": (lambda: nn.Sequential(Residual(), Residual()), torch.randn(5, 6)),
}


@pytest.mark.parametrize("opset", [14, 17])
@pytest.mark.parametrize("name", OTHERS)
def test_network(tmp_path, name, opset):
    make, x = OTHERS[name]
    read(make(), x, tmp_path / "m.onnx", opset)


@pytest.mark.parametrize("name", OTHERS)
def test_network_of_a_fixed_batch(tmp_path, name):
    make, x = OTHERS[name]
    read(make(), x, tmp_path / "m.onnx", 17, axes=None)


def test_rows_of_length_1_with_another_smallest_norm_are_refused(tmp_path):
    with pytest.raises(ValueError, match="no layer computes ReduceL2"):
        read(between(Unit(0.1)), torch.randn(5, 6), tmp_path / "m.onnx", 17)


class Everything(nn.Module):
    """All of the above, each with an output of its own: that exporter takes seconds for a file, however large."""

    def __init__(self):
        super().__init__()
        modules = enumerate([*ACTIVATIONS, *MODULES])
        self.between = nn.ModuleList(between(module, seed) for seed, (module, _) in modules)
        self.others = nn.ModuleList(make() for make, _ in OTHERS.values())

    def forward(self, x, *others):
        outputs = [module(x) for module in self.between]
        return [*outputs, *(module(other) for module, other in zip(self.others, others, strict=True))]


@pytest.mark.parametrize("open_batch", [True, False])
def test_the_newer_exporter(tmp_path, open_batch):
    pytest.importorskip("onnxscript")
    module = Everything().eval()
    example = (torch.randn(5, 6), *(x for _, x in OTHERS.values()))
    names = ["x", *(f"x{index}" for index in range(len(OTHERS)))]
    outputs = [f"y{index}" for index in range(len(module.between) + len(OTHERS))]
    batch = {0: torch.export.Dim("n")}
    shapes = {"x": batch, "others": (batch,) * len(OTHERS)} if open_batch else None
    path = tmp_path / "m.onnx"
    torch.onnx.export(
        module,
        example,
        path,
        dynamo=True,
        input_names=names,
        output_names=outputs,
        dynamic_shapes=shapes,
        verbose=False,
    )
    model = cb.export.from_onnx(path)
    assert (model.input_names, model.output_names) == (names, outputs)
    with torch.no_grad():
        expected = module(*example)
    found = model.predict([x.numpy() for x in example], verbose=0)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-5, atol=1e-5)
    for index, (_, activation) in enumerate(ACTIVATIONS):
        _, first, between_them, last = cb.Model(model.inputs[0], model.outputs[index]).layers
        assert between_them.activation.kernel() == activation.kernel()
        assert [type(layer).__name__ for layer in (first, last)] == ["Dense", "Dense"]
    for index, (part, layers) in enumerate(MODULES, len(ACTIVATIONS)):
        # That exporter puts batch normalization into the weights of the layer before it.
        inner = [] if isinstance(part, nn.BatchNorm1d) else layers
        found = cb.Model(model.inputs[0], model.outputs[index]).layers[2:-1]
        assert [type(layer).__name__ for layer in found] == inner


def test_a_network_goes_on_training_as_it_would_have_there(tmp_path):
    module, x = between(nn.Tanh()), torch.randn(32, 6)
    y = x[:, :2].abs()
    model = read(module, x, tmp_path / "m.onnx", 17)
    model.compile(cb.optimizers.SGD(0.1), "mse")
    ours = model.fit(x.numpy(), y.numpy(), batch_size=32, epochs=5, verbose=0).history["loss"]
    optimizer, theirs = torch.optim.SGD(module.parameters(), 0.1), []
    for _ in range(5):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(module(x), y)
        loss.backward()
        optimizer.step()
        theirs.append(loss.item())
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)
