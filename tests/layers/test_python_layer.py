"""Layers written in Python."""

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers


class Scale(layers.Layer):
    """output = input * scale, as a layer with a weight; `mistake` makes it go wrong in one way or another."""

    mistake = None

    def build(self, input_shape):
        self.scale = self.add_weight((input_shape[-1],), "random_normal", name="scale")
        self.add_weight((2,), "zeros", trainable=False, name="unused")

    def call(self, inputs, training=False):
        self.trained = training
        if self.mistake == "raise":
            raise KeyError("a mistake in call")
        return np.zeros((3, 3)) if self.mistake == "shape" else inputs * self.scale

    def backward(self, inputs, outputs, delta):
        gradient = (inputs * delta).reshape(-1, inputs.shape[-1]).sum(axis=0)
        if self.mistake == "raise in backward":
            raise ZeroDivisionError("a mistake in backward")
        if self.mistake == "no gradients":
            return delta * self.scale
        if self.mistake == "wrong gradient":
            return delta * self.scale, [gradient[:-1]]
        if self.mistake == "wrong delta":
            return delta[:1], [gradient]
        return delta * self.scale, [gradient]


class Product(layers.Layer):
    """output = a * b of two inputs."""

    def compute_output_shape(self, input_shape):
        return input_shape[0]

    def call(self, inputs):
        a, b = inputs
        return a * b

    def backward(self, inputs, outputs, delta):
        a, b = inputs
        return [b * delta, a * delta]


class OneWay(layers.Layer):
    def call(self, inputs):
        return np.round(inputs)


def everywhere():
    """Python layers at the beginning, in the middle of branches, shared, and at the end."""
    x = cb.Input((4,))
    start = Scale()(x)
    h = layers.Dense(4, activation="tanh")(start)
    shared = Scale()
    p = Product()([shared(h), layers.Dense(4)(h)])
    q = layers.Add()([p, shared(p)])
    return cb.Model(x, Scale()(layers.Dense(2)(q)))


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_gradients(engine, rng):
    model = everywhere()
    model.compile("sgd", "mse", engine=engine)
    report = model.check_gradients(rng.normal(size=(5, 4)), rng.normal(size=(5, 2)))
    assert report.max_relative_error < 1e-6, report
    assert report.checked == sum(v.size for v in model.trainable_weights)


def trained(make, engine, threads=1):
    cb.config.set_num_threads(threads)
    cb.utils.set_random_seed(3)
    cb.utils.clear_session(free_memory=False)
    model = make()
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(100, 4)), rng.normal(size=(100, 2))
    model.compile("adam", "mse", engine=engine)
    history = model.fit(x, y, batch_size=24, epochs=3, verbose=0)
    results = [np.array(history.history["loss"]), model.predict(x, verbose=0), *model.get_weights()]
    cb.config.set_num_threads("auto")
    return [*results, np.array(model.evaluate(x, y, verbose=0))]


def test_both_engines_and_all_threads_agree(every_step_is_shared):
    first = trained(everywhere, "compiled")
    for a, b in zip(first, trained(everywhere, "compiled", 3), strict=True):
        assert a.tobytes() == b.tobytes()
    for a, b in zip(first, trained(everywhere, "reference"), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_a_python_layer_gives_what_the_compiled_one_gives():
    def stack(middle):
        return lambda: cb.Sequential([cb.Input((4,)), layers.Dense(5), middle(), layers.Dense(2)])

    square = stack(lambda: layers.Lambda(lambda x: x * x, backward=lambda x, y, delta: 2 * x * delta))
    x = cb.Input((5,))
    compiled = stack(lambda: cb.Model(x, layers.Multiply()([x, x])))
    for a, b in zip(trained(square, "compiled"), trained(compiled, "compiled"), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_training_is_told():
    layer = Scale()
    model = cb.Sequential([cb.Input((3,)), layer])
    model.compile("sgd", "mse")
    x = np.ones((4, 3))
    model.fit(x, x, verbose=0)
    assert layer.trained is True
    model.predict(x, verbose=0)
    assert layer.trained is False


def test_without_backward_where_no_gradient_passes(rng):
    model = cb.Sequential([cb.Input((3,)), OneWay(), layers.Dense(1)])
    model.compile("sgd", "mse")
    x = rng.normal(size=(8, 3)) * 3
    model.fit(x, np.ones((8, 1)), verbose=0)
    assert model.check_gradients(x, np.ones((8, 1))).max_relative_error < 1e-6
    np.testing.assert_array_equal(OneWay()(x), np.round(x.astype("float32")))


def test_without_backward_where_a_gradient_must_pass():
    model = cb.Sequential([cb.Input((3,)), layers.Dense(2), OneWay()])
    model.compile("sgd", "mse")
    x, y = np.ones((4, 3)), np.ones((4, 2))
    before = model.get_weights()
    for call in (model.fit, model.train_on_batch, model.gradients, model.check_gradients):
        with pytest.raises(TypeError, match="define backward"):
            call(x, y)
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))
    assert np.isfinite(model.evaluate(x, y, verbose=0))


class OnlyDelta(layers.Layer):
    def call(self, inputs):
        return 2 * inputs

    def backward(self, delta):
        return 2 * delta


class OnlyDeltaCell(layers.Layer):
    state_size = 2

    def call(self, inputs, states):
        return inputs, states

    def backward(self, delta):
        return delta


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (OnlyDelta, (2,)),
        (lambda: layers.Lambda(np.square, backward=lambda delta: delta), (2,)),
        (lambda: layers.TimeDistributed(OnlyDelta()), (3, 2)),
        (lambda: layers.RNN(OnlyDeltaCell()), (3, 2)),
    ],
)
def test_backward_that_takes_other_arguments(make, shape):
    """Said before training, by the name of the layer: Python would say only that 4 arguments are too many."""
    model = cb.Sequential([cb.Input(shape), layers.Dense(2), make()])
    model.compile("sgd", "mse")
    x, y = np.ones((4, *shape)), np.ones((4, *model.output_shape[1:]))
    for call in (model.fit, model.train_on_batch, model.gradients):
        with pytest.raises(
            TypeError, match=r"backward of .* must take \(inputs, outputs, delta\), but takes \(delta\)"
        ):
            call(x, y)
    assert np.isfinite(model.evaluate(x, y, verbose=0))


@pytest.mark.parametrize("engine", ["compiled", "reference"])
@pytest.mark.parametrize(
    ("mistake", "error", "match"),
    [
        ("raise", KeyError, "a mistake in call"),
        ("shape", ValueError, "output of layer .* must have shape"),
        ("raise in backward", ZeroDivisionError, "a mistake in backward"),
        ("no gradients", TypeError, "must return a tuple"),
        ("wrong gradient", ValueError, "gradient of 'scale'"),
        ("wrong delta", ValueError, "Input delta 0"),
    ],
)
def test_mistakes_end_the_run_before_weights_change(mistake, error, match, engine):
    layer = Scale()
    model = cb.Sequential([cb.Input((3,)), layers.Dense(4), layer, layers.Dense(1)])
    model.compile("adam", "mse", engine=engine)
    x, y = np.ones((8, 3)), np.ones((8, 1))
    model.fit(x, y, verbose=0)
    before = model.get_weights()
    layer.mistake = mistake
    with pytest.raises(error, match=match):
        model.fit(x, y, verbose=0)
    assert all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))
    layer.mistake = None
    model.fit(x, y, verbose=0)
    assert np.isfinite(model.predict(x, verbose=0)).all()


def test_lambda():
    double = layers.Lambda(lambda x, by: x * by, arguments={"by": 2.0})
    np.testing.assert_array_equal(double([[1.0, 2.0]]), [[2.0, 4.0]])
    total = layers.Lambda(lambda x: x.sum(axis=1), output_shape=(3,))
    np.testing.assert_array_equal(total(np.ones((2, 4, 3))), np.full((2, 3), 4.0))
    assert layers.Lambda(np.square)(cb.Input((2, 3))).shape == (None, 2, 3)
    both = layers.Lambda(lambda ab: np.concatenate(ab, axis=-1))([cb.Input((2,)), cb.Input((3,))])
    assert both.shape == (None, 5)


class Forgetful(layers.Layer):
    """Keeps its argument under another name."""

    def __init__(self, factor, **kwargs):
        super().__init__(**kwargs)
        self.times = factor

    def call(self, inputs):
        return inputs * self.times


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: layers.Lambda("tanh"), TypeError, "function"),
        (lambda: layers.Lambda(np.tanh, backward=3), TypeError, "backward"),
        (lambda: layers.Lambda(np.tanh, mask=True), TypeError, "mask of Lambda must be callable, .* but got bool"),
        (lambda: layers.Lambda(lambda x: x @ np.ones((7, 7)))(cb.Input((3,))), ValueError, "Give output_shape"),
        (lambda: layers.Lambda(lambda x: x.sum())(cb.Input((3,))), ValueError, "a row for each sample"),
        (
            lambda: layers.Lambda(lambda x: ["a"] * len(x), output_shape=(1,))(np.ones((2, 1))),
            TypeError,
            "real numbers",
        ),
        (lambda: layers.Layer()(np.ones((2, 1))), TypeError, "define call"),
        (lambda: cb.Sequential([cb.Input((1,)), layers.Lambda(np.tanh)]).to_json(), TypeError, "cannot be written"),
        (lambda: layers.Lambda(np.tanh)([np.ones((2, 1))], foo=1), TypeError, "foo"),
        (lambda: Total()(cb.Input((3,))), ValueError, r"Total 'total.*' must return a row for each sample, but .*\(\)"),
        (lambda: Forgetful(object()).get_config(), TypeError, "Forgetful 'forgetful.*' has an argument 'factor' that"),
    ],
)
def test_mistakes(make, error, match):
    with pytest.raises(error, match=match):
        make()


class Total(layers.Layer):
    def call(self, inputs):
        return inputs.sum()


class Project(layers.Layer):
    """A matrix product whose output shape nobody states."""

    def build(self, input_shape):
        self.matrix = self.add_weight((input_shape[-1], 2), name="matrix")

    def call(self, inputs):
        return inputs @ np.asarray(self.matrix)

    def backward(self, inputs, outputs, delta):
        return delta @ np.asarray(self.matrix).T, [inputs.T @ delta]


def test_output_shape_is_observed(rng):
    model = cb.Sequential([cb.Input((3,)), layers.Dense(4), Project(), layers.Dense(1)])
    model.compile("sgd", "mse")
    assert model.layers[1].output_shape == (None, 2)
    assert model.check_gradients(rng.normal(size=(3, 3)), np.ones((3, 1))).max_relative_error < 1e-6


def test_output_shape_of_several_inputs_is_observed():
    class Join(layers.Layer):
        def call(self, inputs):
            return np.concatenate(inputs, axis=1)

    assert Join()([cb.Input((3,)), cb.Input((2,))]).shape == (None, 5)


def test_what_call_raises_for_zeros_is_raised():
    class Picky(layers.Layer):
        def call(self, inputs):
            if not inputs.any():
                raise ZeroDivisionError("a mistake")
            return inputs

    class Sure(Picky):
        def compute_output_shape(self, input_shape):
            return input_shape

    with pytest.raises(ZeroDivisionError, match="a mistake") as caught:
        Picky(name="picky")(cb.Input((3,)))
    assert "called on zeros of 2 samples, to find the shape of its output" in caught.value.__notes__[0]
    assert Sure()(cb.Input((3,))).shape == (None, 3)


def test_a_lost_axis_of_samples_is_seen():
    class Squeezes(layers.Layer):
        def call(self, inputs):
            return inputs.mean(axis=0, keepdims=True)

    with pytest.raises(ValueError, match=r"a row for each sample, but returned shape \(1, 3\) for 2 samples"):
        Squeezes()(cb.Input((3,)))


def test_repr_of_arguments_that_are_not_kept():
    assert repr(Forgetful(3)) == "Forgetful()"


def test_backward_that_returns_nothing():
    class ReturnsNothing(layers.Layer):
        def call(self, inputs):
            return inputs

        def backward(self, inputs, outputs, delta):
            self.result = delta  # the return is missing

    model = cb.Sequential([cb.Input((2,)), layers.Dense(2), ReturnsNothing()])
    model.compile("sgd", "mse")
    before = model.get_weights()
    with pytest.raises(
        TypeError, match=r"backward of layer 'returns_nothing.*' must return the input delta, but returned N"
    ):
        model.fit(np.ones((3, 2)), np.zeros((3, 2)), verbose=0)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_arrays_of_many_shapes_leave_few_models_behind():
    layer = layers.Flatten()
    for size in range(1, 30):
        assert layer(np.zeros((1, size, 2))).shape == (1, 2 * size)
    assert len(layer._models) <= 8


# Masks given as arrays


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_the_mask_of_a_lambda_as_an_array(engine):
    mask = np.array([[1, 0, 1], [1, 1, 0]])
    x = cb.Input((3, 4))
    model = cb.Model(x, layers.Lambda(np.square, mask=mask)(x))
    model.compile(loss="mse", engine=engine)
    data = np.random.default_rng(0).normal(size=(2, 3, 4))
    expected = np.mean((data**4)[mask == 1])
    assert model.evaluate(data, np.zeros((2, 3, 4)), batch_size=2, verbose=0) == pytest.approx(expected, rel=1e-5)
    with pytest.raises(ValueError, match="is for 2 samples, but was called on 3"):
        model.evaluate(np.ones((3, 3, 4)), np.ones((3, 3, 4)), verbose=0)
    one = cb.Model(x, layers.Lambda(np.square, mask=[[True, False, True]])(x))
    one.compile(loss="mse", engine=engine)
    assert one.evaluate(data, np.zeros((2, 3, 4)), verbose=0) == pytest.approx(np.mean((data**4)[:, [0, 2]]), rel=1e-5)


def test_masks_of_lambda_are_checked_and_written():
    layer = layers.Lambda(np.square, mask=np.ones((2, 3)))
    assert layer.supports_masking
    with pytest.raises(ValueError, match="must have a value for each row of the output"):
        cb.Model(x := cb.Input((4, 5)), layer(x)).predict(np.ones((2, 4, 5)), verbose=0)
    for mask in (3, "x", []):
        with pytest.raises(TypeError, match="mask of Lambda must be callable, or an array"):
            layers.Lambda(np.square, mask=mask)
    with cb.saving.custom_object_scope({"named": named}):
        again = layers.Lambda.from_config(layers.Lambda(named, mask=np.ones((2, 3))).get_config())
    np.testing.assert_array_equal(again.mask, np.ones((2, 3), bool))


def named(x):
    return x
