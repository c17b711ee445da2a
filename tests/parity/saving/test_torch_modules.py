"""Weights of PyTorch modules: the same predictions here."""

import layer_cases
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import cbackprop as cb
from cbackprop import layers
from cbackprop.layers.layer import registry
from cbackprop.saving.torch_recurrent import MODULES
from cbackprop.saving.torch_state import ROLES


def conv(rank, *arguments, kind="", **options):
    return getattr(layers, f"Conv{rank}D{kind}")(*arguments, data_format="channels_first", **options)


def torch_conv(rank, *arguments, kind="", **options):
    return getattr(nn, f"Conv{kind}{rank}d")(*arguments, **options)


def depthwise(rank, *arguments, **options):
    return getattr(layers, f"DepthwiseConv{rank}D")(*arguments, data_format="channels_first", **options)


def separable(rank, *arguments, **options):
    return getattr(layers, f"SeparableConv{rank}D")(*arguments, data_format="channels_first", **options)


class First(nn.Module):
    """The outputs of a recurrent module, without its states."""

    def forward(self, returned):
        return returned[0]


class Last(nn.Module):
    """The last output."""

    def forward(self, returned):
        return returned[0][:, -1]


# Our layers, PyTorch's, and the shape of a sample. PyTorch's channels come first, as ours here.
CASES = {
    "Dense": (
        lambda: [layers.Dense(3), layers.Dense(2, use_bias=False)],
        lambda: [nn.Linear(5, 3), nn.Linear(3, 2, False)],
        (5,),
    ),
    "BatchNormalization": (
        lambda: [layers.BatchNormalization(epsilon=1e-5), layers.BatchNormalization(1, 0.9, 1e-5, False, False)],
        lambda: [nn.BatchNorm1d(5), nn.BatchNorm1d(5, affine=False)],
        (5,),
    ),
    "LayerNormalization": (
        lambda: [layers.LayerNormalization([1, 2], 1e-5), layers.LayerNormalization(-1, 1e-5, center=False)],
        lambda: [nn.LayerNorm([3, 4]), nn.LayerNorm(4, bias=False)],
        (3, 4),
    ),
    "RMSNormalization": (lambda: [layers.RMSNormalization(epsilon=1e-5)], lambda: [nn.RMSNorm(5, 1e-5)], (5,)),
    "GroupNormalization": (
        lambda: [layers.GroupNormalization(2, axis=1, epsilon=1e-5)], lambda: [nn.GroupNorm(2, 4)], (4, 3),
    ),
    "Embedding": (
        lambda: [layers.Embedding(7, 3), layers.Dense(2)], lambda: [nn.Embedding(7, 3), nn.Linear(3, 2)], (4,)
    ),
    **{
        f"Conv{rank}D": (
            lambda rank=rank: [conv(rank, 4, 3, activation="relu"), conv(rank, 6, 2, groups=2, dilation_rate=2)],
            lambda rank=rank: [torch_conv(rank, 3, 4, 3), nn.ReLU(), torch_conv(rank, 4, 6, 2, groups=2, dilation=2)],
            (3, *range(5, 5 + rank)),
        )
        for rank in (1, 2, 3)
    },
    **{
        f"Conv{rank}DTranspose": (
            lambda rank=rank: [conv(rank, 4, 3, strides=2, kind="Transpose"), conv(rank, 2, 2, kind="Transpose")],
            lambda rank=rank: [
                torch_conv(rank, 3, 4, 3, stride=2, kind="Transpose"), torch_conv(rank, 4, 2, 2, kind="Transpose"),
            ],
            (3, *range(3, 3 + rank)),
        )
        for rank in (1, 2, 3)
    },
    **{
        f"DepthwiseConv{rank}D": (
            lambda rank=rank: [depthwise(rank, 3, depth_multiplier=2), depthwise(rank, 2, use_bias=False)],
            lambda rank=rank: [
                torch_conv(rank, 3, 6, 3, groups=3), torch_conv(rank, 6, 6, 2, groups=6, bias=False),
            ],
            (3, *range(5, 5 + rank)),
        )
        for rank in (1, 2)
    },
    **{
        f"SeparableConv{rank}D": (
            lambda rank=rank: [
                separable(rank, 4, 3, depth_multiplier=2), separable(rank, 5, 2), separable(rank, 2, 1, use_bias=False),
            ],
            lambda rank=rank: [
                torch_conv(rank, 3, 6, 3, groups=3, bias=False), torch_conv(rank, 6, 4, 1),
                nn.Sequential(torch_conv(rank, 4, 4, 2, groups=4), torch_conv(rank, 4, 5, 1)),
                torch_conv(rank, 5, 5, 1, groups=5, bias=False), torch_conv(rank, 5, 2, 1, bias=False),
            ],
            (3, *range(5, 5 + rank)),
        )
        for rank in (1, 2)
    },
    # Modules of several layers, too.
    "SimpleRNN": (
        lambda: [layers.SimpleRNN(3, return_sequences=True), layers.SimpleRNN(3)],
        lambda: [nn.RNN(4, 3, 2, batch_first=True), Last()],
        (5, 4),
    ),
    "LSTM": (
        lambda: [
            *(layers.LSTM(3, return_sequences=True), layers.LSTM(3, return_sequences=True)),
            layers.LSTM(2, use_bias=False),
        ],
        lambda: [nn.LSTM(4, 3, 2, batch_first=True), First(), nn.LSTM(3, 2, bias=False, batch_first=True), Last()],
        (5, 4),
    ),
    "GRU": (lambda: [layers.GRU(3)], lambda: [nn.GRU(4, 3, batch_first=True), Last()], (5, 4)),
    "Bidirectional": (
        lambda: [layers.Bidirectional(layers.GRU(3, return_sequences=True)) for _ in range(3)],
        lambda: [nn.GRU(4, 3, 3, batch_first=True, bidirectional=True), First()],
        (5, 4),
    ),
    "PReLU": (lambda: [layers.PReLU(), layers.PReLU()], lambda: [nn.PReLU(), nn.PReLU(5)], (5,)),
}  # fmt: skip


def randomize(module):
    """Positive weights and moving averages."""
    torch.manual_seed(0)
    with torch.no_grad():
        for tensor in module.state_dict().values():
            if tensor.dtype.is_floating_point:
                tensor.uniform_(0.1, 1.0)
    return module.eval()


def assert_same_predictions(model, module, x):
    with torch.no_grad():
        expected = module(torch.tensor(x)).numpy()
    found = model.predict(x, verbose=0)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * np.abs(expected).max(), strict=True)


def test_every_layer_with_weights_is_known_or_has_no_equal():
    with_weights = {
        name for name, _ in registry for make, shapes in layer_cases.LAYERS.get(name, ()) if has_weights(make, shapes)
    }
    no_equal = {"Normalization", "RNN", "StackedRNNCells", "TimeDistributed", "EinsumDense"}
    no_equal |= {"Attention", "AdditiveAttention", *(f"ConvLSTM{rank}D" for rank in (1, 2, 3))}
    no_equal.add("ReversibleEmbedding")  # an Embedding, and a Linear unless they are tied
    heads = {"MultiHeadAttention", "GroupQueryAttention"}  # see test_torch_attention.py
    known = {cls.__name__ for cls in (*ROLES, *MODULES)} | heads
    assert with_weights | no_equal == known | no_equal == set(CASES) | heads | no_equal


def has_weights(make, shapes):
    layer = make()
    if layer.is_model:
        return False
    tensors = [cb.Input(shape) for shape in shapes]
    layer_cases.called(layer, tensors)
    return bool(layer.variables)


@pytest.mark.parametrize("name", CASES)
def test_layers(tmp_path, rng, name):
    ours, theirs, shape = CASES[name]
    module = randomize(nn.Sequential(*theirs()))
    x = rng.integers(7, size=(6, *shape)) if name == "Embedding" else rng.normal(size=(6, *shape)).astype("float32")
    save_file(module.state_dict(), tmp_path / "m.safetensors")
    state = module.state_dict()
    arrays = {key: value.numpy() for key, value in state.items()}
    for given in (state, arrays, tmp_path / "m.safetensors"):
        model = cb.Sequential([cb.Input(shape, dtype="int32" if name == "Embedding" else None), *ours()])
        model.load_weights(given)
        assert_same_predictions(model, module, x)


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("nested", [False, True])
def test_a_network_for_images(rng, data_format, nested):
    """PyTorch flattens with the channels first; the rows of the dense kernel follow."""
    module = randomize(
        nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4, 1e-3), nn.ReLU(), nn.Conv2d(4, 6, (1, 3)), nn.ReLU(),
            nn.Flatten(), nn.Dropout(), nn.Linear(6 * 5 * 4, 7), nn.Linear(7, 2),
        )
    )  # fmt: skip
    last = data_format == "channels_last"
    shape = (5, 6, 3) if last else (3, 5, 6)
    options = {"data_format": data_format}
    ours = [
        layers.Conv2D(4, 3, padding="same", **options), layers.BatchNormalization(-1 if last else 1),
        layers.Activation("relu"), layers.Conv2D(6, (1, 3), activation="relu", **options), layers.Activation("relu"),
        layers.Flatten(), layers.Dropout(0.5), layers.Dense(7), layers.Dense(2),
    ]  # fmt: skip
    model = cb.Sequential([cb.Input(shape), *ours])
    if nested:
        model = cb.Sequential([cb.Input(shape), model, layers.Identity()])
    model.load_weights(module.state_dict())
    x = rng.normal(size=(6, 3, 5, 6)).astype("float32")
    with torch.no_grad():
        expected = module(torch.tensor(x)).numpy()
    found = model.predict(np.moveaxis(x, 1, -1) if last else x, verbose=0)
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6 * np.abs(expected).max(), strict=True)


def test_a_deep_stack_with_activations_between(tmp_path, rng):
    """Modules are numbered in steps; 10 comes after 9, in a dict and in a file that is sorted by names."""
    blocks = [[nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Dropout(0.5)] for _ in range(4)]
    module = randomize(nn.Sequential(*[part for block in blocks for part in block], nn.Sequential(nn.Linear(4, 2))))
    inner = cb.Sequential([cb.Input((4,)), layers.Dense(4), layers.BatchNormalization(epsilon=1e-5)])
    model = cb.Sequential([cb.Input((4,)), inner, layers.Activation("tanh")])
    for _ in range(3):
        model.add(layers.Dense(4))
        model.add(layers.BatchNormalization(epsilon=1e-5))
        model.add(layers.Activation("tanh"))
    model.add(layers.Dense(2))
    x = rng.normal(size=(6, 4)).astype("float32")
    save_file(module.state_dict(), tmp_path / "m")
    mixed = dict(sorted(module.state_dict().items()))
    for given in (module.state_dict(), mixed, tmp_path / "m"):
        model.set_weights([w + 1 for w in model.get_weights()])
        model.load_weights(given)
        assert_same_predictions(model, module, x)


class Net(nn.Module):
    """Attributes in an order that is not alphabetical."""

    def __init__(self):
        super().__init__()
        self.second, self.first = nn.Linear(3, 3), nn.Linear(3, 3)

    def forward(self, x):
        return self.first(torch.tanh(self.second(x)))


def test_named_modules_come_in_the_order_of_the_state_dict(tmp_path, rng):
    module = randomize(Net())
    model = cb.Sequential([cb.Input((3,)), layers.Dense(3, "tanh"), layers.Dense(3)])
    model.load_weights(module.state_dict())
    assert_same_predictions(model, module, rng.normal(size=(6, 3)).astype("float32"))
    save_file(module.state_dict(), tmp_path / "m")
    with pytest.raises(ValueError, match="without numbers, and a file does not keep their order"):
        model.load_weights(tmp_path / "m")


def test_pickles_are_not_opened(tmp_path):
    module = nn.Linear(3, 2)
    model = cb.Sequential([cb.Input((3,)), layers.Dense(2)])
    for new in (True, False):
        torch.save(module.state_dict(), tmp_path / "m.pt", _use_new_zipfile_serialization=new)
        with pytest.raises(ValueError, match="a pickle, which is never opened because it can run code"):
            model.load_weights(tmp_path / "m.pt")
    with pytest.raises(TypeError, match="cannot be read as an array"):
        model.load_weights(dict(module.named_parameters()))
    half = {key: value.bfloat16() for key, value in module.state_dict().items()}
    with pytest.raises(TypeError, match="cannot be read as an array"):
        model.load_weights(half)
    save_file(half, tmp_path / "half")
    with pytest.raises(ValueError, match="holds BF16 instead of float32 or float64"):
        model.load_weights(tmp_path / "half")


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_transposed_convolutions_in_groups(rng, rank):
    """Their kernels are 0 where groups do not meet."""
    module = randomize(nn.Sequential(torch_conv(rank, 4, 6, 3, stride=2, groups=2, kind="Transpose")))
    model = cb.Sequential([cb.Input((4, *range(3, 3 + rank))), conv(rank, 6, 3, strides=2, kind="Transpose")])
    model.load_weights(module.state_dict())
    assert_same_predictions(model, module, rng.normal(size=(6, 4, *range(3, 3 + rank))).astype("float32"))
    kernel = model.get_weights()[0]
    assert (kernel == 0).mean() == 0.5
    # Without a bias nothing says how many groups there are.
    module = nn.Sequential(torch_conv(rank, 4, 6, 3, groups=2, kind="Transpose", bias=False))
    model = cb.Sequential([cb.Input((4, *range(3, 3 + rank))), conv(rank, 6, 3, kind="Transpose", use_bias=False)])
    with pytest.raises(ValueError, match="needs weight of shape"):
        model.load_weights(module.state_dict())


def test_separable_convolutions_that_do_not_match():
    model = cb.Sequential([cb.Input((3, 9)), separable(1, 4, 3)])
    first, second = torch_conv(1, 3, 3, 3, groups=3), torch_conv(1, 3, 4, 1)
    with pytest.raises(ValueError, match=r"1 layers with weights .* which are 2 modules in PyTorch"):
        model.load_weights(nn.Sequential(first).state_dict())
    without = cb.Sequential([cb.Input((3, 9)), separable(1, 4, 3, use_bias=False)])
    with pytest.raises(ValueError, match=r"needs weight, but module '0' of .* has bias and weight"):
        without.load_weights(nn.Sequential(first, second).state_dict())
    bare = [torch_conv(1, 3, 3, 3, groups=groups, bias=False) for groups in (1, 3)]
    for wrong in ([bare[0], second], [bare[1], first], [torch_conv(1, 3, 6, 3, groups=3, bias=False), second]):
        with pytest.raises(ValueError, match="needs weight of shape"):
            model.load_weights(nn.Sequential(*wrong).state_dict())
