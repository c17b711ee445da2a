"""Names of Keras and PyTorch that are not here say so, and what is here instead."""

import copy
import pickle

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import torch_names
from cbackprop.absent import ATTRIBUTES, attribute_missing


def things():
    model = cb.Sequential([cb.Input((2,)), cb.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    return {
        "Layer": model.layers[0],
        "Model": model,
        "Optimizer": model.optimizer,
        "Metric": cb.metrics.MeanAbsoluteError(),
        "Loss": cb.losses.MeanSquaredError(),
        "KerasTensor": model.inputs[0],
        "Variable": cb.Variable([1.0]),
    }


def attributes_of(table):
    return [pytest.param(kind, name, id=f"{kind}.{name}") for kind, names in table.items() for name in names]


@pytest.mark.parametrize(("kind", "name"), attributes_of(torch_names.METHODS))
def test_attributes_of_pytorch(kind, name):
    thing = things()[kind]
    with pytest.raises(AttributeError, match=f"has no attribute '{name}'. Use this instead of PyTorch's: "):
        getattr(thing, name)


@pytest.mark.parametrize(("kind", "name"), attributes_of(ATTRIBUTES))
def test_attributes_of_keras(kind, name):
    thing = things()[kind]
    if not hasattr(type(thing), name) and name not in vars(thing):
        with pytest.raises(AttributeError, match=rf"has no attribute '{name}', unlike Keras's \((left out|planned): "):
            getattr(thing, name)


@pytest.mark.parametrize(("module", "name"), attributes_of(torch_names.MODULES))
def test_names_of_pytorch(module, name):
    family = cb
    for part in filter(None, module.split(".")):
        family = getattr(family, part)
    assert not hasattr(family, name)
    with pytest.raises(AttributeError, match=r"unlike Keras|Use this instead of PyTorch's: "):
        getattr(family, name)


def test_what_is_named_instead_is_there():
    words = [text for names in torch_names.MODULES.values() for text in names.values()]
    for text in words:
        for word in text.replace("(", " ").replace(",", " ").replace(":", " ").split():
            module, _, name = word.partition(".")
            if module in ("layers", "losses", "callbacks", "initializers", "config", "models", "saving") and name:
                assert hasattr(getattr(cb, module), name), word
            if module == "schedules" and name:
                assert hasattr(cb.optimizers.schedules, name), word


def test_other_names_are_missing_as_in_python():
    for thing in things().values():
        with pytest.raises(AttributeError, match=r"object has no attribute 'nothing'$"):
            thing.nothing  # noqa: B018 - that it raises is the point
        assert not hasattr(thing, "nothing")


def test_what_a_property_raises_is_raised():
    class Own(cb.layers.Layer):
        @property
        def size(self):
            return self.nowhere

    with pytest.raises(AttributeError, match="nowhere"):
        Own().size  # noqa: B018 - that it raises is the point


def test_copies_and_pickles():
    layer = cb.layers.Dense(2)
    layer.build((None, 3))
    again = copy.deepcopy(layer)
    np.testing.assert_array_equal(again.get_weights()[0], layer.get_weights()[0])
    loss = pickle.loads(pickle.dumps(cb.losses.Huber(0.5)))
    assert loss.delta == 0.5


def test_the_error_knows_its_object():
    layer = cb.layers.Dense(2)
    error = attribute_missing(layer, "Layer", "parameters")
    assert error.name == "parameters"
    assert error.obj is layer


@pytest.mark.parametrize(
    ("line", "message"),
    {
        "from cbackprop import ops": r"cannot import name 'ops' from 'cbackprop', unlike Keras \(.*use numpy\)",
        "from cbackprop import Function": r"'Function' from 'cbackprop', unlike Keras \(a graph of layers is a Model\)",
        "from cbackprop.layers import Dense, SpectralNormalization": (
            r"'SpectralNormalization' from 'cbackprop.layers', unlike Keras"
        ),
        "from cbackprop.config import set_dtype_policy": r"'set_dtype_policy' from 'cbackprop.config', unlike Keras",
        "from cbackprop.utils import get_file": r"'get_file' from 'cbackprop.utils', unlike Keras \(left out",
        "from cbackprop.losses import MSELoss": r"Use this instead of PyTorch's: losses.MeanSquaredError$",
        "from cbackprop.layers import Dens": r"'Dens' from 'cbackprop.layers'. Did you mean 'Dense'\?$",
        "from cbackprop import nothing": r"cannot import name 'nothing' from 'cbackprop' \(",
    }.items(),
)
def test_names_that_are_imported(line, message):
    with pytest.raises(ImportError, match=message) as caught:
        exec(line)
    assert not isinstance(caught.value, ModuleNotFoundError)
    assert caught.value.name == line.split()[1]


@pytest.mark.parametrize(
    "line",
    [
        "import cbackprop.applications",
        "import cbackprop.applications.resnet as resnet",
        "from cbackprop.applications import ResNet50",
        "from cbackprop.applications.resnet import preprocess_input",
    ],
)
def test_modules_that_are_imported(line):
    message = r"^No module named 'cbackprop.applications', unlike Keras \(there are no trained networks for images\)$"
    with pytest.raises(ModuleNotFoundError, match=message) as caught:
        exec(line)
    assert caught.value.name == "cbackprop.applications"


def test_other_modules_are_missing_as_in_python():
    for name in ("cbackprop.nothing", "cbackprop.layers.ops"):
        with pytest.raises(ModuleNotFoundError, match=f"^No module named '{name}'$"):
            __import__(name)
    assert not hasattr(cb, "ops")
    assert getattr(cb, "ops", None) is None
