"""Ensemble: mean, spread and vote of several models, evaluated together, in one file."""

import copy
import re

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers

RNG = np.random.default_rng(2)
X = RNG.normal(size=(60, 3)).astype("float32")
CLASSES = (X[:, 0] > 0.3).astype(int) + (X[:, 1] > 0)


def regressor(units=4):
    model = cb.Sequential([cb.Input((3,)), layers.Dense(units, "tanh"), layers.Dense(1)])
    model.compile(cb.optimizers.Adam(0.01), "mse", metrics=["mae"])
    return model


def classifier(units=4):
    model = cb.Sequential([cb.Input((3,)), layers.Dense(units, "relu"), layers.Dense(3, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def two_outputs():
    inputs = cb.Input((3,))
    outputs = {"a": layers.Dense(2, name="a")(inputs), "b": layers.Dense(1, name="b")(inputs)}
    model = cb.Model(inputs, outputs)
    model.compile("sgd", {"a": "mse", "b": "mae"}, metrics={"a": ["mae"]})
    return model


def constant(values):
    """A model that predicts the same numbers for every sample."""
    model = cb.Sequential([cb.Input((3,)), layers.Dense(len(values))])
    model.set_weights([np.zeros((3, len(values))), np.array(values)])
    return model


def test_mean_and_spread():
    models = [regressor(), regressor(6), regressor()]
    ensemble = cb.Ensemble(models)
    each = np.stack([model.predict(X, verbose=0) for model in models]).astype("float64")
    np.testing.assert_array_equal(ensemble.predict_each(X), each)
    np.testing.assert_allclose(ensemble.predict(X), each.mean(0), rtol=1e-6)
    np.testing.assert_allclose(ensemble(X), each.mean(0), rtol=1e-6)
    np.testing.assert_allclose(ensemble.spread(X), each.std(0), rtol=1e-6)
    assert ensemble.predict(X).dtype == np.float32
    assert (len(ensemble), list(ensemble), ensemble[1]) == (3, models, models[1])


@pytest.mark.parametrize("name", ["predict", "predict_each", "spread", "vote"])
def test_verbose(name):
    method = getattr(cb.Ensemble([classifier(), classifier()]), name)
    np.testing.assert_array_equal(method(X, verbose=1), method(X))
    with pytest.raises(ValueError, match="verbose"):
        method(X, verbose=7)


def test_structures():
    models = [two_outputs(), two_outputs()]
    found = cb.Ensemble(models).predict(X)
    assert {name: array.shape for name, array in found.items()} == {"a": (60, 2), "b": (60, 1)}
    expected = [model.predict(X, verbose=0)["b"] for model in models]
    np.testing.assert_allclose(found["b"], np.mean(expected, axis=0), rtol=1e-6)


@pytest.mark.parametrize(
    ("predictions", "winner"),
    [
        ([[0, 1, 0], [0, 0, 1], [0, 0.6, 0.4]], 1),
        ([[1, 0, 0], [0, 0, 5]], 0),  # as many votes: the lowest number
        ([[0, 0, 1]], 2),
        ([[0.4], [0.9], [0.6]], 1),
        ([[0.4], [0.9]], 0),
        ([[0.5], [0.5]], 0),
    ],
)
def test_vote(predictions, winner):
    votes = cb.Ensemble(map(constant, predictions)).vote(X)
    assert votes.shape == (60,)
    assert votes.dtype == np.int64
    assert set(votes) == {winner}


@pytest.mark.parametrize("loss", ["mse", "huber", "poisson", ["mse", "mae"]])
@pytest.mark.parametrize("ends", [(), (layers.Dropout(0.1),), (layers.Activation("relu"),), (layers.Reshape((2, 1)),)])
def test_votes_of_regressions_are_refused(loss, ends):
    model = cb.Sequential([cb.Input((3,)), layers.Dense(2, name="numbers"), *map(copy.copy, ends)])
    model.compile("sgd", loss)
    good = cb.Sequential([cb.Input((3,)), layers.Dense(2, "softmax"), *map(copy.copy, ends)])
    with pytest.raises(
        ValueError, match=r"vote counts .* output '.*' of model '.*' is trained by .* to predict numbers"
    ):
        cb.Ensemble([good, model]).vote(X)


def own_activation(x):
    return x


@pytest.mark.parametrize(
    "last",
    [
        lambda: [layers.Dense(2, "softmax")],
        lambda: [layers.Dense(2), layers.Softmax()],
        lambda: [layers.Dense(1, "sigmoid"), layers.Reshape((1, 1))],
        lambda: [layers.Dense(2, own_activation)],
        lambda: [cb.Sequential([cb.Input((3,)), layers.Dense(2)])],
    ],
)
def test_votes_of_classifiers_that_are_trained_by_squared_errors(last):
    model = cb.Sequential([cb.Input((3,)), *last()])
    model.compile("sgd", "mse")
    assert len(cb.Ensemble([model]).vote(X)) == len(X)


def test_vote_at_positions():
    """Each position of an output has a vote."""
    model = cb.Sequential([cb.Input((4, 3)), layers.Dense(5)])
    x = RNG.normal(size=(7, 4, 3))
    np.testing.assert_array_equal(cb.Ensemble([model]).vote(x), model.predict(x, verbose=0).argmax(-1))


def test_evaluate():
    """As the loss and metrics of the first model on the mean prediction."""
    models = [classifier(), classifier()]
    ensemble = cb.Ensemble(models)
    weights = RNG.uniform(size=60)
    mean = ensemble.predict(X)
    loss = cb.losses.SparseCategoricalCrossentropy()(CLASSES, mean, sample_weight=weights)
    found = ensemble.evaluate(X, CLASSES, verbose=0, sample_weight=weights, return_dict=True)
    assert found == pytest.approx({"loss": float(loss), "accuracy": (mean.argmax(-1) == CLASSES).mean()}, rel=1e-5)
    assert ensemble.evaluate(X, CLASSES, verbose=0)[1] == pytest.approx(found["accuracy"])
    alone = cb.Ensemble(models[:1]).evaluate(X, CLASSES, verbose=0)
    assert alone == pytest.approx(models[0].evaluate(X, CLASSES, verbose=0), rel=1e-5)
    two = two_outputs()
    y = {"a": X[:, :2], "b": X[:, :1]}
    alone = cb.Ensemble([two]).evaluate(X, y, verbose=0, return_dict=True)
    assert alone == pytest.approx(two.evaluate(X, y, verbose=0, return_dict=True), rel=1e-6)


def test_fit_is_better_than_its_models():
    cb.utils.set_random_seed(0)
    ensemble = cb.Ensemble([regressor(8) for _ in range(5)])
    y = X[:, :1] * X[:, 1:2]
    histories = ensemble.fit(X, y, epochs=30, verbose=0, seeds=range(5))
    assert len(histories) == 5
    alone = [model.evaluate(X, y, verbose=0)[0] for model in ensemble]
    assert ensemble.evaluate(X, y, verbose=0)[0] < np.mean(alone)


# Files


def test_one_file(tmp_path):
    path = tmp_path / "ensemble.safetensors"
    models = [classifier(), classifier(5), classifier()]
    ensemble = cb.Ensemble(models)
    ensemble.fit(X, CLASSES, verbose=0)
    ensemble.save(path)
    same = cb.Ensemble.load(path)
    assert [model.name for model in same] == [model.name for model in models]
    np.testing.assert_array_equal(same.predict_each(X), ensemble.predict_each(X))
    assert same.evaluate(X, CLASSES, verbose=0) == ensemble.evaluate(X, CLASSES, verbose=0)
    # Slots and random numbers are saved too: training continues with the same bits.
    for each in (ensemble, same):
        each.fit(X, CLASSES, verbose=0, seeds=[1, 2, 3])
    np.testing.assert_array_equal(same.predict_each(X), ensemble.predict_each(X))
    assert not cb.Ensemble.load(path, compile=False)[0].compiled
    with pytest.raises(FileExistsError):
        ensemble.save(path, overwrite=False)


def test_other_files(tmp_path):
    model = regressor()
    model.save(tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match=r"contains a single model, .*models\.load_model"):
        cb.Ensemble.load(tmp_path / "model.safetensors")
    cb.Ensemble([model]).save(tmp_path / "ensemble.safetensors")
    with pytest.raises(ValueError, match=r"holds an ensemble, which Ensemble\.load reads"):
        cb.models.load_model(tmp_path / "ensemble.safetensors")
    with pytest.raises(FileNotFoundError):
        cb.Ensemble.load(tmp_path / "nothing")
    for name in ("ensemble.keras", "ensemble.png"):
        with pytest.raises(ValueError, match=name):
            cb.Ensemble([model]).save(tmp_path / name)


def test_damaged_files(tmp_path):
    path = tmp_path / "ensemble.safetensors"
    cb.Ensemble([regressor(), regressor()]).save(path)
    whole = path.read_bytes()
    for old, new in ((b"members/1/model", b"members/7/model"), (rb"{\"models\": 2}", rb"{\"models\": 9}")):
        assert old in whole
        path.write_bytes(whole.replace(old, new))
        with pytest.raises(ValueError, match="models are missing"):
            cb.Ensemble.load(path)
    path.write_bytes(whole.replace(rb"{\"models\": 2}", rb"{\"models\":-2}"))
    with pytest.raises(ValueError, match="models"):
        cb.Ensemble.load(path)
    path.write_bytes(whole[:-8])
    with pytest.raises(ValueError, match="truncated"):
        cb.Ensemble.load(path)


# Mistakes


@pytest.mark.parametrize(
    ("models", "error", "message"),
    [
        ([], ValueError, "models must hold one model"),
        (3, TypeError, "models must be a list of models"),
        ([regressor, 3], TypeError, r"models\[1\] is int"),
        ([regressor, classifier], ValueError, r"the same outputs, but models\[0\] has (None, 1)"),
        ([regressor, lambda: cb.Sequential([cb.Input((4,)), layers.Dense(1)])], ValueError, "the same inputs"),
    ],
)
def test_wrong_models(models, error, message):
    made = [model() if callable(model) else model for model in models] if isinstance(models, list) else models
    with pytest.raises(error, match=message.replace("(None, 1)", re.escape("(None, 1)"))):
        cb.Ensemble(made)


class Shuffled(cb.utils.PyDataset):
    """Batches of X, which have another order in each pass."""

    def __init__(self, with_targets):
        super().__init__()
        self.with_targets, self.passes = with_targets, 0
        self.on_epoch_end()

    def __len__(self):
        return 6

    def __getitem__(self, index):
        rows = self.order[10 * index : 10 * index + 10]
        return (X[rows], CLASSES[rows]) if self.with_targets else X[rows]

    def on_epoch_end(self):
        self.order = np.random.default_rng(self.passes).permutation(len(X))
        self.passes += 1


@pytest.mark.parametrize("with_targets", [False, True])
def test_a_dataset_is_read_once(with_targets):
    """If each model read it, means would be taken over different samples."""
    ensemble = cb.Ensemble([classifier(), classifier(5), classifier()])
    rows = Shuffled(with_targets).order
    for method in ("predict", "predict_each", "spread", "vote"):
        expected = getattr(ensemble, method)(X[rows])
        np.testing.assert_allclose(getattr(ensemble, method)(Shuffled(with_targets)), expected, rtol=0, atol=1e-6)
    batches = (X[rows[begin : begin + 10]] for begin in range(0, len(X), 10))
    np.testing.assert_allclose(ensemble.predict(batches), ensemble.predict(X[rows]), rtol=0, atol=1e-6)


def test_a_dataset_for_several_outputs():
    ensemble = cb.Ensemble([two_outputs(), two_outputs()])
    found, expected = ensemble.predict(iter([X[:20], X[20:]])), ensemble.predict(X)
    for name in ("a", "b"):
        np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=1e-6)


def test_evaluate_a_dataset():
    """It gives what arrays give, is read once, and may have weights."""
    ensemble = cb.Ensemble([classifier(), classifier(5), classifier()])
    expected = ensemble.evaluate(X, CLASSES, verbose=0)
    data = Shuffled(True)
    assert ensemble.evaluate(data, verbose=0) == pytest.approx(expected, rel=1e-5)
    assert data.passes == 2  # the second has been drawn for the next evaluation
    weights = np.linspace(0.0, 1.0, len(X))
    batches = [
        (X[begin : begin + 20], CLASSES[begin : begin + 20], weights[begin : begin + 20]) for begin in (0, 20, 40)
    ]
    weighted = ensemble.evaluate(X, CLASSES, verbose=0, sample_weight=weights)
    assert ensemble.evaluate(iter(batches), verbose=0) == pytest.approx(weighted, rel=1e-5)
    first = ensemble.evaluate(X[:40], CLASSES[:40], verbose=0, sample_weight=weights[:40])
    assert ensemble.evaluate(iter(batches), verbose=0, steps=2) == pytest.approx(first, rel=1e-5)
    assert ensemble.evaluate(X, CLASSES, 20, 0, weights, steps=2) == pytest.approx(first, rel=1e-5)
    seen = []
    watch = cb.callbacks.LambdaCallback(on_test_batch_end=lambda batch, logs: seen.append(batch))
    ensemble.evaluate(iter(batches), verbose=0, callbacks=watch)
    assert seen == [0, 1, 2]
    with pytest.raises(ValueError, match="y must not be given when x is a list_iterator"):
        ensemble.evaluate(iter(batches), CLASSES)
    with pytest.raises(ValueError, match="x") as raised:
        ensemble.evaluate(iter([(X[:, :2], CLASSES)]), verbose=0)
    assert "This happened in batch 0" in raised.value.__notes__[-1]


def reader(length, mask_zero=True):
    """A model of sequences. It has an output with the mask of its input, and one without a mask."""
    inputs = cb.Input((length,))
    steps = cb.layers.Embedding(9, 4, mask_zero=mask_zero)(inputs)
    each = cb.layers.Dense(2, name="each")(cb.layers.LSTM(5, return_sequences=True)(steps))
    model = cb.Model(inputs, {"each": each, "last": cb.layers.Dense(1, name="last")(cb.layers.LSTM(3)(steps))})
    model.compile("sgd", "mse", metrics={"each": ["mae"]})
    return model


@pytest.mark.parametrize("mask_zero", [True, False])
@pytest.mark.parametrize("length", [6, None])
def test_evaluate_counts_no_masked_rows(length, mask_zero):
    models = [reader(length, mask_zero) for _ in range(3)]
    x = RNG.integers(1, 9, (30, 6))
    x[:, 4:] = 0
    y = {"each": RNG.normal(size=(30, 6, 2)), "last": RNG.normal(size=(30, 1))}
    alone = cb.Ensemble(models[:1]).evaluate(x, y, verbose=0, return_dict=True)
    assert alone == pytest.approx(models[0].evaluate(x, y, verbose=0, return_dict=True), rel=1e-6)
    ensemble = cb.Ensemble(models)
    found = ensemble.evaluate(x, y, verbose=0, return_dict=True)
    mean, counted = ensemble.predict(x), slice(0, 4) if mask_zero else slice(0, 6)
    assert found["each_mae"] == pytest.approx(np.abs(mean["each"] - y["each"])[:, counted].mean(), rel=1e-5)
    batches = [(x[rows], {name: values[rows] for name, values in y.items()}) for rows in (slice(0, 15), slice(15, 30))]
    assert ensemble.evaluate(iter(batches), verbose=0, return_dict=True) == pytest.approx(found, rel=1e-5)


def test_evaluate_a_dataset_for_several_outputs():
    ensemble = cb.Ensemble([two_outputs(), two_outputs()])
    y = {"a": X[:, :2], "b": X[:, :1]}
    batches = ((X[rows], {name: values[rows] for name, values in y.items()}) for rows in (slice(0, 20), slice(20, 60)))
    expected = ensemble.evaluate(X, y, verbose=0, return_dict=True)
    assert ensemble.evaluate(batches, verbose=0, return_dict=True) == pytest.approx(expected, rel=1e-5)


def test_each_model_checks_the_batches_of_a_dataset():
    words = cb.Input((3,), dtype="int32")
    models = [cb.Model(words, layers.Flatten()(layers.Embedding(size, 2)(words))) for size in (5, 2)]
    for order in (models, models[::-1]):
        with pytest.raises(ValueError, match=r"x must hold whole numbers in \[0, 2\), but got 4"):
            cb.Ensemble(order).predict(iter([np.full((2, 3), 4)]))


def test_wrong_calls():
    ensemble = cb.Ensemble([regressor()])
    with pytest.raises(RuntimeError, match="Call compile before evaluate"):
        cb.Ensemble([constant([1.0])]).evaluate(X, X[:, :1])
    with pytest.raises(ValueError, match="x"):
        ensemble.predict(X[:, :2])


def test_models_without_a_shape():
    models = [cb.Sequential([layers.Dense(2)]) for _ in range(2)]
    ensemble = cb.Ensemble(models)
    assert ensemble.predict(X).shape == (60, 2)
    assert repr(ensemble) == "<Ensemble of 2 models>"
