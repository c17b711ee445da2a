"""Targets: recognized from a column, and turned back into it."""

import datetime
import json

import numpy as np
import pytest

from cbackprop.tables import TargetEncoder, classification_scores, regression_scores

COLUMNS = {
    "texts": (["b", "a", "b", None], ["a", "b"]),
    "booleans": ([True, False, None, True], [False, True]),
    "few whole numbers": ([3, 1, 3, 1, 2] * 5, [1, 2, 3]),
    "few floats": ([3.0, 1.0] * 5, [1.0, 3.0]),
    "many whole numbers": (list(range(30)), []),
    "few of few whole numbers": ([1, 2, 3], []),
    "fractions": ([0.5, 1.5] * 10, []),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_the_task_follows_from_the_column(name):
    values, classes = COLUMNS[name]
    target = TargetEncoder("t").fit(values)
    assert target.task == ("classification" if classes else "regression")
    assert target.classes == classes
    assert [type(value) for value in target.classes] == [type(value) for value in classes]
    assert target.width == (len(classes) or 1)
    same = TargetEncoder.from_config(json.loads(json.dumps(target.get_config(), allow_nan=False)))
    assert same.get_config() == target.get_config()
    known = [value for value in values if value is not None]
    encoded = same.encode(known)
    outputs = np.eye(len(classes))[encoded] if classes else encoded[:, np.newaxis]
    decoded = same.decode(outputs)
    if classes:
        assert decoded.tolist() == known
        assert target.shares == [known.count(value) / len(known) for value in classes]
    else:
        np.testing.assert_allclose(decoded, known, rtol=1e-14)
        np.testing.assert_allclose([encoded.mean(), encoded.std()], [0, 1], atol=1e-14)


def test_the_task_can_be_forced():
    assert TargetEncoder("t", "regression").fit([1, 2] * 10).classes == []
    assert TargetEncoder("t", "classification").fit([0.5, 1.5, 0.5, 1.5]).classes == [0.5, 1.5]


def test_classes_are_the_same_in_other_types():
    assert TargetEncoder("t").fit(["1", "2", "x"] * 5).encode([1, 2.0]).tolist() == [0, 1]
    assert TargetEncoder("t").fit([0, 1] * 5).encode(["1", True, 0.0]).tolist() == [1, 1, 0]


FITTED = TargetEncoder("t").fit(["a", "b"] * 5)
CONFIG = FITTED.get_config()
DAYS = [datetime.date(2020, 1, 1), datetime.date(2020, 1, 2)]
MISTAKES = {
    "name": (lambda: TargetEncoder(3), TypeError, "name must be a string"),
    "task": (lambda: TargetEncoder("t", "x"), ValueError, "task must be 'auto', 'classification' or 'regression'"),
    "empty": (lambda: TargetEncoder("t").fit([None, None]), ValueError, "Target 't' has no values"),
    "constant": (lambda: TargetEncoder("t").fit([2.5, 2.5]), ValueError, "'t' is 2.5 everywhere"),
    "one class": (lambda: TargetEncoder("t").fit(["a", "a"]), ValueError, "'t' is 'a' everywhere"),
    "text": (lambda: TargetEncoder("t", "regression").fit(["a", "b"]), ValueError, "must hold numbers .* holds texts"),
    "times": (lambda: TargetEncoder("t").fit(DAYS), ValueError, "must hold numbers for regression, but holds times"),
    "times as classes": (lambda: TargetEncoder("t", "classification").fit(DAYS), ValueError, "cannot be classes"),
    "names": (lambda: TargetEncoder("t").fit(list("abcdef")), ValueError, "6 different texts in 6 rows: too many"),
    "not fitted": (lambda: TargetEncoder("t").encode([1]), RuntimeError, "Call fit before"),
    "missing": (lambda: FITTED.encode(["a", None]), ValueError, "Target 't' has no value in row 1"),
    "unknown": (lambda: FITTED.encode(["a", "c"]), ValueError, "'c', which was not in the training data: only 'a'"),
    "config": (lambda: TargetEncoder.from_config({"name": "t"}), ValueError, "must have the entries"),
    "scale": (lambda: TargetEncoder.from_config(CONFIG | {"scale": 0}), ValueError, "scale must be greater than 0"),
    "shares": (lambda: TargetEncoder.from_config(CONFIG | {"shares": [1]}), ValueError, "as many classes as shares"),
    "classes": (lambda: TargetEncoder.from_config(CONFIG | {"classes": ["a", "a"]}), ValueError, "several different"),
    "mixed": (lambda: TargetEncoder.from_config(CONFIG | {"classes": ["a", 1]}), ValueError, "of one type"),
    "task of classes": (lambda: TargetEncoder.from_config(CONFIG | {"task": "regression"}), ValueError, "has no class"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name):
    make, error, message = MISTAKES[name]
    with pytest.raises(error, match=message):
        make()


def test_scores_of_classes():
    truth = np.array([0, 0, 0, 1])
    scores = classification_scores(truth, np.array([[0.6, 0.4], [0.6, 0.4], [0.1, 0.9], [0.4, 0.6]]))
    assert scores["accuracy"] == 0.75
    assert scores["balanced accuracy"] == pytest.approx((2 / 3 + 1) / 2)
    assert scores["log loss"] == pytest.approx(-np.log([0.6, 0.6, 0.1, 0.6]).mean())
    assert scores["AUC"] == pytest.approx(2 / 3)
    tied = classification_scores(truth, np.full((4, 2), 0.5))
    assert tied["AUC"] == 0.5
    assert "AUC" not in classification_scores(truth[:3], np.full((3, 2), 0.5))
    assert np.isfinite(classification_scores(np.array([0, 1]), np.array([[0.0, 1.0], [1.0, 0.0]]))["log loss"])


WRONG_SCORES = {
    "class": (
        lambda: classification_scores([0, 2], [[0.5, 0.5]] * 2),
        r"truth must hold classes in \[0, 2\), but got 2",
    ),
    "axes": (lambda: classification_scores([0, 1], [0.5, 0.5]), r"probabilities must have the shape \(rows, classes\)"),
    "finite": (lambda: classification_scores([0], [[np.nan, 1]]), "probabilities must be finite"),
    "lengths": (lambda: regression_scores([1.0], [1.0, 2.0]), "must be of one shape"),
}


@pytest.mark.parametrize("name", WRONG_SCORES)
def test_scores_of_anything_else(name):
    make, message = WRONG_SCORES[name]
    with pytest.raises(ValueError, match=message):
        make()


def test_scores_of_numbers():
    assert regression_scores(np.array([1.0, 2, 3]), np.array([1.0, 2, 5])) == pytest.approx(
        {"RMSE": np.sqrt(4 / 3), "MAE": 2 / 3, "R2": -1}
    )
    large = regression_scores(np.array([1e200, -1e200]), np.array([1e200, 1e200]))
    assert large == pytest.approx({"RMSE": np.sqrt(2) * 1e200, "MAE": 1e200, "R2": -1})
    assert set(regression_scores(np.array([1e-320, 0.0]), np.array([1e308, 0.0]))) == {"RMSE", "MAE"}
    assert set(regression_scores(np.array([1.0]), np.array([2.0]))) == {"RMSE", "MAE"}
