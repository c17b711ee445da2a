"""Losses refuse wrong data and wrong arguments."""

import inspect
import math

import numpy as np
import pytest
from losses_of_rows import CLASSES, CROSSENTROPIES, EACH_CLASS, problem, targets
from numpy.testing import assert_array_equal

import cbackprop as cb
from cbackprop import layers, losses


@EACH_CLASS
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t, p: (t[:3], p), r"^y_true must (have the shape of the predictions|hold one class)"),
        (lambda t, p: (t, p[..., :0]), r"^y_pred must have rows"),
        (lambda t, p: (t, 0.5), r"^y_pred must have rows"),
        (
            lambda t, p: (t, np.where(np.arange(p.size).reshape(p.shape) == 5, np.nan, p)),
            r"^y_pred must be finite.*nan",
        ),
        (
            lambda t, p: (t, np.where(np.arange(p.size).reshape(p.shape) == 5, -np.inf, p)),
            r"^y_pred must be finite.*inf",
        ),
        (
            lambda t, p: (np.where(np.arange(t.size).reshape(t.shape) == 3, np.nan, t), p),
            r"^y_true must be finite.*nan",
        ),
        (lambda t, p: (t, np.full(p.shape, 1e300)), r"^y_pred must be finite"),
        (lambda t, p: ([[1.0], [1.0, 2.0]], p), r"^y_true must be one array"),
    ],
    ids=["length", "no classes", "scalar", "nan", "inf", "nan target", "too large for float32", "ragged"],
)
def test_bad_arrays(name, change, message, rng):
    loss = CLASSES[name]()
    with pytest.raises(ValueError, match=message):
        loss(*change(*problem(loss, rng)))


@EACH_CLASS
@pytest.mark.parametrize("bad", ["text", object(), 1j])
def test_arrays_of_no_numbers(name, bad, rng):
    loss = CLASSES[name]()
    y_true, y_pred = problem(loss, rng)
    with pytest.raises(TypeError, match=r"^y_true must hold real numbers"):
        loss(np.full(y_true.shape, bad), y_pred)
    with pytest.raises(TypeError, match=r"^y_pred must hold real numbers"):
        loss(y_true, np.full(y_pred.shape, bad))


@EACH_CLASS
@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.full(4, np.nan), "must be finite, but got nan"),
        (np.full(4, np.inf), "must be finite, but got inf"),
        (np.ones(3), r"one weight for each sample, shape \(4, 3\), but got \(3,\)"),
        (np.ones((4, 2)), r"but got \(4, 2\)"),
        (np.ones((4, 3, 5)), r"but got \(4, 3, 5\)"),
    ],
)
def test_bad_weights(name, weights, message, rng):
    loss = CLASSES[name]()
    with pytest.raises(ValueError, match="^sample_weight " + message if message[0] == "m" else message):
        loss(*problem(loss, rng), sample_weight=weights)


@pytest.mark.parametrize("name", CROSSENTROPIES)
def test_labels_out_of_range(name, rng):
    loss = CLASSES[name]()
    y_true, y_pred = problem(loss, rng)
    if loss.target_kind == "index":
        bad = [(-1, r"classes in \[0, 2\), but got -1"), (2, r"classes in \[0, 2\), but got 2")]
        bad += [(0.5, "class numbers, but got the fraction 0.5"), (1e300, "class numbers, but got")]
    else:
        bad = [(-0.1, r"probabilities in \[0, 1\], but got -0.1"), (2, r"probabilities in \[0, 1\], but got 2")]
        if loss.beyond_limits != "refuse":
            bad = []
    for label, message in bad:
        wrong = y_true.astype(float)
        wrong.flat[-1] = label
        with pytest.raises(ValueError, match="^y_true must hold " + message):
            loss(wrong, y_pred)
    if loss.target_kind == "index":
        with pytest.raises(ValueError, match="one-hot labels go with categorical_crossentropy"):
            loss(np.eye(2)[y_true], y_pred)
    else:
        loss(np.minimum(y_true + 2e-7, 1 + 2e-7), y_pred)  # rounding of a mixture is no mistake


@pytest.mark.parametrize("name", CROSSENTROPIES)
def test_labels_are_checked_before_training(name, rng):
    loss = CLASSES[name]()
    model = cb.Sequential([cb.Input((4,)), layers.Dense(3, activation=loss.link)])
    model.compile(loss=loss)
    before = model.get_weights()
    y = targets(loss, 8, 3, rng).astype(float)
    y.flat[-1] = 3
    if loss.beyond_limits != "refuse":
        y.flat[-1] = np.inf
    with pytest.raises(ValueError, match=r"^y must .* but got (3|inf)"):
        model.fit(rng.normal(size=(8, 4)), y, verbose=0)
    for a, b in zip(before, model.get_weights(), strict=True):
        assert_array_equal(a, b)


@EACH_CLASS
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"reduction": "average"}, ValueError, "reduction must be one of"),
        ({"dtype": "float16"}, ValueError, "dtype 'float32' or 'float64'"),
        ({"from_logits": "yes"}, TypeError, "from_logits must be True or False"),
        ({"from_logits": 1}, TypeError, "from_logits must be True or False"),
        ({"label_smoothing": 1.5}, ValueError, "label_smoothing must be at least 0 and at most 1"),
        ({"label_smoothing": -0.1}, ValueError, "label_smoothing must be"),
        ({"label_smoothing": "a bit"}, TypeError, "label_smoothing must be a number"),
        ({"axis": 1}, ValueError, "axis must be -1"),
        ({"axis": True}, TypeError, "axis must be an integer"),
        ({"ignore_class": "0"}, TypeError, "ignore_class must be an integer"),
        ({"delta": 0}, ValueError, "delta must be greater than 0"),
        ({"delta": math.inf}, ValueError, "delta must be finite"),
        ({"delta": "1"}, TypeError, "delta must be a number"),
        ({"alpha": -0.1}, ValueError, "alpha must be at least 0"),
        ({"gamma": -1}, ValueError, "gamma must be at least 0"),
        ({"gamma": None}, TypeError, "gamma must be a number"),
        ({"apply_class_balancing": 1}, TypeError, "apply_class_balancing must be True or False"),
        ({"q": 1}, ValueError, "q must be greater than 0 and below 1"),
        ({"quantile": 0}, ValueError, "quantile must be greater than 0 and below 1"),
    ],
)
def test_bad_arguments(name, options, error, message):
    (argument,) = options
    if argument not in inspect.signature(CLASSES[name]).parameters:
        error, message = TypeError, "unexpected keyword"
    with pytest.raises(error, match=message):
        CLASSES[name](**options)


@pytest.mark.parametrize(
    ("identifier", "error", "message"),
    [
        ("mean_squared", ValueError, "Unknown loss 'mean_squared'. Did you mean 'mean_squared_error'"),
        ("", ValueError, "Unknown loss ''"),
        (
            {"class_name": "Hubert", "config": {}},
            ValueError,
            r"Unknown loss 'Hubert'\. If it is your own class, .* Did you mean 'huber'",
        ),
        ({"config": {}}, ValueError, "loss config"),
        (7, TypeError, "Expected a loss"),
        (cb.activations.relu, TypeError, "Expected a loss"),
        (cb.metrics.binary_accuracy, TypeError, "Expected a loss"),
    ],
)
def test_unknown_losses(identifier, error, message):
    with pytest.raises(error, match=message):
        losses.as_loss(identifier)


def test_training_needs_one_number():
    model = cb.Sequential([cb.Input((4,)), layers.Dense(3)])
    with pytest.raises(ValueError, match="has no reduction"):
        model.compile(loss=losses.MeanSquaredError(reduction=None))
