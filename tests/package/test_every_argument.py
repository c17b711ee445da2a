"""Every argument of everything public is either taken, or refused by a message that names it; nothing in between.

What exists is read from the modules, so that a new layer, loss, metric, optimizer, ... is tested without being entered.
"""

import contextlib
import inspect
import itertools
import json

import layer_cases
import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers
from cbackprop.registry import Registry
from cbackprop.spec import Spec

# So large that no machine begins to make them
HUGE = (2**46, 2**62, 10**30, -(2**63))
NONSENSE = [
    None, -1, 0, 2.5, float("nan"), float("inf"), 1e300, *HUGE, 1 + 2j, True, np.float32(0.5), np.int64(2),
    "", "x", "\ud800", b"x", [], [1, 2], [None], ["x"], [[1, 2], [3]], [2**46], (3, 2**46), {}, {"a": 1}, {1, 2},
    range(3), np.zeros(0), np.zeros((2, 2)), np.array("x"), np.array([None]), int, object(), lambda *_: None,
]  # fmt: skip
# For arguments that nothing can be made without, by name. Those of layers may also come from `layer_cases`.
NEEDED = {
    "activation": "relu",
    "axes": 1,
    "backup_dir": "backup",
    "bin_boundaries": [0.0],
    "boundaries": [1],
    "decay_rate": 0.5,
    "decay_steps": 10,
    "dims": (1,),
    "filename": "log.csv",
    "filepath": "file.safetensors",
    "first_decay_steps": 5,
    "fn": lambda y_true, y_pred: abs(y_true - y_pred),
    "function": np.square,
    "dtype": "float32",
    "initial_learning_rate": 0.1,
    "initializer": "zeros",
    "key": (..., 0),
    "input_dim": 5,
    "layer": layers.Dense(3),
    "learning_rate": 0.1,
    "n": 2,
    "name": None,
    "num_classes": 3,
    "num_tokens": 5,
    "output_dim": 2,
    "precision": 0.5,
    "rate": 0.5,
    "recall": 0.5,
    "scale": 0.5,
    "schedule": lambda epoch: 0.1,
    "sensitivity": 0.5,
    "shape": (4,),
    "specificity": 0.5,
    "stddev": 0.5,
    "target_class_ids": [0],
    "target_shape": (4,),
    "units": 3,
    "values": [0.1, 0.2],
}
# The same for a single class.
NEEDED_BY = {
    (layers.Bidirectional, "layer"): layers.LSTM(3),
    (cb.callbacks.Trace, "x"): [[1.0]],
    (cb.callbacks.Trace, "y"): [[1.0]],
}
# Of two that do not go together, either may be named.
ALSO_NAMED = {"input_shape": "shape", "min_damping": "damping", "min_step": "step", "min_value": "max_value"}
MODULES = (
    cb.layers, cb.losses, cb.metrics, cb.optimizers, cb.optimizers.schedules, cb.callbacks, cb.initializers,
    cb.regularizers, cb.constraints,
)  # fmt: skip


def public_classes():
    """Every public class with its own constructor, each once."""
    found = {}
    for module in MODULES:
        for name in sorted(module.__all__):
            cls = getattr(module, name)
            if inspect.isclass(cls) and not issubclass(cls, Registry):
                found.setdefault(cls, pytest.param(cls, id=f"{module.__name__.rpartition('.')[2]}.{name}"))
    return list(found.values())


def arguments_of(cls):
    """Names of all arguments, those of base classes included, and of those that are needed."""
    parameters = inspect.signature(cls).parameters.values()
    needed = {p.name for p in parameters if p.default is p.empty and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)}
    needed |= {"num_tokens", "bin_boundaries"} & {p.name for p in parameters}
    if cls is layers.InputLayer:
        needed.add("shape")
    if issubclass(cls, Spec):
        return cls.argument_names(), needed
    return [p.name for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)], needed


def use(thing):
    """Use the object like a model does. It may still refuse what does not fit the model, with the same exceptions."""
    if isinstance(thing, layers.Layer):
        predict(thing)
    elif isinstance(thing, cb.callbacks.Callback):
        train(callbacks=[thing])
    elif isinstance(thing, cb.optimizers.Optimizer):
        train(optimizer=thing)
    elif isinstance(thing, cb.optimizers.schedules.LearningRateSchedule):
        train(optimizer=cb.optimizers.SGD(thing))
    elif isinstance(thing, cb.losses.Loss):
        train(loss=thing)
    elif isinstance(thing, cb.metrics.Metric):
        train(metrics=[thing])
    elif isinstance(thing, cb.initializers.Initializer):
        thing((3, 4))
    elif isinstance(thing, cb.regularizers.Regularizer):
        train(kernel_regularizer=thing)
    elif isinstance(thing, cb.constraints.Constraint):
        train(kernel_constraint=thing)


def train(loss="mse", optimizer="sgd", metrics=None, callbacks=None, **arguments):
    model = cb.Sequential([cb.Input((2,)), layers.Dense(3, activation="sigmoid", **arguments)])
    model.compile(optimizer, loss, metrics=metrics)
    takes_classes = getattr(loss, "target_kind", "values") == "index"
    labels = [0, 1, 2, 0] if takes_classes else np.eye(4)[:, :3]
    model.fit(np.ones((4, 2)), labels, verbose=0, callbacks=callbacks)


def predict(layer):
    if isinstance(layer, layers.InputLayer):
        return
    ways = layer_cases.LAYERS.get(type(layer).__name__)
    shapes = ways[0][1] if ways else [(4,)]
    inputs = [cb.Input(shape) for shape in shapes]
    model = cb.Model(inputs, layer(inputs if layer.n_inputs is None else inputs[0]))
    model.predict([np.zeros((2, *shape)) for shape in shapes], verbose=0)


def check_config(thing):
    """Accepted arguments can be written to a config, and read again."""
    try:
        text = json.dumps(thing.get_config())
    except TypeError:
        return  # it holds a function
    assert json.dumps(type(thing).from_config(json.loads(text)).get_config()) == text


def needed_value(cls, name):
    """A valid value of a required argument; by default that of the layer's first case."""
    if (cls, name) in NEEDED_BY:
        return NEEDED_BY[cls, name]
    if name in NEEDED:
        return NEEDED[name]
    ways = layer_cases.LAYERS.get(cls.__name__)
    assert ways, f"{cls.__name__} cannot be made without {name!r}: give NEEDED a value for it"
    return ways[0][0]().argument(name)


def make(cls, **arguments):
    """The object that the class makes of the arguments; or ``None``, and the message of the exception."""
    try:
        return cls(**arguments), ""
    except (TypeError, ValueError, MemoryError) as error:
        return None, str(error)


@pytest.mark.parametrize("cls", public_classes())
@pytest.mark.filterwarnings("ignore")
def test_every_argument(cls, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names, needed = arguments_of(cls)
    values = {name: needed_value(cls, name) for name in needed}
    for argument in names:
        for value in NONSENSE:
            thing, message = make(cls, **(values | {argument: value}))
            if thing is None:
                known = (argument, ALSO_NAMED.get(argument, argument), "Unable to allocate")
                assert any(name in message for name in known), f"{argument}={value!r}: {message}"
                continue
            with contextlib.suppress(TypeError, ValueError, MemoryError, OSError, NotImplementedError):
                repr(thing)
                use(thing)
                if isinstance(thing, Spec):
                    check_config(thing)


def test_what_computes_nothing_says_so():
    x = cb.Input((4,))
    with pytest.raises(TypeError, match="ActivationLayer computes nothing"):
        layers.ActivationLayer()(x)
    for metric, engine in itertools.product((cb.metrics.RowMean, cb.metrics.Tally), ("compiled", "reference")):
        model = cb.Sequential([x, layers.Dense(1)])
        model.compile("sgd", "mse", metrics=[metric()], engine=engine)
        with pytest.raises(TypeError, match="computes nothing: use one of its subclasses"):
            model.fit(np.ones((2, 4)), np.ones((2, 1)), verbose=0)
