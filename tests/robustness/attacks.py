"""The attacks: each is given a random generator, and may end well or in an exception that the library means."""

from __future__ import annotations

import inspect
import tempfile
import threading
from pathlib import Path

import numpy as np
from layer_cases import LAYERS, called
from values import LieError, data, odd_array, odd_number, odd_value

import cbackprop as cb
from cbackprop import callbacks, constraints, initializers, layers, losses, metrics, optimizers, regularizers

ATTACKS = {}
HOOKS = ["on_train_begin", "on_epoch_begin", "on_epoch_end", "on_train_batch_end", "on_test_batch_end"]


def attack(function):
    """Enter an attack into the list."""
    ATTACKS[function.__name__] = function
    return function


def pick(rng, choices):
    """One of them."""
    choices = list(choices)
    return choices[rng.integers(len(choices))]


def classes_of(module):
    """The public classes of a module that can be made without arguments, but its base class."""
    found, base = [], {losses: "Loss", metrics: "Metric", optimizers: "Optimizer"}.get(module, "")
    base = base or {initializers: "Initializer", regularizers: "Regularizer", constraints: "Constraint"}.get(module, "")
    for name in sorted(getattr(module, "__all__", dir(module))):
        cls = getattr(module, name, None)
        if inspect.isclass(cls) and not inspect.isabstract(cls) and name not in (base, "LearningRateSchedule"):
            try:
                cls()
            except Exception:
                continue
            found.append(cls)
    return found


FAMILIES = {
    module: classes_of(module) for module in (losses, metrics, optimizers, initializers, regularizers, constraints)
}


def twisted(rng, thing):
    """The same object made again from its config, in which something may be changed."""
    config = thing.get_config()
    keys = [key for key in config if key not in ("name", "dtype", "trainable") or rng.random() < 0.2]
    for _ in range(rng.integers(3) if keys else 0):
        config[pick(rng, keys)] = odd_value(rng) if rng.random() < 0.6 else odd_number(rng)
    return type(thing).from_config(config)


def some_layer(rng, chance=0.4):
    """A layer and the shapes of its inputs."""
    make, shapes = pick(rng, pick(rng, [cases for cases in LAYERS.values() if cases]))
    layer = make()
    return (twisted(rng, layer) if rng.random() < chance else layer), list(shapes)


def some_model(rng, compiled=True):
    """A small model of a few layers."""
    layer, shapes = some_layer(rng, 0.15)
    inputs = [cb.Input(shape) for shape in shapes]
    tensor = called(layer, inputs)
    if rng.random() < 0.7:
        tensor = layers.Flatten()(tensor) if len(tensor.shape) > 2 else tensor
        tensor = layers.Dense(int(rng.integers(1, 5)), pick(rng, [None, "tanh", "softmax", "sigmoid"]))(tensor)
    model = cb.Model(inputs if len(inputs) > 1 else inputs[0], tensor)
    if compiled:
        chosen = [pick(rng, FAMILIES[losses])() for _ in range(1)]
        optimizer = pick(rng, ["sgd", "adam", pick(rng, FAMILIES[optimizers])()])
        loss = pick(rng, ["mse", "mae", chosen[0], "sparse_categorical_crossentropy"])
        some_metrics = [pick(rng, FAMILIES[metrics])() for _ in range(rng.integers(2))]
        engine = "reference" if rng.random() < 0.2 else "compiled"
        model.compile(optimizer, loss, metrics=some_metrics, engine=engine)
    return model


def some_data(rng, model, chance=0.3):
    """Inputs and targets for a model, which may not fit it."""
    samples = pick(rng, [1, 2, 6, 6, 6, 40])
    inputs = [data(rng, shape, samples, chance) for shape in model.plan.input_shapes]
    target = data(rng, model.plan.output_shapes[0], samples, chance)
    return (inputs if len(inputs) > 1 else inputs[0]), target


@attack
def layers_of_odd_arguments(rng):
    layer, shapes = some_layer(rng, 1.0)
    arrays = [data(rng, shape) for shape in shapes]
    called(layer, arrays, training=pick(rng, [None, True, False]))


@attack
def layers_of_odd_shapes(rng):
    layer, shapes = some_layer(rng, 0.3)
    sizes = [0, 1, 2, 5, 2**15, 2**16 + 1, 2**31 - 1, 2**31, 2**33, 2**62]
    inputs = [cb.Input(tuple(int(pick(rng, sizes)) if rng.random() < 0.5 else n for n in shape)) for shape in shapes]
    tensor = called(layer, inputs)
    model = cb.Model(inputs, layers.Dense(1)(layers.Flatten()(tensor)))
    model.compile("sgd", "mse")
    arrays = [np.broadcast_to(np.float32(1), (2, *tensor.shape[1:])) for tensor in inputs]
    model.fit(arrays, np.zeros((2, 1)), verbose=0)


@attack
def arguments_of_layers(rng):
    cls = pick(rng, [getattr(layers, name) for name in layers.__all__ if inspect.isclass(getattr(layers, name))])
    names = [p.name for p in inspect.signature(cls.__init__).parameters.values()][1:]
    chosen = {name: odd_value(rng) for name in names if name not in ("args", "kwargs") and rng.random() < 0.5}
    layer = cls(**chosen)
    layer(cb.Input((int(rng.integers(1, 5)),)))


@attack
def training(rng):
    model = some_model(rng)
    x, y = some_data(rng, model)
    arguments = {}
    for name in ("batch_size", "validation_split", "class_weight", "sample_weight", "shuffle", "initial_epoch"):
        if rng.random() < 0.15:
            arguments[name] = odd_value(rng)
    if rng.random() < 0.2:
        arguments["sample_weight"] = odd_array(rng)
    model.fit(x, y, verbose=0, epochs=2, **arguments)


@attack
def many_models(rng):
    """Models alike and not, with odd arguments, alone or in lists that may be too short."""
    made = [some_model(rng) for _ in range(2)]
    models = [cb.models.clone_model(pick(rng, made)) for _ in range(rng.integers(1, 4))]
    if rng.random() < 0.2:
        models[0] = pick(rng, [models[-1], odd_value(rng)])
    x, y = some_data(rng, made[0], 0.1)
    arguments = {"x": tuple(x) if isinstance(x, list) else x, "y": y}
    for name in ("x", "y", "batch_size", "validation_split", "sample_weight", "callbacks", "seeds", "initial_epoch"):
        if rng.random() < 0.15:
            arguments[name] = pick(rng, [odd_value(rng), [odd_value(rng) for _ in models]])
    threads, goes_on = pick(rng, [None, 1, 2, odd_number(rng)]), bool(rng.random() < 0.3)
    if not isinstance(threads, (int, np.integer)) or threads < 100:  # there may be as many
        cb.fit_many(models, **arguments, verbose=0, epochs=2, threads=threads, return_exceptions=goes_on)
    ensemble = cb.Ensemble(models)
    getattr(ensemble, pick(rng, ["predict", "spread", "vote", "predict_each"]))(x)
    if rng.random() < 0.3:
        ensemble.evaluate(x, y, verbose=0)
    if rng.random() < 0.3:
        with tempfile.TemporaryDirectory() as folder:
            ensemble.save(Path(folder) / "ensemble.safetensors")
            cb.Ensemble.load(Path(folder) / "ensemble.safetensors").predict(x)


@attack
def evaluation(rng):
    model = some_model(rng)
    x, y = some_data(rng, model)
    on_batches = ["train_on_batch", "test_on_batch", "predict_on_batch"]
    what = pick(rng, ["evaluate", "predict", "gradients", "call", *on_batches])
    if what == "call":
        model(x)
    elif what in ("predict", "predict_on_batch"):
        getattr(model, what)(x, **({"verbose": 0} if what == "predict" else {}))
    elif what == "evaluate":
        model.evaluate(x, y, verbose=0, batch_size=pick(rng, [None, 1, odd_number(rng)]))
    else:
        getattr(model, what)(x, y)


@attack
def compiling(rng):
    model = some_model(rng, False)
    pool = [losses, metrics, optimizers]
    chosen = {
        "optimizer": pick(rng, ["sgd", odd_value(rng), pick(rng, FAMILIES[pick(rng, pool)])]),
        "loss": pick(rng, ["mse", odd_value(rng), [odd_value(rng)], pick(rng, FAMILIES[pick(rng, pool)])]),
        "metrics": pick(rng, [None, odd_value(rng), [odd_value(rng)], ["mae", pick(rng, FAMILIES[metrics])]]),
        "loss_weights": pick(rng, [None, None, odd_value(rng)]),
        "jit_compile": pick(rng, ["auto", odd_value(rng)]),
    }
    model.compile(**chosen)
    x, y = some_data(rng, model, 0.0)
    model.fit(x, y, verbose=0)


@attack
def losses_and_metrics(rng):
    thing = twisted(rng, pick(rng, FAMILIES[pick(rng, [losses, metrics])])())
    true, predicted = odd_array(rng), odd_array(rng)
    if rng.random() < 0.6:
        predicted = rng.random((4, 3))
        true = pick(rng, [rng.random((4, 3)), rng.integers(-2, 5, 4), np.eye(3)[[0, 1, 2, 0]], odd_value(rng)])
    weight = pick(rng, [None, None, rng.random(4), odd_array(rng), odd_value(rng)])
    if isinstance(thing, metrics.Metric):
        thing.update_state(true, predicted, sample_weight=weight)
        thing.result()
        thing.reset_state()
    else:
        thing(true, predicted, sample_weight=weight)


@attack
def optimizers_alone(rng):
    optimizer = twisted(rng, pick(rng, FAMILIES[optimizers])())
    variables = [np.asarray(data(rng, (3,), chance=0.2)) for _ in range(rng.integers(1, 3))]
    gradients = [data(rng, v.shape[1:], len(v), 0.2) if v.ndim else odd_array(rng) for v in variables]
    for _ in range(2):
        optimizer.apply(gradients, variables)


@attack
def initial_values(rng):
    family = pick(rng, [initializers, regularizers, constraints])
    thing = twisted(rng, pick(rng, FAMILIES[family])())
    if family is initializers:
        thing(pick(rng, [(3, 4), (), (0,), odd_value(rng), (2**40, 2**40), (-1, 2)]))
    else:
        thing(pick(rng, [rng.normal(size=(3, 4)), odd_array(rng), odd_value(rng)]))


@attack
def adapting(rng):
    layer = pick(rng, [layers.Normalization(), layers.Discretization(num_bins=3), layers.CategoryEncoding(4)])
    layer = twisted(rng, layer)
    if hasattr(layer, "adapt"):
        layer.adapt(pick(rng, [rng.normal(size=(6, 3)), odd_array(rng), [odd_array(rng)], odd_value(rng)]))
    layer(data(rng, (3,)))


@attack
def activation_functions(rng):
    function = pick(rng, [getattr(cb.activations, name) for name in cb.activations.__all__])
    function(pick(rng, [rng.normal(size=(4, 4)), odd_array(rng), odd_value(rng)]))


@attack
def arguments_of_callbacks(rng):
    cls = pick(
        rng, [getattr(callbacks, name) for name in callbacks.__all__ if inspect.isclass(getattr(callbacks, name))]
    )
    names = [p.name for p in inspect.signature(cls.__init__).parameters.values()][1:]
    with tempfile.TemporaryDirectory() as folder:
        paths = {"filepath", "filename", "log_dir", "backup_dir", "path"}
        chosen = {name: str(Path(folder) / "x.keras") for name in names if name in paths}
        chosen |= {
            name: odd_value(rng) for name in names if name not in paths | {"args", "kwargs"} and rng.random() < 0.3
        }
        model = cb.Sequential([cb.Input((3,)), layers.Dense(1)])
        model.compile("sgd", "mse")
        model.fit(np.ones((8, 3)), np.ones((8, 1)), epochs=2, verbose=0, callbacks=[cls(**chosen)])


@attack
def traces(rng):
    """Of a small network, with odd data and questions; `trace.apply` of what has changed meanwhile."""
    function = pick(rng, ["tanh", "relu", "softmax", "glu", "linear"])
    model = cb.Sequential([cb.Input((3,)), layers.Dense(4, function, name="hidden"), layers.Dense(1, name="output")])
    model.compile(pick(rng, ["sgd", "adam"]), pick(rng, ["mse", "mae"]), engine=pick(rng, ["compiled", "reference"]))
    samples = int(rng.integers(1, 5))
    x = odd_array(rng) if rng.random() < 0.3 else rng.normal(size=(samples, 3))
    y = odd_array(rng) if rng.random() < 0.3 else rng.normal(size=(samples, 1))
    trace = model.trace(x, y, odd_array(rng) if rng.random() < 0.2 else None, training=bool(rng.random() < 0.5))
    str(trace), trace.to_latex(), trace._repr_html_(), trace.to_dict()
    if rng.random() < 0.3:
        model.train_on_batch(x, y)
    if rng.random() < 0.2:
        model.set_weights([weights * pick(rng, [np.nan, np.inf]) for weights in model.get_weights()])
        trace = model.trace(x, y)
    if rng.random() < 0.2:
        model.optimizer.learning_rate = 0.5
    if rng.random() < 0.2:
        model.compile("sgd", "mae")
    if rng.random() < 0.5:
        trace.apply()
    paths = ["hidden/kernel[0,0]", "hidden/kernel[99,0]", "hidden/kernel", "[", "output/bias[0]", odd_value(rng)]
    if rng.random() < 0.5:
        trace.explain(weight=pick(rng, paths))
    trace.explain(pick(rng, ["hidden", "output", ("hidden", 1), odd_value(rng)]), odd_value(rng), odd_number(rng))


@attack
def schedules(rng):
    cls = pick(rng, classes_of(optimizers.schedules) or [optimizers.schedules.ExponentialDecay])
    try:
        schedule = cls()
    except TypeError:
        schedule = optimizers.schedules.ExponentialDecay(0.1, 10, 0.9)
    twisted(rng, schedule)(pick(rng, [0, 10, odd_value(rng), odd_array(rng)]))
    optimizers.SGD(learning_rate=odd_value(rng)).apply([np.ones(3)], [np.ones(3)])


@attack
def weights_of_models(rng):
    model = some_model(rng)
    weights = model.get_weights()
    if weights:
        weights[rng.integers(len(weights))] = pick(rng, [odd_value(rng), odd_array(rng)])
    model.set_weights(pick(rng, [weights, weights[:-1], odd_value(rng)]))
    for variable in model.weights[:1]:
        variable.assign(pick(rng, [odd_value(rng), odd_array(rng)]))


@attack
def callbacks_that_come_back(rng):
    model = some_model(rng)
    x, y = some_data(rng, model, 0.0)
    acts = [
        lambda: model.fit(x, y, verbose=0),
        lambda: model.predict(x, verbose=0),
        lambda: model.evaluate(x, y, verbose=0),
        lambda: model.train_on_batch(x, y),
        lambda: model.compile("adam", pick(rng, ["mse", "sparse_categorical_crossentropy"])),
        lambda: model.set_weights([w * 0 for w in model.get_weights()]),
        lambda: setattr(model, "stop_training", odd_value(rng)),
        lambda: setattr(model.layers[-1], "trainable", False),
        lambda: cb.models.clone_model(model),
        lambda: setattr(model.optimizer, "learning_rate", odd_value(rng)),
        lambda: (_ for _ in ()).throw(LieError("from a callback")),
        lambda: cb.Model(model.inputs, layers.Dense(2)(model.outputs[0])).predict(x, verbose=0),
    ]

    def hook(self, *args):
        if rng.random() < 0.3 and self.depth < 3:
            self.depth += 1
            pick(rng, acts)()

    names = [name for name in dir(callbacks.Callback) if name.startswith("on_")]
    cls = type("Coming", (callbacks.Callback,), {"depth": 0} | {n: hook for n in names if rng.random() < 0.4})
    model.fit(x, y, epochs=2, batch_size=2, verbose=0, callbacks=[cls()], validation_data=pick(rng, [None, (x, y)]))


@attack
def arguments_set_in_a_run(rng):
    model = some_model(rng)
    x, y = some_data(rng, model, 0)
    things = [*model.layers, model.optimizer, *(metric for o in model._objectives for metric, _ in o.metrics)]
    things += [objective.loss for objective in model._objectives if objective.loss is not None]
    thing = pick(rng, things)
    properties = {name: getattr(type(thing), name, None) for name in sorted(thing.get_config())}
    names = [name for name, held in properties.items() if not isinstance(held, property) or held.fset is not None]

    def act(*_):
        setattr(thing, pick(rng, names), odd_value(rng) if rng.random() < 0.5 else odd_number(rng))

    hook = pick(rng, HOOKS)
    callback = type("Acts", (callbacks.Callback,), {hook: act})()
    model.fit(x, y, batch_size=2, epochs=3, validation_split=0.3, verbose=0, callbacks=[callback])
    model.evaluate(x, y, verbose=0)
    model.predict(x, verbose=0)


@attack
def python_in_the_network(rng):
    outcomes = [
        lambda x: x * 2, lambda x: x[:1], lambda x: None, lambda x: odd_value(rng), lambda x: x.astype("f8"),
        lambda x: x.reshape(-1), lambda x: np.repeat(x, 1000, axis=-1), lambda x: x.T,
    ]  # fmt: skip

    class Own(layers.Layer):
        def call(self, inputs):
            if rng.random() < 0.1:
                raise LieError("from call")
            return pick(rng, outcomes)(np.asarray(inputs)) if rng.random() < 0.4 else np.asarray(inputs) * 2

        def backward(self, inputs, outputs, delta):
            return pick(rng, outcomes)(delta) if rng.random() < 0.3 else delta * 2

    def own_loss(y_true, y_pred):
        value = np.mean((y_pred - y_true) ** 2, axis=-1), 2 * (y_pred - y_true)
        return pick(rng, [value, value, value, odd_value(rng), value[0], (value[0], odd_array(rng))])

    def own_metric(y_true, y_pred):
        return pick(rng, [1.0, 1.0, np.ones(len(y_true)), odd_value(rng)])

    model = cb.Sequential([cb.Input((3,)), layers.Dense(4), Own(), layers.Dense(2)])
    model.compile("sgd", pick(rng, ["mse", own_loss]), metrics=[own_metric])
    model.fit(np.ones((6, 3)), np.ones((6, 2)), batch_size=3, verbose=0)


@attack
def subclasses_that_lie(rng):
    make, shapes = pick(rng, pick(rng, [cases for cases in LAYERS.values() if cases]))
    example = make()
    if isinstance(example, cb.Model):
        return
    wrong = pick(rng, [(None, 1), (None, 100_000), (None, 2, 2), (None,), (), None, odd_value(rng)])

    class Lying(type(example)):
        if rng.random() < 0.6:

            def compute_output_shape(self, input_shape):
                return wrong

        if rng.random() < 0.5:

            def build(self, input_shape):
                super().build(input_shape)
                kept = list(self._variables)
                self.add_weight((int(rng.integers(1, 9)),), name="more", trainable=bool(rng.integers(2)))
                if kept and rng.random() < 0.5:
                    name = next((n for n, v in vars(self).items() if v is kept[-1]), None)
                    if name:
                        vars(self)[name] = self.add_weight((1,), name="other")

    layer = Lying(**{k: v for k, v in example.get_config().items() if k != "name"})
    inputs = [cb.Input(shape) for shape in shapes]
    tensor = called(layer, inputs)
    model = cb.Model(inputs, tensor)
    model.compile("sgd", "mse", engine=pick(rng, ["compiled", "compiled", "reference"]))
    x = [np.ones((4, *shape)) for shape in shapes]
    model.predict(x, verbose=0)
    model.fit(x, np.zeros((4, *model.plan.output_shapes[0])), verbose=0)


def letters(rng, most):
    """Some letters, often the same ones."""
    return "".join(rng.choice(list("abcde"), rng.integers(most + 1)))


@attack
def equations(rng):
    """EinsumDense with equations that mostly mean nothing, on samples of odd shapes."""
    dots = pick(rng, ["", "", "..."])
    text = f"{dots}a{letters(rng, 3)},{letters(rng, 3)}->{dots}a{letters(rng, 3)}"
    sizes = pick(rng, [3, 0, (None,), (2, 3), (None, 2), (2, 2, 2), 2**40, odd_value(rng)])
    layer = layers.EinsumDense(text, sizes, bias_axes=pick(rng, [None, "b", "c", letters(rng, 2)]))
    shape = tuple(int(size) for size in rng.integers(0, 4, size=rng.integers(0, 4)))
    model = cb.Sequential([cb.Input(shape), layer])
    model.compile("sgd", "mse")
    x = rng.normal(size=(pick(rng, [1, 2, 7]), *shape))
    model.fit(x, np.zeros((len(x), *model.output_shape[1:])), verbose=0)
    layer(odd_array(rng))


@attack
def threads_on_one_model(rng):
    model = some_model(rng)
    x, y = some_data(rng, model, 0.05)
    acts = [
        lambda: model.fit(x, y, verbose=0, epochs=2),
        lambda: model.predict(x, verbose=0),
        lambda: model.evaluate(x, y, verbose=0),
        lambda: model.set_weights(model.get_weights()),
        lambda: [variable.assign_add(variable.numpy()) for variable in model.variables],
        lambda: model(x, training=True),
        lambda: model.train_on_batch(x, y),
        lambda: model.optimizer.set_state(model.optimizer.state()),
        lambda: [variable.assign(variable.numpy()) for variable in model.optimizer.variables],
        lambda: model.compile("adam", "mse"),
        lambda: model.get_config(),
        lambda: model.summary(print_fn=lambda text: None),
        lambda: cb.models.clone_model(model),
        lambda: cb.Model(model.inputs, layers.Dense(2)(model.outputs[0])).predict(x, verbose=0),
    ]
    raised = []

    def run(own):
        for _ in range(3):
            try:
                pick(own, acts)()
            except Exception as error:
                raised.append(error)

    seeds = [np.random.default_rng(rng.integers(2**32)) for _ in range(3)]
    threads = [threading.Thread(target=run, args=(seed,)) for seed in seeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if raised:
        raise pick(rng, raised)
