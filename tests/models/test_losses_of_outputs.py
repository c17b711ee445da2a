"""Losses in the structure of a model's outputs, or in a part of it, and several losses of one output."""

from collections import namedtuple

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers, losses

ENGINES = pytest.mark.parametrize("engine", ["compiled", "reference"])
RNG = np.random.default_rng(0)
X = RNG.normal(size=(8, 3))
Y1, Y2 = RNG.random((8, 1)), RNG.random((8, 1))
WEIGHTS = RNG.random(8) * (np.arange(8) != 3)
Pair = namedtuple("Pair", ["y1", "y2"])
# For each structure of outputs: how it is made of two tensors or arrays, and these two out of it.
STRUCTURES = {
    "one": (lambda a, b: a, lambda y: (y, None)),
    "list of one": (lambda a, b: [a], lambda y: (y, None)),
    "list": (lambda a, b: [a, b], lambda y: y),
    "tuple": (lambda a, b: (a, b), lambda y: y),
    "namedtuple": (Pair, lambda y: y),
    "dict": (lambda a, b: {"a": a, "b": b}, lambda y: (y["a"], y["b"])),
    "deep": (lambda a, b: {"p": (a, b), "q": {"r": a}}, lambda y: y["p"]),
}


def mse(y, p):
    return ((y - p) ** 2).mean()


def mae(y, p):
    return abs(y - p).mean()


def huber(y, p):
    return losses.Huber()(y, p)


# Structure, loss, loss_weights, and the total of targets and predictions of both outputs.
CASES = [
    ("one", ["mse", "mae"], None, lambda y, p: mse(y[0], p[0]) + mae(y[0], p[0])),
    ("one", ["mse", "mae"], [0.5, 2.0], lambda y, p: 0.5 * mse(y[0], p[0]) + 2 * mae(y[0], p[0])),
    ("one", {"y1": ["mse", "mae"]}, None, lambda y, p: mse(y[0], p[0]) + mae(y[0], p[0])),
    ("list of one", ["mse", "mae"], None, lambda y, p: mse(y[0], p[0]) + mae(y[0], p[0])),
    ("list of one", [["mse", "mae"]], None, lambda y, p: mse(y[0], p[0]) + mae(y[0], p[0])),
    ("list", "mse", None, lambda y, p: mse(y[0], p[0]) + mse(y[1], p[1])),
    ("list", "mse", [1.0, 3.0], lambda y, p: mse(y[0], p[0]) + 3 * mse(y[1], p[1])),
    ("list", ("mse", "mae"), (1.0, 3.0), lambda y, p: mse(y[0], p[0]) + 3 * mae(y[1], p[1])),
    ("list", ["mse", ["mae", "huber"]], None, lambda y, p: mse(y[0], p[0]) + mae(y[1], p[1]) + huber(y[1], p[1])),
    (
        "list",
        ["mse", ["mae", "huber"]],
        [1.0, [2.0, 3.0]],
        lambda y, p: mse(y[0], p[0]) + 2 * mae(y[1], p[1]) + 3 * huber(y[1], p[1]),
    ),
    ("list", ["mse", ["mae"]], [1.0, [2.0]], lambda y, p: mse(y[0], p[0]) + 2 * mae(y[1], p[1])),
    # A tuple is no list: each of its losses is for all outputs.
    (
        "list",
        ("mse", ["mae", "huber"]),
        None,
        lambda y, p: (mse(y[0], p[0]) + mse(y[1], p[1])) / 2 + mae(y[0], p[0]) + huber(y[1], p[1]),
    ),
    (
        "tuple",
        ["mse", ("mae", "huber")],
        [4.0, (2.0, 3.0)],
        lambda y, p: 2 * (mse(y[0], p[0]) + mse(y[1], p[1])) + 2 * mae(y[0], p[0]) + 3 * huber(y[1], p[1]),
    ),
    ("tuple", [("mse", "mae")], None, lambda y, p: mse(y[0], p[0]) + mae(y[1], p[1])),
    ("namedtuple", Pair("mse", "mae"), None, lambda y, p: mse(y[0], p[0]) + mae(y[1], p[1])),
    ("namedtuple", [Pair("mse", "mae"), Pair(None, "huber")], None,
     lambda y, p: mse(y[0], p[0]) + mae(y[1], p[1]) + huber(y[1], p[1])),
    ("dict", {"a": "mse"}, None, lambda y, p: mse(y[0], p[0])),
    ("dict", ["mse", "mae"], None, lambda y, p: mse(y[0], p[0]) + mae(y[1], p[1])),
    ("dict", {"a": ["mse", "mae"], "b": "mae"}, {"a": [1.0, 2.0], "b": 3.0},
     lambda y, p: mse(y[0], p[0]) + 2 * mae(y[0], p[0]) + 3 * mae(y[1], p[1])),
    ("dict", {"a": ["mse", "mae"], "b": "mae"}, {"a": 2.0}, lambda y, p: 2 * mse(y[0], p[0]) + 2 * mae(y[0], p[0])
     + mae(y[1], p[1])),
    ("dict", [{"a": "mse", "b": "mae"}, {"b": "huber"}], [{"a": 1.0, "b": 2.0}, {"b": 3.0}],
     lambda y, p: mse(y[0], p[0]) + 2 * mae(y[1], p[1]) + 3 * huber(y[1], p[1])),
    ("dict", ["mse", {"b": "mae"}], None, lambda y, p: (mse(y[0], p[0]) + mse(y[1], p[1])) / 2 + mae(y[1], p[1])),
    ("deep", {"p": "mse"}, None, lambda y, p: (mse(y[0], p[0]) + mse(y[1], p[1])) / 2),
    ("deep", {"p": losses.MeanSquaredError(reduction="sum")}, None,
     lambda y, p: 8 * (mse(y[0], p[0]) + mse(y[1], p[1]))),
    ("deep", {"p": ["mse", (None, "mae")], "q": [{"r": "huber"}]}, None,
     lambda y, p: (mse(y[0], p[0]) + mse(y[1], p[1])) / 2 + mae(y[1], p[1]) + huber(y[0], p[0])),
    ("deep", {"p": ("mse", None), "q": {"r": ["mae", "huber"]}}, None,
     lambda y, p: mse(y[0], p[0]) + mae(y[0], p[0]) + huber(y[0], p[0])),
]  # fmt: skip


def model_of(structure):
    x = cb.Input((3,), name="x")
    y1, y2 = (layers.Dense(1, name=name, activation="sigmoid")(x) for name in ("y1", "y2"))
    return cb.Model(x, STRUCTURES[structure][0](y1, y2))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{case[1]}"[:60])
@ENGINES
def test_totals_and_gradients(case, engine):
    structure, loss, loss_weights, total = case
    model = model_of(structure)
    model.compile(cb.optimizers.SGD(0.1), loss, loss_weights, engine=engine)
    nest, unpacked = STRUCTURES[structure]
    y = nest(Y1, Y2)
    expected = total((Y1, Y2), unpacked(model.predict(X, verbose=0)))
    assert model.evaluate(X, y, verbose=0, return_dict=True)["loss"] == pytest.approx(expected, rel=1e-5)
    assert model.compute_loss(y=y, y_pred=model.predict(X, verbose=0)) == pytest.approx(expected, rel=1e-5)
    assert model.check_gradients(X, y).max_relative_error < 1e-5
    history = model.fit(X, y, batch_size=8, epochs=3, verbose=0).history["loss"]
    assert history[0] == pytest.approx(expected, rel=1e-5)
    assert history[2] < history[0]


def own(y_true, y_pred):
    """One number for each row."""
    return ((y_pred - y_true) ** 4).mean(axis=-1), 4 * (y_pred - y_true) ** 3 / y_pred.shape[-1]


def of_batch(y_true, y_pred):
    """One number for the batch."""
    return ((y_pred - y_true) ** 2).mean(), 2 * (y_pred - y_true) / y_pred.size


SUMS = {
    "of several reductions": [losses.MeanSquaredError(reduction="sum"), "mae", losses.Huber(reduction="mean")],
    "all sums": [losses.MeanSquaredError(reduction="sum"), losses.MeanAbsoluteError(reduction="sum")],
    "all means by weight": [
        losses.MeanSquaredError(reduction="mean_with_sample_weight"),
        losses.MeanAbsoluteError(reduction="mean_with_sample_weight"),
    ],
    "of the batch as a whole": ["dice", "binary_crossentropy"],
    "of axes": [losses.Tversky(axis=(1, 2)), losses.Dice(axis=-1), "mse"],
    "in python": [own, "mse"],
    "of one number in python": [of_batch, own, losses.MeanSquaredError(reduction="sum")],
    "of probabilities": ["kl_divergence", "poisson", losses.CategoricalCrossentropy(label_smoothing=0.1)],
}


@pytest.mark.parametrize("name", SUMS)
@pytest.mark.parametrize("weighted", [False, True])
@ENGINES
def test_losses_of_every_kind_add_up(name, weighted, engine):
    """Total, gradients and steps are the same as with several outputs that have one of the losses each."""
    chosen, factors = SUMS[name], [1.0, 0.5, 2.0][: len(SUMS[name])]
    y = np.random.default_rng(1).dirichlet(np.ones(4), (8, 2))
    found = []
    for several in (False, True):
        cb.utils.set_random_seed(3)
        x = cb.Input((3,))
        output = layers.Softmax()(layers.Reshape((2, 4))(layers.Dense(8)(x)))
        outputs = [layers.Identity()(output) for _ in chosen] if several else output
        model = cb.Model(x, outputs)
        model.compile(cb.optimizers.SGD(0.05), chosen, factors, engine=engine)
        targets = [y] * len(chosen) if several else y
        weights = WEIGHTS if weighted else None
        history = model.fit(X, targets, batch_size=4, epochs=2, shuffle=False, sample_weight=weights, verbose=0).history
        losses_seen = [model.evaluate(X, targets, sample_weight=weights, return_dict=True, verbose=0)["loss"]]
        found.append([np.array(history["loss"] + losses_seen), *model.get_weights()])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=1e-6)
    assert model.check_gradients(X, targets).max_relative_error < 1e-5


@ENGINES
def test_classes_and_other_targets(engine):
    """A loss of class numbers together with a loss in Python, which gets the numbers unchanged."""
    y = np.arange(8) % 4

    def bias(y_true, y_pred):
        gradient = np.zeros_like(y_pred)
        gradient[:, 0] = 1
        return y_pred[:, 0] + y_true.reshape(-1), gradient

    model = cb.Sequential([cb.Input((3,)), layers.Dense(4, activation="softmax")])
    model.compile("sgd", ["sparse_categorical_crossentropy", bias], engine=engine, metrics=["accuracy"])
    p = model.predict(X, verbose=0)
    expected = -np.log(p[np.arange(8), y]).mean() + (p[:, 0] + y).mean()
    assert model.evaluate(X, y, verbose=0)[0] == pytest.approx(expected, rel=1e-5)
    assert model.check_gradients(X, y).max_relative_error < 1e-5
    with pytest.raises(ValueError, match=r"classes in \[0, 4\), but got 4"):
        model.fit(X, y + 1, verbose=0)


def test_targets_are_checked_for_each_loss():
    model = model_of("one")
    for loss in ("binary_crossentropy", ["mae", "binary_crossentropy"], ["mae", "binary_crossentropy", own]):
        model.compile("sgd", loss)
        with pytest.warns(UserWarning, match=r"y holds 5, but a loss or a metric expects probabilities in \[0, 1\]"):
            model.evaluate(X, np.full((8, 1), 5.0), verbose=0)


def wide(structure):
    x = cb.Input((3,))
    return cb.Model(x, structure(layers.Dense(1, name="y1")(x), layers.Dense(2, name="y2")(x)))


@pytest.mark.parametrize(
    ("model", "loss", "message"),
    [
        (lambda: model_of("tuple"), [own, ("mse", "mse")],
         r"'own' is given for the outputs \['y1', 'y2'\] together, .*: a loss in Python gets one output"),
        (lambda: model_of("deep"), {"p": "dice"}, r"'dice' is given for .* together, .*: it is neither a mean"),
        (lambda: wide(lambda a, b: (a, b)), ["mse", ("mse", "mae")], "together, .*: their shapes differ"),
        (lambda: model_of("one"), ["mse", losses.MeanSquaredError(missing="ignore")],
         r"leaves targets out \(missing\)"),
        (lambda: wide(lambda a, b: b), ["sparse_categorical_crossentropy",
         losses.SparseCategoricalCrossentropy(ignore_class=0)], r"leaves targets out \(ignore_class\)"),
        (lambda: model_of("one"), ["mse", losses.Huber(reduction="mean_with_sample_weight")],
         "'mean_with_sample_weight' cannot be mixed with other reductions"),
        (lambda: wide(lambda a, b: b), ["mse", "gaussian_nll"], "half as wide as the predictions, and others do not"),
        (lambda: model_of("list"), ["mse"] * 3, "loss must have 2 entries, one for each output, but got 3"),
        (lambda: model_of("deep"), {"q": ("mse", {"s": "mse"})}, r"The path \('q', 1, 's'\) in the `loss` argument"),
        (lambda: model_of("deep"), {"p": {"r": "mse"}}, r"The path \('p', 'r'\) .* outputs are \['y1', 'y2'\]"),
    ],
)  # fmt: skip
def test_what_cannot_be(model, loss, message):
    model = model()
    with pytest.raises(ValueError, match=message):
        model.compile("sgd", loss)


def test_weights_that_do_not_fit():
    model = model_of("list")
    for weights, message in (
        ([1.0, [2.0]], "loss_weights must have 2 entries, as many as losses, but got 1"),
        ([1.0, [2.0, 1.0, 1.0]], "loss_weights must have 2 entries, as many as losses, but got 3"),
        ([1.0], "loss_weights must have 2 entries, one for each output, but got 1"),
        (2.0, "loss_weights must be a list or dict with an entry for each of"),
        ([1.0, [2.0, "a"]], r"loss_weights\['y2'\] must be a number"),
    ):
        with pytest.raises((ValueError, TypeError), match=message):
            model.compile("sgd", ["mse", ["mse", "mae"]], weights)


@ENGINES
def test_masks(engine):
    def model_with(loss):
        cb.utils.set_random_seed(0)
        model = cb.Sequential([cb.Input((4,)), layers.Embedding(5, 3, mask_zero=True), layers.Dense(1)])
        model.compile("sgd", loss, engine=engine)
        return model

    x = np.array([[1, 2, 0, 0], [3, 0, 0, 0], [4, 4, 4, 4]])
    y = np.random.default_rng(0).normal(size=(3, 4, 1))
    each = [model_with(loss).evaluate(x, y, verbose=0) for loss in ("mse", "mae")]
    assert model_with(["mse", "mae"]).evaluate(x, y, verbose=0) == pytest.approx(sum(each), rel=1e-5)
    with pytest.raises(
        ValueError, match=r"different reductions, \['sum', 'sum_over_batch_size'\], and the output has a"
    ):
        model_with([losses.MeanSquaredError(reduction="sum"), "mae"]).evaluate(x, y, verbose=0)
