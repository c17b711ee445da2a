"""Masks: their way through the plan, their effect on losses and metrics, and models that they do not change."""

import warnings

import layer_cases
import loss_cases
import masked_models
import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers
from cbackprop.layers.masks import MaskStep

ENGINES = pytest.mark.parametrize("engine", ["compiled", "reference"])
X = np.array([[[1.0, 2.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]], [[3.0, 0.0], [0.0, 1.0]]])
SHOWN = np.array([[1, 0], [0, 0], [1, 1]])


def masking(*more):
    """Whose output is its input, with a mask."""
    return cb.Sequential([cb.Input((2, 2)), layers.Masking(), *more])


def kinds(plan):
    return [type(step.layer).__name__ for step in plan.steps]


@ENGINES
@pytest.mark.parametrize(
    ("reduction", "divisor"), [("sum_over_batch_size", 3), ("mean", 3), ("sum", 1), ("mean_with_sample_weight", 3)]
)
def test_only_what_the_mask_shows_counts(reduction, divisor, engine):
    model = masking()
    model.compile("sgd", cb.losses.MeanSquaredError(reduction), metrics=["mae"], engine=engine)
    errors = X.copy()
    loss, mae = model.evaluate(X, np.zeros((3, 2, 2)), verbose=0)
    assert loss == pytest.approx((np.square(errors).mean(axis=-1) * SHOWN).sum() / divisor)
    assert mae == pytest.approx((np.abs(errors).mean(axis=-1) * SHOWN).sum() / 3)


@ENGINES
def test_sample_weights_multiply_the_mask(engine):
    model = masking()
    loss = cb.losses.MeanSquaredError("mean_with_sample_weight")
    model.compile("sgd", loss, metrics=["mae"], weighted_metrics=["mse"], engine=engine)
    weights = np.array([[1.0, 5.0], [7.0, 7.0], [2.0, 3.0]])
    found = model.evaluate(X, np.zeros((3, 2, 2)), sample_weight=weights, verbose=0)
    squares, counts = np.square(X).mean(axis=-1), weights * SHOWN
    mean = (squares * counts).sum() / counts.sum()
    np.testing.assert_allclose(found, [mean, (np.abs(X).mean(axis=-1) * SHOWN).sum() / 3, mean], rtol=1e-6)
    samples = np.array([1.0, 7.0, 2.0])
    each = np.repeat(samples[:, np.newaxis], 2, axis=1)
    results = [model.evaluate(X, X / 2, sample_weight=given, verbose=0) for given in (samples, each)]
    assert results[0] == results[1]


@ENGINES
@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum", "mean_with_sample_weight"])
def test_a_batch_without_any_step_changes_nothing(reduction, engine):
    model = masking(layers.Dense(1))
    model.compile("sgd", cb.losses.MeanSquaredError(reduction), metrics=["mae"], engine=engine)
    before = model.get_weights()
    assert model.train_on_batch(np.zeros((3, 2, 2)), np.ones((3, 2, 1))) == [0.0, 0.0]
    for weight, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)


@ENGINES
def test_values_do_not_matter_where_the_mask_hides(engine, rng):
    model = masked_models.masked_ids()
    model.compile("sgd", "mse", engine=engine)
    ids, y = rng.integers(0, 2, (6, 5)), rng.normal(size=(6, 5, 2))
    other = np.where((ids == 0)[..., np.newaxis], 100 * y, y)
    assert model.evaluate(ids, y, verbose=0) == model.evaluate(ids, other, verbose=0)
    gradients = [model.gradients(ids, targets) for targets in (y, other)]
    for a, b in zip(*gradients, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not gradients[0][0][0].any()  # row 0 of the table
    assert gradients[0][0].any()


def test_a_plan_without_masks_has_no_step_for_them():
    for make, shapes in [row for name, rows in layer_cases.LAYERS.items() if name != "Masking" for row in rows]:
        plan = layer_cases.around(make, shapes).plan
        assert not any(isinstance(step.layer, MaskStep) for step in plan.steps)
        assert plan.predicting == len(plan.steps)
        assert plan.output_masks == [None]
        assert plan.unmasked_by == []


def test_predictions_do_without_masks(rng):
    plan = masked_models.masked(layers.Dense(3)).plan
    assert kinds(plan)[-1] == "Differs"
    assert plan.predicting == len(plan.steps) - 1
    flat = layer_cases.around(layers.Masking, [(2, 3)])
    assert "Differs" not in kinds(flat.plan)
    assert flat.plan.unmasked_by == ["flatten_1"]
    called = []
    spy = layers.Lambda(np.copy, mask=lambda x, mask: called.append(len(x)) or mask)
    model = masked_models.masked(spy)
    model.predict(rng.normal(size=(4, 5, 3)), verbose=0)
    assert called == [1]  # when the model was planned
    for compiled in (False, True):
        if compiled:
            model.compile("sgd", "mse")
            model.evaluate(rng.normal(size=(4, 5, 3)), np.zeros((4, 5, 2)), verbose=0)
            assert called == [1, 4]
        x = rng.normal(size=(3, 5, 3)).astype("float32")
        model.predict(x, verbose=0)
    assert called == [1, 4]


def test_the_same_values_as_without_a_mask(rng):
    """All shown: the same bits as of a model that has no mask."""
    x, y = 1 + rng.random((9, 5, 3)), rng.normal(size=(9, 5, 2))
    results = []
    for first in (layers.Masking(), layers.Permute((1, 2))):
        cb.utils.set_random_seed(1)
        model = cb.Sequential([cb.Input((5, 3)), first, layers.Dense(4, activation="tanh"), layers.Dense(2)])
        model.compile("adam", "mse", metrics=["mae"])
        history = model.fit(x, y, batch_size=4, epochs=2, verbose=0).history
        results.append([*history.values(), *model.get_weights()])
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_warning_tells_where_a_mask_ends(rng):
    model = masking(layers.Dense(3), layers.Flatten(name="flat"), layers.Dense(2))
    model.compile("sgd", "mse")
    with pytest.warns(UserWarning, match="Layer 'flat' does not support masking: the mask of its input ends there"):
        model.evaluate(X, np.zeros((3, 2)), verbose=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.evaluate(X, np.zeros((3, 2)), verbose=0)
        masking(layers.Flatten()).predict(X, verbose=0)


@ENGINES
def test_a_layer_in_python_says_what_becomes_of_masks(engine, rng):
    class Passes(layers.Layer):
        supports_masking = True

        def call(self, inputs):
            return inputs * 1

    class Ends(layers.Layer):
        def call(self, inputs):
            return inputs * 1

    class Turns(Ends):
        def compute_mask(self, inputs, previous_mask=None):
            return None if previous_mask is None else ~previous_mask

    class Keeps(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.supports_masking = True

        def call(self, inputs):
            return inputs[0] + inputs[1]

        def compute_output_shape(self, input_shape):
            return input_shape[0]

    squares = np.square(X).mean(axis=-1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for layer, counts in ((Passes(), SHOWN), (Ends(), np.ones((3, 2))), (Turns(), 1 - SHOWN)):
            model = masking(layer)
            model.compile("sgd", "mse", engine=engine)
            want = (squares * counts).sum() / counts.sum()
            assert model.evaluate(X, np.zeros((3, 2, 2)), verbose=0) == pytest.approx(want, abs=1e-12)
    x = cb.Input((2, 2))
    model = cb.Model(x, Keeps()([layers.Masking()(x), x]))
    model.compile("sgd", "mse", engine=engine)
    want = 4 * (squares * SHOWN).sum() / 3
    assert model.evaluate(X, np.zeros((3, 2, 2)), verbose=0) == pytest.approx(want, rel=1e-6)
    assert not cb.Sequential([cb.Input((2, 2)), Turns()]).plan.output_masks[0]


@ENGINES
def test_what_python_code_gets_wrong_ends_the_run(engine):
    def mistaken(x, mask):
        if len(x) > 1:
            raise OSError("no mask today")
        return mask

    model = masking(layers.Dense(2), layers.Lambda(np.copy, mask=mistaken, backward=lambda x, y, delta: delta * 1))
    model.compile("sgd", "mse", engine=engine)
    before = model.get_weights()
    with pytest.raises(OSError, match="no mask today"):
        model.fit(X, X, verbose=0)
    for weight, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)
    narrow = masking(layers.Lambda(np.copy, mask=lambda x, mask: mask[:, 0], name="l"))
    with pytest.raises(ValueError, match=r"compute_mask of layer 'l' must return booleans of shape \(1, 2\), .*\(1,\)"):
        narrow.predict(X, verbose=0)


def test_mistakes():
    with pytest.raises(TypeError, match=r"mask of Lambda must be callable, .*, but got str"):
        layers.Lambda(np.copy, mask="x")
    halved = layers.Activation(cb.activations.glu.bind(axis=1), name="halves")
    with pytest.raises(ValueError, match=r"Layer 'halves' passes on the mask of its input, of shape \(2,\)"):
        masking(halved).predict(X, verbose=0)
    model = masked_models.masked()
    model.compile(cb.optimizers.LevenbergMarquardt(), "mse")
    with pytest.raises(ValueError, match="LevenbergMarquardt cannot train an output that has a mask"):
        model.fit(np.zeros((4, 5, 3)), np.zeros((4, 5, 2)), verbose=0)
    model = masked_models.masked_branches(layers.Maximum(name="m"), (1, 5))
    with pytest.raises(ValueError, match=r"Maximum 'm' has inputs with masks: then the first must have the shape"):
        model.predict([np.zeros((4, 1, 3)), np.zeros((4, 5, 3))], verbose=0)


def test_second_order_training_without_a_jacobian(rng):
    model = masked_models.masked()
    x, y = loss_cases.data_for(model, 20, rng)
    model.compile(cb.optimizers.LBFGS(max_iterations=5), "mse")
    before = model.evaluate(x, y, verbose=0)
    model.fit(x, y, epochs=2, verbose=0)
    assert model.evaluate(x, y, verbose=0) < before


@pytest.mark.parametrize("penalty", [None, "divided"])
def test_a_divided_penalty_shares_what_the_mask_has_left(penalty):
    """Loss and penalty of a batch are divided by the same number."""
    regularizer = cb.regularizers.DividedL2(0.5) if penalty else None
    results = []
    for engine in ("compiled", "reference"):
        model = masking(layers.Dense(2, kernel_initializer="ones", kernel_regularizer=regularizer))
        model.compile("sgd", "mse", engine=engine)
        results.append([model.evaluate(X, X, verbose=0), *model.gradients(X, X)])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


@pytest.mark.parametrize("name", ["steps", "ids", "normalized", "Add"])
def test_models_are_saved_and_cloned(name, tmp_path, rng):
    model = masked_models.MASKED[name]()
    model.compile("sgd", "mse")
    x, y = loss_cases.data_for(model, 5, rng)
    model.save(tmp_path / "model.safetensors")
    again = cb.models.load_model(tmp_path / "model.safetensors")
    assert again.evaluate(x, y, verbose=0) == model.evaluate(x, y, verbose=0)
    assert kinds(again.plan) == kinds(cb.models.clone_model(model).plan) == kinds(model.plan)


def test_a_mask_in_the_middle_of_a_model_counts_for_its_end(rng):
    """A model that begins behind a mask knows nothing of it."""
    x = cb.Input((5, 3))
    masked = layers.Masking()(x)
    inner = cb.Model(masked, layers.Dense(2)(masked))
    outer = cb.Model(x, inner(masked))
    assert inner.plan.output_masks == [None]
    assert outer.plan.output_masks[0].shape == (5,)
