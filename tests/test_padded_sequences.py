"""PaddedSequences: batches, orders, training as on one padded array, and mistakes."""

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers

PaddedSequences = cb.utils.PaddedSequences


def words(rng, count=200, most=30):
    """Sequences of whole numbers from 1 on."""
    return [rng.integers(1, 20, size=rng.integers(1, most)) for _ in range(count)]


def classifier():
    cb.utils.set_random_seed(0)
    model = cb.Sequential(
        [cb.Input((None,)), layers.Embedding(20, 5, mask_zero=True), layers.GRU(6), layers.Dense(1, "sigmoid")]
    )
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    return model


def test_each_batch_is_as_long_as_its_longest_sequence(rng):
    x = words(rng)
    data = PaddedSequences(x, np.arange(200), batch_size=16)
    assert len(data) == 13
    seen = []
    for inputs, targets in data:
        assert inputs.shape == (len(targets), max(len(x[i]) for i in targets))
        for row, i in zip(inputs, targets, strict=True):
            np.testing.assert_array_equal(row, np.pad(x[i], (0, inputs.shape[1] - len(x[i]))))
        seen += targets.tolist()
    assert seen == list(range(200))


def test_a_random_order_takes_every_sample_once_and_pads_little(rng):
    x = words(rng, 1000)
    data = PaddedSequences(x, np.arange(1000), batch_size=16, shuffle=True, seed=3)
    passes = [[(inputs.shape, targets) for inputs, targets in data] for _ in range(2)]
    for one in passes:
        assert sorted(np.concatenate([targets for _, targets in one])) == list(range(1000))
        assert [len(targets) for _, targets in one[:-1]] == [16] * 62
        read = sum(shape[0] * shape[1] for shape, _ in one)
        assert read < 1.1 * sum(map(len, x))
        assert np.std([shape[1] for shape, _ in one[:20]]) > 3  # short and long batches are mixed
    assert not np.array_equal(passes[0][0][1], passes[1][0][1])
    again = PaddedSequences(x, np.arange(1000), batch_size=16, shuffle=True, seed=3)
    np.testing.assert_array_equal([t for _, t in passes[0][:-1]], [again[i][1] for i in range(62)])


def test_predictions_are_those_of_one_padded_array_in_the_order_of_the_user(rng):
    x, y = words(rng), rng.integers(0, 2, size=200)
    model = classifier()
    whole = cb.utils.pad_sequences(x, padding="post")
    data = PaddedSequences(x, y, batch_size=16)
    np.testing.assert_allclose(model.predict(data, verbose=0), model.predict(whole, verbose=0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        model.evaluate(data, verbose=0), model.evaluate(whole, y, batch_size=16, verbose=0), rtol=1e-5
    )


@pytest.mark.parametrize("padding", ["pre", "post"])
def test_training_is_that_on_one_padded_array(padding, rng):
    x, y = words(rng), rng.integers(0, 2, size=200)
    weights = rng.uniform(0.5, 2, size=200)
    one, other = classifier(), classifier()
    whole = cb.utils.pad_sequences(x, padding=padding)
    a = one.fit(PaddedSequences(x, y, weights, 16, padding=padding), epochs=2, shuffle=False, verbose=0)
    b = other.fit(whole, y, sample_weight=weights, batch_size=16, epochs=2, shuffle=False, verbose=0)
    np.testing.assert_allclose(a.history["loss"], b.history["loss"], rtol=1e-5)
    for left, right in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(left, right, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("padding", ["pre", "post"])
def test_targets_of_steps_that_are_padding_weigh_nothing(padding, rng):
    x = [rng.normal(size=(length, 3)) for length in (4, 2, 5)]
    y = [row.sum(axis=1) for row in x]
    weights = [1.0, 2.0, 0.5]
    inputs, targets, counts = PaddedSequences(x, y, weights, padding=padding)[0]
    assert (inputs.shape, targets.shape) == ((3, 5, 3), (3, 5))
    for i, length in enumerate((4, 2, 5)):
        shown = slice(length) if padding == "post" else slice(5 - length, None)
        np.testing.assert_array_equal(targets[i, shown], y[i])
        assert counts[i, shown].tolist() == [weights[i]] * length
        assert counts[i].sum() == weights[i] * length
    model = cb.Sequential([cb.Input((None, 3)), layers.SimpleRNN(4, return_sequences=True), layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(PaddedSequences(x, y), epochs=2, verbose=0)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"x": 3}, TypeError, "x must be a list of sequences"),
        ({"x": "abc"}, TypeError, "x must be a list of sequences"),
        ({"x": []}, ValueError, "at least one sequence"),
        ({"x": [[1], []]}, ValueError, r"x\[1\] is an empty sequence"),
        ({"x": [[1], 2]}, TypeError, r"x\[1\] must be a sequence of numbers"),
        ({"x": np.ones((2, 3))}, ValueError, "x must be a list of sequences, but is one array"),
        ({"x": [["a"]]}, TypeError, r"x\[0\]"),
        ({"x": [[[1, 2]], [[1, 2, 3]]]}, ValueError, "parts of one shape"),
        ({"y": [1]}, ValueError, "y must have a target for each of the 2 sequences, but got 1"),
        ({"y": 3}, ValueError, "y must have a target for each"),
        ({"y": {1: 2, 3: 4}}, TypeError, "y must be an array or a list of targets, but got dict"),
        ({"y": [[1], [1]]}, ValueError, "y must hold sequences as long as those of x"),
        ({"sample_weight": [1.0]}, ValueError, r"sample_weight must have the shape \(2,\)"),
        ({"batch_size": 0}, ValueError, "batch_size"),
        ({"padding": "both"}, ValueError, "padding must be"),
        ({"shuffle": 1.5}, TypeError, "shuffle"),
        ({"shuffle": True, "seed": -1}, ValueError, "seed"),
    ],
)
def test_mistakes(arguments, error, message):
    with pytest.raises(error, match=message):
        PaddedSequences(**({"x": [[1, 2], [3, 4, 5]]} | arguments))
