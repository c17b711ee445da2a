"""Programs for sequences as Keras's users write them: the same numbers before and after training."""

import keras
import numpy as np
import pytest

import cbackprop as cb

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.normal(size=shape).astype("float32")


def words(*shape, end):
    """Numbers of words in [1, 9), which are 0 from `end` on in half of the rows."""
    ids = RNG.integers(1, 9, size=shape)
    ids[: len(ids) // 2, end:] = 0
    return ids


def forecast(k):
    layers = k.layers
    x = k.Input((12, 3))
    h = layers.Conv1D(6, 3, padding="causal", dilation_rate=2, activation="relu")(x)
    h = layers.LSTM(4)(layers.LSTM(5, return_sequences=True)(h))
    return k.Model(x, layers.Reshape((4, 1))(layers.Dense(4)(h)))


def tagging(k):
    layers = k.layers
    both = layers.Bidirectional(layers.LSTM(4, return_sequences=True))
    top = layers.TimeDistributed(layers.Dense(3, activation="softmax"))
    return k.Sequential([k.Input((None,)), layers.Embedding(9, 5, mask_zero=True), both, layers.Dropout(0.0), top])


def translation(k):
    layers = k.layers
    source, target = k.Input((None,)), k.Input((None,))
    seen, state = layers.GRU(6, return_sequences=True, return_state=True)(
        layers.Embedding(9, 6, mask_zero=True)(source)
    )
    said = layers.GRU(6, return_sequences=True)(layers.Embedding(9, 6, mask_zero=True)(target), initial_state=state)
    return k.Model(
        [source, target], layers.Dense(9)(layers.Concatenate()([said, layers.AdditiveAttention()([said, seen])]))
    )


def language(k):
    layers = k.layers
    x = k.Input((6,))
    places = layers.Rescaling(0.0, offset=list(range(6)))(x)
    h = layers.Add()([layers.Embedding(9, 8)(x), layers.Embedding(6, 8)(places)])
    normed = layers.LayerNormalization()(h)
    h = layers.Add()([h, layers.MultiHeadAttention(2, 4)(normed, normed, use_causal_mask=True)])
    return k.Model(x, layers.Dense(9)(layers.Add()([h, layers.Dense(8)(layers.Dense(16, activation="gelu")(h))])))


def states(k):
    layers = k.layers
    x = k.Input((5, 2))
    sequence, h, c = layers.LSTM(4, return_sequences=True, return_state=True)(x)
    last, s = layers.GRU(4, return_state=True)(sequence, initial_state=h)
    both = layers.Bidirectional(layers.GRU(2))(sequence, initial_state=[layers.Dense(2)(h), layers.Dense(2)(c)])
    return k.Model(x, layers.Dense(1)(layers.Concatenate()([h, c, last, s, both])))


def masks(k):
    layers = k.layers
    x = k.Input((6, 3))
    h = layers.LayerNormalization()(layers.Dense(4)(layers.Masking(-1.0)(x)))
    h = layers.Add()([h, layers.Activation("tanh")(h)])
    h = layers.Bidirectional(layers.LSTM(3, return_sequences=True, zero_output_for_mask=True))(h)
    return k.Model(x, layers.Dense(1)(layers.GlobalAveragePooling1D()(layers.MultiHeadAttention(2, 3)(h, h))))


def frames(k):
    layers = k.layers
    each = [layers.Conv2D(2, 3, activation="relu"), layers.MaxPooling2D(), layers.Flatten()]
    each = [layers.TimeDistributed(layer) for layer in each]
    return k.Sequential([k.Input((3, 6, 6, 1)), *each, layers.LSTM(3), layers.Dense(2, activation="softmax")])


def several(k):
    layers = k.layers
    text, numbers = k.Input((6,), name="text"), k.Input((3,), name="numbers")
    h = layers.GRU(4)(layers.Embedding(9, 3, mask_zero=True)(text))
    s = layers.Dense(4, activation="tanh")(numbers)
    more = layers.LSTM(4)(layers.RepeatVector(3)(s), initial_state=[s, h])
    return k.Model({"text": text, "numbers": numbers}, layers.Dense(1)(layers.Concatenate()([h, more])))


def shared(k):
    layers = k.layers
    encoder = k.Sequential([k.Input((None,)), layers.Embedding(9, 4, mask_zero=True), layers.LSTM(3)])
    a, b = k.Input((5,)), k.Input((7,))
    return k.Model(
        [a, b], layers.Dense(1, activation="sigmoid")(layers.Dot(1, normalize=True)([encoder(a), encoder(b)]))
    )


def labels(k):
    return k.losses.SparseCategoricalCrossentropy(from_logits=True)


PROGRAMS = [
    (forecast, normal(6, 12, 3), normal(6, 4, 1), "mse", None),
    (tagging, words(6, 7, end=5), RNG.integers(0, 3, (6, 7)), "sparse_categorical_crossentropy", RNG.random((6, 7))),
    (translation, [words(6, 6, end=4), words(6, 5, end=3)], RNG.integers(0, 9, (6, 5)), labels, None),
    (language, words(6, 6, end=6), RNG.integers(0, 9, (6, 6)), labels, None),
    (states, normal(6, 5, 2), normal(6, 1), "mae", RNG.random(6)),
    (masks, np.where(np.arange(6)[:, None] < 4, normal(6, 6, 3), -1), normal(6, 1), "huber", None),
    (frames, normal(6, 3, 6, 6, 1), RNG.integers(0, 2, 6), "sparse_categorical_crossentropy", None),
    (several, {"text": words(6, 6, end=4), "numbers": normal(6, 3)}, normal(6, 1), "mse", RNG.random(6)),
    (shared, [words(6, 5, end=3), words(6, 7, end=7)], RNG.integers(0, 2, (6, 1)), "binary_crossentropy", None),
]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program[0].__name__)
def test_programs(program):
    make, x, y, loss, weights = program
    theirs, own = make(keras), make(cb)
    own.set_weights(theirs.get_weights())
    for k, model in ((keras, theirs), (cb, own)):
        model.compile(k.optimizers.SGD(0.05), loss(k) if callable(loss) else loss)
    same(theirs.predict(x, verbose=0), own.predict(x, verbose=0))
    same(*(model.evaluate(x, y, sample_weight=weights, verbose=0) for model in (theirs, own)))
    options = {"sample_weight": weights, "batch_size": 3, "epochs": 2, "shuffle": False, "verbose": 0}
    same(*(model.fit(x, y, **options).history["loss"] for model in (theirs, own)))
    for a, b in zip(theirs.get_weights(), own.get_weights(), strict=True):
        same(a, b)


def same(expected, found):
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-4)


CELLS = {
    "LSTM": lambda k: k.layers.LSTM(3),
    "GRU": lambda k: k.layers.GRU(2),
    "RNN": lambda k: k.layers.RNN([k.layers.GRUCell(2), k.layers.LSTMCell(3)]),
}


@pytest.mark.parametrize("name", CELLS)
def test_initial_states(name):
    def shapes(found):
        return [shapes(each) if isinstance(each, (list, tuple)) else tuple(each.shape) for each in found]

    theirs, own = (CELLS[name](k).get_initial_state(batch_size=4) for k in (keras, cb))
    assert shapes(own) == shapes(theirs)
    with pytest.raises((TypeError, ValueError), match="batch_size must be"):
        CELLS[name](cb).get_initial_state(batch_size=0)
