"""Users' losses and metrics with attributes that do not fit the kernel of their base class."""

import inspect

import numpy as np
import pytest
from metric_cases import TALLIES as CASES

import cbackprop as cb
from cbackprop import losses, metrics
from cbackprop.engine import ENGINES

LOSSES = {name: cls for name, cls in losses.registry if inspect.isclass(cls)}
METRICS = {name: cls for name, cls in metrics.registry if hasattr(cls, "implementation")}
ARGUMENTS = {name: arguments for name, arguments, _ in CASES}
TALLIES = {name: cls for name, cls in METRICS.items() if hasattr(cls, "size")}
KINDS = ("values", "index", "half", "other")


def classifier(loss, engine, metrics=(), activation="softmax"):
    shape = (3, 2) if getattr(loss, "label_sequences", False) else (2,)
    model = cb.Sequential([cb.Input(shape), cb.layers.Dense(4, activation)])
    model.compile("sgd", loss, metrics=list(metrics), engine=engine)
    return model


def targets_of(kind):
    """Some that the check of data lets through for this form."""
    classes = np.arange(8) % 4
    others = {"index": classes, "half": np.ones((8, 2), "float32"), "given": np.ones((8, 1))}
    return others.get(kind, np.eye(4, dtype="float32")[classes])


def fit(model, kind):
    model.fit(np.ones((8, *model.input_shape[1:]), "float32"), targets_of(kind), verbose=0)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_with_targets_that_its_kernel_does_not_read_is_refused(name, engine):
    cls = LOSSES[name]
    for kind in KINDS:
        if kind == cls.target_kind:
            continue
        loss = type("Own", (cls,), {"target_kind": kind})()
        with pytest.raises(TypeError, match=rf"Own.target_kind must be '{cls.target_kind}'"):
            fit(classifier(loss, engine), kind)
        with pytest.raises(TypeError, match=rf"Own.target_kind must be '{cls.target_kind}'"):
            loss(targets_of(kind), np.full((8, 4), 0.25))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("activation", ["softmax", "sigmoid", "relu"])
@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_takes_over_no_activation_but_its_own(name, activation, engine):
    cls = LOSSES[name]
    if cls.link == activation:
        return
    loss = type("Own", (cls,), {"link": activation})()
    with pytest.raises(TypeError, match=f"Own.link must be .*, but is '{activation}'"):
        fit(classifier(loss, engine, activation=activation), cls.target_kind)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", METRICS)
def test_a_metric_with_targets_that_its_kernel_does_not_read_is_refused(name, engine):
    for kind in KINDS:
        metric = type("Own", (METRICS[name],), {})(**ARGUMENTS.get(name, {}))
        both = isinstance(metric, metrics.IoU) and not metric.sparse_y_pred and kind in ("values", "index")
        if kind == metric.target_kind or both:
            continue
        metric.target_kind = kind
        with pytest.raises(TypeError, match=r"Own\.target_kind must be"):
            fit(classifier("mse", engine, [metric]), "values")


@pytest.mark.parametrize("size", [0, 1, -1, 10**6])
@pytest.mark.parametrize("name", TALLIES)
def test_a_metric_with_another_number_of_sums_than_its_kernel_writes_is_refused(name, size):
    cls = type("Own", (TALLIES[name],), {"size": lambda self, width: size})
    arguments = ARGUMENTS.get(name, {})
    for engine in ENGINES:
        with pytest.raises(ValueError, match=rf"Own.size\(4\) must be \d+, .* but is {size}"):
            fit(classifier("mse", engine, [cls(**arguments)]), "values")


def test_groups_of_a_loss_must_be_those_of_its_samples():
    class Own(losses.Dice):
        def layout(self, shape):
            return (100,), (0,)

    for engine in ENGINES:
        with pytest.raises(ValueError, match=r"Own.layout\(\(4,\)\) must be the shape or its last axis"):
            fit(classifier(Own(axis=-1), engine), "values")


def test_a_loss_in_python_sees_whole_batches_whatever_its_class_says():
    class Own(losses.Loss):
        couples_samples = False

        def call(self, y_true, y_pred):
            seen.append(len(y_pred))
            return (y_pred**2).mean(axis=-1), 2 * y_pred / y_pred.shape[-1]

    Own.couples_samples = False
    seen = []
    with cb.config.num_threads(2):
        fit(classifier(Own(), "compiled"), "values")
    assert seen == [8]
