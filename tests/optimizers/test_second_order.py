"""L-BFGS and Levenberg-Marquardt: against SciPy on the same networks, both engines, derivatives, mistakes."""

import inspect
import itertools

import numpy as np
import pytest
import scipy.optimize
from numpy.testing import assert_allclose, assert_array_equal
from second_order_models import CLASSES, EACH_CLASS, EACH_TYPE, branched, data, dense, problem_of

import cbackprop as cb
from cbackprop import layers, optimizers
from cbackprop.engine.problem import EngineProblem
from cbackprop.optimizers.lbfgs import _Memory

# Against SciPy


@pytest.mark.parametrize("outputs", [1, 3])
def test_lbfgs_reaches_what_scipy_reaches(outputs):
    x, y = data(outputs)
    model = dense(outputs=outputs)
    model.compile(optimizers.LBFGS(tolerance_grad=1e-9, tolerance_change=0), loss="mse")
    problem = problem_of(model, x, y)
    start = problem.weights()

    def function(w):
        problem.set_weights(w)
        return problem.gradient()

    theirs = scipy.optimize.minimize(
        function, start, jac=True, method="L-BFGS-B", options={"maxiter": 300, "ftol": 0, "gtol": 0, "maxcor": 10}
    )
    problem.set_weights(start)
    losses = model.fit(x, y, epochs=300, verbose=0).history["loss"]
    assert all(b <= a for a, b in itertools.pairwise(losses))
    # Both are on the way down a long valley, and not at its end: the same order of magnitude is what can be asked.
    assert losses[-1] < 2 * theirs.fun
    assert losses[-1] < 0.05 * losses[0]


def test_lbfgs_finds_the_minimum_of_a_convex_loss():
    x, y = data(2)
    weights = np.linspace(0.5, 2, len(x))
    cb.config.set_floatx("float64")
    model = cb.Sequential([cb.Input((2,)), layers.Dense(2)])
    model.compile(optimizers.LBFGS(tolerance_grad=1e-10, tolerance_change=0), loss="mse")
    history = model.fit(x, y, sample_weight=weights, epochs=100, verbose=0)
    assert model.optimizer.converged
    assert len(history.epoch) < 30
    roots = np.sqrt(weights)[:, None]
    exact = np.linalg.lstsq(roots * np.hstack([x, np.ones((len(x), 1))]), roots * y, rcond=None)[0]
    assert_allclose(np.vstack(model.get_weights()), exact, atol=1e-9)


def test_levenberg_marquardt_finds_the_minimum_that_scipy_finds():
    """Few weights and many samples, so that there is a minimum that both can reach."""
    x, y = data(1, n=300)
    cb.config.set_floatx("float64")
    cb.utils.set_random_seed(4)  # with others, the minimum is where weights are infinite
    model = cb.Sequential([cb.Input((2,)), layers.Dense(3, activation="tanh"), layers.Dense(1)])
    model.compile(optimizers.LevenbergMarquardt(tolerance_change=1e-14), loss="mse")
    problem = problem_of(model, x, y)
    start = problem.weights()

    def errors(w):
        problem.set_weights(w)
        return problem.jacobian(0, len(x))[1]

    def jacobian(w):
        problem.set_weights(w)
        return problem.jacobian(0, len(x))[0]

    def theirs(w):
        found = scipy.optimize.least_squares(errors, w, jacobian, method="lm", xtol=1e-15, ftol=1e-15, gtol=1e-15)
        return 2 * found.cost, found.x

    loss, _ = theirs(start)
    problem.set_weights(start)
    losses = model.fit(x, y, epochs=300, verbose=0).history["loss"]
    assert losses[-1] <= loss * (1 + 1e-9)
    assert len(losses) < 100
    # From the same start both may end in different minima; where ours ended, theirs must find no better place.
    ours = problem.weights()
    loss, weights = theirs(ours)
    assert losses[-1] == pytest.approx(loss, rel=1e-9)
    assert_allclose(ours, weights, atol=1e-5)


def test_levenberg_marquardt_fits_a_noisy_sine():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (1000, 1))
    y = np.sin(np.pi * x) + 0.005 * rng.normal(size=x.shape)
    cb.config.set_floatx("float64")
    cb.utils.set_random_seed(1)
    model = cb.Sequential([cb.Input((1,)), layers.Dense(20, activation="tanh"), layers.Dense(1)])
    model.compile(optimizers.LevenbergMarquardt(tolerance_change=0), loss="mse")
    after_50 = model.fit(x, y, epochs=50, verbose=0).history["loss"][-1]
    assert after_50 - model.fit(x, y, epochs=500, verbose=0).history["loss"][-1] < 1e-6
    assert after_50 < 3e-5


def test_one_step_of_levenberg_marquardt():
    """By the formula, in NumPy."""
    x, y = data(2)
    model = dense(outputs=2)
    model.compile(optimizers.LevenbergMarquardt(damping=0.5, learning_rate=0.5), loss="mse")
    problem = problem_of(model, x, y)
    start = problem.weights()
    jacobian, errors = problem.jacobian(0, len(x))
    a = jacobian.T @ jacobian
    model.train_on_batch(x, y)
    step = np.linalg.solve(a + 0.5 * np.diag(np.diag(a)), -jacobian.T @ errors)
    assert_allclose(problem.weights(), start + 0.5 * step, rtol=1e-9, atol=1e-12)
    assert model.optimizer.iterations == 1


def test_two_loops_are_the_bfgs_formula(rng):
    """H of the recursion against H built as a matrix; the oldest pairs have been written over."""
    n, size = 6, 4
    root = rng.normal(size=(n, n))
    hessian = root @ root.T + np.eye(n)
    for package in ("compiled", "reference"):
        solver = optimizers.LBFGS().implementation_in(package)(optimizers.LBFGS())
        memory = _Memory(None, size, np.zeros(n))
        pairs = []
        for _ in range(7):
            s = rng.normal(size=n)
            pairs.append((s, hessian @ s))
            memory.add(solver, *pairs[-1])
        s, y = pairs[-1]
        inverse = np.eye(n) * (s @ y) / (y @ y)
        for s, y in pairs[-size:]:
            v = np.eye(n) - np.outer(s, y) / (y @ s)
            inverse = v @ inverse @ v.T + np.outer(s, s) / (y @ s)
        gradient = rng.normal(size=n)
        assert_allclose(memory.direction(solver, gradient), -inverse @ gradient, rtol=1e-9)
        memory.add(solver, s, -y)  # no positive curvature: not remembered
        assert_allclose(memory.direction(solver, gradient), -inverse @ gradient, rtol=1e-9)


# Training


@EACH_TYPE
@EACH_CLASS
def test_engines_agree(name, dtype):
    x, y = data(2)
    found = []
    for engine in ("compiled", "reference"):
        model = dense(outputs=2, dtype=dtype)
        model.compile(CLASSES[name](), loss="mse", metrics=["mae"], engine=engine)
        history = model.fit(x, y, epochs=6, validation_data=(x[:20], y[:20]), verbose=0).history
        found.append((history, model.get_weights()))
    limit = 1e-7 if dtype == "float64" else 2e-2
    assert set(found[0][0]) == {"loss", "mae", "val_loss", "val_mae"}
    for key in found[0][0]:
        assert_allclose(found[0][0][key], found[1][0][key], rtol=limit)
    if dtype == "float64":
        for a, b in zip(found[0][1], found[1][1], strict=True):
            assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@EACH_TYPE
@EACH_CLASS
def test_same_bits_on_any_number_of_threads(name, dtype):
    x, y = data(2, n=3000)
    found = []
    for threads in (1, 2, 3):
        with cb.config.num_threads(threads):
            model = dense(outputs=2, dtype=dtype, units=40)
            model.compile(CLASSES[name](), loss="mse")
            found.append((model.fit(x, y, epochs=5, verbose=0).history["loss"], model.get_weights()))
    for losses, weights in found[1:]:
        assert losses == found[0][0]
        for a, b in zip(weights, found[0][1], strict=True):
            assert_array_equal(a, b)


@EACH_TYPE
@EACH_CLASS
def test_logs_are_those_after_the_step(name, dtype):
    x, y = data()
    model = dense(dtype=dtype)
    model.compile(CLASSES[name](), loss="mse", metrics=["mae"])
    logs = model.fit(x, y, epochs=3, verbose=0).history
    assert model.evaluate(x, y, batch_size=60, verbose=0) == [logs["loss"][-1], logs["mae"][-1]]
    assert model.optimizer.iterations == 3
    loss, mae = model.train_on_batch(x, y)
    assert loss < logs["loss"][-1]
    assert model.evaluate(x, y, batch_size=60, verbose=0) == [loss, mae]


@EACH_CLASS
def test_frozen_and_shared_layers(name, rng):
    x, y = rng.normal(size=(40, 2)), [rng.normal(size=(40, k)) for k in (3, 1, 2)]
    model = branched()
    model.compile(CLASSES[name](), loss=["mse", "mse", None])
    before = {v.path: v.value for v in model.variables}
    losses = model.fit(x, y, epochs=8, verbose=0).history["loss"]
    assert all(b < a for a, b in itertools.pairwise(losses))
    trainable = {v.path for v in model.trainable_variables}
    for variable in model.variables:
        moved = not np.array_equal(variable.value, before[variable.path])
        assert moved == (variable.path in trainable and not variable.path.startswith("c/")), variable.path


@EACH_CLASS
def test_state_outlives_fit(name):
    """Twice 5 epochs are 10: nothing is forgotten between fits, or when the model is compiled again."""
    x, y = data()
    found = []
    for parts in ([10], [5, 5], [3, 7]):
        model = dense()
        optimizer = CLASSES[name]()
        losses = []
        for epochs in parts:
            model.compile(optimizer, loss="mse")
            losses += model.fit(x, y, epochs=epochs, verbose=0).history["loss"]
        found.append(losses)
    assert found[0] == found[1] == found[2]


@EACH_CLASS
def test_several_steps_in_an_epoch(name):
    x, y = data()
    losses = []
    for count in (1, 4):
        model = dense()
        model.compile(CLASSES[name](max_iterations=count), loss="mse")
        losses.append(model.fit(x, y, epochs=12 // count, verbose=0).history["loss"])
        assert model.optimizer.iterations == 12
    assert losses[0][3::4] == losses[1]


@EACH_CLASS
def test_other_data_and_other_weights_are_noticed(name):
    x, y = data()
    model = dense()
    model.compile(CLASSES[name](), loss="mse")
    model.fit(x, y, epochs=4, verbose=0)
    loss = model.fit(x, -y, epochs=1, verbose=0).history["loss"][0]
    assert loss == model.evaluate(x, -y, batch_size=60, verbose=0)
    before = model.evaluate(x, -y, batch_size=60, verbose=0)

    class Shake(cb.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                self.model.set_weights([w + 0.3 for w in self.model.get_weights()])

    losses = model.fit(x, -y, epochs=5, callbacks=[Shake()], verbose=0).history["loss"]
    assert losses[1] < before
    assert losses[4] < losses[2]
    assert losses[4] == model.evaluate(x, -y, batch_size=60, verbose=0)


@EACH_CLASS
def test_stops_when_converged(name):
    cb.config.set_floatx("float64")
    x, y = data()
    model = cb.Sequential([cb.Input((2,)), layers.Dense(1)])
    model.compile(CLASSES[name](), loss="mse")
    assert len(model.fit(x, y, epochs=100, verbose=0).epoch) < 30
    assert model.stop_training
    assert model.optimizer.converged
    again = model.fit(x, y, epochs=100, verbose=0)
    assert len(again.epoch) <= 2
    assert again.history["loss"][-1] == model.evaluate(x, y, batch_size=60, verbose=0)


@pytest.mark.parametrize("name", CLASSES)
def test_float32_does_not_get_stuck_in_noise(name):
    x, y = data(n=200)
    losses = {}
    for dtype in ("float32", "float64"):
        model = dense(dtype=dtype, seed=4)
        model.compile(CLASSES[name](tolerance_change=0), loss="mse")
        losses[dtype] = model.fit(x, y, epochs=60, verbose=0).history["loss"]
        assert all(b <= a for a, b in itertools.pairwise(losses[dtype]))
    assert losses["float32"][-1] < 1.5 * losses["float64"][-1]


@EACH_CLASS
def test_dropout_is_drawn_once_a_step(name):
    """Every step lowers the loss for its own mask; the next step has another mask."""
    cb.utils.set_random_seed(1)
    x, y = data(n=200)
    model = cb.Sequential(
        [cb.Input((2,)), layers.Dense(20, activation="tanh"), layers.Dropout(0.2, seed=1), layers.Dense(1)]
    )
    model.compile(CLASSES[name](), loss="mse")
    problem = problem_of(model, x, y)
    for _ in range(5):
        before = problem.loss()
        assert model.train_on_batch(x, y) < before
    assert not problem.repeats()


def test_lbfgs_trains_classifiers():
    (x, y), (x_test, y_test) = cb.datasets.digits.load_data()
    cb.utils.set_random_seed(1)
    model = cb.Sequential(
        [
            cb.Input(x.shape[1:]),
            layers.Flatten(),
            layers.Dense(32, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("lbfgs", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x / np.max(x), y, epochs=60, verbose=0)
    assert model.evaluate(x_test / np.max(x), y_test, verbose=0)[1] > 0.9


@EACH_CLASS
def test_callbacks_for_batches_and_validation_split(name):
    x, y = data()
    seen = []

    class Watch(cb.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append((batch, logs["loss"]))

    model = dense()
    model.compile(CLASSES[name](), loss="mse")
    history = model.fit(x, y, epochs=3, validation_split=0.25, callbacks=[Watch()], verbose=0).history
    assert seen == [(0, loss) for loss in history["loss"]]
    assert history["loss"][-1] == model.evaluate(x[:45], y[:45], batch_size=45, verbose=0)
    assert history["val_loss"][-1] == pytest.approx(model.evaluate(x[45:], y[45:], verbose=0))


# Mistakes

NUMBERS = {
    "learning_rate": (0, "greater than 0"),
    "tolerance_grad": (-1, "at least 0"),
    "tolerance_change": (-1, "at least 0"),
    "c1": (0.95, "greater than 0 and below 0.9"),
    "c2": (1, "greater than 0 and below 1"),
    "damping": (0, "at least 1e-15 and at most"),
    "damping_increase": (1, "greater than 1"),
    "damping_decrease": (0.5, "greater than 1"),
    "min_damping": (0, "greater than 0"),
    "max_damping": (1e-16, "at least 1e-15"),
}
COUNTS = {"max_iterations": 0, "history_size": 0, "max_evaluations": 0, "memory_limit": 0}


@EACH_CLASS
def test_bad_arguments(name):
    for argument in inspect.signature(CLASSES[name]).parameters:
        if argument in NUMBERS:
            value, words = NUMBERS[argument]
            with pytest.raises(ValueError, match=f"^{argument} must be {words}"):
                CLASSES[name](**{argument: value})
            with pytest.raises(TypeError, match=f"^{argument} must be a number"):
                CLASSES[name](**{argument: "much"})
        elif argument in COUNTS:
            with pytest.raises(ValueError, match=f"^{argument} must be at least 1"):
                CLASSES[name](**{argument: 0})
            with pytest.raises(TypeError, match=f"^{argument} must be an integer"):
                CLASSES[name](**{argument: 1.5})
        else:
            assert argument == "name", f"{argument} is in neither NUMBERS nor COUNTS"
    with pytest.raises(TypeError, match="clipnorm"):
        CLASSES[name](clipnorm=1.0)


@EACH_CLASS
def test_batches_are_refused(name):
    x, y = data()
    model = dense()
    model.compile(CLASSES[name](), loss="mse")
    before = model.get_weights()
    for arguments, words in [
        ({"batch_size": 32}, "all 60 samples in one batch, but got batch_size=32"),
        ({"steps_per_epoch": 2}, "all 60 samples in one batch, but got steps_per_epoch=2"),
        ({"batch_size": 32, "validation_split": 0.25}, "all 45 samples in one batch, but got batch_size=32"),
    ]:
        with pytest.raises(ValueError, match=words):
            model.fit(x, y, verbose=0, **arguments)
    with pytest.raises(ValueError, match="needs all samples in one batch"):
        model.fit(iter([(x, y)]), steps_per_epoch=1, verbose=0)
    for a, b in zip(model.get_weights(), before, strict=True):
        assert_array_equal(a, b)
    model.fit(x, y, batch_size=60, verbose=0)
    model.fit(x, y, batch_size=1000, steps_per_epoch=1, verbose=0)
    assert model.optimizer.iterations == 2


@EACH_CLASS
def test_apply_is_refused(name):
    w = np.ones(2)
    for call in ("apply", "apply_gradients"):
        arguments = ([np.ones(2)], [w]) if call == "apply" else ([(np.ones(2), w)],)
        with pytest.raises(TypeError, match=f"{name} needs the loss at several points"):
            getattr(CLASSES[name](), call)(*arguments)
    assert_array_equal(w, [1, 1])


def test_levenberg_marquardt_needs_squares():
    x, y = data()
    model = dense()
    before = model.get_weights()
    for loss in ("mae", cb.losses.Huber()):
        model.compile("levenberg_marquardt", loss=loss)
        with pytest.raises(
            ValueError, match=r"needs a sum of squared errors: the loss must be MeanSquaredError, but got"
        ):
            model.fit(x, y, verbose=0)
    for a, b in zip(model.get_weights(), before, strict=True):
        assert_array_equal(a, b)


def test_memory_limit():
    x, y = data()
    model = dense()
    size = model.count_params()
    needed = 8 * (2 * size * size + 2 * 60 * size)
    model.compile(optimizers.LevenbergMarquardt(memory_limit=needed - 1), loss="mse")
    with pytest.raises(MemoryError, match=f"needs {needed} bytes for {size} weights .*memory_limit is {needed - 1}"):
        model.fit(x, y, verbose=0)
    model.compile(optimizers.LevenbergMarquardt(memory_limit=needed), loss="mse")
    model.fit(x, y, verbose=0)


@EACH_CLASS
def test_what_goes_wrong_leaves_the_weights(name, monkeypatch):
    x, y = data()
    model = dense()
    model.compile(CLASSES[name](), loss="mse")
    model.fit(x, y, epochs=2, verbose=0)
    before = model.get_weights()
    calls = []
    method = "gradient" if name == "LBFGS" else "loss"
    whole = getattr(EngineProblem, method)

    def interrupted(self):
        calls.append(self.weights())
        if len(calls) == 2:
            raise KeyboardInterrupt
        return whole(self)

    monkeypatch.setattr(EngineProblem, method, interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, epochs=5, verbose=0)
    assert not np.array_equal(calls[1], np.concatenate([w.ravel() for w in before]))
    for a, b in zip(model.get_weights(), before, strict=True):
        assert_array_equal(a, b)
    assert model.optimizer.iterations == 2


def test_a_loss_that_overflows():
    x, y = data()
    model = dense(dtype="float32")
    model.set_weights([w * 0 + (3e38 if w.shape == (5, 1) else 1) for w in model.get_weights()])
    for name in CLASSES:
        model.compile(name, loss="mse")
        before = model.get_weights()
        with pytest.raises(FloatingPointError, match="before the step"):
            model.fit(x, y, verbose=0)
        for a, b in zip(model.get_weights(), before, strict=True):
            assert_array_equal(a, b)


def test_kernels_check_what_they_are_given():
    lbfgs = optimizers.LBFGS().compiled_rule("float64")
    lm = optimizers.LevenbergMarquardt().compiled_rule("float64")
    with pytest.raises(ValueError, match="differ in length"):
        lbfgs.dot(np.ones(3), np.ones(4))
    for end, count, d in ((0, 3, 4), (2, 1, 4), (0, 0, 4), (-1, 1, 4), (0, 1, 5)):
        with pytest.raises(ValueError, match="do not fit"):
            lbfgs.recur(np.ones((2, 4)), np.ones((2, 4)), np.ones(2), end, count, np.ones(d))
    with pytest.raises(ValueError, match="do not fit"):
        lm.add(np.ones((2, 3)), np.ones(2), np.ones((3, 3)), np.ones(2))
    with pytest.raises(ValueError, match="do not fit"):
        lm.solve(np.ones((3, 2)), np.ones(3), np.ones(3))
    assert lm.solve(-np.eye(2), np.ones(2), np.zeros(2)) is None
