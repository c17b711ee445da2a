"""Weights of PyTorch's attention, and of its blocks of transformers: the same predictions here."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import cbackprop as cb
from cbackprop import layers

# Sums of some dozens of float32 numbers around 1, in another order.
ROUNDING = {"rtol": 0, "atol": 3e-6}


def randomized(module):
    """Weights of either sign, biases and scales included."""
    torch.manual_seed(0)
    with torch.no_grad():
        for tensor in module.state_dict().values():
            tensor.uniform_(-0.7, 0.7)
    return module.eval()


def normalization():
    return layers.LayerNormalization(epsilon=1e-5)


def compare(model, module, arrays):
    with torch.no_grad():
        expected = module(*map(torch.tensor, arrays))
    expected = expected[0] if isinstance(expected, tuple) else expected
    found = model.predict(arrays if len(arrays) > 1 else arrays[0], verbose=0)
    np.testing.assert_allclose(found, expected.numpy(), **ROUNDING)


def attention(bias=True, heads=2, features=(8, 8, 8), **options):
    """A model of one layer that attends from one sequence to two others."""
    q, k, v = cb.Input((5, features[0])), cb.Input((4, features[1])), cb.Input((4, features[2]))
    return cb.Model([q, k, v], layers.MultiHeadAttention(heads, 8 // heads, use_bias=bias, **options)(q, v, k))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("heads", [1, 2, 4])
@pytest.mark.parametrize("features", [(8, 8, 8), (8, 3, 5), (8, 8, 5)])
def test_attention(tmp_path, rng, bias, heads, features):
    module = nn.MultiheadAttention(8, heads, bias=bias, kdim=features[1], vdim=features[2], batch_first=True)
    randomized(module)
    arrays = [rng.normal(size=(3, n, size)).astype("f") for n, size in zip((5, 4, 4), features, strict=True)]
    save_file(module.state_dict(), tmp_path / "m.safetensors")
    by_name = dict(sorted(module.state_dict().items(), reverse=True))
    for given in (module.state_dict(), by_name, tmp_path / "m.safetensors"):
        model = attention(bias, heads, features)
        model.load_weights(given)
        compare(model, module, arrays)


def test_as_many_heads_of_keys_as_of_queries(rng):
    module = randomized(nn.MultiheadAttention(8, 2, batch_first=True))
    x = cb.Input((5, 8))
    model = cb.Model(x, layers.GroupQueryAttention(4, 2, 2)(x, x))
    model.load_weights(module.state_dict())
    array = rng.normal(size=(3, 5, 8)).astype("f")
    with torch.no_grad():
        expected = module(*[torch.tensor(array)] * 3)[0].numpy()
    np.testing.assert_allclose(model.predict(array, verbose=0), expected, **ROUNDING)


def block(x, first, dropout=0.1, memory=None):
    """A block as PyTorch computes it, which normalizes what goes into a part `first`, or what comes out."""

    def part(x, compute):
        return x + compute(normalization()(x)) if first else normalization()(x + compute(x))

    def attend(memory):
        layer = layers.MultiHeadAttention(2, 4, dropout=dropout)
        return lambda x: layer(x, x if memory is None else memory)

    x = part(x, attend(None))
    if memory is not None:
        x = part(x, attend(memory))
    return part(x, lambda x: layers.Dense(8)(layers.Dense(12, "relu")(x)))


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("nested", [True, False])
def test_encoder(rng, first, nested):
    """Two blocks behind a table of tokens, with an output."""
    one = nn.TransformerEncoderLayer(8, 2, 12, norm_first=first, batch_first=True)
    last = nn.LayerNorm(8) if first else None
    encoder = nn.TransformerEncoder(one, 2, last, enable_nested_tensor=False)
    module = randomized(nn.Sequential(nn.Embedding(9, 8), encoder, nn.Linear(8, 3)))
    tokens = cb.Input((5,), dtype="int32")
    x = layers.Embedding(9, 8)(tokens)
    for _ in range(2):
        if nested:
            inner = cb.Input((5, 8))
            x = cb.Model(inner, block(inner, first))(x)
        else:
            x = block(x, first)
    model = cb.Model(tokens, layers.Dense(3)(normalization()(x) if first else x))
    model.load_weights(module.state_dict())
    compare(model, module, [rng.integers(9, size=(3, 5))])


@pytest.mark.parametrize("first", [True, False])
def test_decoder(rng, first):
    module = randomized(nn.TransformerDecoderLayer(8, 2, 12, norm_first=first, batch_first=True))
    x, memory = cb.Input((5, 8)), cb.Input((4, 8))
    model = cb.Model([x, memory], block(x, first, memory=memory))
    model.load_weights(module.state_dict())
    compare(model, module, [rng.normal(size=(3, n, 8)).astype("f") for n in (5, 4)])


def test_training_goes_on(rng):
    """One step of SGD from PyTorch's weights is PyTorch's."""
    module = randomized(nn.TransformerEncoderLayer(8, 2, 12, dropout=0.0, batch_first=True)).train()
    x = cb.Input((5, 8))
    model = cb.Model(x, block(x, first=False, dropout=0.0))
    model.load_weights(module.state_dict())
    model.compile(cb.optimizers.SGD(0.1), "mse")
    a, b = rng.normal(size=(2, 3, 5, 8)).astype("f")
    model.train_on_batch(a, b)
    optimizer = torch.optim.SGD(module.parameters(), 0.1)
    nn.functional.mse_loss(module(torch.tensor(a)), torch.tensor(b)).backward()
    optimizer.step()
    compare(model, module.eval(), [a])


WRONG = {
    "gate": (lambda: attention(use_gate=True), {}, "has a gate"),
    "bias": (lambda: attention(bias=False), {}, "needs in_proj_weight and out_proj.weight, but .* in_proj_bias"),
    "no bias": (attention, {"bias": False}, "needs in_proj_weight and in_proj_bias"),
    "bias of keys": (attention, {"add_bias_kv": True}, "has bias_k"),
    "key_dim": (lambda: attention(heads=1, value_dim=5), {}, r"needs in_proj_weight of shape \(21, 8\)"),
    "output_shape": (lambda: attention(output_shape=6), {}, r"needs out_proj.weight of shape \(6, 8\)"),
    "features": (lambda: attention(features=(8, 3, 5)), {}, "needs q_proj_weight and k_proj_weight"),
    "as many features": (attention, {"kdim": 3}, r"needs k_proj_weight of shape \(8, 8\)"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_fit(name):
    make, options, message = WRONG[name]
    model = make()
    before = model.get_weights()
    with pytest.raises(ValueError, match=message):
        model.load_weights(nn.MultiheadAttention(8, 2, **options).state_dict())
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_heads_that_share_keys_have_no_equal():
    x = cb.Input((5, 8))
    model = cb.Model(x, layers.GroupQueryAttention(4, 2, 1)(x, x))
    with pytest.raises(ValueError, match=r"needs in_proj_weight of shape \(16, 8\)"):
        model.load_weights(nn.MultiheadAttention(8, 2).state_dict())


def test_a_layer_in_another_place(rng):
    """A normalization where the block has none."""
    x = cb.Input((5, 8))
    y = layers.MultiHeadAttention(2, 4)(x, x)
    y = layers.Dense(8)(layers.Dense(12)(normalization()(normalization()(y))))
    with pytest.raises(ValueError, match=r"module 'linear1' .* has bias and weight|needs"):
        cb.Model(x, y).load_weights(nn.TransformerEncoderLayer(8, 2, 12).state_dict())
