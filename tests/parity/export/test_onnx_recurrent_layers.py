"""Recurrent layers are written as ONNX's operators where these have the same formula, and come back as they were."""

import itertools

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

import cbackprop as cb
from cbackprop import activations, layers

pytestmark = pytest.mark.filterwarnings("ignore")

OPERATORS = {"SimpleRNN": "RNN", "LSTM": "LSTM", "GRU": "GRU"}


def compare(model, path, rng, steps=5, expected=None):
    """ONNX Runtime predicts the same, with these operators; so does the model that is read. Return that."""
    cb.export.onnx(model, path)
    proto = onnx.load(path)
    onnx.checker.check_model(proto, full_check=True)
    if expected is not None:
        assert [node.op_type for node in proto.graph.node if node.op_type in OPERATORS.values()] == expected
    data = [
        rng.normal(size=(3, *(size or steps for size in tensor.shape[1:]))).astype("float32") for tensor in model.inputs
    ]
    wanted = model.predict(data if len(data) > 1 else data[0], verbose=0)
    found = onnxruntime.InferenceSession(path).run(None, dict(zip(model.input_names, data, strict=True)))
    again = cb.export.from_onnx(path)
    mine = again.predict(data if len(data) > 1 else data[0], verbose=0)
    for arrays in (found, mine):
        for a, b in zip(as_list(arrays), as_list(wanted), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
    return again


def as_list(value):
    return [value] if isinstance(value, np.ndarray) else [array for part in value for array in as_list(part)]


def layers_of(model):
    return [type(layer).__name__ for layer in model.layers if not isinstance(layer, layers.InputLayer)]


def random_bias(model, rng):
    model.set_weights([weight + rng.normal(0, 0.1, weight.shape) for weight in model.get_weights()])
    return model


@pytest.mark.parametrize("steps", [5, None])
@pytest.mark.parametrize("name", OPERATORS)
def test_a_layer(tmp_path, rng, name, steps):
    path = str(tmp_path / "m.onnx")
    make = getattr(layers, name)
    for sequences, state, back in itertools.product((False, True), repeat=3):
        x = cb.Input((steps, 3))
        options = {"use_bias": sequences or state}
        options |= {"reset_after": back} if name == "GRU" else {}
        layer = make(4, return_sequences=sequences, return_state=state, go_backwards=back, **options)
        model = random_bias(cb.Model(x, layer(x)), rng)
        again = compare(model, path, rng, expected=[OPERATORS[name]])
        assert again.inputs[0].shape == (None, steps, 3)
        (found,) = (one for one in again.layers if isinstance(one, layers.RNN))
        assert type(found) is make
        for option in ("units", "return_sequences", "go_backwards", *options):
            assert getattr(found.cell if option == "reset_after" else found, option) == getattr(
                layer.cell if option == "reset_after" else layer, option
            )
        for a, b in zip(again.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


def test_functions(tmp_path, rng):
    """All come back as they were, those that the operators have and others, for which a loop is written."""
    names = ["relu", "tanh", "sigmoid", "softsign", "softplus", "linear", "hard_sigmoid", "sparse_sigmoid", "elu"]
    path = str(tmp_path / "m.onnx")
    for outer, inner in [*((name, "sigmoid") for name in names), *(("tanh", name) for name in names)]:
        for make in (layers.LSTM, layers.GRU):
            layer = make(3, outer, inner)
            x = cb.Input((4, 2))
            again = compare(random_bias(cb.Model(x, layer(x)), rng), path, rng, 4, [OPERATORS[make.__name__]])
            (found,) = (one for one in again.layers if isinstance(one, layers.RNN))
            assert found.activation.kernel() == layer.activation.kernel()
            assert found.recurrent_activation.kernel() == layer.recurrent_activation.kernel()
    for steps, function in itertools.product((4, None), ("silu", activations.leaky_relu.bind(0.3))):
        x = cb.Input((steps, 2))
        layer = layers.LSTM(3, function, "softmax" if steps else "silu")
        again = compare(random_bias(cb.Model(x, layer(x)), rng), path, rng, 4, [])
        (found,) = (one for one in again.layers if isinstance(one, layers.RNN))
        assert found.activation.kernel() == layer.activation.kernel()
        assert found.recurrent_activation.kernel() == layer.recurrent_activation.kernel()


@pytest.mark.parametrize("mode", ["concat", "sum", "mul", "ave", None])
def test_both_directions(tmp_path, rng, mode):
    path = str(tmp_path / "m.onnx")
    for name, operator in OPERATORS.items():
        for sequences in (False, True):
            x = cb.Input((None if sequences else 5, 3))
            inner = getattr(layers, name)(4, return_sequences=sequences)
            y = layers.Bidirectional(inner, merge_mode=mode)(x)
            again = compare(random_bias(cb.Model(x, y), rng), path, rng, expected=[operator])
            (found,) = (one for one in again.layers if isinstance(one, layers.Bidirectional))
            assert (found.merge_mode, type(found.forward_layer).__name__) == (mode, name)
            assert layers_of(again)[0] == "Bidirectional"


def test_both_directions_by_two_layers(tmp_path, rng):
    """Of different functions, and with the first layer going backwards."""
    path, x = str(tmp_path / "m.onnx"), cb.Input((5, 3))
    first = layers.GRU(4, return_sequences=True)
    other = layers.GRU(4, "relu", return_sequences=True, go_backwards=True)
    for ways, operators in (((first, other), ["GRU"]), ((other, first), ["GRU", "GRU"])):
        y = layers.Bidirectional(ways[0], backward_layer=ways[1])(x)
        compare(random_bias(cb.Model(x, y), rng), path, rng, expected=operators)
    y = layers.Bidirectional(first, backward_layer=layers.GRU(4, "gelu", return_sequences=True, go_backwards=True))(x)
    compare(random_bias(cb.Model(x, y), rng), path, rng, expected=["GRU"])


def test_states(tmp_path, rng):
    """States to begin with, and final ones, in one direction and both."""
    path = str(tmp_path / "m.onnx")
    for name, operator in OPERATORS.items():
        for sequences in (False, True):
            x = cb.Input((5, 3), name="x")
            inner = getattr(layers, name)(4, return_sequences=sequences, return_state=True)
            count = 2 if name == "LSTM" else 1
            states = [cb.Input((4,), name=f"s{number}") for number in range(2 * count)]
            found = inner(x, initial_state=states[:count])
            compare(random_bias(cb.Model([x, *states[:count]], found), rng), path, rng, expected=[operator])
            both = layers.Bidirectional(inner)(x, initial_state=states)
            again = compare(random_bias(cb.Model([x, *states], both), rng), path, rng, expected=[operator])
            assert "Bidirectional" in layers_of(again)


def test_stacks(tmp_path, rng):
    """Layers one after the other need no Transposes between them, and stacked cells are operators as well."""
    path = str(tmp_path / "m.onnx")
    model = cb.Sequential(
        [
            cb.Input((None, 3)),
            layers.LSTM(4, return_sequences=True, dropout=0.1),
            layers.Dropout(0.2),
            layers.GRU(4, return_sequences=True),
            layers.Dense(2, activation="relu"),
        ]
    )
    again = compare(random_bias(model, rng), path, rng, expected=["LSTM", "GRU"])
    assert [node.op_type for node in onnx.load(path).graph.node].count("Transpose") == 2
    assert [name for name in layers_of(again) if name != "Activation"] == ["LSTM", "GRU", "Dense"]
    x = cb.Input((5, 3))
    cells = [layers.LSTMCell(4), layers.GRUCell(3), layers.SimpleRNNCell(2)]
    y = layers.RNN(cells, return_sequences=True, return_state=True, go_backwards=True)(x)
    compare(random_bias(cb.Model(x, y), rng), path, rng, expected=["LSTM", "GRU", "RNN"])
    y = layers.Bidirectional(layers.RNN([layers.LSTMCell(4), layers.GRUCell(3)], return_sequences=True))(x)
    compare(random_bias(cb.Model(x, y), rng), path, rng, expected=["LSTM", "GRU"] * 2)


def test_what_stands_around_sequences_of_any_length(tmp_path, rng):
    path = str(tmp_path / "m.onnx")
    x = cb.Input((None, 4))
    h = layers.LayerNormalization()(layers.Dense(4, activation="gelu")(x))
    h = layers.Add()([x, layers.Bidirectional(layers.GRU(4, return_sequences=True), merge_mode="sum")(h)])
    h = layers.Concatenate()([layers.BatchNormalization()(h), layers.Activation("softmax")(2 * h + 1)])
    h = layers.TimeDistributed(layers.Dense(3))(h)
    model = random_bias(cb.Model(x, [h, layers.GlobalAveragePooling1D()(h), layers.LSTM(2)(h)]), rng)
    for steps in (1, 5, 9):
        compare(model, path, rng, steps)
    ids = cb.Input((None,), name="ids", dtype="int32")
    y = layers.LSTM(3)(layers.Embedding(9, 4)(ids))
    cb.export.onnx(cb.Model(ids, y), path)
    model = cb.Model(ids, y)
    numbers = rng.integers(9, size=(2, 7)).astype("int32")
    (found,) = onnxruntime.InferenceSession(path).run(None, {"ids": numbers})
    np.testing.assert_allclose(found, model.predict(numbers, verbose=0), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(cb.export.from_onnx(path).predict(numbers, verbose=0), found, rtol=1e-5, atol=1e-5)


def test_a_layer_of_one_size_is_refused_by_name(tmp_path):
    x = cb.Input((None, 4))
    model = cb.Model(x, layers.ZeroPadding1D(1, name="pad")(layers.LSTM(4, return_sequences=True)(x)))
    with pytest.raises(ValueError, match=r"'pad'.*open"):
        cb.export.onnx(model, tmp_path / "m.onnx")


class Taken(nn.Module):
    """A recurrent module of PyTorch, and what is taken of its results."""

    def __init__(self, module, take):
        super().__init__()
        self.module, self.take = module, take

    def forward(self, x):
        return self.take(*self.module(x))


TAKE = {
    "sequence": lambda y, h: y,
    "last step": lambda y, h: y[:, -1],
    "all": lambda y, h: (y, *h) if isinstance(h, tuple) else (y, h),
}


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_modules_of_pytorch(tmp_path, rng, name):
    path = str(tmp_path / "m.onnx")
    options = [
        {"batch_first": True},
        {"batch_first": True, "num_layers": 2, "bidirectional": True},
        {"num_layers": 2, "bias": False},
        {"bidirectional": True},
    ]
    for take, option in itertools.product(TAKE, options):
        first = option.get("batch_first", False)
        if take == "last step" and not first:
            continue
        torch.manual_seed(0)
        module = Taken(getattr(nn, name)(3, 4, **option), TAKE[take]).eval()
        x = torch.randn(*((2, 5) if first else (5, 2)), 3)
        for axes in ({0: "n", 1: "t"}, {0 if first else 1: "n"}, None):
            torch.onnx.export(
                module, (x,), path, dynamo=False, input_names=["x"], dynamic_axes=axes and {"x": axes}, opset_version=17
            )  # fmt: skip
            model = cb.export.from_onnx(path)
            data = x.numpy() if first else x.numpy().swapaxes(0, 1)
            found = model.predict(data, verbose=0)
            with torch.no_grad():
                wanted = module(x)
            wanted = wanted if isinstance(wanted, tuple) else (wanted,)
            for place, (mine, theirs) in enumerate(zip(found if len(wanted) > 1 else [found], wanted, strict=True)):
                moved = theirs.numpy() if place == 0 and first else theirs.numpy().swapaxes(0, 1)
                np.testing.assert_allclose(mine, moved, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["LSTM", "GRU"])
def test_modules_of_pytorch_by_the_newer_exporter(tmp_path, name):
    pytest.importorskip("onnxscript")
    path = str(tmp_path / "m.onnx")
    torch.manual_seed(0)
    module = Taken(getattr(nn, name)(3, 4, 2, batch_first=True, bidirectional=True), TAKE["all"]).eval()
    x = torch.randn(2, 5, 3)
    shapes = ({0: torch.export.Dim("n"), 1: torch.export.Dim("t")},)
    torch.onnx.export(module, (x,), path, dynamo=True, dynamic_shapes=shapes, verbose=False)
    model = cb.export.from_onnx(path)
    with torch.no_grad():
        wanted = module(x)
    for place, (mine, theirs) in enumerate(zip(model.predict(x.numpy(), verbose=0), wanted, strict=True)):
        moved = theirs.numpy().swapaxes(0, 1) if place else theirs.numpy()
        np.testing.assert_allclose(mine, moved, rtol=1e-5, atol=1e-5)


class Packed(nn.Module):
    """A recurrent module of PyTorch on packed sequences."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, x, lengths):
        first = self.module.batch_first
        y, h = self.module(nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=first))
        y, _ = nn.utils.rnn.pad_packed_sequence(y, batch_first=first, total_length=x.shape[1 if first else 0])
        return y, *(h if isinstance(h, tuple) else (h,))


@pytest.mark.parametrize("name", ["RNN", "LSTM", "GRU"])
def test_packed_sequences_of_pytorch(tmp_path, rng, name):
    path, lengths = str(tmp_path / "m.onnx"), torch.tensor([6, 4, 1])
    for options in ({"num_layers": 2, "bidirectional": True}, {"batch_first": True}):
        torch.manual_seed(0)
        module = Packed(getattr(nn, name)(3, 4, **options)).eval()
        x = torch.randn(3, 6, 3) if "batch_first" in options else torch.randn(6, 3, 3)
        axes = {0: "n", 1: "t"} if "batch_first" in options else {0: "t", 1: "n"}
        torch.onnx.export(
            module, (x, lengths), path, dynamo=False, input_names=["x", "lengths"], opset_version=17,
            dynamic_axes={"x": axes, "lengths": {0: "n"}},
        )  # fmt: skip
        model = cb.export.from_onnx(path)
        found = model.predict(
            [x.numpy() if "batch_first" in options else x.numpy().swapaxes(0, 1), lengths.numpy()], verbose=0
        )
        with torch.no_grad():
            wanted = module(x, lengths)
        for place, (mine, theirs) in enumerate(zip(found, wanted, strict=True)):
            moved = theirs.numpy() if place == 0 and "batch_first" in options else theirs.numpy().swapaxes(0, 1)
            np.testing.assert_allclose(mine, moved, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("first", [True, False])
def test_a_module_that_the_newer_exporter_writes_step_by_step(tmp_path, first):
    """nn.RNN. All steps have the weights of one layer."""
    pytest.importorskip("onnxscript")
    path = str(tmp_path / "m.onnx")
    torch.manual_seed(0)
    module = Taken(nn.RNN(3, 4, batch_first=first), TAKE["sequence"]).eval()
    x = torch.randn(2, 5, 3)
    given = x if first else x.transpose(0, 1)
    shapes = ({0 if first else 1: torch.export.Dim("n")},)
    torch.onnx.export(module, (given,), path, dynamo=True, dynamic_shapes=shapes, verbose=False)
    model = cb.export.from_onnx(path)
    with torch.no_grad():
        wanted = module(given).numpy()
    found = model.predict(x.numpy(), verbose=0)
    np.testing.assert_allclose(found, wanted if first else wanted.swapaxes(0, 1), rtol=1e-5, atol=1e-5)
    assert [weight.shape for weight in model.trainable_weights] == [(3, 4), (4,), (4, 4), (4,)]
