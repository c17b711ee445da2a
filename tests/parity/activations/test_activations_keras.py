"""Activations against Keras 3 on torch: names, signatures, values, and gradients by torch's autograd."""

import inspect

import keras
import numpy as np
import pytest
import torch

import cbackprop as cb
from cbackprop import activations
from cbackprop.compiled.kernels import activations as kernels
from cbackprop.compiled.kernels.glu import glu_delta
from cbackprop.layers import activation as activation_layers

REGISTERED = dict(activations.registry)

VARIANTS = {
    "celu": [{"alpha": 0.3}, {"alpha": 4.0}, {"alpha": -2.0}],
    "elu": [{"alpha": 0.3}, {"alpha": 0.0}, {"alpha": -1.5}],
    "gelu": [{"approximate": True}],
    "hard_shrink": [{"threshold": 0.0}, {"threshold": 1.3}],
    "leaky_relu": [{"negative_slope": 0.01}, {"negative_slope": 0.0}, {"negative_slope": -0.3}],
    "log_softmax": [{"axis": 0}, {"axis": 1}, {"axis": -2}],
    "relu": [
        {"negative_slope": 0.01},
        {"negative_slope": -0.3},
        {"max_value": 6},
        {"max_value": 2.7},
        {"max_value": 0.0},
        {"threshold": 1.3},
        {"threshold": -1.3},
        {"threshold": -1.3, "max_value": 2.7},
        {"negative_slope": 0.1, "max_value": 2.7},
        {"negative_slope": 0.1, "max_value": 6},
        {"negative_slope": 0.1, "threshold": 1.3},
        {"negative_slope": 0.1, "max_value": 2.7, "threshold": 0.5},
    ],
    "soft_shrink": [{"threshold": 0.0}, {"threshold": 1.3}],
    "softmax": [{"axis": 0}, {"axis": 1}, {"axis": -2}],
    "threshold": [{"threshold": -1.3, "default_value": 2.7}, {"threshold": 1.3, "default_value": 0.0}],
    "squareplus": [{"b": 0.3}, {"b": 100.0}],
}
# Where Keras itself takes one slope or the other at a corner, depending on its arguments.
OTHER_SLOPE_AT = [
    ("relu", {"negative_slope": -0.3}, 0.0),
    ("relu", {"negative_slope": 0.1, "max_value": 6}, 6.0),
    ("leaky_relu", {"negative_slope": -0.3}, 0.0),
]
CASES = [
    pytest.param(name, arguments, id=f"{name}({arguments or ''})")
    for name in REGISTERED
    if name not in ("sparsemax", "glu")  # see test_sparsemax, test_glu
    for arguments in [*([{}] if name != "threshold" else []), *VARIANTS.get(name, [])]
]


def public_functions(module):
    names = {name for name, thing in vars(module).items() if inspect.isfunction(thing) and not name.startswith("_")}
    return names - {"serialize", "deserialize", "get"}


def test_names():
    assert public_functions(keras.activations) == set(REGISTERED) | {"swish", "hard_swish"}


@pytest.mark.parametrize("name", REGISTERED)
def test_signature(name):
    ours, theirs = (
        [(p.name, p.default, p.kind) for p in inspect.signature(function).parameters.values()]
        for function in (REGISTERED[name], getattr(keras.activations, name))
    )
    if name == "threshold":  # whose numbers have defaults here, so that its name alone stands for a function
        ours = [(*each, default, kind) for (*each, _, kind), (_, default, _) in zip(ours, theirs, strict=True)]
    assert ours == theirs


def test_sparsemax():
    """Keras 3.15 on torch adds up all partial sums of what is kept, so that its values sum to 1 only if that is one."""
    x = np.array([[3.0, 1.0, 0.0], [0.5, 0.25, 0.0], [-1.0, -3.0, 2.0]], "float32")
    ours, theirs = activations.sparsemax(x), keras.ops.convert_to_numpy(keras.activations.sparsemax(x))
    np.testing.assert_allclose(ours[[0, 2]], theirs[[0, 2]])
    np.testing.assert_allclose(ours.sum(axis=-1), 1, rtol=1e-6)
    assert abs(theirs[1].sum() - 1) > 0.1


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_glu(axis, rng):
    x = rng.uniform(-20, 20, (6, 4, 10)).astype("float32")
    tensor = torch.tensor(x, requires_grad=True)
    output = keras.activations.glu(tensor, axis=axis)
    delta = rng.normal(size=output.shape).astype("float32")
    output.backward(torch.tensor(delta))
    function = activations.glu.bind(axis=axis)
    assert_near(function(x), output.detach().numpy(), 1)
    rows, width, _ = function.kernel().layout(x.shape)
    gradient = glu_delta(x.reshape(rows, width), delta.reshape(rows, width // 2)).reshape(x.shape)
    size = np.abs(delta) * np.maximum(1, np.abs(np.split(x, 2, axis=axis)[0]))  # Keras takes sigmoid(b) from 1
    assert_near(gradient, tensor.grad.numpy(), np.concatenate([size, size], axis=axis))


def test_glu_in_training(rng):
    """As the last layer: Keras says that its output is as wide as the layer, so that no other can follow."""

    def make(library):
        return library.Sequential([library.Input((5,)), library.layers.Dense(4, activation="glu")])

    ours, theirs = make(cb), make(keras)
    ours.set_weights(theirs.get_weights())
    x, y = rng.normal(size=(40, 5)).astype("float32"), rng.normal(size=(40, 2)).astype("float32")
    for library, model in ((cb, ours), (keras, theirs)):
        model.compile(library.optimizers.SGD(0.05, momentum=0.9), "mse")
    for begin in range(0, 40, 8):
        batch = x[begin : begin + 8], y[begin : begin + 8]
        loss, their_loss = (model.train_on_batch(*batch) for model in (ours, theirs))
        np.testing.assert_allclose(loss, their_loss, rtol=1e-5)
    for weight, their_weight in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(weight, their_weight, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("alias", ["swish", "hard_swish"])
def test_alias(alias):
    assert activations.get(alias).__name__ == keras.activations.get(alias).__name__


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_values_and_gradients(name, arguments, rng):
    grid = [np.linspace(-30, 30, 480), rng.normal(size=450), rng.uniform(-9, 9, 450)]
    corners = [np.arange(-6, 7), [-0.5, 0.5, 1e4, -1e4, 1e-4, -1e-4, 0.0]]
    x = np.concatenate([*grid, *corners]).reshape(20, 10, 7).astype("float32")
    delta = rng.normal(size=x.shape).astype("float32")
    tensor = torch.tensor(x, requires_grad=True)
    output = getattr(keras.activations, name)(tensor, **arguments)
    output.backward(torch.tensor(delta))
    theirs, their_gradient = output.detach().numpy(), tensor.grad.numpy()

    function = REGISTERED[name].bind(**arguments)
    ours = function(x)
    # Keras adds numbers of the size of x that cancel, in gelu and squareplus
    assert_near(ours, theirs, np.maximum(1, np.abs(x)))

    kernel = function.kernel()
    rows, width, numbers = kernel.layout(x.shape)
    gradient = delta.copy()
    kernels.Activation(kernel.name, numbers).apply_backward(*(a.reshape(rows, width) for a in (gradient, x, ours)))
    for other_name, other_arguments, corner in OTHER_SLOPE_AT:
        if (name, arguments) == (other_name, other_arguments):
            gradient[x == corner] = their_gradient[x == corner]
    size = np.abs(delta) if kernel.axis is None else np.abs(delta).sum(axis=kernel.axis, keepdims=True)
    assert_near(gradient, their_gradient, size)


def assert_near(ours, theirs, size):
    """Equal to 12 rounding errors of `size` and of the numbers themselves (torch's gelu errs by 9)."""
    assert ours.dtype == theirs.dtype == np.float32
    near = ours == theirs
    with np.errstate(invalid="ignore"):
        near |= np.abs(ours - theirs) <= 12 * np.finfo("float32").eps * (size + np.abs(theirs))
    assert near.all(), (ours[~near][:5], theirs[~near][:5])


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("ReLU", {}),
        ("ReLU", {"max_value": 2.0, "negative_slope": 0.1, "threshold": 0.5}),
        ("LeakyReLU", {}),
        ("LeakyReLU", {"negative_slope": 0.05}),
        ("ELU", {}),
        ("ELU", {"alpha": 0.3}),
        ("Softmax", {}),
    ],
)
def test_layers(name, arguments, rng):
    cls, keras_cls = getattr(activation_layers, name), getattr(keras.layers, name)
    theirs = [(p.name, p.default) for p in inspect.signature(keras_cls.__init__).parameters.values()]
    assert [(p.name, p.default) for p in inspect.signature(cls.__init__).parameters.values()] == theirs
    x = rng.normal(size=(5, 4)).astype("float32") * 3
    assert_near(cls(**arguments)(x), keras_cls(**arguments)(x).detach().numpy(), 1)
