"""Layers derived from the library's own, with a `build` or `compute_output_shape` that does not fit the computation."""

import subprocess
import sys

import numpy as np
import pytest
from cbackprop.compiled.layers.layer import Layer as Silent
from layer_cases import LAYERS, called

import cbackprop as cb
from cbackprop import layers
from cbackprop.compiled.engine.network import Network
from cbackprop.contract.implementation import find
from cbackprop.layers import masks
from cbackprop.layers.layer import Layer
from cbackprop.plan.plan import Plan
from cbackprop.plan.step import implementation_of

ENGINES = ["compiled", "reference"]
MADE = [(name, number) for name, cases in LAYERS.items() for number in range(len(cases))]


def steps_of(name, number):
    """The steps of a layer: its own, and its activation's."""
    make, shapes = LAYERS[name][number]
    inputs = [cb.Input(shape) for shape in shapes]
    layer = make()
    return Plan(inputs, [called(layer, inputs)]).steps


def make(engine, step, input_shapes, output_shape):
    name = implementation_of(type(step.layer))
    if engine == "compiled":
        return find("compiled.layers", name, "float32")(step.layer, list(input_shapes), output_shape)
    return find("reference.layers", name)(step.layer, tuple(input_shapes), output_shape, 0)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("name", "number"), MADE)
def test_every_layer_refuses_another_output(name, number, engine):
    for step in steps_of(name, number):
        assert make(engine, step, step.input_shapes, step.output_shape)
        if step.layer.is_python:
            continue  # what `call` returns is compared with it in each batch
        *front, last = step.output_shape
        for wrong in [(*front, last + 1), (*front, last * 1000), (*step.output_shape, 2)]:
            with pytest.raises(ValueError, match=r"compute_output_shape says|inputs of shapes"):
                make(engine, step, step.input_shapes, wrong)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("name", "number"), MADE)
def test_every_layer_refuses_weights_of_another_shape(name, number, engine, monkeypatch):
    for step in steps_of(name, number):
        layer = step.layer
        if layer.is_python:
            continue
        for k, variable in enumerate(layer.variables):
            names = [key for key, value in vars(layer).items() if value is variable]
            if not names:
                continue  # nothing that computes reads it
            for shape in [(variable.size + 1,), (1,) * (variable.ndim + 1), (*variable.shape, 2)]:
                other = cb.layers.Layer().add_weight(shape, "zeros", name="other")
                changed = [*layer.variables[:k], other, *layer.variables[k + 1 :]]
                with monkeypatch.context() as patch:
                    patch.setattr(layer, "_variables", changed)
                    with pytest.raises(ValueError, match="its build made"):  # the attribute is another weight
                        make(engine, step, step.input_shapes, step.output_shape)
                    for key in names:
                        patch.setitem(vars(layer), key, other)
                    with pytest.raises(ValueError, match="has the shape"):
                        make(engine, step, step.input_shapes, step.output_shape)


@pytest.mark.parametrize("engine", ENGINES)
def test_every_step_that_makes_masks_says_what_it_reads(engine):
    owner = layers.Masking()
    both = np.array([[0, 1], [0, 1]])
    made = {
        masks.Differs: (masks.Differs(owner, 0.0, 3), [(2, 3)], (2,)),
        masks.Merged: (masks.Merged(owner, both, np.zeros(2, bool)), [(2,), (2,)], (2,)),
        masks.Chosen: (masks.Chosen(owner), [(2, 3), (2,)], (2, 3)),
    }
    for step, shapes, output in made.values():
        name = step.implementation
        build = find(f"{engine}.layers", name, "float32")
        more = (0,) if engine == "reference" else ()
        as_given = tuple if engine == "reference" else list
        assert build(step, as_given(shapes), output, *more)
        if not isinstance(step, masks.Merged) or engine == "compiled":
            with pytest.raises(ValueError, match=r"inputs of shapes|compute_output_shape|do not fit"):
                build(step, as_given(shapes), (output[0] + 1, *output[1:]), *more)


def test_a_network_compares_buffers_with_what_layers_read():
    """Whatever numbers of buffers it is told."""
    spec = layers.Dense(3)
    spec.build((None, 2))
    layer = find("compiled.layers", "dense.Dense", "float32")(spec, [(2,)], (3,))
    network = Network([layer], [2, 2, 3], False)
    network.connect(0, (0,), 2, -1, 0)
    for inputs, output in [((0,), 1), ((2,), 2), ((0, 1), 2), ((), 2)]:
        with pytest.raises(
            ValueError, match=r"Dense reads \[2\] numbers of a sample and writes 3, but its buffers hold"
        ):
            network.connect(0, inputs, output, -1, 0)
    with pytest.raises(IndexError, match="no buffer 9"):
        network.connect(0, (9,), 2, -1, 0)


class Narrow(layers.Dense):
    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], 1)


class ShortBias(layers.Dense):
    def build(self, input_shape):
        self.kernel = self.add_weight((input_shape[-1], self.units), name="kernel")
        self.bias = self.add_weight((1,), name="bias")


class NoBias(layers.Dense):
    def build(self, input_shape):
        self.kernel = self.add_weight((input_shape[-1], self.units), name="kernel")


class Swapped(layers.Dense):
    """Bias and kernel are as large as they must be, but not in that order."""

    def build(self, input_shape):
        self.bias = self.add_weight((self.units,), name="bias")
        self.kernel = self.add_weight((input_shape[-1], self.units), name="kernel")


class FlatKernel(layers.Dense):
    def build(self, input_shape):
        super().build(input_shape)
        vars(self)["kernel"] = self.add_weight((3,), name="other")


class Forgotten(layers.Dense):
    def build(self, input_shape):
        self.w = self.add_weight((input_shape[-1], self.units), name="w")


def test_a_kernel_of_one_axis():
    with pytest.raises(ValueError, match=r"kernel of Dense '.*' has the shape \(3,\), but must have \(3, 4\)"):
        cb.Sequential([cb.Input((3,)), FlatKernel(4)])


class Further(layers.Dense):
    def build(self, input_shape):
        super().build(input_shape)
        self.scale = self.add_weight((self.units,), "ones", name="scale")


class Flat(layers.Flatten):
    def compute_output_shape(self, input_shape):
        return (None, 5)


WRONG = [
    (Narrow, "Narrow '.*' computes as Dense does, whose output has .*compute_output_shape says .*define call"),
    (ShortBias, "whose bias has the shape .*, but its build made bias with the shape"),
    (NoBias, r"whose weight 2 is bias, of shape .*, but its build made \['kernel'\].*super\(\).build"),
    (Swapped, r"whose weight 1 is kernel, .* but its build made \['bias', 'kernel'\]"),
    (Forgotten, "whose weight 1 is kernel"),
    (Further, "does not use the weight 'scale': nothing computes its gradient.*trainable=False"),
]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("cls", "message"), WRONG)
def test_the_message_says_what_to_mend(cls, message, engine):
    model = cb.Sequential([cb.Input((2, 3)), cls(4)])
    model.compile("sgd", "mse", engine=engine)
    with pytest.raises(ValueError, match=message):
        model.fit(np.ones((4, 2, 3)), np.zeros((4, *model.output_shape[1:])), verbose=0)
    with pytest.raises(ValueError, match=message):
        model.predict(np.ones((4, 2, 3)), verbose=0)


def test_a_view_keeps_its_numbers():
    with pytest.raises(ValueError, match="only gives its input another shape, but its compute_output_shape says"):
        cb.Sequential([cb.Input((2, 3)), Flat(), layers.Dense(1)]).predict(np.ones((4, 2, 3)), verbose=0)


@pytest.mark.parametrize("engine", ENGINES)
def test_further_weights_that_do_not_train_are_the_subclass_s_business(engine):
    class Counted(layers.Dense):
        def build(self, input_shape):
            super().build(input_shape)
            self.count = self.add_weight((7,), "zeros", trainable=False, name="count")

    class CountedBatch(layers.BatchNormalization):
        def build(self, input_shape):
            super().build(input_shape)
            self.count = self.add_weight((7,), "zeros", trainable=False, name="count")

    def history(dense, normalization):
        cb.utils.set_random_seed(1)
        model = cb.Sequential([cb.Input((3,)), dense(4), normalization(), dense(2)])
        model.compile("sgd", "mse", engine=engine)
        x = np.random.default_rng(0).normal(size=(32, 3))
        return model.fit(x, x[:, :2], epochs=3, verbose=0).history["loss"]

    assert history(Counted, CountedBatch) == history(layers.Dense, layers.BatchNormalization)


CRASHES = """
import numpy as np
import cbackprop as cb
from cbackprop import layers

class Narrow(layers.{base}):
    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], 1)

model = cb.Sequential([cb.Input(({width},)), Narrow({arguments}), layers.Dense(1)])
model.compile("sgd", "mse")
try:
    model.fit(np.ones((64, {width})), np.zeros((64, 1)), verbose=0)
except ValueError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("base", "width", "arguments"),
    [("Dense", 1, "100_000"), ("LayerNormalization", 100_000, ""), ("BatchNormalization", 100_000, ""),
     ("Dropout", 100_000, "0.5"), ("GaussianNoise", 100_000, "0.5"), ("Rescaling", 100_000, "2.0"),
     ("PReLU", 100_000, ""), ("Embedding", 1, "9, 100_000")],
)  # fmt: skip
def test_no_process_dies_of_it(base, width, arguments):
    program = CRASHES.format(base=base, width=width, arguments=arguments)
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "compute_output_shape says" in done.stdout


def test_a_compiled_layer_must_say_what_it_reads():
    """The base itself says nothing, as a class that forgets to does."""
    network = Network([Silent(Layer(), [(2,)], (2,))], [2, 2], False)
    with pytest.raises(TypeError, match="does not say what it reads: call `expect` in its __init__"):
        network.connect(0, (0,), 1, -1, 0)


@pytest.mark.parametrize("where", ["layer", "class"])
@pytest.mark.parametrize("run", ["connected", "called on an array"])
def test_a_call_that_is_set_later_is_refused(where, run):
    """The computation was chosen when the class was made, so a `call` that is set later would be ignored in silence."""

    class Own(layers.Dense):
        pass

    layer = Own(2, name="own")
    (layer if where == "layer" else Own).call = lambda *arguments: 0 * arguments[-1]
    with pytest.raises(TypeError, match=r"call was set on layer 'own'.*Define call in a class that is derived from it"):
        layer(cb.Input((3,)) if run == "connected" else np.ones((1, 3)))


class Twice(layers.Layer):
    """Two dense layers with a residual connection: a layer that is made of others."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.first, self.second = layers.Dense(units, "tanh"), layers.Dense(units)

    def build(self, input_shape):
        self.first.build(input_shape)
        self.second.build((None, self.units))

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def expand(self, steps, inputs, shape, mask):
        hidden = steps.call(self.first, inputs)
        return steps.call(layers.Add(), [hidden, steps.call(self.second, [hidden])])


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_a_layer_that_unfolds_into_others(engine):
    x, y = np.random.default_rng(0).normal(size=(2, 20, 3)).astype("float32")
    cb.utils.set_random_seed(1)
    made_of_others = cb.Sequential([cb.Input((3,)), Twice(4), layers.Dense(3)])
    a = cb.Input((3,))
    first, second, last = layers.Dense(4, "tanh"), layers.Dense(4), layers.Dense(3)
    hidden = first(a)
    written_out = cb.Model(a, last(layers.Add()([hidden, second(hidden)])))
    written_out.set_weights(made_of_others.get_weights())
    assert len(made_of_others.layers[0].weights) == 4
    for model in (made_of_others, written_out):
        model.compile("adam", "mse", engine=engine)
        model.fit(x, y, batch_size=5, epochs=3, verbose=0, shuffle=False)
    for mine, other in zip(made_of_others.get_weights(), written_out.get_weights(), strict=True):
        assert mine.tobytes() == other.tobytes()
    assert made_of_others.check_gradients(x[:4], y[:4]).max_relative_error < 1e-6


class Unbuilt(Twice):
    def build(self, input_shape):
        pass


class Nothing(layers.Layer):
    def expand(self, steps, inputs, shape, mask):
        return None


class Longer(layers.Layer):
    def expand(self, steps, inputs, shape, mask):
        return steps.call(layers.RepeatVector(3), inputs)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (lambda: Unbuilt(4), "calls layer 'dense.*', which is not built: call its build in the build of that layer"),
        (Nothing, r"expand of Nothing 'nothing.*' must return the output, .* shape \(3,\) by .* but returned None"),
        (Longer, r"must return the output, .* shape \(3,\) by .* but returned one of shape \(3, 3\)"),
    ],
)
def test_mistakes_in_expand(kind, message):
    model = cb.Sequential([cb.Input((3,)), kind(), layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=message):
        model.fit(np.zeros((4, 3)), np.zeros((4, 1)), verbose=0)


class Calling(layers.Layer):
    """Expands into one given call, which may be wrong."""

    def __init__(self, call, dtype=None):
        super().__init__(name="outer")
        self.what = call
        self.dense = layers.Dense(3, name="inner", dtype=dtype)

    def build(self, input_shape):
        self.dense.build(input_shape)

    def expand(self, steps, inputs, shape, mask):
        return steps.call(*self.what(self, inputs[0]))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda own, x: (layers.Multiply(name="m"), [x]), ValueError, "give layer 'm' two or more inputs, but got 1"),
        (lambda own, x: (own.dense, [x, x]), ValueError, r"give layer 'inner' 1 input\(s\), but got 2"),
        (lambda own, x: (own.dense, []), ValueError, r"give layer 'inner' 1 input\(s\), but got 0"),
        (lambda own, x: (own.dense, x), TypeError, "give layer 'inner' a list of values, but got Value"),
        (lambda own, x: (own.dense, [None]), TypeError, r"a list of values, but got \[None\]"),
        (lambda own, x: (3, [x]), TypeError, "can only call layers, but got 3"),
        (lambda own, x: (layers.Lambda(lambda y: [y, y]), [x]), ValueError, "layers of one output, but layer 'lambda"),
        (lambda own, x: (own, [x]), ValueError, "calls layer 'outer', which it is a part of"),
    ],
)
def test_calls_that_expand_cannot_make(call, error, message):
    model = cb.Sequential([cb.Input((3,)), Calling(call), layers.Dense(1)])
    model.compile("sgd", "mse")
    before = model.get_weights()
    with pytest.raises(error, match=f"expand of layer 'outer' .*{message}"):
        model.fit(np.zeros((4, 3)), np.zeros((4, 1)), verbose=0)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


class Adding(Calling):
    """Expands into one given step, which may be wrong."""

    def expand(self, steps, inputs, shape, mask):
        return steps.add(*self.what(self, inputs[0], shape))


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (lambda own, x, shape: (np.tanh, [x], shape), "can only add operations, such as layers, but got <ufunc"),
        (lambda own, x, shape: ("inner", [x], shape), "can only add operations, such as layers, but got 'inner'"),
        (lambda own, x, shape: (own.dense, x, shape), "give 'inner' a list of values, but got Value"),
        (lambda own, x, shape: (own.dense, [None], shape), r"give 'inner' a list of values, but got \[None\]"),
        (lambda own, x, shape: (own.dense, [x], 3), "give 'inner' a shape, a tuple of integers, but got 3"),
        (lambda own, x, shape: (own.dense, [x], (3.0,)), r"a shape, a tuple of integers, but got \(3.0,\)"),
        (lambda own, x, shape: (own.dense, [x], (-3,)), r"a shape, a tuple of integers, but got \(-3,\)"),
    ],
)
def test_steps_that_expand_cannot_add(step, message):
    model = cb.Sequential([cb.Input((3,)), Adding(step), layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(TypeError, match=f"expand of layer 'outer' .*{message}"):
        model.fit(np.zeros((4, 3)), np.zeros((4, 1)), verbose=0)


INNER = {
    "model": lambda: cb.Sequential([cb.Input((3,)), layers.Dense(3, "tanh"), layers.Dropout(0.5)]),
    "python": lambda: layers.Lambda(np.tanh, backward=lambda x, y, delta: delta * (1 - y**2)),
}


class Around(layers.Layer):
    """Unfolds into a call of a model, or of a layer in Python."""

    def __init__(self, kind, **kwargs):
        super().__init__(**kwargs)
        self.kind, self.inner = kind, INNER[kind]()

    def expand(self, steps, inputs, shape, mask):
        return steps.call(self.inner, inputs)


@pytest.mark.parametrize("kind", INNER)
@pytest.mark.parametrize("engine", ENGINES)
def test_models_and_layers_in_python_within_a_layer(kind, engine, rng):
    model = cb.Sequential([cb.Input((3,)), layers.Dense(3), Around(kind), layers.Dense(1)])
    model.compile("sgd", "mse", engine=engine)
    x = rng.normal(size=(4, 3)).astype("float32")
    expected = model.layers[2](model.layers[1].inner(model.layers[0](x)))
    np.testing.assert_allclose(model.predict(x, verbose=0), expected, rtol=0, atol=1e-6)
    with cb.saving.custom_object_scope({"Around": Around}):
        assert model.check_gradients(x, rng.normal(size=(4, 1))).max_relative_error < 1e-6


def test_weights_of_another_float_type_within_a_layer():
    model = cb.Sequential([cb.Input((3,)), Calling(lambda own, x: (own.dense, [x]), "float64"), layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="computes in float32, but the weights of layer 'inner' are float64"):
        model.fit(np.zeros((4, 3)), np.zeros((4, 1)), verbose=0)


def test_a_layer_of_others_is_saved_frozen_and_copied(tmp_path):
    cb.utils.set_random_seed(2)
    model = cb.Sequential([cb.Input((3,)), Twice(4), layers.Dense(1)])
    x = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    np.testing.assert_allclose(model.layers[1](model.layers[0](x)), model.predict(x, verbose=0), rtol=1e-6)
    model.save(tmp_path / "model.safetensors")
    again = cb.models.load_model(tmp_path / "model.safetensors", custom_objects={"Twice": Twice})
    copy = cb.models.clone_model(model)
    copy.set_weights(model.get_weights())
    for other in (again, copy):
        np.testing.assert_array_equal(other.predict(x, verbose=0), model.predict(x, verbose=0))
    model.layers[0].trainable = False
    assert len(model.trainable_weights) == 2


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("base", "value", "message"),
    [
        (layers.PReLU, "sometimes", "couples_samples of layer 'changed' must be 'never', .* but is 'sometimes'"),
        (layers.PReLU, None, "must be 'never', 'in_training' or 'always', but is None"),
        (layers.PReLU, ["always"], r"must be .* but is \['always'\]"),
        (layers.BatchNormalization, "always", "'changed' must not change couples_samples"),
        (layers.BatchNormalization, "never", "'changed' must not change couples_samples"),
    ],
)
def test_values_of_couples_samples(base, value, message, engine):
    layer = type("Changed", (base,), {"couples_samples": value})(name="changed")
    model = cb.Sequential([cb.Input((3,)), layer, layers.Dense(1)])
    model.compile("sgd", "mse", engine=engine)
    with pytest.raises(ValueError, match=message):
        model.fit(np.zeros((4, 3)), np.zeros((4, 1)), verbose=0)


@pytest.mark.parametrize("found", [[], [1], None])
def test_gradient_flops_for_each_weight(found):
    kind = type("Changed", (layers.Dense,), {"gradient_flops": lambda self, inputs, output: found})
    model = cb.Sequential([cb.Input((3,)), kind(2, name="changed")])
    model.compile("sgd", "mse", engine="compiled")
    with pytest.raises(
        ValueError, match=r"gradient_flops of layer 'changed' must return .* each weight that is trained, but"
    ):
        model.fit(np.zeros((4, 3)), np.zeros((4, 2)), verbose=0)
