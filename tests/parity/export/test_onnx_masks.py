"""Recurrent layers behind masks: ONNX Runtime and the model that is read predict the same as `predict`."""

import itertools
import json

import keras
import keras_recurrent_models
import numpy as np
import onnx
import onnxruntime
import pytest
from onnx_masks import LIMITS, SHOWN, STEPS, compare, hidden_as, sequences

import cbackprop as cb
from cbackprop import layers

pytestmark = pytest.mark.filterwarnings("ignore")

KINDS = ("SimpleRNN", "LSTM", "GRU")


def drawn(model, rng):
    """The model with other weights."""
    model.set_weights([weight + rng.normal(0, 0.3, weight.shape) for weight in model.get_weights()])
    return model


@pytest.mark.parametrize("dtype", LIMITS)
@pytest.mark.parametrize("name", KINDS)
def test_a_layer(tmp_path, rng, name, dtype):
    path, make = tmp_path / "m.onnx", getattr(layers, name)
    cb.config.set_floatx(dtype)
    for steps, (sequence, state, back, zero) in zip(
        itertools.cycle((STEPS, None, None)), itertools.product((False, True), repeat=4), strict=False
    ):
        x, mask = cb.Input((steps, 3)), cb.Input((steps,))
        options = {"return_sequences": sequence, "go_backwards": back, "zero_output_for_mask": zero, "use_bias": state}
        layer = make(4, "tanh" if back else "gelu", return_state=state, **options)
        model = drawn(cb.Model([x, mask], layer(x, mask=mask)), rng)
        again = compare(model, str(path), sequences(rng, dtype=dtype), SHOWN.astype(dtype))
        (found,) = (one for one in again.layers if isinstance(one, layers.RNN))
        assert type(found) is make
        assert {name: getattr(found, name) for name in options} == options
        for a, b in zip(again.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("mode", ["concat", "sum", "mul", "ave", None])
def test_both_directions(tmp_path, rng, mode):
    path = str(tmp_path / "m.onnx")
    for name, (sequence, state) in itertools.product(KINDS, itertools.product((False, True), repeat=2)):
        x, mask = cb.Input((None if sequence else STEPS, 3)), cb.Input((None if sequence else STEPS,))
        inner = getattr(layers, name)(4, return_sequences=sequence, return_state=state)
        y = layers.Bidirectional(inner, merge_mode=mode)(x, mask=mask)
        compare(drawn(cb.Model([x, mask], y), rng), path, sequences(rng), SHOWN.astype("float32"))


def test_states_to_begin_with(tmp_path, rng):
    """Where nothing has been seen yet, the output is 0, but the state is what was given."""
    path = str(tmp_path / "m.onnx")
    for sequence, zero, back in itertools.product((False, True), repeat=3):
        x, mask, h, c = cb.Input((None, 3)), cb.Input((None,)), cb.Input((4,)), cb.Input((4,))
        options = {"return_sequences": sequence, "zero_output_for_mask": zero, "go_backwards": back}
        y = layers.LSTM(4, return_state=True, **options)(x, mask=mask, initial_state=[h, c])
        given = [rng.normal(size=(len(SHOWN), 4)).astype("float32") for _ in range(2)]
        model = drawn(cb.Model([x, mask, h, c], y), rng)
        compare(model, path, sequences(rng), SHOWN.astype("float32"), *given)


def test_several_cells(tmp_path, rng):
    path = str(tmp_path / "m.onnx")
    for sequence, back, zero in itertools.product((False, True), repeat=3):
        x, mask = cb.Input((None, 3)), cb.Input((None,))
        cells = [layers.GRUCell(4, reset_after=back), layers.LSTMCell(3), layers.SimpleRNNCell(2, "gelu")]
        layer = layers.RNN(
            cells, return_sequences=sequence, return_state=True, go_backwards=back, zero_output_for_mask=zero
        )
        compare(drawn(cb.Model([x, mask], layer(x, mask=mask)), rng), path, sequences(rng), SHOWN.astype("float32"))


@pytest.mark.parametrize("layout", ["channels_last", "channels_first"])
def test_convolutions(tmp_path, rng, layout):
    path = str(tmp_path / "m.onnx")
    shape = (2, 4, 3) if layout == "channels_first" else (4, 3, 2)
    for sequence, state, back in itertools.product((False, True), repeat=3):
        x, mask = cb.Input((None, *shape)), cb.Input((None,))
        layer = layers.ConvLSTM2D(
            3, 2, padding="same", data_format=layout, activation="silu", go_backwards=back, return_sequences=sequence,
            return_state=state,
        )  # fmt: skip
        data = rng.normal(size=(len(SHOWN), STEPS, *shape)).astype("float32")
        again = compare(drawn(cb.Model([x, mask], layer(x, mask=mask)), rng), path, data, SHOWN.astype("float32"))
        assert any(isinstance(one, layers.ConvLSTM2D) for one in again.layers)


def test_sequences_of_one_step(tmp_path, rng):
    x = cb.Input((1, 3))
    y = layers.Bidirectional(layers.GRU(3, return_sequences=True))(layers.Masking(0.5)(x))
    data = sequences(rng, steps=1)
    data[::2] = 0.5
    compare(drawn(cb.Model(x, [y, layers.LSTM(2)(y)]), rng), str(tmp_path / "m.onnx"), data)


# Where masks come from


def test_words(tmp_path, rng):
    """Several layers behind the same mask, others in between."""
    numbers = np.where(SHOWN, rng.integers(1, 9, SHOWN.shape), 0).astype("int32")
    for dtype in LIMITS:
        cb.config.set_floatx(dtype)
        model = cb.Sequential(
            [
                cb.Input((None,), dtype="int32"),
                layers.Embedding(9, 4, mask_zero=True),
                layers.LSTM(4, return_sequences=True),
                layers.LayerNormalization(),
                layers.Bidirectional(layers.GRU(3, return_sequences=True)),
                layers.Dropout(0.2),
                layers.Dense(3, activation="gelu"),
                layers.SimpleRNN(3),
            ]
        )
        compare(drawn(model, rng), str(tmp_path / "m.onnx"), numbers)


def test_values_that_hide(tmp_path, rng):
    """Masks of Masking, of sums and of concatenated values, some of which have none."""
    path, data = str(tmp_path / "m.onnx"), hidden_as(sequences(rng), 0.5)
    data[3, 1, :2] = 0.5  # of which one feature differs
    x = cb.Input((STEPS, 3))
    h = layers.Masking(0.5)(x)
    added = layers.Add()([h, layers.Dense(3)(h)])
    aside = layers.Concatenate()([added, layers.Masking(0.0)(layers.Dense(2, "relu")(h))])
    behind = layers.Concatenate(axis=1)([h, layers.Dense(3)(x)])
    two = layers.Concatenate(axis=1)([h, added])
    outputs = [layers.GRU(3)(added), layers.LSTM(2)(aside), layers.GRU(2)(behind), layers.SimpleRNN(2)(two)]
    outputs.append(layers.LSTM(2)(layers.Concatenate()([h, layers.Dense(3)(x)])))  # which all count
    compare(drawn(cb.Model(x, outputs), rng), path, data)


@pytest.mark.parametrize("dtype", ["bool", "int32", "float32"])
def test_masks_of_every_type(tmp_path, rng, dtype):
    x, mask = cb.Input((None, 3)), cb.Input((None,), dtype=dtype)
    model = cb.Model([x, mask], layers.GRU(2)(x, mask=mask))
    compare(drawn(model, rng), str(tmp_path / "m.onnx"), sequences(rng), (3 * SHOWN).astype(dtype))


def test_branches_of_any_length(tmp_path, rng):
    a, b = cb.Input((None, 3)), cb.Input((None, 3))
    branches = [layers.LSTM(3, return_sequences=True)(layers.Masking(0.5)(x)) for x in (a, b)]
    outputs = [layers.GRU(2)(layers.Add()(branches)), layers.GRU(2)(layers.Concatenate(axis=1)(branches))]
    data = hidden_as(sequences(rng), 0.5)
    compare(drawn(cb.Model([a, b], outputs), rng), str(tmp_path / "m.onnx"), data, data[::-1].copy())


def test_each_step_by_itself(tmp_path, rng):
    """A layer for each time step, of which each is a sequence with a mask of its own."""
    x = cb.Input((2, STEPS, 3))
    h = layers.Masking(0.5)(x)
    data = np.stack([hidden_as(sequences(rng), 0.5), hidden_as(sequences(rng), 0.5)[::-1]], 1)
    nested = cb.Sequential([cb.Input((STEPS, 3)), layers.GRU(3, return_sequences=True), layers.LSTM(2)])
    outputs = [layers.TimeDistributed(layers.LSTM(2))(h), layers.TimeDistributed(nested)(h)]
    compare(drawn(cb.Model(x, outputs), rng), str(tmp_path / "m.onnx"), data)


def test_shared_layers_and_nested_models(tmp_path, rng):
    """A layer with a mask and without one, twice with different masks, and a model with masks in it."""
    path, x, y = str(tmp_path / "m.onnx"), cb.Input((STEPS, 3)), cb.Input((STEPS, 3))
    shared = layers.GRU(3, return_sequences=True)
    inner = cb.Sequential([cb.Input((STEPS, 3)), layers.Dense(3), layers.LSTM(2)])
    inside = cb.Sequential([cb.Input((STEPS, 3)), layers.Masking(0.5), shared])
    outputs = [shared(x), shared(layers.Masking(0.5)(x)), shared(layers.Masking(0.5)(y)), inside(y)]
    outputs += [inner(layers.Masking(0.5)(x)), layers.LSTM(3)(inside(x))]
    data = hidden_as(sequences(rng), 0.5)
    compare(drawn(cb.Model([x, y], outputs), rng), path, data, data[::-1].copy())


@pytest.mark.parametrize("seed", range(12))
def test_models_drawn_at_random(tmp_path, seed):
    """Two layers behind a mask, with any arguments."""
    drawer = keras_recurrent_models.Drawer(cb, seed)
    drawer.masked = True
    cb.config.set_floatx("float64" if seed % 2 else "float32")
    x, mask = cb.Input((None if seed % 3 else STEPS, 3)), cb.Input((None if seed % 3 else STEPS,))
    h = drawer.layer(return_sequences=True)(x, mask=mask)
    model = cb.Model([x, mask], [h, drawer.layer()(h)])
    rng = np.random.default_rng(seed)
    shown = (rng.random((len(SHOWN), STEPS)) < rng.random((len(SHOWN), 1))).astype(model.dtype)
    compare(drawn(model, rng), str(tmp_path / "m.onnx"), sequences(rng, dtype=model.dtype), shown)


@pytest.mark.usefixtures("both_in_float64")
@pytest.mark.parametrize("name", KINDS)
def test_keras(tmp_path, rng, name):
    """Keras's layers with the same weights, behind Keras's Masking."""
    path, data = str(tmp_path / "m.onnx"), hidden_as(sequences(rng, dtype="float64"), 0.5)

    def model_of(library):
        x = library.Input((None, 3), dtype="float64")
        h = library.layers.Masking(0.5)(x)
        h = library.layers.Bidirectional(getattr(library.layers, name)(4, return_sequences=True))(h)
        return library.Model(x, getattr(library.layers, name)(3)(h))

    theirs, ours = model_of(keras), drawn(model_of(cb), rng)
    theirs.set_weights(ours.get_weights())
    cb.export.onnx(ours, path)
    (found,) = onnxruntime.InferenceSession(path).run(None, {ours.input_names[0]: data})
    np.testing.assert_allclose(found, theirs.predict(data, verbose=0), rtol=1e-12, atol=1e-12)


def test_a_layer_does_not_read_masks_that_its_operator_does_not_have(tmp_path, rng):
    """In the file it sees all of what Masking has cleared, and so it does when it is read."""
    path, x = str(tmp_path / "m.onnx"), cb.Input((STEPS, 3))
    h = layers.Masking(0.5)(x)
    stopped = layers.Reshape((STEPS, 3))(h)
    states = [cb.Input((2,)), cb.Input((2,))]
    outputs = [layers.LSTM(2)(stopped), layers.LSTM(2)(h, initial_state=states), layers.GRU(2, "silu")(stopped)]
    given = [rng.normal(size=(len(SHOWN), 2)).astype("float32") for _ in states]
    compare(drawn(cb.Model([x, *states], outputs), rng), path, hidden_as(sequences(rng), 0.5), *given)


def test_other_layers_do_not_read_such_masks(tmp_path, rng):
    path, x = str(tmp_path / "m.onnx"), cb.Input((STEPS, 3))
    seen = layers.Reshape((STEPS, 3))(layers.Masking(0.5)(x))
    attended = layers.MultiHeadAttention(1, 2)(seen, seen)
    outputs = [attended, layers.GlobalAveragePooling1D()(seen), layers.Multiply()([seen, layers.Dense(3)(seen)])]
    compare(drawn(cb.Model(x, outputs), rng), path, hidden_as(sequences(rng), 0.5))


# What is refused


def masked_file(path):
    x = cb.Input((None, 3))
    cb.export.onnx(cb.Model(x, layers.LSTM(4)(layers.Masking()(x))), path)
    return onnx.load(path)


def body_of(model):
    (scan,) = (node for node in model.graph.node if node.op_type == "Scan")
    return next(attribute.g for attribute in scan.attribute if attribute.name == "body")


def other_operator(body):
    next(node for node in body.node if node.op_type == "Tanh").op_type = "Sigmoid"


def other_order(body):
    add = next(node for node in body.node if node.op_type == "Where")
    add.input[1], add.input[2] = add.input[2], add.input[1]


def other_text(body):
    body.doc_string = body.doc_string.replace("LSTMCell", "GRUCell")


def no_text(body):
    body.doc_string = ""


def text_of_python(body):
    described = json.loads(body.doc_string)
    described["activation"] = {"class_name": "__lambda__", "config": {"value": "print"}}
    body.doc_string = json.dumps(described)


def other_output(body):
    body.output[0].name, body.output[1].name = body.output[1].name, body.output[0].name


def large(body):
    for value in [*body.input, *body.output]:
        value.type.tensor_type.shape.dim[-1].dim_value = 10**9


@pytest.mark.parametrize(
    "change", [other_operator, other_order, other_text, no_text, text_of_python, other_output, large]
)
def test_other_loops_are_refused(tmp_path, change):
    path = str(tmp_path / "m.onnx")
    model = masked_file(path)
    change(body_of(model))
    onnx.save(model, path)
    with pytest.raises(ValueError, match=r"Scan 'lstm/Scan': it is no loop that this library has written"):
        cb.export.from_onnx(path)


def test_masks_of_python_are_refused(tmp_path):
    class Half(layers.Masking):
        def compute_mask(self, inputs, mask=None):
            return np.arange(inputs.shape[1])[None].repeat(len(inputs), 0) % 2 == 0

    x = cb.Input((STEPS, 3))
    h = Half(name="half")(x)
    with pytest.raises(ValueError, match="The mask of layer 'half' is computed in Python"):
        cb.export.onnx(cb.Model(x, layers.GRU(2)(h)), tmp_path / "m.onnx")
    cb.export.onnx(cb.Model(x, layers.Dense(2)(h)), tmp_path / "m.onnx")  # nothing reads it
