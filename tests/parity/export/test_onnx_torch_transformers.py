"""PyTorch's MultiheadAttention and Transformer modules, as both of its exporters write them to ONNX files."""

import contextlib
import io
import warnings

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

import cbackprop as cb
from cbackprop import export

STEPS, WIDTH, HEADS = 6, 8, 2
TRIL = torch.tril(torch.ones(STEPS, STEPS, dtype=torch.bool))
ADDED = torch.zeros(STEPS, STEPS).masked_fill(~TRIL, -torch.inf)


class Attention(nn.Module):
    """A MultiheadAttention with a fixed mask, or one of padding as the last input."""

    def __init__(self, mask=None, weights=False, swapped=False, padded=False, **options):
        super().__init__()
        self.inner = nn.MultiheadAttention(WIDTH, HEADS, batch_first=not swapped, **options)
        self.weights, self.swapped, self.padded = weights, swapped, padded
        self.register_buffer("mask", mask)

    def forward(self, x, *more):
        padding = more[-1] if self.padded else None
        others = more[: len(more) - self.padded] or (x,)
        key, value = others[0], others[-1]
        x, key, value = (y.transpose(0, 1) if self.swapped else y for y in (x, key, value))
        y, weights = self.inner(x, key, value, attn_mask=self.mask, key_padding_mask=padding, need_weights=self.weights)
        y = y.transpose(0, 1) if self.swapped else y
        return (y, weights) if self.weights else y


class Encoder(nn.Module):
    """Two blocks of a transformer, with a mask of padding as the last input."""

    def __init__(self, mask=None, **options):
        super().__init__()
        block = nn.TransformerEncoderLayer(WIDTH, HEADS, 16, batch_first=True, **options)
        self.inner = nn.TransformerEncoder(block, 2, norm=nn.LayerNorm(WIDTH), enable_nested_tensor=False)
        self.register_buffer("mask", mask)

    def forward(self, x, padding=None):
        return self.inner(x, mask=self.mask, src_key_padding_mask=padding)


class Classifier(nn.Module):
    """Numbers of words, of which 0 is padding."""

    def __init__(self):
        super().__init__()
        self.table, self.encoder, self.output = nn.Embedding(9, WIDTH), Encoder(), nn.Linear(WIDTH, 3)

    def forward(self, words):
        return self.output(self.encoder(self.table(words), words == 0)[:, 0])


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.TransformerDecoderLayer(WIDTH, HEADS, 16, batch_first=True)
        self.register_buffer("mask", ADDED)

    def forward(self, x, memory):
        return self.inner(x, memory, tgt_mask=self.mask)


def sequence(steps=STEPS, width=WIDTH):
    return torch.randn(3, steps, width)


def padding():
    mask = torch.zeros(3, STEPS, dtype=torch.bool)
    mask[1, 4:] = True
    return mask


def words():
    return torch.randint(1, 9, (3, STEPS))


CASES = {
    "plain": (Attention, {}, [sequence]),
    "positions first": (Attention, {"swapped": True}, [sequence]),
    "weights": (Attention, {"weights": True, "bias": False}, [sequence]),
    "added": (Attention, {"mask": ADDED}, [sequence]),
    "truth values, weights": (Attention, {"mask": ~TRIL, "weights": True}, [sequence]),
    "padding": (Attention, {"padded": True}, [sequence, padding]),
    "padding, mask, weights": (Attention, {"padded": True, "mask": ~TRIL, "weights": True}, [sequence, padding]),
    "other keys": (Attention, {}, [sequence, lambda: sequence(4)]),
    "other widths": (
        Attention,
        {"kdim": 5, "vdim": 7, "weights": True},
        [sequence, lambda: sequence(4, 5), lambda: sequence(4, 7)],
    ),
    "encoder": (Encoder, {"mask": ADDED}, [sequence]),
    "encoder, norm first, gelu": (Encoder, {"norm_first": True, "activation": "gelu"}, [sequence]),
    "encoder, padding": (Encoder, {}, [sequence, padding]),
    "classifier": (Classifier, {}, [words]),
    "decoder": (Decoder, {}, [sequence, lambda: sequence(4)]),
}
BY_DYNAMO = ("truth values, weights", "encoder, padding")
MODULES = [*((name, False) for name in CASES), *((name, True) for name in BY_DYNAMO)]


def exported(module, arguments, path, dynamo, steps=False):
    """Write a module to a file, for batches of any size, perhaps of sequences of any length."""
    names = [f"in{place}" for place in range(len(arguments))]
    options = {"input_names": names, "dynamo": dynamo}
    if dynamo:
        sizes = {0: torch.export.Dim("batch", min=1, max=99)}
        sizes |= {1: torch.export.Dim("steps", min=2, max=99)} if steps else {}
        each = [dict(sizes) for _ in arguments]
        star = isinstance(module, Attention) and len(each) > 1
        shapes = {"x": each[0], "more": tuple(each[1:])} if star else tuple(each)
        options |= {"dynamic_shapes": shapes, "verbose": False}
    else:
        options["dynamic_axes"] = {name: {0: "batch"} for name in names}
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        torch.onnx.export(module, tuple(arguments), path, **options)


def made(name):
    kind, options, inputs = CASES[name]
    torch.manual_seed(0)
    module = kind(**options).eval()
    for parameter in module.parameters():
        if parameter.ndim == 1:
            nn.init.normal_(parameter)
    return module, [make() for make in inputs]


def check(path, model, arrays):
    """The model gives the numbers of ONNX Runtime."""
    session = onnxruntime.InferenceSession(path)
    names = [value.name for value in session.get_inputs()]
    expected = session.run(None, dict(zip(names, arrays, strict=True)))
    found = model.predict(dict(zip(names, arrays, strict=True)) if len(names) > 1 else arrays[0], verbose=0)
    for mine, theirs in zip(found if isinstance(found, list) else [found], expected, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "dynamo"), [*((name, False) for name in CASES), *((name, True) for name in BY_DYNAMO)]
)
def test_modules(tmp_path, name, dynamo):
    module, arguments = made(name)
    exported(module, arguments, tmp_path / "m.onnx", dynamo)
    model = export.from_onnx(tmp_path / "m.onnx")
    arrays = [argument.numpy() for argument in arguments]
    check(tmp_path / "m.onnx", model, arrays)
    check(tmp_path / "m.onnx", model, [np.concatenate([array[1:], array]) for array in arrays])


def test_it_goes_on_training(tmp_path):
    module, (x,) = made("encoder")
    exported(module, [x], tmp_path / "m.onnx", False)
    model = export.from_onnx(tmp_path / "m.onnx")
    count = sum(parameter.numel() for parameter in module.parameters())
    assert sum(np.size(weight) for weight in model.trainable_weights) == count
    model.compile(cb.optimizers.Adam(0.01), "mse")
    target = np.zeros(x.shape, "f")
    history = model.fit(x.numpy(), target, epochs=20, verbose=0).history["loss"]
    assert history[-1] < 0.9 * history[0]
    assert model.check_gradients(x.numpy(), target).max_relative_error < 1e-6


def test_sequences_of_any_length(tmp_path, rng):
    module = nn.Sequential(
        nn.Linear(WIDTH, WIDTH), nn.TransformerEncoderLayer(WIDTH, HEADS, 16, batch_first=True)
    ).eval()
    exported(module, [sequence()], tmp_path / "m.onnx", True, steps=True)
    model = export.from_onnx(tmp_path / "m.onnx")
    assert model.input_shape == (None, None, WIDTH)
    for steps in (2, 6, 11):
        check(tmp_path / "m.onnx", model, [rng.normal(size=(2, steps, WIDTH)).astype("f")])


class Causal(nn.Module):
    def forward(self, x):
        y = x.reshape(x.shape[0], x.shape[1], HEADS, -1).transpose(1, 2)
        y = nn.functional.scaled_dot_product_attention(y, y, y, is_causal=True)
        return y.transpose(1, 2).reshape(x.shape)


def test_a_causal_mask_of_any_length(tmp_path, rng):
    exported(Causal().eval(), [sequence()], tmp_path / "m.onnx", True, steps=True)
    model = export.from_onnx(tmp_path / "m.onnx")
    for steps in (2, 6, 70):
        check(tmp_path / "m.onnx", model, [rng.normal(size=(2, steps, WIDTH)).astype("f")])


REFUSED = {
    "bias_kv": (Attention, {"add_bias_kv": True}, "Concat '/inner/Concat_.*constant is combined with a value"),
    "zeros": (Attention, {"add_zero_attn": True}, "Concat '/inner/Concat_.*constant is combined with a value"),
    "bias": (Attention, {"mask": torch.randn(STEPS, STEPS)}, "MatMul .*numbers other than 0 and negative infinity"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_read(tmp_path, name):
    kind, options, message = REFUSED[name]
    exported(kind(**options).eval(), [sequence()], tmp_path / "m.onnx", False)
    with pytest.raises(ValueError, match=message):
        export.from_onnx(tmp_path / "m.onnx")


def test_a_batch_behind_the_positions(tmp_path, rng):
    """The file's input is (positions, batch, features); the model has the batch first."""
    module = nn.MultiheadAttention(WIDTH, HEADS).eval()
    path, x = tmp_path / "m.onnx", torch.randn(STEPS, 3, WIDTH)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module, (x, x, x), path, dynamo=False, input_names=["q", "k", "v"],
            dynamic_axes={name: {1: "batch"} for name in "qkv"},
        )  # fmt: skip
    model = export.from_onnx(path)
    (expected, *_) = onnxruntime.InferenceSession(path).run(None, dict.fromkeys("qkv", x.numpy()))
    found = model.predict(dict.fromkeys("qkv", x.numpy().swapaxes(0, 1)), verbose=0)
    found = found[0] if isinstance(found, list) else found
    np.testing.assert_allclose(found.swapaxes(0, 1), expected, rtol=1e-4, atol=1e-5)
