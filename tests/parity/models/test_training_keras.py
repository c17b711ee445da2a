"""The same weights and batches in Keras 3: predictions, losses, weights after 20 steps, for every optimizer and loss.

Keras computes in float32 throughout, cbackprop sums losses in float64. The limits are those of float32 rounding over
20 steps: a few units in the last place (6e-8) of each number, times 20 steps, times the few hundred terms of a sum.
"""

import inspect

import families
import keras
import loss_cases
import numpy as np
import pytest

import cbackprop as cb

STEPS = 20
RELATIVE = 2e-5
ABSOLUTE = 2e-6

# Larger than the default, so that 20 steps move the weights by much more than rounding.
RATES = {"SGD": 0.05, "RMSprop": 0.01, "Adam": 0.01, "AdamW": 0.01}

# Where the loss needs it: numbers above 0, or rows that are not all 0, where Keras's derivative is NaN.
LAST = {
    "Poisson": "softplus",
    "KLDivergence": "softmax",
    "MeanSquaredLogarithmicError": "softplus",
    "CosineSimilarity": "softplus",
}


def build(library, last, units=3):
    layers = library.layers
    return library.Sequential(
        [
            library.Input((5,)),
            layers.Dense(8, activation="tanh"),
            layers.Dense(6, activation="relu"),
            layers.Dense(units, activation=last),
        ]
    )


def shared_classes(family):
    """Names of the classes that Keras has, too."""
    names = families.classes(getattr(cb, family).registry)
    return [name for name in names if hasattr(getattr(keras, family), name)]


def optimizer_in(library, name):
    optimizer = getattr(library.optimizers, name)(learning_rate=RATES.get(name, 0.01))
    if library is keras and name == "ScheduleFreeAdamW":
        # Keras keeps the momentum before the step, but with PyTorch this subtracts in place, and it keeps nothing.
        optimizer.assign_sub = lambda variable, value: setattr(variable, "_value", variable.value - value)
    return optimizer


def compare_training(ours, theirs, x, y, weights=None, relative=RELATIVE, absolute=ABSOLUTE):
    theirs.set_weights(ours.get_weights())
    for step in range(STEPS):
        rows = slice(8 * step, 8 * step + 8)
        w = None if weights is None else weights[rows]
        a = ours.train_on_batch(x[rows], y[rows], sample_weight=w, return_dict=True)
        b = theirs.train_on_batch(x[rows], y[rows], sample_weight=w, return_dict=True)
        assert set(a) == set(b)
        for name in a:
            np.testing.assert_allclose(a[name], b[name], rtol=relative, atol=absolute)
    np.testing.assert_allclose(
        ours.predict(x, verbose=0), theirs.predict(x, verbose=0), rtol=relative, atol=10 * absolute
    )
    for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=relative, atol=10 * absolute)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("optimizer", shared_classes("optimizers"))
@pytest.mark.parametrize("loss", [name for name in shared_classes("losses") if name != "CTC"])
def test_every_optimizer_and_loss(loss, optimizer, weighted, rng):
    entropy = "crossentropy" in loss.lower()
    last = "sigmoid" if loss.startswith("Binary") else "softmax" if entropy else LAST.get(loss, "linear")
    ours, theirs = build(cb, last), build(keras, last)
    metrics = ["accuracy"] if entropy else ["mae", "mse"]
    ours.compile(optimizer_in(cb, optimizer), getattr(cb.losses, loss)(), metrics=metrics)
    theirs.compile(optimizer_in(keras, optimizer), getattr(keras.losses, loss)(), metrics=metrics)
    x = rng.normal(size=(8 * STEPS, 5)).astype("float32")
    y = loss_cases.targets_for(ours._objectives[0].loss, (8 * STEPS, 3), rng)
    weights = rng.uniform(0.2, 2, size=8 * STEPS).astype("float32") if weighted else None
    compare_training(ours, theirs, x, y, weights)


@pytest.mark.parametrize("loss", ["BinaryCrossentropy", "CategoricalCrossentropy", "SparseCategoricalCrossentropy"])
def test_from_logits(loss, rng):
    ours, theirs = build(cb, None), build(keras, None)
    ours.compile(cb.optimizers.Adam(0.01), getattr(cb.losses, loss)(from_logits=True), metrics=["accuracy"])
    theirs.compile(keras.optimizers.Adam(0.01), getattr(keras.losses, loss)(from_logits=True), metrics=["accuracy"])
    x = rng.normal(size=(8 * STEPS, 5)).astype("float32")
    y = loss_cases.targets_for(ours._objectives[0].loss, (8 * STEPS, 3), rng)
    compare_training(ours, theirs, x, y)


# Keras's threshold has no defaults. Its sparsemax is wrong: see test_activations_keras.py. Its Dense says of the
# output of glu that it is as wide as the layer, so that no other layer can follow.
UNLIKE = ("threshold", "sparsemax", "glu")


@pytest.mark.parametrize("activation", [name for name, _ in cb.activations.registry if name not in UNLIKE])
def test_every_activation(activation, rng):
    def make(library):
        layers = library.layers
        return library.Sequential([library.Input((5,)), layers.Dense(6, activation=activation), layers.Dense(2)])

    ours, theirs = make(cb), make(keras)
    for library, model in ((cb, ours), (keras, theirs)):
        model.compile(library.optimizers.SGD(0.05, momentum=0.9), "mse")
    x = rng.normal(size=(8 * STEPS, 5)).astype("float32")
    compare_training(ours, theirs, x, rng.normal(size=(8 * STEPS, 2)).astype("float32"))


@pytest.mark.parametrize(
    "options", [{"clipnorm": 0.1}, {"clipvalue": 0.01}, {"global_clipnorm": 0.1}, {"weight_decay": 0.1}]
)
def test_common_options_of_optimizers(options, rng):
    ours, theirs = build(cb, None), build(keras, None)
    for library, model in ((cb, ours), (keras, theirs)):
        model.compile(library.optimizers.SGD(0.1, **options), "mse")
    x = rng.normal(size=(8 * STEPS, 5)).astype("float32")
    compare_training(ours, theirs, x, rng.normal(size=(8 * STEPS, 3)).astype("float32"))


def test_a_graph_with_everything(rng):
    def make(library):
        layers = library.layers
        a, b = library.Input((4,), name="a"), library.Input((3,), name="b")
        shared = layers.Dense(6, activation="gelu", name="shared")
        inner_input = library.Input((6,))
        inner = library.Model(inner_input, layers.Dense(6, activation="silu", name="inner")(inner_input), name="nested")
        left = shared(a)
        right = shared(layers.Dense(4, name="widen")(b))
        joined = layers.Concatenate(name="joined")(
            [layers.Multiply(name="m")([left, right]), inner(left), inner(right)]
        )
        top = layers.PReLU(name="prelu")(layers.Dense(5, name="top")(joined))
        return library.Model(
            [a, b], [layers.Dense(1, name="value")(top), layers.Dense(3, activation="softmax", name="kind")(top)]
        )

    ours, theirs = make(cb), make(keras)
    assert [w.path for w in theirs.weights] == [w.path for w in ours.weights]
    theirs.set_weights(ours.get_weights())
    for library, model in ((cb, ours), (keras, theirs)):
        model.compile(
            library.optimizers.Adam(0.01),
            ["mse", "sparse_categorical_crossentropy"],
            loss_weights=[0.3, 1.0],
            metrics=[["mae"], ["accuracy"]],
        )
    x = [rng.normal(size=(160, 4)).astype("float32"), rng.normal(size=(160, 3)).astype("float32")]
    y = [rng.normal(size=(160, 1)).astype("float32"), rng.integers(3, size=160)]
    first = ours.fit(x, y, batch_size=16, epochs=2, shuffle=False, validation_split=0.2, verbose=0).history
    second = theirs.fit(x, y, batch_size=16, epochs=2, shuffle=False, validation_split=0.2, verbose=0).history
    assert set(first) == set(second)
    for name in first:
        np.testing.assert_allclose(first[name], second[name], rtol=1e-4, atol=1e-6)
    for a, b in zip(ours.predict(x, verbose=0), theirs.predict(x, verbose=0), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    assert ours.evaluate(x, y, verbose=0) == pytest.approx(theirs.evaluate(x, y, verbose=0), rel=1e-4)


@pytest.mark.parametrize("metric", ["accuracy", "mae"])
def test_evaluate_returns_the_same_list(metric, rng):
    ours, theirs = build(cb, "softmax"), build(keras, "softmax")
    theirs.set_weights(ours.get_weights())
    x, y = rng.normal(size=(50, 5)).astype("float32"), np.eye(3)[rng.integers(3, size=50)]
    weights = rng.uniform(size=50)
    for model in (ours, theirs):
        model.compile("sgd", "categorical_crossentropy", metrics=[metric], weighted_metrics=[metric])
    a, b = (model.evaluate(x, y, sample_weight=weights, verbose=0, return_dict=True) for model in (ours, theirs))
    assert a == pytest.approx(b, rel=1e-5)
    assert list(a) == list(b)


# Arguments that Keras hides behind **kwargs.
HIDDEN = {"name", "trainable", "dtype", "input_shape", "activity_regularizer", "rms_scaling", "data_format"}
# Beyond Keras: leave out targets of NaN.
OWN = {"missing"}


@pytest.mark.parametrize("family", ["layers", "optimizers", "losses", "metrics", "initializers"])
def test_arguments_and_defaults_are_those_of_keras(family):
    """Every argument that we have, Keras has, in the same order and with the same default."""
    for name, cls in getattr(cb, family).registry:
        if not inspect.isclass(cls) or not hasattr(getattr(keras, family), name):
            continue
        ours = inspect.signature(cls).parameters
        theirs = inspect.signature(getattr(getattr(keras, family), name)).parameters
        common = [p for p in ours if p in theirs and ours[p].kind is not ours[p].VAR_KEYWORD]
        extra = [p for p in ours if p not in theirs and ours[p].kind is not ours[p].VAR_KEYWORD]
        extra = [p for p in extra if p not in HIDDEN | OWN]
        assert not extra, f"{name} has arguments that Keras has not: {extra}"
        assert common == [p for p in theirs if p in common], name
        for argument in common:
            # Keras's InputLayer may get its shape by other, older names.
            if argument not in ("name", "dtype") and (name, argument) != ("InputLayer", "shape"):
                ours_is, theirs_is = ours[argument].default, theirs[argument].default
                if isinstance(theirs_is, tuple) and ours_is in theirs_is:  # one number for all axes
                    theirs_is = theirs_is[0] if len(set(theirs_is)) == 1 else theirs_is
                assert ours_is == theirs_is, f"{name}({argument})"
