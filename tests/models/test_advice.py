"""Messages with advice to beginners, for mistakes that show far from their cause."""

import warnings

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers

X = np.linspace(-1, 1, 48).reshape(12, 4)
Y, CLASSES = np.linspace(-1, 1, 12).reshape(12, 1), np.arange(12) % 3


def made(units=1, activation=None, loss="mse", **settings):
    model = cb.Sequential([cb.Input((4,)), layers.Dense(5), layers.Dense(units, activation)])
    model.compile("adam", loss, **settings)
    return model


def binary():
    return made(1, "sigmoid", "binary_crossentropy")


def twice(x):
    return 2 * x


def through_lambda():
    model = cb.Sequential([cb.Input((4,)), layers.Dense(5), layers.Lambda(twice), layers.Dense(1)])
    model.compile("adam", "mse")
    model.fit(X, Y, verbose=0)


def set_rate():
    cb.optimizers.Adam().lr = 0.1


def of_dict(loss, weights):
    a = cb.Input((4,))
    model = cb.Model(a, {"b": layers.Dense(1, name="b")(a), "c": layers.Dense(1, name="c")(a)})
    model.compile("adam", loss, loss_weights=weights)


def pair():
    return cb.Input((4,)), cb.Input((4,))


APART = r"^x must be one array, but its parts differ in shape: \({0}, 4\) and \({0}, 1\). Give x and y separately"
PADDED = r"parts differ in shape: \({}\) and \({}\). Use utils.pad_sequences"
NUMBERS = r"its keys must be class numbers: \{0: 1.0, 1: 2.0\}"
MISTAKES = {
    "two tensors": (lambda: layers.Concatenate()(*pair()), ValueError, r"as one argument, .* give a list, layer\(\[a"),
    "two tensors of Add": (lambda: layers.Add()(*pair()), ValueError, "Add 'add.*' takes its inputs as one argument"),
    "two arrays": (lambda: layers.Dot(1)(X, X), ValueError, "Dot .* takes its inputs as one argument"),
    "model of arrays": (lambda: made()(X, X), ValueError, r"as one argument, .* give a list, model\(\[a, b\]\)"),
    "model of tensors": (lambda: made()(*pair()), ValueError, r"as one argument, .* give a list, model\(\[a, b\]\)"),
    "function": (lambda: layers.concatenate(*pair()), ValueError, r"give a list, concatenate\(\[a, b\]\)"),
    "function of arrays": (lambda: layers.concatenate(X, X), ValueError, r"give a list, concatenate\(\[a, b\]\)"),
    "dot": (lambda: layers.dot(*pair()), ValueError, r"give a list, dot\(\[a, b\]\)"),
    "dot with axes": (lambda: layers.dot(*pair(), axes=1), ValueError, r"give a list, dot\(\[a, b\]\)"),
    "dot of arrays": (lambda: layers.dot(X, X, 1), ValueError, r"give a list, dot\(\[a, b\]\)"),
    "function with axis": (
        lambda: layers.concatenate(*pair(), axis=1),
        ValueError,
        r"give a list, concatenate\(\[a, b",
    ),
    "three": (lambda: layers.add(*pair(), *pair()), ValueError, r"add takes its inputs as one argument, .*add\(\[a, b"),
    "lists of numbers": (lambda: layers.add(X.tolist(), X.tolist()), ValueError, r"give a list, add\(\[a, b\]\)"),
    **{
        name: (lambda name=name: getattr(layers, name)(*pair()), ValueError, rf"give a list, {name}\(\[a, b\]\)")
        for name in ("add", "subtract", "multiply", "average", "maximum", "minimum")
    },
    "two tensors of Dense": (
        lambda: layers.Dense(2)(*pair()),
        ValueError,
        r"takes one input, .*Concatenate\(\)\(\[a, b",
    ),
    "two arrays for Dense": (lambda: layers.Dense(2)(X, X), ValueError, r"Dense 'dense.*' takes one input"),
    "names of classes": (lambda: binary().fit(X, CLASSES % 2, class_weight={"neg": 1, "pos": 2}), ValueError, NUMBERS),
    "digits": (lambda: binary().fit(X, CLASSES % 2, class_weight={"0": 1}), ValueError, NUMBERS),
    "list of weights": (
        lambda: binary().fit(X, CLASSES % 2, class_weight=[1.0, 2.0]),
        ValueError,
        r"list of numbers: give \{0: 1.0, 1: 2.0\}",
    ),
    "list of weights, softmax": (
        lambda: made(3, "softmax", "sparse_categorical_crossentropy").fit(X, CLASSES, class_weight=(1, 2, np.int64(3))),
        ValueError,
        r"list of numbers: give \{0: 1.0, 1: 2.0, 2: 3.0\}",
    ),
    "loss weights": (lambda: of_dict("mse", {"cl": 1}), KeyError, "in the `loss_weights` argument"),
    "loss": (lambda: of_dict({"cl": "mse"}, None), KeyError, "in the `loss` argument"),
    "lr": (lambda: cb.optimizers.Adam(lr=0.1), TypeError, "no argument 'lr'. Did you mean 'learning_rate'"),
    "lr later": (set_rate, AttributeError, "no setting 'lr'. Did you mean 'learning_rate'"),
    "Lambda": (through_lambda, TypeError, r"Lambda\(function, backward=...\)"),
    "batches in a list": (lambda: made().fit([(X[:3], Y[:3])] * 3), ValueError, APART.format(3)),
    "a pair": (lambda: made().fit((X, Y)), ValueError, APART.format(12)),
    "batches of one shape": (
        lambda: made(4).fit([(X, X)] * 3),
        ValueError,
        "Give x and y separately, .* batches .x, y. come",
    ),
    "targets in a dict": (
        lambda: made().fit({"x": X, "y": Y}),
        ValueError,
        "Targets are not an input: give 'y' separately, as y",
    ),
    "one sample": (lambda: made().predict(X[0]), ValueError, r"A single sample is a batch of one, .*: x\[np.newaxis\]"),
    "rows and labels": (
        lambda: made().fit(zip(X, Y, strict=True)),
        ValueError,
        r"ndarray of shape \(4,\), a ndarray of",
    ),
    "no targets": (
        lambda: made().fit(iter([X])),
        ValueError,
        r"The batch is a ndarray of shape \(12, 4\). .* a tuple .x, y",
    ),
    "dict of both": (
        lambda: made().fit(iter([{"x": X, "y": Y}])),
        ValueError,
        r"a dict \('x': a ndarray .*, 'y': a ndar",
    ),
    "a function": (lambda: made().fit(lambda: iter([(X, Y)])), TypeError, "Call it, and pass the result"),
    "an iterator for a batch": (
        lambda: made().train_on_batch(iter([(X, Y)])),
        TypeError,
        "Only fit, evaluate and pred",
    ),
    "an iterator for y": (lambda: made().fit(X, iter(Y)), TypeError, "Only fit, evaluate and predict accept an iter"),
    "a layer for a tensor": (
        lambda: cb.Model(cb.Input((4,)), layers.Dense(2)),
        ValueError,
        "Call it on a tensor, and use",
    ),
    "a layer for an input": (lambda: layers.Dense(2)(layers.Dense(2)), TypeError, "object of type Dense. Call it"),
    "arrays for tensors": (
        lambda: cb.Model(np.zeros((99, 9)), Y),
        ValueError,
        r"but got array(.|\n){50,120} of type ndarray\.$",
    ),
    "samples with labels": (
        lambda: made().fit([(row, 0.0) for row in X.tolist()]),
        ValueError,
        "Give x and y separately",
    ),
    "names and numbers": (
        lambda: binary().fit(X, CLASSES % 2, class_weight={0: 1.0, "pos": 2.0}),
        ValueError,
        "has a key 'pos', but " + NUMBERS,
    ),
    "ragged x": (lambda: made().fit([[1, 2, 3, 4], [1, 2]], [1, 2]), ValueError, "^x .*" + PADDED.format("4,", "2,")),
    "ragged y": (lambda: made().fit(X[:2], [[1], [1, 2]]), ValueError, "^y .*" + PADDED.format("1,", "2,")),
    "ragged predict": (lambda: made().predict([[1, 2, 3, 4], [1]]), ValueError, PADDED.format("4,", "1,")),
    "ragged within": (
        lambda: made().predict([[[1], [2, 3]], [[1], [2]]]),
        ValueError,
        PADDED.format("1,", "2,"),
    ),
    "another form": (
        lambda: made(3, "softmax", "sparse_categorical_crossentropy", metrics=["precision"]).fit(X, CLASSES),
        ValueError,
        "needed by the loss 'sparse_categorical_crossentropy'; .* are needed by the metric 'precision'",
    ),
    "missing value": (lambda: made().fit(np.where(X > 0.9, np.nan, X), Y), ValueError, "NaN often is a missing value"),
    "name of an image": (lambda: made().predict("cat.png"), TypeError, "Read files first, .* or utils.load_img"),
    "no sequences": (
        lambda: cb.Sequential([cb.Input((3, 4)), layers.LSTM(8), layers.LSTM(8)]),
        ValueError,
        r"got shape \(None, 8\)\. If the layer before is recurrent, give it return_sequences=True",
    ),
    "no embedding": (
        lambda: cb.Sequential([cb.Input((None,)), layers.LSTM(8)]),
        ValueError,
        r"got shape \(None, None\)\. .* need an Embedding",
    ),
    "unknown sizes": (
        lambda: cb.Sequential([cb.Input((None, 5)), layers.Conv2D(3, 3)]),
        ValueError,
        r"got shape \(None, None, 5\)",
    ),
    "one unknown size": (
        lambda: cb.Sequential([cb.Input((None, 2520)), layers.Conv2D(3, 3)]),
        ValueError,
        r"got shape \(None, 2520, 2520\)",
    ),
    "one list of callbacks": (
        lambda: cb.fit_many([made(), made()], X, Y, callbacks=[cb.callbacks.EarlyStopping()]),
        ValueError,
        "one entry for each of the 2 models, but it has 1. A function makes them",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_advice(name):
    mistake, error, message = MISTAKES[name]
    with pytest.raises(error, match=message) as raised:
        mistake()
    assert "inhomogeneous" not in str(raised.value)


@pytest.mark.parametrize(
    ("module", "name", "meant"),
    [("layers", "Dens", "Dense"), ("layers", "DropOut", "Dropout"), ("optimizers", "AdamV", "Adam")],
)
def test_names_that_were_probably_meant(module, name, meant):
    with pytest.raises(AttributeError, match=f"has no attribute '{name}'. Did you mean '{meant}'"):
        getattr(getattr(cb, module), name)


@pytest.mark.parametrize("name", ["Quaternion", "_Dense", "__dens__"])
def test_names_that_are_like_none(name):
    with pytest.raises(AttributeError, match=f"has no attribute '{name}'$"):
        getattr(layers, name)


@pytest.mark.parametrize(("y", "message"), [(Y - 2, "none is 0 .every other number"), (0 * Y, "all are 0")])
def test_the_area_under_a_curve_of_one_class(y, message):
    with pytest.warns(UserWarning, match=f"needs labels of both classes, but so far {message}"):
        made(1, "sigmoid", metrics=["AUC"]).evaluate(X, y, verbose=0)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize("apart", [False, True])
def test_probabilities_for_a_loss_from_logits(engine, apart):
    sparse = cb.losses.SparseCategoricalCrossentropy(from_logits=True)
    model = made(3, "softmax", sparse, engine=engine)
    if apart:
        model = cb.Sequential([cb.Input((4,)), layers.Dense(3), layers.Softmax()])
        model.compile("adam", sparse, engine=engine)
    with pytest.warns(UserWarning, match="applies softmax, but layer .* has applied softmax already") as told:
        model.fit(X, CLASSES, verbose=0)
    assert [each.filename for each in told] == [__file__]
    with pytest.warns(UserWarning, match=r"BinaryCrossentropy\(from_logits=True\) applies sigmoid"):
        made(1, "sigmoid", cb.losses.BinaryCrossentropy(from_logits=True), engine=engine).evaluate(X, Y > 0, verbose=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made(3, None, sparse, engine=engine).fit(X, CLASSES, verbose=0)
        made(3, "relu", sparse, engine=engine).fit(X, CLASSES, verbose=0)
        made(3, "softmax", "sparse_categorical_crossentropy", engine=engine).fit(X, CLASSES, verbose=0)
