"""Arguments from which a metric or a loss has made other values: they are refused later, instead of doing nothing."""

import copy
import pickle

import numpy as np
import pytest

from cbackprop import losses, metrics

CASES = {
    "num_thresholds": (lambda: metrics.AUC(), 50),
    "thresholds": (lambda: metrics.AUC(thresholds=[0.2, 0.4]), [0.3]),
    "multi_label": (lambda: metrics.AUC(), True),
    "num_labels": (lambda: metrics.AUC(multi_label=True, num_labels=2), 3),
    "label_weights": (lambda: metrics.AUC(label_weights=[1.0, 2.0]), [2.0, 1.0]),
    "thresholds of counts": (lambda: metrics.Precision(), 0.7),
    "thresholds of one count": (lambda: metrics.TruePositives(thresholds=[0.2]), [0.2, 0.3]),
    "top_k": (lambda: metrics.Recall(), 2),
    "num_thresholds of rates": (lambda: metrics.RecallAtPrecision(0.5), 50),
    "num_classes": (lambda: metrics.MeanIoU(3), 4),
    "sparse_y_true": (lambda: metrics.IoU(3, [0]), False),
    "sparse_y_pred": (lambda: metrics.OneHotIoU(3, [0]), True),
    "axis": (lambda: losses.CategoricalCrossentropy(), 1),
    "axis of a metric": (lambda: metrics.SparseCategoricalCrossentropy(), 1),
}


@pytest.mark.parametrize("case", CASES)
def test_another_value_is_refused(case):
    make, value = CASES[case]
    name, thing = case.split()[0], make()
    config = thing.get_config()
    with pytest.raises(AttributeError, match=rf"{name} of {type(thing).__name__} cannot change.*Make another"):
        setattr(thing, name, value)
    assert thing.get_config() == config


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda thing: pickle.loads(pickle.dumps(thing))])
def test_the_same_value_and_copies(case, copied):
    name, thing = case.split()[0], CASES[case][0]()
    again = copied(thing)
    setattr(again, name, getattr(thing, name))
    if isinstance(getattr(thing, name), list):
        setattr(again, name, np.array(getattr(thing, name)))
    assert again.get_config() == thing.get_config()


def test_the_type_of_a_confusion_matrix_may_change():
    metric = metrics.MeanIoU(2)
    metric.dtype = "float64"
    assert metric([0, 1, 1], [0, 1, 0], sample_weight=[0.5, 0.25, 1.0]).dtype == np.float64
    expected = metrics.MeanIoU(2, dtype="float64")
    assert metric.result() == expected([0, 1, 1], [0, 1, 0], sample_weight=[0.5, 0.25, 1.0])


def test_every_argument_that_can_be_set_has_the_effect_of_a_new_object():
    """What is in no list of fixed arguments is read when it is used."""
    p = np.random.default_rng(0).uniform(0.05, 0.95, (30, 2))
    y = np.random.default_rng(1).integers(0, 2, (30, 2)).astype(float)
    for make, name, value in [
        (metrics.AUC, "curve", "PR"),
        (metrics.AUC, "summation_method", "minoring"),
        (metrics.AUC, "from_logits", True),
        (metrics.Precision, "class_id", 1),
        (lambda **given: metrics.SensitivityAtSpecificity(**{"specificity": 0.9} | given), "specificity", 0.1),
        (lambda **given: metrics.BinaryIoU(dtype="float32", **given), "threshold", 0.65),
        (lambda **given: metrics.FBetaScore(average="macro", **given), "beta", 2.0),
        (losses.Dice, "axis", -1),
        (losses.Tversky, "axis", -1),
        (losses.CosineSimilarity, "axis", 0),
    ]:
        thing, other, before = make(), make(**{name: value}), make()
        setattr(thing, name, value)
        assert float(thing(y, p)) == float(other(y, p)), (name, thing)
        assert float(thing(y, p)) != float(before(y, p)), (name, thing)


@pytest.mark.parametrize(
    ("made", "shown"),
    [
        (metrics.AUC(curve="PR"), "AUC(curve='PR')"),
        (metrics.AUC(thresholds=[0.5]), "AUC(num_thresholds=3, thresholds=[0.5])"),
        (metrics.Precision(), "Precision()"),
        (metrics.Precision(0.3), "Precision(thresholds=0.3)"),
    ],
)
def test_thresholds_are_shown_as_they_were_given(made, shown):
    assert repr(made) == shown
