"""Masks against Keras 3: losses, metrics and weights over several steps, and which layers let a mask through."""

import inspect
import warnings

import keras
import numpy as np
import pytest

import cbackprop as cb
from cbackprop.layers.mask_array import mask_of

STEPS = 4
# Float32 sums of some dozens of numbers, in another order.
ROUNDING = {"rtol": 2e-5, "atol": 2e-6}


def sequences(rng, *shape):
    """Steps of which some are all zeros; those of the second sample all are."""
    x = rng.normal(size=shape).astype("float32")
    x[rng.random(shape[:-1]) < 0.4] = 0
    x[1] = 0
    return x


def masking(k):
    return k.Sequential([k.Input((5, 3)), k.layers.Masking(), k.layers.Dense(4, "tanh"), k.layers.Dense(2)])


def masked_rows(k):
    """A mask of whole samples."""
    return k.Sequential([k.Input((3,)), k.layers.Masking(), k.layers.Dense(4, "tanh"), k.layers.Dense(2)])


def embedding(k):
    table = k.layers.Embedding(7, 3, mask_zero=True)
    return k.Sequential([k.Input((5,)), table, k.layers.Dense(4, "tanh"), k.layers.Dense(2)])


def two_branches(k, merge, lengths=(5, 5)):
    inputs = [k.Input((length, 3)) for length in lengths]
    branches = [k.layers.Dense(4, "tanh")(k.layers.Masking()(x)) for x in inputs]
    return k.Model(inputs, k.layers.Dense(2)(merge(k)(branches)))


def one_masked_branch(k, merge):
    inputs = [k.Input((5, 3)), k.Input((5, 3))]
    branches = [k.layers.Masking()(inputs[0]), k.layers.Dense(3)(inputs[1])]
    return k.Model(inputs, k.layers.Dense(2)(merge(k)(branches)))


def broadcast_branches(k):
    inputs = [k.Input((5, 3)), k.Input((1, 3))]
    return k.Model(inputs, k.layers.Dense(2)(k.layers.Add()([k.layers.Masking()(x) for x in inputs])))


def masked_twice(k):
    """A second mask, of numbers that were computed, takes the place of the first."""
    x = k.Input((5, 3))
    h = k.layers.ReLU()(k.layers.Dense(2)(k.layers.Masking()(x)))
    return k.Model(x, k.layers.Dense(2)(k.layers.Masking()(h)))


def nested(k):
    inner = k.Sequential([k.Input((5, 3)), k.layers.Masking(), k.layers.Dense(4, "tanh")])
    x = k.Input((5, 3))
    return k.Model(x, k.layers.Dense(2)(inner(x)))


def two_outputs(k):
    x = k.Input((5, 3))
    h = k.layers.Dense(4, "tanh")(k.layers.Masking()(x))
    flat = k.layers.Flatten()(h)
    return k.Model(x, [k.layers.Dense(2, name="first")(h), k.layers.Dense(2, name="second")(flat)])


def normalized(k, make):
    between = make(k)
    # In front of batch normalization a bias has a gradient of rounding errors; of rows of zeros Keras makes NaN.
    first = k.layers.Dense(4, use_bias="Batch" not in type(between).__name__, bias_initializer="ones")
    return k.Sequential([k.Input((5, 3)), k.layers.Masking(), first, between, k.layers.Dense(2)])


NETWORKS = {
    "masking": (masking, [(5, 3)]),
    "masked rows": (masked_rows, [(3,)]),
    "embedding": (embedding, "ids"),
    "nested": (nested, [(5, 3)]),
    "masked twice": (masked_twice, [(5, 3)]),
    "broadcast": (broadcast_branches, [(5, 3), (1, 3)]),
    "concatenate steps": (lambda k: two_branches(k, lambda k: k.layers.Concatenate(axis=1), (5, 2)), [(5, 3), (2, 3)]),
    "half concatenate steps": (lambda k: one_masked_branch(k, lambda k: k.layers.Concatenate(axis=1)), [(5, 3)] * 2),
    "half concatenate": (lambda k: one_masked_branch(k, lambda k: k.layers.Concatenate()), [(5, 3)] * 2),
    "half add": (lambda k: one_masked_branch(k, lambda k: k.layers.Add()), [(5, 3)] * 2),
    "dot": (lambda k: two_branches(k, lambda k: k.layers.Dot(axes=2)), [(5, 3)] * 2),
    "two outputs": (two_outputs, [(5, 3)]),
}
MERGES = ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate")
NETWORKS |= {
    name: (lambda k, name=name: two_branches(k, lambda k: getattr(k.layers, name)()), [(5, 3)] * 2) for name in MERGES
}
# Layers that let a mask through, or end it.
BETWEEN = {
    "Activation": lambda k: k.layers.Activation("tanh"),
    "ActivityRegularization": lambda k: k.layers.ActivityRegularization(l2=0.1),
    "BatchNormalization": lambda k: k.layers.BatchNormalization(momentum=0.5),
    "BatchNormalization of steps": lambda k: k.layers.BatchNormalization(axis=1, momentum=0.5),
    "Dropout": lambda k: k.layers.Dropout(0.0),
    "ELU": lambda k: k.layers.ELU(),
    "GaussianNoise": lambda k: k.layers.GaussianNoise(0.0),
    "GroupNormalization": lambda k: k.layers.GroupNormalization(2),
    "Identity": lambda k: k.layers.Identity(),
    "LayerNormalization": lambda k: k.layers.LayerNormalization(),
    "LeakyReLU": lambda k: k.layers.LeakyReLU(),
    "Normalization": lambda k: k.layers.Normalization(mean=0.5, variance=2.0),
    "PReLU": lambda k: k.layers.PReLU(),
    "Permute": lambda k: k.layers.Permute((1, 2)),
    "RMSNormalization": lambda k: k.layers.RMSNormalization(),
    "ReLU": lambda k: k.layers.ReLU(),
    "Rescaling": lambda k: k.layers.Rescaling(0.5),
    "Reshape": lambda k: k.layers.Reshape((5, 4)),
    "SpatialDropout1D": lambda k: k.layers.SpatialDropout1D(0.0),
    "UnitNormalization": lambda k: k.layers.UnitNormalization(),
}
NETWORKS |= {name: (lambda k, make=make: normalized(k, make), [(5, 3)]) for name, make in BETWEEN.items()}


def inputs_of(shapes, rng, samples=12):
    if shapes == "ids":
        return rng.integers(0, 3, (samples, 5))
    arrays = [sequences(rng, samples, *shape) for shape in shapes]
    return arrays[0] if len(arrays) == 1 else arrays


def pair(make):
    """The same network in both libraries, with the same weights."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = make(keras)
    ours = make(cb)
    ours.set_weights(theirs.get_weights())
    return ours, theirs


def compare(ours, theirs, x, y, weights=None, **settings):
    """Evaluations, some steps of training, and what came of the weights."""
    engines = settings.pop("engines", ("compiled", "reference"))
    start = theirs.get_weights()
    expected = None
    for engine in (None, *engines):
        k, model = (keras, theirs) if engine is None else (cb, ours)
        model.set_weights(start)
        chosen = {name: value(k) if callable(value) else value for name, value in settings.items()}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.compile(k.optimizers.Adam(0.01), **chosen, **({} if engine is None else {"engine": engine}))
            # Keras on torch multiplies weights in place by what a loss makes of the mask, which differs from batch to
            # batch: then the means of weighted metrics over several batches are no means any more.
            several = weights is None
            found = [model.evaluate(x, y, 8 if several else 12, 0, weights, return_dict=True)]
            found += [model.train_on_batch(x, y, weights, return_dict=True) for _ in range(STEPS)]
            history = model.fit(x, y, 5 if several else 12, 2, 0, shuffle=False, sample_weight=weights).history
        logs = [found[-1], *({name: values[i] for name, values in history.items()} for i in range(2))]
        logs = found[:-1] + logs
        if engine is None:
            expected = logs, theirs.get_weights()
            continue
        for log, their_log in zip(logs, expected[0], strict=True):
            for name, value in their_log.items():
                np.testing.assert_allclose(log[name], value, **ROUNDING, err_msg=f"{engine}: {name} {log} {their_log}")
        for weight, theirs_weight in zip(model.get_weights(), expected[1], strict=True):
            np.testing.assert_allclose(weight, theirs_weight, rtol=2e-4, atol=2e-5, err_msg=engine)


@pytest.mark.parametrize("name", NETWORKS)
def test_losses_metrics_and_weights(name, rng):
    make, shapes = NETWORKS[name]
    ours, theirs = pair(make)
    x = inputs_of(shapes, rng)
    y = [rng.normal(size=(12, *tensor.shape[1:])).astype("float32") for tensor in ours.outputs]
    settings = {"metrics": ["mae"], "weighted_metrics": ["mse"]} if len(y) == 1 else {}
    compare(ours, theirs, x, y[0] if len(y) == 1 else y, loss="mse", **settings)


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "mean", "mean_with_sample_weight"])
@pytest.mark.parametrize("name", ["masking", "masked rows", "embedding", "Add", "BatchNormalization"])
@pytest.mark.parametrize("weighted", ["none", "samples", "steps"])
def test_weights_and_reductions(name, reduction, weighted, rng):
    make, shapes = NETWORKS[name]
    ours, theirs = pair(make)
    x, rows = inputs_of(shapes, rng), (12, *ours.outputs[0].shape[1:-1])
    weights = {
        "none": None,
        "samples": rng.uniform(size=12),
        "steps": rng.uniform(size=rows),
    }[weighted]
    y = rng.normal(size=(*rows, 2)).astype("float32")
    settings = {
        "loss": lambda k: k.losses.MeanSquaredError(reduction=reduction),
        "metrics": ["mae"],
        "weighted_metrics": ["mse"],
    }
    if weighted == "samples" and len(rows) > 1:
        # Keras multiplies (batch,) by (batch, steps), which ends in an error: it is given a weight for each step
        each = np.broadcast_to(weights[:, np.newaxis], rows)
        compare_weights(ours, x, y, weights, each, settings)
        weights = each
    compare(ours, theirs, x, y, weights, **settings)


def compare_weights(model, x, y, weights, each, settings):
    """A weight for a sample is one for each of its steps."""
    model.compile("sgd", **{name: value(cb) if callable(value) else value for name, value in settings.items()})
    results = [model.evaluate(x, y, sample_weight=given, verbose=0) for given in (weights, each)]
    assert results[0] == results[1]


@pytest.mark.parametrize(
    ("loss", "last", "metrics"),
    [
        ("sparse_categorical_crossentropy", "softmax", ["accuracy"]),
        ("categorical_crossentropy", "softmax", ["accuracy", "categorical_crossentropy"]),
        ("binary_crossentropy", "sigmoid", ["accuracy", "AUC", "binary_crossentropy"]),
        ("mse", "linear", ["mae", "cosine_similarity", "RootMeanSquaredError"]),
        ("dice", "sigmoid", ["mae"]),
        ("huber", "linear", [lambda k: k.metrics.MeanMetricWrapper(half_errors[k], name="half")]),
    ],
)
@pytest.mark.parametrize("weighted", [False, True])
def test_losses_and_metrics(loss, last, metrics, weighted, rng):
    """Means over rows leave out what is masked; other metrics do not know of masks, as in Keras."""

    def make(k):
        return k.Sequential([k.Input((5, 3)), k.layers.Masking(), k.layers.Dense(4, "tanh"), k.layers.Dense(2, last)])

    if weighted:  # see `compare`: these get weights from Keras on torch that have the mask in them
        metrics = [metric for metric in metrics if metric not in ("AUC", "RootMeanSquaredError")]
    ours, theirs = pair(make)
    x = sequences(rng, 12, 5, 3)
    y = rng.integers(0, 2, (12, 5)) if "sparse" in loss else rng.integers(0, 2, (12, 5, 2)).astype("float32")
    if loss == "categorical_crossentropy":
        y = np.eye(2, dtype="float32")[rng.integers(0, 2, (12, 5))]

    def chosen(k):
        return [metric(k) if callable(metric) else metric for metric in metrics]

    weights = rng.uniform(size=(12, 5)) if weighted else None
    compare(ours, theirs, x, y, weights, loss=loss, **{"weighted_metrics" if weighted else "metrics": chosen})


half_errors = {
    cb: lambda y_true, y_pred: abs(y_pred - y_true)[..., 0] / 2,
    keras: lambda y_true, y_pred: keras.ops.abs(keras.ops.stop_gradient(y_pred) - y_true)[..., 0] / 2,
}


def test_class_weights(rng):
    """A class for each sample: Keras has no weights for classes of steps."""

    def make(k):
        return k.Sequential([k.Input((3,)), k.layers.Masking(), k.layers.Dense(3, "softmax")])

    ours, theirs = pair(make)
    x, y = sequences(rng, 12, 3), rng.integers(0, 3, 12)
    found = []
    for k, model in ((cb, ours), (keras, theirs)):
        model.compile(k.optimizers.SGD(0.1), "sparse_categorical_crossentropy", weighted_metrics=["accuracy"])
        found.append(model.fit(x, y, 12, 3, 0, shuffle=False, class_weight={0: 0.5, 1: 2.0, 2: 1.0}).history)
    for name, values in found[1].items():
        np.testing.assert_allclose(found[0][name], values, **ROUNDING)
    for weight, their_weight in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(weight, their_weight, **ROUNDING)


def layers_of_both():
    for name, cls in cb.layers.registry:
        theirs = getattr(keras.layers, name, None)
        if inspect.isclass(theirs) and name not in ("InputLayer", "Lambda"):
            yield name, cls, theirs


# Values of arguments that a layer cannot do without; those of other names are 2.
VALUES = {"equation": "abc,cd->abd", "activation": "relu", "axes": 1, "dims": (1,), "key": 0, "target_shape": (1,)}
FRACTIONS = ("factor", "height_factor", "rate", "scale", "stddev", "width_factor")


def arguments_of(library, name, cls):
    """The arguments of a layer's constructor."""
    within = {"cell": "LSTMCell", "layer": "LSTM" if name == "Bidirectional" else "Dense"}
    found = {"CategoryEncoding": [3], "Discretization": [[0.0]]}.get(name, [])
    for parameter in list(inspect.signature(cls.__init__).parameters.values())[1:]:
        if parameter.default is parameter.empty and parameter.kind is parameter.POSITIONAL_OR_KEYWORD:
            if parameter.name in within:
                found.append(getattr(library.layers, within[parameter.name])(2))
            elif parameter.name == "cells":
                found.append([library.layers.LSTMCell(2)])
            else:
                found.append(VALUES.get(parameter.name, 0.5 if parameter.name in FRACTIONS else 2))
    return found


@pytest.mark.parametrize(("name", "cls", "theirs"), list(layers_of_both()))
def test_which_layers_support_masking(name, cls, theirs):
    ours, keras_layer = cls(*arguments_of(cb, name, cls)), theirs(*arguments_of(keras, name, cls))
    assert ours.supports_masking == keras_layer.supports_masking


def test_masks_of_arrays(rng):
    """`compute_mask`, called by itself."""
    x = sequences(rng, 4, 5, 3)
    ids = rng.integers(0, 2, (4, 5))
    masks = [rng.random((4, 5)) < 0.5, rng.random((4, 5)) < 0.5]
    cases = [
        (lambda k: k.layers.Masking(), (x,)),
        (lambda k: k.layers.Embedding(3, 2, mask_zero=True), (ids,)),
        (lambda k: k.layers.Dense(2), (x, masks[0])),
        (lambda k: k.layers.Add(), ([x, x], masks)),
        (lambda k: k.layers.Concatenate(axis=1), ([x, x], [masks[0], None])),
        (lambda k: k.layers.Concatenate(), ([x, x], masks)),
    ]
    for make, arguments in cases:
        theirs = keras.ops.convert_to_numpy(make(keras).compute_mask(*arguments))
        np.testing.assert_array_equal(make(cb).compute_mask(*arguments), theirs)
    for k in (keras, cb):
        assert k.layers.Dot(1).compute_mask([x, x], masks) is None
        assert k.layers.Embedding(3, 2).compute_mask(ids) is None
        assert k.layers.Add().compute_mask([x, x], [masks[0], None]) is None


LAYERS = [name for name in cb.layers.__all__ if isinstance(getattr(cb.layers, name), type)]


@pytest.mark.parametrize("name", sorted(set(LAYERS) & set(dir(keras.layers))))
def test_arguments_of_compute_mask_have_their_names(name):
    ours, theirs = (inspect.signature(getattr(k.layers, name).compute_mask).parameters for k in (cb, keras))
    assert ("mask" in ours) == ("mask" in theirs)


def test_the_mean_of_an_array_over_steps_has_no_mask(rng):
    x = cb.layers.Masking()(sequences(rng, 4, STEPS, 3)[[0, 2, 3]])
    layer = cb.layers.GlobalAveragePooling1D()
    assert mask_of(x) is not None
    assert mask_of(layer(x)) is None
    assert layer.compute_mask(x, mask=mask_of(x)) is None
