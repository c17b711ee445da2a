"""Regularizers of weights and outputs: values, gradients, their effect in training, wrong arguments."""

import loss_cases
import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers, regularizers

EACH = [
    regularizers.L1(0.3),
    regularizers.L2(0.2),
    regularizers.L1L2(0.1, 0.2),
    regularizers.DividedL2(0.2),
    regularizers.OrthogonalRegularizer(0.5),
    regularizers.OrthogonalRegularizer(0.5, mode="columns"),
]
ENGINES = ("compiled", "reference")


class Quartic(regularizers.Regularizer):
    """One in Python."""

    def __call__(self, x):
        return 0.01 * np.sum((x - 1) ** 4)

    def gradient(self, x):
        return 0.04 * (x - 1) ** 3


def regularized(regularizer, where="kernel_regularizer"):
    return cb.Sequential([cb.Input((5,)), layers.Dense(4, activation="tanh", **{where: regularizer}), layers.Dense(3)])


@pytest.mark.parametrize("regularizer", [*EACH, Quartic()], ids=repr)
def test_gradient(regularizer, rng):
    x = rng.normal(size=(4, 5))
    gradient = regularizer.gradient(x)
    for i in range(x.size):
        step = np.zeros(x.size)
        step[i] = 1e-6
        step = step.reshape(x.shape)
        difference = (regularizer(x + step) - regularizer(x - step)) / 2e-6
        assert gradient.reshape(-1)[i] == pytest.approx(difference, abs=1e-7)


def test_values():
    assert regularizers.L1L2(0.5, 0.25)([[1.0, -2.0]]) == 0.5 * 3 + 0.25 * 5
    assert regularizers.L1L2()([1.0]) == 0
    np.testing.assert_array_equal(regularizers.L1(1.0).gradient([0.0, -2.0]), [0, -1])


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("where", ["kernel_regularizer", "activity_regularizer"])
@pytest.mark.parametrize("regularizer", EACH, ids=repr)
def test_check_gradients(regularizer, where, engine, rng):
    model = regularized(regularizer, where)
    model.compile("sgd", "mse", engine=engine)
    report = model.check_gradients(*loss_cases.data_for(model, 4, rng))
    assert report.max_relative_error <= 1e-6, report


@pytest.mark.parametrize("block", [None, 48])
@pytest.mark.parametrize("optimizer", ["adam", cb.optimizers.SGD(0.1, clipnorm=0.1)])
@pytest.mark.parametrize("where", ["kernel_regularizer", "bias_regularizer", "activity_regularizer"])
@pytest.mark.parametrize("regularizer", [*EACH, Quartic()], ids=repr)
def test_engines_agree_and_threads_change_no_bit(
    regularizer, where, optimizer, block, rng, monkeypatch, every_step_is_shared
):
    from cbackprop.engine.room import Room

    if where == "bias_regularizer" and "Orthogonal" in repr(regularizer):
        return
    if block:
        monkeypatch.setattr(Room, "samples_of_block", lambda self: block)
    cb.config.set_floatx("float64")
    start = regularized(regularizer, where).get_weights()
    x, y = rng.normal(size=(333, 5)), rng.normal(size=(333, 3))
    found = []
    for engine, threads in (("compiled", 1), ("compiled", 2), ("compiled", 3), ("reference", 1)):
        cb.config.set_num_threads(threads)
        model = regularized(regularizer, where)
        model.set_weights(start)
        chosen = optimizer if isinstance(optimizer, str) else type(optimizer).from_config(optimizer.get_config())
        model.compile(chosen, "mse", engine=engine)
        losses = model.fit(x, y, batch_size=131, epochs=2, shuffle=False, verbose=0).history["loss"]
        losses.append(model.evaluate(x, y, batch_size=131, verbose=0))
        found.append([np.array(losses), *model.get_weights(), *model.gradients(x, y)])
    for other in found[1:3]:
        assert all(a.tobytes() == b.tobytes() for a, b in zip(found[0], other, strict=True))
    for a, b in zip(found[0], found[3], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("engine", ENGINES)
def test_loss_by_hand(engine):
    layer = layers.Dense(
        1, kernel_initializer="ones", kernel_regularizer="l2", bias_regularizer="l1", activity_regularizer="l1"
    )
    model = cb.Sequential([cb.Input((2,)), layer])
    model.compile(cb.optimizers.SGD(0.0), "mse", engine=engine)
    x, y = [[1.0, 1.0], [2.0, 2.0]], [[2.0], [4.0]]
    expected = 0.01 * 2 + 0.01 * (2 + 4) / 2
    assert model.losses == pytest.approx([0.02, 0.0])
    assert model.evaluate(x, y, verbose=0) == pytest.approx(expected)
    assert model.fit(x, y, verbose=0).history["loss"] == pytest.approx([expected])
    assert model.train_on_batch(x, y) == pytest.approx(expected)
    layer.trainable = False
    model.compile("sgd", "mse", engine=engine)
    assert model.evaluate(x, y, verbose=0) == pytest.approx(0.03)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "mean_with_sample_weight", "sum"])
def test_divided_penalties(engine, reduction):
    """By the number of samples of each batch, or the sum of their weights, or not at all; Python's, too."""

    class Own(Quartic):
        divided = True

    x, y, weight = np.zeros((5, 5)), np.zeros((5, 1)), np.array([1.0, 2.0, 3.0, 4.0, 0.5])
    divisors = {"sum_over_batch_size": (3, 2), "mean_with_sample_weight": (6, 4.5), "sum": (1, 1)}[reduction]
    for regularizer in (regularizers.DividedL2(0.5), Own()):
        layer = layers.Dense(1, kernel_initializer=cb.initializers.Constant(0.5), kernel_regularizer=regularizer)
        model = cb.Sequential([cb.Input((5,)), layer])
        loss = cb.losses.MeanSquaredError(reduction=reduction)
        model.compile(cb.optimizers.SGD(0.0), loss, engine=engine)
        penalty = float(regularizer(layer.kernel.value))
        expected = sum(n * penalty / divisor for n, divisor in zip((3, 2), divisors, strict=True)) / 5
        found = model.fit(x, y, batch_size=3, shuffle=False, sample_weight=weight, verbose=0).history["loss"]
        assert found == pytest.approx([expected], rel=1e-6)
        gradient = model.gradients(x[:3], y[:3], weight[:3])[0]
        np.testing.assert_allclose(gradient, regularizer.gradient(layer.kernel.value) / divisors[0], rtol=1e-6)


@pytest.mark.parametrize("engine", ENGINES)
def test_activities_in_a_graph(engine, rng):
    """Outputs that others read too, views, outputs of the model, and a layer that is used twice."""
    x = cb.Input((4,))
    h = layers.Dense(4, activation="tanh", activity_regularizer="l2")(x)
    shared = layers.Dense(4, activation="sigmoid", activity_regularizer=regularizers.L1(0.2))
    a, b = layers.ActivityRegularization(0.1)(h), layers.ActivityRegularization(l2=0.3)(h)
    merged = layers.Add()([a, b, h, shared(shared(h)), layers.ActivityRegularization(0.1)(x)])
    last = layers.Dense(3, activation="softmax", activity_regularizer="l2")(merged)
    model = cb.Model(x, [last, layers.Flatten(activity_regularizer="l2")(h), layers.ReLU(activity_regularizer="l1")(h)])
    model.compile("sgd", ["categorical_crossentropy", "mse", None], engine=engine)
    inputs = rng.normal(size=(6, 4))
    targets = [np.eye(3)[rng.integers(3, size=6)], rng.normal(size=(6, 4)), rng.normal(size=(6, 4))]
    report = model.check_gradients(inputs, targets)
    assert report.max_relative_error <= 1e-6, report


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("where", ["kernel_regularizer", "activity_regularizer"])
def test_an_exception_in_python_changes_nothing(engine, where, rng):
    class Failing(Quartic):
        fails = False

        def __call__(self, x):
            return 1 / 0 if Failing.fails else super().__call__(x)

    Failing.fails = False
    model = regularized(Failing(), where)
    model.compile("sgd", "mse", engine=engine)
    x, y = loss_cases.data_for(model, 8, rng)
    model.train_on_batch(x, y)
    weights = model.get_weights()
    Failing.fails = True
    with pytest.raises(ZeroDivisionError):
        model.train_on_batch(x, y)
    for old, new in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("where", ["kernel_regularizer", "activity_regularizer"])
def test_a_subclass_of_a_compiled_one_counts(where, rng):
    class Twice(regularizers.L2):
        def __call__(self, x):
            return 2 * super().__call__(x)

        def gradient(self, x):
            return 2 * super().gradient(x)

    x, y = rng.normal(size=(8, 5)), rng.normal(size=(8, 3))
    found = []
    for regularizer in (Twice(0.1), regularizers.L2(0.2)):
        cb.utils.set_random_seed(1)
        model = regularized(regularizer, where)
        model.compile("sgd", "mse")
        found.append([model.evaluate(x, y, verbose=0), *model.gradients(x, y)])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_config_round_trip():
    layer = layers.Dense(2, kernel_regularizer=regularizers.L1L2(0.1, 0.2), activity_regularizer="l2")
    again = layers.Dense.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert again.activity_regularizer.l2 == 0.01
    assert "activity_regularizer" not in layers.Dense(2).get_config()
    assert regularizers.get(regularizers.serialize(EACH[3])).get_config() == EACH[3].get_config()
    assert regularizers.get(None) is None


def test_refuses():
    with pytest.raises(ValueError, match="l2 must be at least 0"):
        regularizers.L2(-1)
    with pytest.raises(TypeError, match="l1 must be a number"):
        regularizers.L1("a")
    with pytest.raises(ValueError, match="argument `mode`"):
        regularizers.OrthogonalRegularizer(mode="both")
    with pytest.raises(ValueError, match=r"must have rank 2. Received: inputs.shape=\(3,\)"):
        layers.Dense(3, bias_regularizer="orthogonal_regularizer")(cb.Input((2,)))
    with pytest.raises(TypeError, match=r"needs a method gradient\(x\)"):
        layers.Dense(3, kernel_regularizer=lambda w: 0.0)
    with pytest.raises(ValueError, match="Did you mean"):
        layers.Dense(3, kernel_regularizer="l1l3")
    with pytest.raises(TypeError, match="x must hold real numbers"):
        regularizers.L2()(["a"])

    class Wrong(Quartic):
        def gradient(self, x):
            return np.zeros(3)

    with pytest.raises(ValueError, match=r"gradient of the regularizer of 'kernel' must be finite numbers of shape"):
        layers.Dense(3, kernel_regularizer=Wrong())(cb.Input((2,)))


@pytest.mark.parametrize(("mode", "error"), [("diagonals", ValueError), (None, ValueError), (3, TypeError)])
def test_orthogonality_is_of_rows_or_columns(mode, error):
    with pytest.raises(error, match=rf'argument `mode`. Expected one of {{"rows", "columns"}}. Received: mode={mode}'):
        regularizers.OrthogonalRegularizer(mode=mode)
