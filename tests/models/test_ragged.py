"""Lists of sequences of different lengths, passed directly to models."""

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers

LENGTHS = (3, 5, 2, 4, 7, 1, 6)


def vectors():
    rng = np.random.default_rng(0)
    return [rng.normal(size=(length, 2)) for length in LENGTHS]


def words():
    rng = np.random.default_rng(0)
    return [rng.integers(1, 9, size=length).tolist() for length in LENGTHS]


def masked(value=0.0, each=False):
    hidden = [layers.Masking(value), layers.GRU(3, return_sequences=each), layers.Dense(1)]
    return compiled(cb.Sequential([cb.Input((None, 2)), *hidden]))


def embedded(each=False):
    hidden = [layers.Embedding(9, 4, mask_zero=True), layers.LSTM(3, return_sequences=each), layers.Dense(1)]
    return compiled(cb.Sequential([cb.Input((None,)), *hidden]))


def nested():
    inputs, inner = cb.Input((None, 2)), cb.Input((None, 2))
    encoder = cb.Model(inner, layers.SimpleRNN(3)(layers.Masking()(inner)))
    return compiled(cb.Model(inputs, layers.Dense(1)(encoder(inputs))))


def compiled(model):
    model.compile(cb.optimizers.SGD(0.1), "mse")
    return model


CASES = [(masked, vectors), (lambda: masked(7.5), vectors), (embedded, words), (nested, vectors)]
Y = np.linspace(0, 1, len(LENGTHS))


@pytest.mark.parametrize(("make", "data"), CASES)
def test_predictions_are_those_of_each_sequence_alone(make, data):
    model, x = make(), data()
    alone = np.concatenate([model.predict(np.array([one]), verbose=0) for one in x])
    as_objects = np.empty(len(x), object)
    as_objects[:] = x
    for given in (x, tuple(x), [x], as_objects):
        np.testing.assert_allclose(model.predict(given, batch_size=3, verbose=0), alone, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model.predict_on_batch(x), alone, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model.predict(x, steps=2, batch_size=3, verbose=0), alone[:6], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("make", "data"), CASES)
def test_losses_are_those_of_each_sequence_alone(make, data):
    model, x, weights = make(), data(), np.arange(1.0, len(LENGTHS) + 1)
    alone = np.array([model.evaluate(np.array([one]), y[None], verbose=0) for one, y in zip(x, Y, strict=True)])
    expected = (alone * weights).sum() / len(x)
    assert model.evaluate(x, Y, sample_weight=weights, batch_size=2, verbose=0) == pytest.approx(expected, rel=1e-5)
    assert model.test_on_batch(x, Y, sample_weight=weights) == pytest.approx(expected, rel=1e-5)
    assert model.train_on_batch(x, Y, sample_weight=weights) == pytest.approx(expected, rel=1e-5)


def test_fit_is_that_of_padded_sequences():
    cases = []
    for as_dataset in (False, True):
        cb.utils.set_random_seed(3)
        model = embedded()
        if as_dataset:
            data = cb.utils.PaddedSequences(words()[:4], Y[:4], batch_size=2, shuffle=True)
            check = cb.utils.PaddedSequences(words()[4:], Y[4:], batch_size=2)
            history = model.fit(data, validation_data=check, epochs=3, verbose=0)
        else:
            history = model.fit(words(), Y, validation_split=0.3, batch_size=2, epochs=3, verbose=0)
        cases.append((history.history, model.get_weights()))
    assert cases[0][0] == cases[1][0]
    for a, b in zip(cases[0][1], cases[1][1], strict=True):
        np.testing.assert_array_equal(a, b)


def test_targets_for_each_step():
    """Padding has no part in losses, and predictions have none."""
    model, x = masked(each=True), vectors()
    y = [one[:, :1] * 2 for one in x]
    found = model.predict(x, batch_size=2, verbose=0)
    assert [len(one) for one in found] == list(LENGTHS)
    losses = []
    for one, sequence, target in zip(found, x, y, strict=True):
        np.testing.assert_allclose(one, model.predict(sequence[None], verbose=0)[0], rtol=1e-5, atol=1e-6)
        losses.append(((one - target) ** 2).sum())
    before = model.train_on_batch(x, y)
    assert before == pytest.approx(sum(losses) / sum(LENGTHS), rel=1e-5)
    model.fit(x, y, batch_size=2, epochs=20, validation_data=(x, y), verbose=0)
    assert model.evaluate(x, y, verbose=0) < before


def test_a_sequential_whose_shape_comes_from_data():
    model = compiled(cb.Sequential([layers.Masking(), layers.GRU(3), layers.Dense(1)]))
    model.fit(vectors(), Y, batch_size=2, class_weight={1: 2.0}, verbose=0)
    assert model.predict(vectors(), verbose=0).shape == (len(LENGTHS), 1)


def two_readers():
    x = cb.Input((None, 2))
    return cb.Model(x, layers.GRU(2)(layers.Masking()(x)) + layers.GRU(2)(x))


def two_values():
    x = cb.Input((None, 2))
    return cb.Model(x, layers.GRU(2)(layers.Masking()(x)) + layers.GRU(2)(layers.Masking(1.0)(x)))


@pytest.mark.parametrize(
    "model", [lambda: cb.Sequential([cb.Input((None, 2)), layers.GRU(1)]), two_readers, two_values]
)
@pytest.mark.parametrize(
    "method", ["fit", "evaluate", "predict", "train_on_batch", "test_on_batch", "predict_on_batch"]
)
def test_nothing_hides_the_padding(model, method):
    model = compiled(model())
    with pytest.raises(ValueError, match=r"of different lengths, .*Masking or .*mask_zero.*PaddedSequences"):
        getattr(model, method)(vectors(), *([] if "predict" in method else [Y]))


@pytest.mark.parametrize("shape", [(5, 2), (2,)])
def test_models_of_fixed_sizes(shape):
    model = compiled(cb.Sequential([cb.Input(shape), layers.Masking(), layers.Flatten(), layers.Dense(1)]))
    with pytest.raises(ValueError, match=r"x must be one array, but its parts differ in shape.*pad_sequences"):
        model.fit(vectors(), Y, verbose=0)


def test_several_inputs_or_outputs():
    x, other = cb.Input((None, 2)), cb.Input((None, 2))
    state = layers.GRU(2)(layers.Masking()(x))
    both = compiled(cb.Model([x, other], state + layers.GRU(2)(other)))
    with pytest.raises(ValueError, match="All inputs must have as many samples"):
        both.fit([np.ones((3, 4, 2)), np.ones((4, 4, 2))], np.ones((3, 2)), verbose=0)
    outputs = compiled(cb.Model(x, [layers.Dense(1)(state), layers.Dense(1)(state)]))
    assert [one.shape for one in outputs.predict(vectors(), verbose=0)] == [(7, 1), (7, 1)]
    with pytest.raises(ValueError, match="the model has 2 outputs, and their targets cannot be padded together"):
        outputs.fit(vectors(), [Y, Y], verbose=0)


def test_outputs_of_other_steps():
    x = cb.Input((None, 2))
    model = compiled(cb.Model(x, layers.Conv1D(1, 2, strides=2, padding="same")(layers.Masking()(x))))
    with pytest.raises(ValueError, match="it is unknown which steps are padding"):
        model.predict(vectors(), batch_size=2, verbose=0)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ([[1, 2], []], Y[:2], r"x\[1\] is an empty sequence"),
        ([[1, 2], [3]], Y[:3], "y must have a target for each of the 2 sequences, but got 3"),
        ([[1, 2], [30]], Y[:2], r"whole numbers in \[0, 9\), but got 30"),
    ],
)
def test_wrong_data_changes_nothing(x, y, message):
    model = embedded()
    before = model.get_weights()
    with pytest.raises(ValueError, match=message):
        model.fit(x, y, verbose=0)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
