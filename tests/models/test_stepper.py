"""Prediction step by step: the same numbers as for whole sequences, and calls that are refused."""

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers


def functional():
    x = cb.Input((None, 3))
    h = layers.SimpleRNN(4, return_sequences=True)(x)
    h = layers.Concatenate()([layers.Add()([layers.Dense(3)(h), x]), h])
    h, *states = layers.LSTM(5, return_sequences=True, return_state=True)(h)
    return cb.Model(x, {"a": layers.TimeDistributed(layers.Dense(2))(h), "b": layers.Dense(2)(states[1])})


def nested():
    inner = cb.Sequential([cb.Input((6, 3)), layers.GRU(4, return_sequences=True), layers.BatchNormalization()])
    return cb.Sequential([cb.Input((6, 3)), inner, layers.Conv1D(3, 1, activation="relu"), layers.LSTM(2)])


def text():
    return cb.Sequential([cb.Input((None,), dtype="int32"), layers.Embedding(9, 4), layers.GRU(5), layers.Dense(9)])


def images():
    return cb.Sequential([cb.Input((6, 4, 4, 2)), layers.ConvLSTM2D(2, 2, return_sequences=True)])


def several():
    a, b = cb.Input((None, 3), name="a"), cb.Input((None, 2), name="b")
    h = layers.Concatenate()([a, layers.Dropout(0.5)(b)])
    cells = [layers.LSTMCell(3), layers.GRUCell(2, reset_after=False)]
    return cb.Model({"a": a, "b": b}, [layers.RNN(cells)(h), layers.Dense(2)(h)])


def transformer(attention=lambda: layers.MultiHeadAttention(2, 3)):
    h = x = cb.Input((None, 4))
    for _ in range(2):
        h = layers.LayerNormalization()(h + attention()(h, h, use_causal_mask=True))
        h = layers.LayerNormalization()(h + layers.Dense(4)(layers.Dense(8, "relu")(h)))
    return cb.Model(x, layers.GRU(3)(h))


def grouped():
    return transformer(lambda: layers.GroupQueryAttention(2, 4, 2, use_gate=True, sliding_window=3))


MODELS = {
    "transformer": transformer,
    "grouped": grouped,
    "functional": functional,
    "nested": nested,
    "text": text,
    "images": images,
    "several": several,
}


def data(model, rng, rows):
    def one(tensor):
        shape = (rows, 6, *tensor.shape[2:])
        return rng.integers(0, 9, shape) if tensor.ndim == 2 else rng.normal(size=shape).astype("float32")

    found = [one(tensor) for tensor in model.inputs]
    return dict(zip("ab", found, strict=True)) if isinstance(model.input, dict) else found[0]


def leaves(found):
    return list(found.values()) if isinstance(found, dict) else found if isinstance(found, list) else [found]


@pytest.mark.parametrize("name", MODELS)
def test_steps_are_those_of_whole_sequences(name, rng):
    model = MODELS[name]()
    x = data(model, rng, 3)
    stepper = model.stepper(3)
    for _ in range(2):
        stepper.reset()
        for t in range(6):
            part = {key: value[:, t] for key, value in x.items()} if isinstance(x, dict) else x[:, t]
            found = stepper(part)
        expected = leaves(model.predict(x, verbose=0))
        for got, whole in zip(leaves(found), expected, strict=True):
            last = whole[:, -1] if whole.ndim > got.ndim else whole
            assert got.shape == last.shape
            np.testing.assert_allclose(got, last, rtol=0, atol=1e-6)
        # The same weights, also when they change.
        model.set_weights([weight + 0.1 for weight in model.get_weights()])
    assert max(np.abs(state).max() for state in stepper.states) > 0


def masked_words(attention):
    """Two attention layers after a mask, with their outputs and those of a recurrent layer."""
    ids = cb.Input((None,), dtype="int32")
    h = layers.Embedding(9, 6, mask_zero=True)(ids)
    first = h + attention()(h, h, use_causal_mask=True)
    second = layers.LayerNormalization()(first + attention()(first, first, use_causal_mask=True))
    return cb.Model(ids, [first, second, layers.GRU(3)(second)])


MASKED_ATTENTION = {
    "heads": lambda: layers.MultiHeadAttention(2, 3),
    "groups": lambda: layers.GroupQueryAttention(3, 4, 2, use_gate=True),
    "window": lambda: layers.GroupQueryAttention(3, 2, 2, sliding_window=2),
    "zero": lambda: layers.MultiHeadAttention(2, 3, dropout=0.2),  # a query that sees no key gets 0
}


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("name", MASKED_ATTENTION)
def test_attention_leaves_out_steps_that_a_mask_has_hidden(name, engine, rng):
    """Each step is the last one of the sequence so far. Behind the first layer, that is so of steps that are shown."""
    model = masked_words(MASKED_ATTENTION[name])
    words = rng.integers(1, 9, (5, 7)) * (rng.random((5, 7)) < 0.6)
    words[0], words[1, 0], words[2, -1], words[3] = 0, 0, 0, rng.integers(1, 9, 7)
    stepper = model.stepper(5, length=8)
    stepper._model.compile("sgd", "mse", engine=engine)
    for _ in range(2):
        stepper.reset()
        for t in range(7):
            found = stepper(words[:, t])
            wanted = model.predict(words[:, : t + 1], verbose=0)
            shown = words[:, t] != 0
            np.testing.assert_allclose(found[0], wanted[0][:, -1], rtol=0, atol=1e-6)
            np.testing.assert_allclose(found[1][shown], wanted[1][shown, -1], rtol=0, atol=1e-6)
            np.testing.assert_allclose(found[2][shown], wanted[2][shown], rtol=0, atol=1e-6)


def test_hidden_steps_are_remembered_in_states(rng):
    """A stepper continues from the states of another one."""
    model = masked_words(MASKED_ATTENTION["heads"])
    words = np.array([[3, 0, 5, 0, 0, 2]])
    first, second = model.stepper(), model.stepper()
    for t in range(4):
        first(words[:, t])
    for mine, other in zip(second.states, first.states, strict=True):
        mine[...] = other
    for t in (4, 5):
        for a, b in zip(second(words[:, t]), first(words[:, t]), strict=True):
            np.testing.assert_array_equal(a, b)


def test_two_steppers_and_the_model_do_not_disturb_each_other(rng):
    model = cb.Sequential([cb.Input((4, 2), batch_size=1), layers.LSTM(3, stateful=True)])
    x = rng.normal(size=(1, 4, 2)).astype("float32")
    first, second = model.stepper(), model.stepper(2)
    expected = [first(x[:, t]) for t in range(4)]
    second(np.concatenate([x[:, 0]] * 2))
    model.predict(x, batch_size=1, verbose=0)
    first.reset()
    np.testing.assert_array_equal([first(x[:, t]) for t in range(4)], expected)
    assert np.abs(model.layers[0].states[0].numpy()).max() > 0
    assert [state.shape for state in second.states] == [(2, 3), (2, 3)]


def test_states_can_be_kept_and_set(rng):
    model = cb.Sequential([cb.Input((None, 2)), layers.GRU(3)])
    stepper, x = model.stepper(), np.ones((1, 2), "float32")
    stepper(x)
    kept = [state.copy() for state in stepper.states]
    expected = stepper(x)
    for state, old in zip(stepper.states, kept, strict=True):
        state[...] = old
    np.testing.assert_array_equal(stepper(x), expected)


def test_a_step_with_numbers_that_are_not_finite_changes_no_state():
    model = cb.Sequential([cb.Input((None, 2)), layers.LSTM(3)])
    stepper = model.stepper()
    stepper(np.ones((1, 2)))
    before = [state.copy() for state in stepper.states]
    for bad in (np.array([[1.0, np.nan]]), np.array([[1.0, np.nan]], np.float32)):
        with pytest.raises(ValueError, match="finite"):
            stepper(bad)
    for state, old in zip(stepper.states, before, strict=True):
        np.testing.assert_array_equal(state, old)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_attention_remembers_so_many_steps(engine, rng):
    model = transformer()
    x = rng.normal(size=(2, 5, 4)).astype("f")
    stepper = model.stepper(2, length=5)
    stepper._model.compile("sgd", "mse", engine=engine)
    found = [stepper(x[:, t]) for t in range(5)]
    np.testing.assert_allclose(found[-1], model.predict(x, verbose=0), atol=1e-6)
    kept = [state.copy() for state in stepper.states]
    with pytest.raises(ValueError, match="remembers 5 time steps, and all are used"):
        stepper(x[:, 0])
    for state, old in zip(stepper.states, kept, strict=True):
        np.testing.assert_array_equal(state, old)
    stepper.reset()
    np.testing.assert_array_equal(stepper(x[:, 0]), found[0])
    for bad, error in ((0, ValueError), (2.5, TypeError)):
        with pytest.raises(error, match="length"):
            model.stepper(2, length=bad)


X = cb.Input((4, 3))
SHARED = layers.GRU(3, return_sequences=True)
TWICE = layers.MultiHeadAttention(1, 2)
REFUSED = {
    "not causal": (lambda: layers.MultiHeadAttention(1, 2)(X, X), "later time steps"),
    "other": (lambda: layers.MultiHeadAttention(1, 2)(X, X + 1, use_causal_mask=True), "another sequence"),
    "mask": (
        lambda: layers.MultiHeadAttention(1, 2)(X, X, use_causal_mask=True, attention_mask=np.ones((4, 4))),
        "a mask",
    ),
    "scores": (
        lambda: layers.MultiHeadAttention(1, 2)(X, X, use_causal_mask=True, return_attention_scores=True)[0],
        "returns its weights",
    ),
    "attention twice": (
        lambda: TWICE(y := TWICE(X, X, use_causal_mask=True), y, use_causal_mask=True),
        "called several times",
    ),
    "backwards": (lambda: layers.LSTM(2, go_backwards=True)(X), "backwards"),
    "both": (lambda: layers.Bidirectional(layers.LSTM(2))(X), "several time steps"),
    "convolution": (lambda: layers.Conv1D(2, 2, padding="causal")(X), "several time steps"),
    "strides": (lambda: layers.Conv1D(2, 1, strides=2)(X), "several time steps"),
    "pooling": (lambda: layers.GlobalAveragePooling1D()(X), "several time steps"),
    "flatten": (lambda: layers.Flatten()(X), "several time steps"),
    "normalization": (lambda: layers.LayerNormalization(axis=[1, 2])(X), "several time steps"),
    "channels": (lambda: layers.BatchNormalization(axis=1)(X), "several time steps"),
    "concatenate": (lambda: layers.Concatenate(axis=1)([X, X]), "several time steps"),
    "python": (lambda: layers.Lambda(np.cumsum, output_shape=(4, 3))(X), "several time steps"),
    "states": (lambda: layers.GRU(3)(X, initial_state=layers.GRU(3)(X)), "states or a mask"),
    "called twice": (lambda: SHARED(SHARED(X)), "called several times"),
    "softmax": (lambda: layers.Softmax(axis=1)(X), "several time steps"),
    "added": (lambda: layers.Add()([X, layers.RepeatVector(4)(layers.GRU(3)(X))]), "values that are not sequences"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_models_that_look_at_several_steps_are_refused(name):
    make, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        cb.Model(X, make()).stepper()


def test_mistakes():
    with pytest.raises(ValueError, match="is not a sequence"):
        cb.Sequential([cb.Input(()), layers.Rescaling(2)]).stepper()
    with pytest.raises(ValueError, match="no shape yet"):
        cb.Sequential([layers.LSTM(2)]).stepper()
    model = cb.Sequential([cb.Input((None, 2)), layers.LSTM(3)])
    for value, error in ((0, ValueError), ("1", TypeError)):
        with pytest.raises(error, match="batch_size"):
            model.stepper(value)
    stepper = model.stepper(2)
    for bad in (np.ones((1, 2)), np.ones((2, 1, 2)), np.ones((2, 3)), np.ones(2)):
        with pytest.raises(ValueError, match=r"x must have shape \(2, 2\), one time step"):
            stepper(bad)
    with pytest.raises(TypeError, match="x must hold numbers"):
        stepper("text")
    assert all((state == 0).all() for state in stepper.states)
