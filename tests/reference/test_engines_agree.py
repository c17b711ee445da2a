"""The compiled engine and its NumPy twin: the same numbers after 20 training steps, for everything."""

import families
import layer_cases
import loss_cases
import masked_models
import numpy as np
import pytest
import random_models

import cbackprop as cb
from cbackprop import layers

# Relative to the largest weight of each array, after 20 steps.
LIMITS = {"float64": 1e-12, "float32": 1e-5}
STEPS = 20

# Gradients may cancel and leave a weight near 0, but their terms, of size 1, are rounded at 6e-8 (float32); 20 steps of
# rate 0.01 add up 20 * 0.01 * 1e-7 = 2e-8 or more of that, limit times this scale (seen: 1.25e-8).
LEAST_SCALE = 3e-3


def trained(make_model, dtype, optimizer, loss, engine, seed=5):
    """Predictions, losses and weights after 20 steps of a model that is the same at each call."""
    cb.config.set_floatx(dtype)
    cb.utils.set_random_seed(seed)
    cb.utils.clear_session(free_memory=False)
    model = make_model()
    rng = np.random.default_rng(seed)
    x, y = loss_cases.data_for(model, 8 * STEPS // 2, rng, loss)
    classifies = "crossentropy" in getattr(loss, "name", "") or getattr(loss, "target_kind", "") == "index"
    metric = "accuracy" if classifies else "mse"
    takes_metrics = len(model.outputs) == 1 and getattr(loss, "target_kind", "") not in ("half", "given")
    metrics = [metric] if takes_metrics else None
    model.compile(cb.optimizers.get(optimizer), loss, metrics=metrics, engine=engine)
    weights = rng.uniform(0.5, 1.5, size=8 * STEPS // 2)
    history = model.fit(x, y, batch_size=8, epochs=2, sample_weight=weights, verbose=0)
    assert model.optimizer.iterations == STEPS
    predictions = model.predict(x, verbose=0)
    return (
        predictions if isinstance(predictions, list) else [predictions],
        model.get_weights(),
        history.history,
        model.evaluate(x, y, verbose=0, return_dict=True),
    )


def assert_agree(make_model, dtype, optimizer="sgd", loss="mse"):
    results = [trained(make_model, dtype, optimizer, loss, engine) for engine in ("compiled", "reference")]
    limit = LIMITS[dtype]
    for kind in (0, 1):
        for a, b in zip(results[0][kind], results[1][kind], strict=True):
            assert a.dtype == b.dtype == dtype
            np.testing.assert_allclose(a, b, rtol=0, atol=limit * max(LEAST_SCALE, np.abs(b).max()))
    for kind in (2, 3):
        assert list(results[0][kind]) == list(results[1][kind])
        for name in results[0][kind]:
            np.testing.assert_allclose(results[0][kind][name], results[1][kind][name], rtol=limit, atol=limit)


@pytest.mark.parametrize("dtype", LIMITS)
@pytest.mark.parametrize(
    ("make", "shapes"),
    layer_cases.EACH,
)
def test_layer(make, shapes, dtype):
    assert_agree(lambda: layer_cases.around(make, shapes), dtype)


@pytest.mark.parametrize("dtype", LIMITS)
@pytest.mark.parametrize("name", masked_models.MASKED)
def test_masks(name, dtype):
    assert_agree(masked_models.MASKED[name], dtype)


@pytest.mark.parametrize("dtype", LIMITS)
@pytest.mark.parametrize("name", [name for name, _ in cb.activations.registry])
def test_activation(name, dtype):
    def make():
        return cb.Sequential([cb.Input((4,)), layers.Dense(6, activation=name), layers.Dense(2)])

    assert_agree(make, dtype)


LAST = ["linear", "sigmoid", "softmax"]
# Each two of loss, optimizer and last activation meet; all combinations of the three would be three times as many.
TRIPLES = [
    (name, optimizer, LAST[(i + j) % len(LAST)])
    for i, name in enumerate(families.classes(cb.losses.registry))
    for j, optimizer in enumerate(families.stepping_optimizers())
]


@pytest.mark.parametrize("dtype", LIMITS)
@pytest.mark.parametrize(("name", "optimizer", "last"), TRIPLES)
def test_loss_and_optimizer(name, optimizer, last, dtype):
    loss, last = loss_cases.objective_for(name, last)

    def make():
        end = loss_cases.last_layers(loss, last)
        return cb.Sequential([cb.Input((4,)), layers.Dense(6, activation="tanh"), *end])

    cb.config.set_floatx(dtype)
    assert_agree(make, dtype, optimizer, loss)


@pytest.mark.parametrize("dtype", LIMITS)
@pytest.mark.parametrize("seed", range(25))
def test_random_graph(seed, dtype):
    assert_agree(lambda: random_models.random_model(seed, dtype), dtype)
