"""The Jacobian of the residuals, which Levenberg-Marquardt needs: against differences, and in both engines."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from second_order_models import EACH_ENGINE, EACH_TYPE, branched, problem_of

import cbackprop as cb
from cbackprop import layers, optimizers


@pytest.mark.parametrize("reduction", ["sum", "sum_over_batch_size", "mean_with_sample_weight"])
@pytest.mark.parametrize("weighted", [False, True])
@EACH_ENGINE
def test_jacobian(engine, weighted, reduction, rng):
    """Against differences; and it gives the loss and its gradient."""
    model = branched()
    loss = [cb.losses.MeanSquaredError(reduction=reduction), cb.losses.MeanSquaredError(), None]
    model.compile(optimizers.LevenbergMarquardt(), loss=loss, loss_weights=[0.3, 2.0, 1.0], engine=engine)
    x, y = rng.normal(size=(7, 2)), [rng.normal(size=(7, k)) for k in (3, 1, 2)]
    weights = [rng.uniform(0, 2, 7), rng.uniform(0, 2, 7), np.ones(7)] if weighted else None
    problem = problem_of(model, x, y, weights)
    jacobian, errors = problem.jacobian(0, 7)
    loss, gradient = problem.gradient()
    start = problem.weights()
    assert jacobian.shape == (7 * 4, start.size)
    assert errors @ errors == pytest.approx(loss, rel=1e-12)
    assert problem.loss() == pytest.approx(loss, rel=1e-12)
    assert_allclose(2 * jacobian.T @ errors, gradient, rtol=1e-9, atol=1e-12)
    # Along random directions, in each of which every column has its share.
    for direction in rng.normal(size=(6, start.size)):
        shifted = start - 1e-6 * direction, start + 1e-6 * direction
        below, above = (problem.set_weights(w) or problem.jacobian(0, 7)[1] for w in shifted)
        assert_allclose(jacobian @ direction, (above - below) / 2e-6, atol=1e-8)
    problem.set_weights(start)
    parts = [problem.jacobian(begin, end) for begin, end in ((0, 2), (2, 3), (3, 7))]
    assert_allclose(np.concatenate([part[0] for part in parts]), jacobian, atol=1e-14)


@EACH_TYPE
@EACH_ENGINE
def test_jacobian_of_an_output_that_no_weight_is_behind(engine, dtype, rng):
    """Its errors count, and their derivatives are 0."""
    cb.config.set_floatx(dtype)
    x = cb.Input((2,))
    given = layers.Rescaling(2.0)(x)
    model = cb.Model(x, [given, layers.Dense(1)(layers.Dense(2)(given))])
    model.compile(optimizers.LevenbergMarquardt(), loss="mse", engine=engine)
    problem = problem_of(model, rng.normal(size=(5, 2)), [rng.normal(size=(5, k)) for k in (2, 1)])
    jacobian, errors = problem.jacobian(0, 5)
    loss, gradient = problem.gradient()
    limit = 1e-12 if dtype == "float64" else 1e-5
    assert errors @ errors == pytest.approx(loss, rel=limit)
    assert_allclose(2 * jacobian.T @ errors, gradient, atol=10 * limit)
    assert not jacobian.reshape(5, 3, -1)[:, :2].any()


LAYERS = {
    "dropout": lambda: [layers.Dense(6, activation="relu"), layers.Dropout(0.4, seed=1)],
    "noise": lambda: [layers.Dense(6), layers.GaussianNoise(0.3, seed=1), layers.PReLU()],
    "softmax": lambda: [layers.Dense(6, activation="softmax")],
    "rows": lambda: [layers.Dense(6), layers.Reshape((3, 2)), layers.Dense(2, activation="gelu")],
    "embedding": lambda: [layers.Rescaling(0.0), layers.Embedding(3, 2), layers.Flatten()],
}


@EACH_TYPE
@pytest.mark.parametrize("kind", LAYERS)
def test_jacobian_of_both_engines(kind, dtype, rng):
    """Also of layers that draw, and of more samples than fit a tile."""
    found = []
    x, y = rng.normal(size=(60, 2)), None
    for engine in ("compiled", "reference"):
        cb.utils.set_random_seed(1)
        cb.config.set_floatx(dtype)
        model = cb.Sequential([cb.Input((2,)), *LAYERS[kind](), layers.Dense(2)])
        model.compile(optimizers.LevenbergMarquardt(), loss="mse", engine=engine)
        if y is None:
            y = rng.normal(size=(60, *model.output_shape[1:]))
        model.optimizer.iterations = 3
        problem = problem_of(model, x, y)
        if engine == "compiled":
            problem.engine._block = lambda: 24
        jacobian, errors = problem.jacobian(0, 60)
        loss, gradient = problem.gradient()
        limit = 1e-12 if dtype == "float64" else 1e-5
        assert errors @ errors == pytest.approx(loss, rel=limit)
        assert_allclose(2 * jacobian.T @ errors, gradient, atol=10 * limit)
        found.append((jacobian, errors))
    assert_allclose(found[0][0], found[1][0], atol=limit)
    assert_allclose(found[0][1], found[1][1], atol=limit)
