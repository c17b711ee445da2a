"""Recurrent layers: states that are given, returned and kept, masks, cells in Python, and mistakes."""

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers

ENGINES = ("compiled", "reference")
LAYERS = {"SimpleRNN": layers.SimpleRNN, "LSTM": layers.LSTM, "GRU": layers.GRU}


class Sum(layers.Layer):
    """A cell in Python: a sum of what came so far, each time a little less, with a trainable weight for each input."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = self.state_size = units

    def build(self, input_shape):
        self.scale = self.add_weight((input_shape[-1],), "ones", name="scale")

    def call(self, inputs, states):
        total = 0.9 * states[0] + inputs * self.scale.numpy()
        return np.tanh(total), [total]

    def backward(self, inputs, outputs, delta):
        d_total = delta[0] * (1 - outputs[0] ** 2) + delta[1][0]
        deltas = {"inputs": d_total * self.scale.numpy(), "states": [0.9 * d_total]}
        return deltas, [(d_total * inputs["inputs"]).sum(axis=0)]


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("engine", ENGINES)
def test_stateful_goes_on_where_the_batch_before_ended(name, engine, rng):
    whole = LAYERS[name](4, return_sequences=True)
    x = rng.normal(size=(3, 6, 2)).astype("float32")
    expected = whole(x)
    model = cb.Sequential([cb.Input((2, 2), batch_size=3), LAYERS[name](4, return_sequences=True, stateful=True)])
    model.compile("sgd", "mse", engine=engine)
    model.set_weights(whole.get_weights())
    for _ in range(2):
        parts = [model.predict(x[:, t : t + 2], batch_size=3, verbose=0) for t in (0, 2, 4)]
        np.testing.assert_allclose(np.concatenate(parts, axis=1), expected, rtol=0, atol=1e-6)
        for state in model.layers[0].states:
            assert np.abs(state.numpy()).max() > 0
        model.layers[0].reset_state()
    assert [state.shape for state in model.layers[0].states] == [(3, 4)] * (2 if name == "LSTM" else 1)
    assert len(model.weights) == 3


@pytest.mark.parametrize("engine", ENGINES)
def test_stateful_batches_of_another_size_are_refused_before_anything_changes(engine, rng):
    model = cb.Sequential([cb.Input((2, 2), batch_size=4), layers.LSTM(3, stateful=True), layers.Dense(1)])
    model.compile("sgd", "mse", engine=engine)
    x, y = rng.normal(size=(8, 2, 2)), rng.normal(size=(8, 1))
    model.fit(x, y, batch_size=4, shuffle=False, verbose=0)
    before = [*model.get_weights(), *(state.numpy().copy() for state in model.layers[0].states)]
    for call in (
        lambda: model.fit(x, y, batch_size=3, verbose=0),
        lambda: model.fit(x[:6], y[:6], batch_size=4, verbose=0),
        lambda: model.predict(x, batch_size=8, verbose=0),
        lambda: model.predict_on_batch(x[:1]),
        lambda: model.evaluate(x[:5], y[:5], batch_size=4, verbose=0),
        lambda: model.gradients(x, y),
    ):
        with pytest.raises(ValueError, match=r"the batch size of the input sequences|batch"):
            call()
    after = [*model.get_weights(), *(state.numpy() for state in model.layers[0].states)]
    for a, b in zip(after, before, strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match="its batch size must be known"):
        cb.Sequential([cb.Input((2, 2)), layers.GRU(3, stateful=True)])


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("masked", [False, True])
def test_a_cell_in_python(engine, masked, rng):
    x = cb.Input((5, 3))
    h = layers.Masking()(x) if masked else x
    h = layers.RNN([layers.GRUCell(4), Sum(4)], return_sequences=True, go_backwards=True)(h)
    model = cb.Model(x, layers.Dense(2)(layers.Flatten()(h)))
    model.compile("adam", "mse", engine=engine)
    data = rng.normal(size=(4, 5, 3))
    data[0, 2:], data[1, 1] = 0, 0
    report = model.check_gradients(data, rng.normal(size=(4, 2)))
    assert report.checked == model.count_params()
    assert report.max_relative_error < 1e-6, report


def test_a_cell_in_python_computes_what_the_same_cell_in_c_does(rng):
    class Same(layers.Layer):
        def __init__(self, cell, **kwargs):
            super().__init__(**kwargs)
            self.cell, self.state_size = cell, cell.state_size

        def build(self, input_shape):
            self.cell.build(input_shape)

        def call(self, inputs, states):
            return self.cell(inputs, states)

    cell = layers.LSTMCell(4)
    x = rng.normal(size=(3, 5, 2)).astype("float32")
    first = [rng.normal(size=(3, 4)).astype("float32") for _ in range(2)]
    options = {"return_sequences": True, "return_state": True}
    compiled = layers.RNN(cell, **options)(x, initial_state=first)
    in_python = layers.RNN(Same(cell), **options)(x, initial_state=first)
    for a, b in zip(compiled, in_python, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)


def test_stacked_cells_are_layers_one_behind_the_other(rng):
    cells = [layers.LSTMCell(3), layers.SimpleRNNCell(2), layers.GRUCell(4)]
    stacked = layers.RNN(layers.StackedRNNCells(cells), return_state=True, return_sequences=True)
    x = rng.normal(size=(3, 5, 2)).astype("float32")
    outputs, (h, c), second, third = stacked(x)
    one = layers.RNN(cells[0], return_sequences=True, return_state=True)(x)
    two = layers.RNN(cells[1], return_sequences=True, return_state=True)(one[0])
    three = layers.RNN(cells[2], return_sequences=True, return_state=True)(two[0])
    for a, b in zip((outputs, h, c, second, third), (three[0], *one[1:], two[1], three[1]), strict=True):
        np.testing.assert_array_equal(a, b)
    again = stacked(x, initial_state=[[h, c], second, third])
    assert not np.array_equal(again[0], outputs)


@pytest.mark.parametrize("mode", ["concat", "sum", "mul", "ave", None])
def test_bidirectional(mode, rng):
    layer = layers.Bidirectional(layers.LSTM(3, return_sequences=True, return_state=True), mode)
    x = rng.normal(size=(2, 4, 5)).astype("float32")
    outputs = layer(x)
    forward, *first = layer.forward_layer(x)
    backward, *second = layer.backward_layer(x)
    backward = backward[:, ::-1]
    merged = {
        "concat": [np.concatenate([forward, backward], axis=-1)],
        "sum": [forward + backward],
        "mul": [forward * backward],
        "ave": [(forward + backward) / 2],
        None: [forward, backward],
    }[mode]
    for a, b in zip(outputs, [*merged, *first, *second], strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)
    again = layer(x, initial_state=[*first, *second])
    assert not np.array_equal(again[0], outputs[0])


def test_bidirectional_checks_its_layers():
    with pytest.raises(ValueError, match="different values of go_backwards"):
        layers.Bidirectional(layers.LSTM(2), backward_layer=layers.LSTM(2))
    with pytest.raises(ValueError, match="the same return_sequences"):
        layers.Bidirectional(layers.LSTM(2), backward_layer=layers.LSTM(2, go_backwards=True, return_sequences=True))
    with pytest.raises(ValueError, match="needs outputs of one shape"):
        layers.Bidirectional(layers.GRU(2), "sum", backward_layer=layers.GRU(3, go_backwards=True))(cb.Input((4, 3)))
    weights = layers.Bidirectional(layers.GRU(2))
    weights.build((None, 4, 3))
    again = layers.Bidirectional(layers.GRU(2), weights=weights.get_weights())
    again.build((None, 4, 3))
    for a, b in zip(again.get_weights(), weights.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_sequences_of_any_length_train_one_model(rng):
    x = cb.Input((None, 3))
    h = layers.Bidirectional(layers.GRU(4, return_sequences=True))(x)
    h, state = layers.GRU(4, return_sequences=True, return_state=True)(h)
    assert h.shape == (None, None, 4)
    assert state.shape == (None, 4)
    model = cb.Model(x, layers.Dense(1)(layers.Concatenate()([layers.LSTM(3)(h), state])))
    model.compile("adam", "mse")
    for length in (3, 7, 5):
        assert np.isfinite(model.train_on_batch(rng.normal(size=(4, length, 3)), rng.normal(size=(4, 1))))


def test_masks_of_embeddings_hide_padding(rng):
    ids = cb.Input((6,), dtype="int32")
    h = layers.Embedding(9, 4, mask_zero=True)(ids)
    model = cb.Model(ids, layers.LSTM(3)(layers.Bidirectional(layers.GRU(3, return_sequences=True))(h)))
    short = cb.Model(ids, model.outputs)
    x = rng.integers(1, 9, size=(5, 6))
    x[:, 4:] = 0
    found = short.predict(x, verbose=0)
    inner = cb.Input((4,), dtype="int32")
    for layer in model.layers[1:]:
        inner_h = layer(inner if isinstance(layer, layers.Embedding) else inner_h)  # noqa: F821
    np.testing.assert_allclose(cb.Model(inner, inner_h).predict(x[:, :4], verbose=0), found, rtol=0, atol=1e-6)


def test_recurrent_dropout_drops_the_same_units_at_all_steps(rng):
    """With the identity as recurrent kernel, units that are dropped hold no more than the last input."""
    layer = layers.SimpleRNN(
        200, "linear", kernel_initializer="zeros", recurrent_initializer="identity", bias_initializer="ones",
        recurrent_dropout=0.5, return_sequences=True, seed=1,
    )  # fmt: skip
    y = layer(np.zeros((3, 4, 1)), training=True)
    kept = y[:, 1] > 1
    assert 0.35 < kept.mean() < 0.65
    np.testing.assert_allclose(y[:, 3], np.where(kept, 15, 1))
    np.testing.assert_allclose(layer(np.zeros((3, 4, 1)))[:, 3], 4)


def test_time_distributed_is_the_layer_for_each_step(rng):
    inner = layers.Conv1D(3, 2, activation="tanh")
    layer = layers.TimeDistributed(inner)
    x = rng.normal(size=(2, 4, 5, 2)).astype("float32")
    y = layer(x)
    np.testing.assert_array_equal(y, np.stack([inner(x[:, t]) for t in range(4)], axis=1))
    dense = layers.TimeDistributed(layers.Dense(3))
    masked = dense(layers.Masking()(cb.Input((4, 2))))
    assert masked.shape == (None, 4, 3)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: layers.LSTM(3)(x, initial_state=[cb.Input((3,))]), ValueError, "must be 2 tensor"),
        (lambda x: layers.GRU(3)(x, initial_state=[cb.Input((4,))]), ValueError, "must be 1 tensor"),
        (lambda x: layers.GRU(3)(x, initial_state="zeros"), TypeError, "initial_state of layer"),
        (lambda x: layers.GRU(3)(x, mask=cb.Input((5,))), ValueError, "mask of layer"),
        (lambda x: layers.GRU(3)(cb.Input((4,))), ValueError, r"needs inputs \(batch, steps, features\)"),
        (lambda x: layers.GRUCell(3)(cb.Input((4,)), [cb.Input((2,))]), ValueError, "states of GRUCell"),
        (lambda x: layers.GRUCell(3)(cb.Input((4,))), TypeError, "states"),
        (lambda x: layers.LSTM(3, activation=lambda x: x), TypeError, "activation of LSTMCell"),
        (lambda x: layers.LSTM(4, activation="glu"), ValueError, "activation of LSTMCell"),
        (lambda x: layers.RNN(layers.Dense(3)), TypeError, "cell must be a recurrent cell"),
        (lambda x: layers.TimeDistributed(layers.Dense(2))(cb.Input((4,))), ValueError, "needs inputs"),
    ],
)
def test_mistakes(call, error, message):
    with pytest.raises(error, match=message):
        call(cb.Input((4, 2)))


def test_a_mask_of_another_shape_on_arrays_is_refused(rng):
    x = rng.normal(size=(3, 4, 2))
    layer = layers.LSTM(3)
    layer(x, mask=np.ones((3, 4)))
    with pytest.raises(ValueError, match="mask"):
        layer(x, mask=np.ones((3, 5)))
    with pytest.raises(ValueError, match="initial_state"):
        layer(x, initial_state=[np.zeros((3, 3))])
    with pytest.raises(ValueError, match=r"batch|samples|rows"):
        layer(x, initial_state=[np.zeros((2, 3)), np.zeros((2, 3))])


def test_a_call_with_states_reads_only_a_mask_that_it_is_given(rng):
    """As in Keras; the output has the mask of the input all the same."""
    x = rng.normal(size=(3, 4, 2)).astype("float32")
    x[:, 1] = 0
    mask, first = (x != 0).any(axis=-1), np.ones((3, 5), "float32")
    layer = layers.GRU(5)
    plain, hidden = layer(x, initial_state=first), layer(x, initial_state=first, mask=mask)
    assert np.abs(plain - hidden).max() > 1e-3
    masked = layers.Masking()(x)
    np.testing.assert_array_equal(layer(masked, initial_state=first), plain)
    inputs, state = cb.Input((4, 2)), cb.Input((5,))
    values = layers.Masking()(inputs)
    model = cb.Model([inputs, state], [layer(values, initial_state=state), layer(values)])
    found = model.predict([x, first], verbose=0)
    np.testing.assert_allclose(found[0], plain, rtol=0, atol=1e-6)
    np.testing.assert_allclose(found[1], layer(x, mask=mask), rtol=0, atol=1e-6)
