"""CTC: against the sum over all alignments, its gradient, targets that mean nothing, training, and decoding."""

import itertools

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers, losses

ENGINES = ("compiled", "reference")
LABELS = np.array([[1, 2, 0], [2, 2, 0], [1, 1, 1], [0, 0, 0], [2, 0, 0], [1, 2, 1]])


def said(alignment):
    """The labels of a row of classes: without repetitions, then without blanks."""
    return tuple(label for label, _ in itertools.groupby(alignment) if label)


def expected(labels, x):
    """By the sum over every row of classes."""
    p = np.exp(x - np.logaddexp.reduce(x, axis=1, keepdims=True))
    wanted = tuple(label for label in labels if label)
    ways = itertools.product(range(x.shape[1]), repeat=len(x))
    return -np.log(sum(np.prod(p[range(len(x)), way]) for way in ways if said(way) == wanted))


@pytest.mark.parametrize(("dtype", "limit"), [("float32", 1e-5), ("float64", 1e-12)])
def test_sum_over_all_alignments(dtype, limit, rng):
    x = rng.normal(size=(len(LABELS), 6, 3)).astype(dtype)
    found = losses.ctc(LABELS, x)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, [expected(y, row.astype(float)) for y, row in zip(LABELS, x, strict=True)], limit)
    assert losses.CTC()(LABELS, x) == pytest.approx(found.mean(), rel=1e-5)
    assert losses.CTC("sum")(LABELS, x, sample_weight=[1, 0, 0, 0, 0, 0]) == pytest.approx(found[0], rel=1e-5)


def test_extreme_logits_do_not_overflow(rng):
    for scale in (1e3, 1e5):
        x = scale * rng.normal(size=(4, 9, 5)).astype(np.float32)
        value, gradient = losses.CTC().sequence_values([[1, 2, 3]] * 4, x, with_gradient=True)
        assert np.isfinite(value).all()
        assert np.isfinite(gradient).all()
        assert np.abs(gradient.sum(axis=2)).max() < 1e-5


def test_gradient_by_differences(rng):
    x = rng.normal(size=(len(LABELS), 5, 3))
    _, gradient = losses.CTC(dtype="float64").sequence_values(LABELS, x, with_gradient=True)
    for index in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[index] += 1e-6
        down[index] -= 1e-6
        difference = (losses.ctc(LABELS, up) - losses.ctc(LABELS, down))[index[0]] / 2e-6
        assert gradient[index] == pytest.approx(difference, abs=1e-7)


def test_labels_without_an_alignment(rng):
    """Two equal labels need a blank between them."""
    x = rng.normal(size=(3, 2, 4)).astype(np.float32)
    values, gradient = losses.CTC().sequence_values([[1, 1], [1, 2], [1, 0]], x, with_gradient=True)
    np.testing.assert_array_equal(np.isinf(values), [True, False, False])
    np.testing.assert_array_equal((gradient == 0).all(axis=(1, 2)), [True, False, False])
    model = recognizer(steps=2)
    with pytest.raises(ValueError, match=r"y\[1\] has 2 labels, 1 of them equal .* needs 3 steps, but .* have 2"):
        model.fit(np.zeros((3, 2, 2)), [[1, 2], [3, 3], [1, 0]], verbose=0)
    with pytest.raises(ValueError, match=r"y\[0\] has 3 labels, 0 of them equal"):
        model.evaluate(np.zeros((1, 2, 2)), [[1, 2, 3]], verbose=0)


def recognizer(steps=8, classes=4, engine="compiled", reduction="sum_over_batch_size", dtype="float32"):
    cb.utils.set_random_seed(0)
    recurrent = layers.SimpleRNN(6, return_sequences=True, dtype=dtype)
    model = cb.Sequential([cb.Input((steps, 2), dtype=dtype), recurrent, layers.Dense(classes, dtype=dtype)])
    model.compile(cb.optimizers.Adam(0.01), losses.CTC(reduction), engine=engine)
    return model


@pytest.mark.parametrize("reduction", ["sum", "mean", "mean_with_sample_weight"])
def test_engines_agree(reduction, rng):
    x, y = rng.normal(size=(20, 8, 2)), rng.integers(0, 4, size=(20, 1)) * [1, 0] + [[0, 0]]
    weights = rng.uniform(0.5, 2, 20)
    results = []
    for engine in ENGINES:
        model = recognizer(engine=engine, reduction=reduction, dtype="float64")
        history = model.fit(x, y, batch_size=7, epochs=3, sample_weight=weights, shuffle=False, verbose=0).history
        results.append([*history["loss"], *(w.sum() for w in model.get_weights())])
    np.testing.assert_allclose(*results, rtol=1e-9)


def test_threads_do_not_change_a_bit(rng):
    x, y = rng.normal(size=(50, 8, 2)), rng.integers(1, 4, size=(50, 3))
    results = []
    for threads in (1, 2, 3):
        cb.config.set_num_threads(threads)
        model = recognizer()
        history = model.fit(x, y, batch_size=16, epochs=2, verbose=0).history["loss"]
        results.append([np.array(history), *model.get_weights()])
    cb.config.set_num_threads("auto")
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_lengths_of_labels_and_of_steps_may_change_from_call_to_call(rng):
    model = recognizer(steps=None)
    for steps, labels in ((8, 2), (5, 3), (12, 1), (8, 4), (8, 0)):
        x, y = rng.normal(size=(6, steps, 2)).astype("float32"), rng.integers(1, 4, size=(6, labels))
        y = np.sort(y, axis=1)
        expected_loss = losses.CTC()(y, model.predict(x, verbose=0))
        assert model.evaluate(x, y, verbose=0) == pytest.approx(float(expected_loss), rel=1e-5)
        model.fit(x, y, verbose=0)


def test_a_derived_loss(rng):
    class Twice(losses.CTC):
        def call(self, y_true, y_pred):
            value, gradient = super().call(y_true, y_pred)
            return 2 * value, 2 * gradient

    x, y = rng.normal(size=(6, 8, 2)), LABELS
    model = recognizer(dtype="float64")
    once = model.evaluate(x, y, verbose=0)
    model.compile("sgd", Twice(dtype="float64"))
    assert model.evaluate(x, y, verbose=0) == pytest.approx(2 * once)
    assert model.check_gradients(x, y).max_relative_error < 1e-6
    p = model.predict(x, verbose=0)
    np.testing.assert_allclose(losses.CTC(dtype="float64").call(LABELS, p), losses.ctc(LABELS, p), rtol=1e-12)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([1, 2], r"must hold a row of labels for each sample, shape \(2, labels\), but got shape \(2,\)"),
        ([[[1]], [[2]]], r"but got shape \(2, 1, 1\)"),
        ([[1, 4], [1, 2]], r"must hold class numbers in \[0, 4\), but got 4"),
        ([[1, -1], [1, 2]], "but got -1"),
        ([[1.5], [1]], "but got 1.5"),
        ([[np.nan], [1]], "nan"),
        ([[0, 1], [1, 2]], "must have its zeros, which mean no label, at the end of each row, but row 0"),
    ],
)
def test_targets_that_mean_nothing(y, message):
    with pytest.raises(ValueError, match=message):
        losses.ctc(y, np.zeros((2, 5, 4)))
    model = recognizer(steps=5)
    before = model.get_weights()
    with pytest.raises(ValueError, match=message):
        model.fit(np.zeros((2, 5, 2)), y, verbose=0)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def compile_and_fit(model):
    model.compile("sgd", "ctc")
    model.fit(np.zeros((2, 3)), [[1], [2]], verbose=0)


def test_predictions_that_are_no_sequences():
    with pytest.raises(ValueError, match=r"CTC needs logits \(batch, steps, classes\)"):
        losses.ctc([[1]], [[0.0, 1.0]])
    model = cb.Sequential([cb.Input((3,)), layers.Dense(4)])
    with pytest.raises(ValueError, match=r"CTC needs logits .* have shape \(None, 4\)"):
        compile_and_fit(model)


def test_it_learns_to_read(rng):
    """Each label is shown by two to four steps of the same vector, apart from noise; between them may be nothing."""
    shapes = rng.normal(size=(4, 6))

    def sample():
        labels = rng.integers(1, 4, size=rng.integers(1, 4))
        steps = [np.zeros((1, 6))]
        for label in labels:
            steps += [np.tile(shapes[label], (rng.integers(2, 5), 1)), np.zeros((1, 6))]
        x = np.concatenate(steps)
        return np.pad(x, ((0, 16 - len(x)), (0, 0))), np.pad(labels, (0, 3 - len(labels)))

    x, y = (np.array(part) for part in zip(*(sample() for _ in range(300)), strict=True))
    x = x + 0.1 * rng.normal(size=x.shape)
    cb.utils.set_random_seed(1)
    model = cb.Sequential([cb.Input((16, 6)), layers.GRU(24, return_sequences=True), layers.Dense(4)])
    model.compile(cb.optimizers.Adam(0.02), "ctc")
    model.fit(x[:250], y[:250], epochs=40, batch_size=25, verbose=0)
    for strategy in ("greedy", "beam_search"):
        found, _ = cb.utils.ctc_decode(model.predict(x[250:], verbose=0), np.full(50, 16), strategy, beam_width=8)
        right = [tuple(a[a >= 0]) == tuple(b[b > 0]) for a, b in zip(found[0], y[250:], strict=True)]
        assert np.mean(right) > 0.9


def test_a_wide_beam_finds_the_likeliest_labels(rng):
    x = rng.normal(size=(3, 5, 3))
    labels, scores = cb.utils.ctc_decode(x, [5, 5, 4], "beam_search", beam_width=400, top_paths=3)
    for sample, length in enumerate((5, 5, 4)):
        p = {}
        log_p = x[sample] - np.logaddexp.reduce(x[sample], axis=1, keepdims=True)
        for way in itertools.product(range(3), repeat=length):
            p[said(way)] = p.get(said(way), 0) + np.exp(log_p[range(length), way].sum())
        best = sorted(p, key=p.get, reverse=True)[:3]
        assert [tuple(row[row >= 0]) for row in labels[:, sample]] == best
        np.testing.assert_allclose(scores[sample], [np.log(p[one]) for one in best], rtol=1e-10)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"inputs": np.zeros((2, 3))}, ValueError, "inputs must be logits"),
        ({"inputs": np.full((2, 5, 3), np.inf)}, ValueError, "finite"),
        ({"sequence_lengths": [5]}, ValueError, r"sequence_lengths must have the shape \(2,\)"),
        ({"sequence_lengths": [5, 6]}, ValueError, r"whole numbers in \[0, 5\]"),
        ({"strategy": "best"}, ValueError, "strategy must be"),
        ({"beam_width": 0}, ValueError, "beam_width"),
        ({"top_paths": 0}, ValueError, "top_paths"),
        ({"strategy": "beam_search", "beam_width": 2, "top_paths": 3}, ValueError, "at most beam_width"),
        ({"merge_repeated": "no"}, TypeError, "merge_repeated"),
        ({"mask_index": 3}, ValueError, "mask_index"),
    ],
)
def test_decoding_refuses(arguments, error, message):
    with pytest.raises(error, match=message):
        cb.utils.ctc_decode(**({"inputs": np.zeros((2, 5, 3)), "sequence_lengths": [5, 5]} | arguments))
