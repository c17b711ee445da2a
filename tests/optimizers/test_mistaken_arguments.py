"""Steps on the wrong objects are refused: nothing would be trained, without any sign of it."""

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers, optimizers

RIGHT = (
    r"Call optimizer\.apply\(gradients, model\.trainable_variables\), or optimizer\.apply_gradients\(zip\(gradients,"
)


@pytest.fixture
def model(rng):
    made = cb.Sequential([cb.Input((4,)), layers.Dense(8), layers.Dense(1)])
    made.compile("adam", "mse")
    return made


@pytest.fixture
def gradients(model, rng):
    return model.gradients(rng.normal(size=(20, 4)).astype("float32"), np.ones((20, 1), "float32"))


CALLS = {
    "swapped": (lambda o, g, m: o.apply(m.trainable_variables, g), "gradient 0 is the variable 'dense.*/kernel'"),
    "swapped in pairs": (
        lambda o, g, m: o.apply_gradients(zip(m.trainable_variables, g, strict=True)),
        "Gradients come first, but gradient 0 is the variable 'dense.*/kernel'",
    ),
    "one variable among the gradients": (
        lambda o, g, m: o.apply([*g[:3], m.trainable_variables[3]], m.trainable_variables),
        "gradient 3 is the variable 'dense.*/bias'",
    ),
    "copies of weights": (
        lambda o, g, m: o.apply(g, m.get_weights()),
        r"Variable 0 must be a variable of the model .* got ndarray of shape \(4, 8\): a step on it would not change",
    ),
    "copies in pairs": (
        lambda o, g, m: o.apply_gradients(zip(g, m.get_weights(), strict=True)),
        "Variable 0 must be a variable of the model",
    ),
    "one copy": (
        lambda o, g, m: o.apply(g, [*m.trainable_variables[:3], m.get_weights()[3]]),
        r"Variable 3 must be a variable of the model .* got ndarray of shape \(1,\)",
    ),
    "gradients alone as pairs": (
        lambda o, g, m: o.apply_gradients(g),
        r"must hold pairs of a gradient and a variable, but item 0 is ndarray of shape \(4, 8\)",
    ),
    "a gradient of two rows as a pair": (
        lambda o, g, m: o.apply_gradients([np.zeros((2, 8), "float32")]),
        r"must hold pairs of a gradient and a variable, but item 0 is ndarray of shape \(2, 8\)",
    ),
    "two lists as pairs": (lambda o, g, m: o.apply_gradients((g, m.trainable_variables)), "but item 0 is list"),
    "a model as its variables": (
        lambda o, g, m: o.apply(g, m),
        "trainable_variables must be a list, but got the model 'sequential",
    ),
    "a model as gradients": (
        lambda o, g, m: o.apply(m, m.trainable_variables),
        "grads must be a list, but got the model",
    ),
    "a model as pairs": (lambda o, g, m: o.apply_gradients(m), "grads_and_vars must be a list, but got the model"),
    "one variable": (
        lambda o, g, m: o.apply(g[:1], m.trainable_variables[0]),
        "trainable_variables must be a list, but got the variable 'dense.*/kernel'",
    ),
    "a number": (lambda o, g, m: o.apply(1.0, m.trainable_variables), "grads must be a list, but got float"),
}


@pytest.mark.parametrize("name", CALLS)
def test_refused_before_anything_has_changed(name, model, gradients):
    call, message = CALLS[name]
    before = [w.tolist() for w in [*model.get_weights(), *gradients]]
    with pytest.raises(TypeError, match=f"{message}.*{RIGHT}"):
        call(model.optimizer, gradients, model)
    assert [w.tolist() for w in [*model.get_weights(), *gradients]] == before
    assert model.optimizer.iterations == 0


@pytest.mark.parametrize(
    "name", ["swapped", "swapped in pairs", "gradients alone as pairs", "a model as its variables"]
)
def test_an_optimizer_of_no_model_refuses_them_too(name, model, gradients):
    call, message = CALLS[name]
    with pytest.raises(TypeError, match=message):
        call(optimizers.SGD(), gradients, model)


def test_the_right_calls_train(model, gradients):
    before = model.get_weights()
    model.optimizer.apply(gradients, model.trainable_variables)
    model.optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
    assert all((a != b).any() for a, b in zip(before, model.get_weights(), strict=True))


def test_arrays_belong_to_an_optimizer_of_no_model():
    w = np.array([1.0, 2.0])
    optimizers.SGD(0.5).apply([np.ones(2)], [w])
    assert w.tolist() == [0.5, 1.5]
