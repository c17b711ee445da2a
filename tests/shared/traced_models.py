"""Networks whose steps are traced, and what must hold for every trace."""

import numpy as np

import cbackprop as cb
from cbackprop import layers, optimizers

SAMPLES = 5


def xor_model(optimizer=None, dtype="float64", **settings):
    """The network of the page on backpropagation, and its data."""
    cb.config.set_floatx(dtype)
    model = cb.Sequential(
        [
            cb.Input((2,)),
            layers.Dense(3, activation="tanh", name="hidden"),
            layers.Dense(1, activation="sigmoid", name="output"),
        ]
    )
    model.compile(optimizer or optimizers.SGD(0.5), "binary_crossentropy", **settings)
    model.set_weights([[[0.5, -0.4, 0.3], [-0.6, 0.2, 0.7]], [0.1, 0.0, -0.1], [[0.6], [-0.5], [0.4]], [0.05]])
    return model, *cb.datasets.xor.load_data()


def state_of(model):
    """Weights, and the optimizer's state as bits."""
    state = {name: np.array(value).tobytes() for name, value in model.optimizer.state(model.variables).items()}
    return [weights.tobytes() for weights in model.get_weights()], state


def assert_same_step(model, x, y, **data):
    """Nothing changes until `apply`, which then makes the step of `train_on_batch`, to the bit."""
    model.train_on_batch(x, y, **data)  # the state of an optimizer can be set once there is one
    weights, state, start = model.get_weights(), model.optimizer.state(model.variables), state_of(model)
    trace = model.trace(x, y, training=True, **data)
    assert state_of(model) == start
    trace.apply()
    applied = state_of(model)
    assert applied != start
    for variable in model.variables:
        assert variable.numpy().tobytes() == trace.weights[variable.path].after.tobytes()
    model.set_weights(weights)
    model.optimizer.set_state(state, model.variables)
    assert state_of(model) == start
    model.train_on_batch(x, y, **data)
    assert state_of(model) == applied
