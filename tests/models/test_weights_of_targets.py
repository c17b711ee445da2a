"""Sample weights of any sign, weights of single elements, and class weights."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose
from target_models import ENGINES, ROWS, inputs, model_of

import cbackprop as cb
from cbackprop import layers, losses, metrics


@ENGINES
@pytest.mark.parametrize("reduction", ["sum", "sum_over_batch_size", "mean_with_sample_weight"])
def test_negative_weights(reduction, engine):
    rng = np.random.default_rng(8)
    w, y = rng.normal(size=ROWS), rng.normal(size=(ROWS, 3))
    model = model_of(losses.MeanSquaredError(reduction), engine, weighted_metrics=["mae"])
    logs = model.evaluate(inputs(), y, sample_weight=w, batch_size=ROWS, verbose=0, return_dict=True)
    error = model.predict(inputs(), verbose=0) - y
    divisor = {"sum": 1, "sum_over_batch_size": ROWS, "mean_with_sample_weight": w.sum()}[reduction]
    assert_allclose(logs["loss"], ((error**2).mean(axis=1) * w).sum() / divisor, rtol=1e-4)
    assert_allclose(logs["mae"], (abs(error).mean(axis=1) * w).sum() / w.sum(), rtol=1e-4)
    assert model.check_gradients(inputs(), y, sample_weight=w).max_relative_error < 1e-6
    for bad in (np.nan, np.inf):
        with pytest.raises(ValueError, match="sample_weight must be finite"):
            model.evaluate(inputs(), y, sample_weight=np.full(ROWS, bad), verbose=0)


@ENGINES
def test_weights_that_cancel_make_a_mean_of_zero(engine):
    w = np.tile([1.0, -1.0], ROWS // 2)
    model = model_of(losses.MeanSquaredError("mean_with_sample_weight"), engine)
    before = model.get_weights()
    history = model.fit(inputs(), np.ones((ROWS, 3)), sample_weight=w, batch_size=ROWS, verbose=0, shuffle=False)
    assert history.history["loss"] == [0.0]
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))
    assert losses.MeanSquaredError("mean_with_sample_weight")([1.0, 2.0], [0.0, 0.0], sample_weight=[0.0]) == 0


@ENGINES
@pytest.mark.parametrize("name", ["binary_crossentropy", "mse", "huber", "poisson"])
def test_each_element_may_have_a_weight(name, engine):
    rng = np.random.default_rng(10)
    y, w = rng.integers(0, 2, (ROWS, 3)).astype(float), rng.normal(size=(ROWS, 3))
    model = model_of(name, engine, activation="sigmoid", weighted_metrics=["mae", metrics.AUC(), "cosine_similarity"])
    logs = model.evaluate(inputs(), y, sample_weight=w, batch_size=ROWS, verbose=0, return_dict=True)
    p = model.predict(inputs(), verbose=0)
    function = getattr(losses, name) if name != "mse" else losses.mean_squared_error
    elements = function(y.reshape(-1, 1), p.reshape(-1, 1)).reshape(ROWS, 3)
    assert_allclose(logs["loss"], (elements * w).mean(), rtol=1e-4)
    assert_allclose(losses.as_loss(name)(y, p, sample_weight=w), (elements * w).mean(), rtol=1e-4)
    assert_allclose(logs["mae"], (abs(y - p) * w).sum() / w.sum(), rtol=1e-4)
    area = metrics.AUC()
    area.update_state(y, p, sample_weight=w)
    assert_allclose(logs["auc"], area.result(), rtol=1e-6)
    assert_allclose(
        logs["cosine_similarity"], metrics.CosineSimilarity()(y, p, sample_weight=w.mean(axis=1)), rtol=1e-4
    )
    assert model.check_gradients(inputs(), y, sample_weight=w).max_relative_error < 1e-6


def test_weights_of_elements_need_a_loss_of_elements():
    with pytest.raises(ValueError, match="sample_weight must have one weight for each sample"):
        model_of("categorical_crossentropy", activation="softmax").fit(
            inputs(), np.eye(3)[np.arange(ROWS) % 3], sample_weight=np.ones((ROWS, 3)), verbose=0
        )


@ENGINES
def test_class_weights_by_label(engine):
    rng = np.random.default_rng(11)
    y = rng.integers(0, 2, (ROWS, 3)).astype(float)
    weights = [{0: 1.0, 1: 5.0}, None, {1: 0.5}]
    each = np.stack([np.where(y[:, 0] == 1, 5.0, 1.0), np.ones(ROWS), np.where(y[:, 2] == 1, 0.5, 1.0)], axis=1)
    sample = rng.uniform(size=ROWS)
    for given, together in ((None, each), (sample, each * sample[:, np.newaxis])):
        found = model_of("binary_crossentropy", engine, activation="sigmoid")
        found = found.train_on_batch(inputs(), y, class_weight=weights, sample_weight=given)
        model = model_of("binary_crossentropy", engine, activation="sigmoid")
        assert_allclose(found, model.train_on_batch(inputs(), y, sample_weight=together), rtol=1e-6)
    with pytest.raises(ValueError, match="class_weight must have 3 entries, one for each label"):
        model.fit(inputs(), y, class_weight=weights[:2], verbose=0)


@ENGINES
def test_class_weights_of_rows_with_several_ones(engine):
    """Each label has its weight if the loss has a value for each label; otherwise there is a warning."""
    y = np.random.default_rng(12).integers(0, 2, (ROWS, 3)).astype(float)
    model = model_of("binary_crossentropy", engine, activation="sigmoid")
    with pytest.warns(UserWarning, match="class_weight weighs labels here.*a list of dicts"):
        found = model.train_on_batch(inputs(), y, class_weight={0: 1.0, 1: 5.0})
    other = model_of("binary_crossentropy", engine, activation="sigmoid")
    expected = other.train_on_batch(inputs(), y, sample_weight=np.tile([1.0, 5.0, 1.0], (ROWS, 1)))
    assert_allclose(found, expected, rtol=1e-6)
    with pytest.warns(UserWarning, match=r"uses the class of a row's largest label .* sample_weight instead"):
        model_of("categorical_crossentropy", engine, activation="softmax").train_on_batch(
            inputs(), y, class_weight={0: 1.0, 1: 5.0}
        )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.train_on_batch(inputs(), np.eye(3)[np.arange(ROWS) % 3], class_weight={0: 1.0, 1: 5.0})


@ENGINES
def test_class_weights_of_targets_of_a_regression(engine):
    """Rows of zeros are valid targets. As in Keras, the first of the largest ones counts, and there is a warning."""
    y = np.zeros((ROWS, 3))
    model = cb.Sequential([cb.Input((inputs().shape[1],)), layers.Dense(3, kernel_initializer="ones")])
    model.compile("sgd", "mse", engine=engine)
    plain = model.test_on_batch(inputs(), y)
    with pytest.warns(UserWarning, match="largest label .*, but some rows of y are all zeros"):
        assert model.train_on_batch(inputs(), y, class_weight={0: 0.3, 1: 5.0}) == pytest.approx(0.3 * plain)


@ENGINES
def test_class_weights_of_each_output(engine):
    x = cb.Input((4,))
    cb.utils.set_random_seed(1)
    model = cb.Model(x, [layers.Dense(3, "softmax", name="kind")(x), layers.Dense(1, "sigmoid", name="flag")(x)])
    rng = np.random.default_rng(13)
    y = [rng.integers(0, 3, ROWS), rng.integers(0, 2, (ROWS, 1))]
    both = ["sparse_categorical_crossentropy", "binary_crossentropy"]
    table, flags = np.array([1.0, 3.0, 0.5]), np.array([1.0, 4.0])
    expected = None
    for class_weight, weight in (
        (None, [table[y[0]], flags[y[1][:, 0]]]),
        ({"kind": {1: 3.0, 2: 0.5}, "flag": {1: 4.0}}, None),
        ([{0: 1, 1: 3.0, 2: 0.5}, {1: 4.0}], None),
    ):
        twin = cb.models.clone_model(model)
        twin.set_weights(model.get_weights())
        twin.compile("sgd", both, engine=engine)
        found = twin.train_on_batch(inputs(), y, sample_weight=weight, class_weight=class_weight)
        expected = found if expected is None else expected
        assert_allclose(found, expected, rtol=1e-6)
    model.compile("sgd", both, engine=engine)
    with pytest.raises(ValueError, match="class_weight must be a dict by the names of outputs"):
        model.fit(inputs(), y, class_weight={0: 2.0}, verbose=0)
    with pytest.raises(ValueError, match="class_weight has a key 'other'"):
        model.fit(inputs(), y, class_weight={"other": {0: 2.0}}, verbose=0)


def test_class_weights_do_not_weigh_what_is_held_out(rng):
    x, y = rng.normal(size=(20, 3)), rng.integers(3, size=20)
    model = cb.Sequential([cb.Input((3,)), layers.Dense(3, activation="softmax")])
    model.compile(cb.optimizers.SGD(0.0), "sparse_categorical_crossentropy")
    history = model.fit(x, y, validation_split=0.5, class_weight={0: 9.0, 1.0: 0.1}, verbose=0).history
    assert history["val_loss"][0] == pytest.approx(model.evaluate(x[10:], y[10:], verbose=0), rel=1e-6)
    assert history["loss"][0] != pytest.approx(model.evaluate(x[:10], y[:10], verbose=0), rel=1e-2)


@pytest.mark.parametrize("loss", ["sparse_categorical_crossentropy", "categorical_crossentropy"])
def test_class_weight_is_a_sample_weight_by_class(loss, rng):
    x, classes = rng.normal(size=(30, 3)), rng.integers(3, size=30)
    y = classes if loss.startswith("sparse") else np.eye(3)[classes]
    model = cb.Sequential([cb.Input((3,)), layers.Dense(3, activation="softmax")])
    model.compile("sgd", loss)
    start = model.get_weights()
    model.fit(x, y, class_weight={0: 2.0, 2: 0.5}, shuffle=False, verbose=0)
    by_class = model.get_weights()
    model.set_weights(start)
    model.fit(x, y, sample_weight=np.array([2.0, 1.0, 0.5])[classes], shuffle=False, verbose=0)
    for a, b in zip(by_class, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_class_weight_of_whole_numbers_in_a_regression(rng):
    """A loss of one number does not say how many classes there are."""
    x, classes = rng.normal(size=(30, 3)), rng.integers(4, size=30)
    model = cb.Sequential([cb.Input((3,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    start = model.get_weights()
    model.fit(x, classes, class_weight={0: 2.0, 3: 0.5}, shuffle=False, verbose=0)
    by_class = model.get_weights()
    model.set_weights(start)
    model.fit(x, classes, sample_weight=np.array([2.0, 1.0, 1.0, 0.5])[classes], shuffle=False, verbose=0)
    for a, b in zip(by_class, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    model.compile("sgd", "binary_crossentropy")
    with pytest.raises(ValueError, match=r"class_weight has class 3, but classes are in \[0, 2\)"):
        model.fit(x, classes % 2, class_weight={3: 0.5}, verbose=0)
