"""Classes derived from losses of this library whose `call` calls ``super().call``."""

import families
import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers

ENGINES = ("compiled", "reference")
# Those of sequences of labels are in test_ctc.py.
NAMES = [name for name in families.classes(cb.losses.registry) if name not in ("FunctionLoss", "CTC")]
SHAPES = [(4, 3), (2, 3, 3)]


def derived(name):
    cls = getattr(cb.losses, name)

    class Derived(cls):
        def call(self, y_true, y_pred):
            return super().call(y_true, y_pred)

    return Derived(dtype="float64"), cls(dtype="float64")


def data(loss, shape):
    """Targets as users give them and as `call` gets them, and predictions."""
    rng = np.random.default_rng(0)
    rows, classes = shape[:-1], rng.integers(0, shape[-1], shape[:-1])
    if loss.target_kind == "half":
        y = rng.normal(size=(*rows, 2))
        return y, np.concatenate([y, 0 * y], axis=-1), rng.uniform(0.5, 2, (*rows, 4))
    y = classes if loss.target_kind == "index" else 0.1 + 0.7 * np.eye(shape[-1])[classes]
    return y, y, 0.1 + 0.7 * rng.dirichlet([1.0] * shape[-1], rows)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", NAMES)
def test_value_and_gradient(name, shape):
    loss, built_in = derived(name)
    y, given, p = data(built_in, shape)
    _, gradient = loss.call(given, p)
    numerical, step = np.zeros(p.shape), 1e-6
    for index in np.ndindex(p.shape):
        for sign in (1, -1):
            moved = p.copy()
            moved[index] += sign * step
            numerical[index] += sign * loss.call(given, moved)[0].sum() / (2 * step)
    np.testing.assert_allclose(gradient, numerical, rtol=1e-5, atol=1e-6)
    assert loss(y, p) == pytest.approx(built_in(y, p), rel=1e-12)
    values = built_in.call(given, p)  # as in Keras, without the gradient
    np.testing.assert_array_equal(values, loss.call(given, p)[0])


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", NAMES)
def test_training(name, shape, engine):
    """It trains as the loss itself, behind a softmax too, with which some losses are fused."""
    rng = np.random.default_rng(1)
    losses = derived(name)
    y, _, p = data(losses[1], shape)
    x = rng.normal(size=(*shape[:-1], 5))
    found = []
    for loss in losses:
        output = layers.Dense(
            p.shape[-1],
            activation="softmax",
            kernel_initializer=cb.initializers.Constant(np.linspace(-1, 1, 5 * p.shape[-1]).reshape(5, -1)),
            dtype="float64",
        )
        model = cb.Sequential([cb.Input(x.shape[1:], dtype="float64"), output])
        model.compile(cb.optimizers.SGD(0.01), loss, engine=engine)
        weights = np.linspace(0.5, 1, len(x))
        model.fit(x, y, sample_weight=weights, batch_size=3, epochs=3, shuffle=False, verbose=0)
        found.append(model.get_weights())
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-8)


def test_what_has_no_call_says_so():
    class Nothing(cb.losses.Loss):
        pass

    with pytest.raises(NotImplementedError, match="Nothing has no call: define call"):
        Nothing().call(np.ones((1, 1)), np.ones((1, 1)))
    with pytest.raises(NotImplementedError, match="cannot leave out targets, but missing is given"):
        cb.losses.MeanSquaredError(missing="ignore").call(np.ones((1, 1)), np.ones((1, 1)))


def test_call_of_the_object_is_refused_where_training_would_pass_over_it():
    class Doubled(cb.losses.MeanSquaredError):
        def __call__(self, y_true, y_pred, sample_weight=None):
            return 2 * super().__call__(y_true, y_pred, sample_weight)

    assert Doubled()([[1.0]], [[2.0]]) == 2
    model = cb.Sequential([cb.Input((1,)), layers.Dense(1)])
    with pytest.raises(TypeError, match=r"Doubled defines __call__, which training would never call: define call\("):
        model.compile(loss=Doubled())
