"""Everything that is registered is complete: kernel, twin, docstring, config, gradient check."""

import importlib
import inspect
import json
import re

import families
import layer_cases
import numpy as np
import pytest

import cbackprop as cb
from cbackprop.compiled.kernels import activations as activation_kernels
from cbackprop.contract.implementation import find
from cbackprop.families import families as registries
from cbackprop.plan.step import implementation_of
from cbackprop.reference import activations as activation_twins

FAMILIES = {name: dict(registry) for name, registry in registries.items()}
EVERYTHING = [
    pytest.param(family, name, thing, id=f"{family}.{name}")
    for family, things in FAMILIES.items()
    for name, thing in things.items()
]
# Metrics of values that no network gives, and of a function in Python
IN_PYTHON = (cb.metrics.Mean, cb.metrics.Sum, cb.metrics.MeanMetricWrapper)
# Arguments of what cannot be made without
NEEDED = {
    cb.metrics.SensitivityAtSpecificity: {"specificity": 0.5},
    cb.metrics.SpecificityAtSensitivity: {"sensitivity": 0.5},
    cb.metrics.PrecisionAtRecall: {"recall": 0.5},
    cb.metrics.RecallAtPrecision: {"precision": 0.5},
    cb.metrics.IoU: {"num_classes": 3, "target_class_ids": [0, 2]},
    cb.metrics.MeanIoU: {"num_classes": 3},
    cb.metrics.OneHotIoU: {"num_classes": 3, "target_class_ids": [0, 2]},
    cb.metrics.OneHotMeanIoU: {"num_classes": 3},
    cb.metrics.MeanMetricWrapper: {"fn": cb.metrics.mean_squared_error},
}
# The sections of each docstring.
SECTIONS = {
    ("activations", "function"): ("Parameters", "Returns", "Examples"),
    ("losses", "class"): ("Parameters", "Raises", "Notes", "References", "Examples"),
    ("losses", "function"): ("Parameters", "Returns", "Raises", "Examples"),
    ("metrics", "class"): ("Parameters", "Raises", "References", "Examples"),
    ("optimizers", "class"): ("Parameters", "Raises", "References", "Examples"),
    ("initializers", "class"): ("Parameters", "Examples"),
    ("layers", "class"): ("Parameters", "References", "Examples"),
    ("regularizers", "class"): ("Parameters", "References", "Examples"),
    ("constraints", "class"): ("Parameters", "References", "Examples"),
    ("optimizers.schedules", "class"): ("Parameters", "Raises", "References", "Examples"),
}
# Arguments that the base class describes.
OF_THE_BASE = {"layers": set(inspect.signature(cb.layers.Layer).parameters), "optimizers": {"kwargs"}}
IMPLEMENTATIONS = (("compiled", "float32"), ("compiled", "float64"), ("reference", None))
LAYERS = [pytest.param(cls, id=name) for name, cls in FAMILIES["layers"].items() if not hasattr(cls, "fit")]


@pytest.mark.parametrize(("family", "name", "thing"), EVERYTHING)
def test_is_public_under_its_name(family, name, thing):
    module = importlib.import_module(f"cbackprop.{family}")
    owner = cb.models if hasattr(thing, "fit") else module
    assert getattr(owner, thing.__name__) is thing
    assert thing.__name__ in owner.__all__, f"enter {thing.__name__} in __all__ of {owner.__name__}"


@pytest.mark.parametrize(("family", "name", "thing"), EVERYTHING)
def test_docstring_is_complete(family, name, thing):
    text = inspect.getdoc(thing)
    assert text, "no docstring"
    parameters = list(inspect.signature(thing).parameters)
    wanted = [
        section
        for section in SECTIONS[family, "class" if inspect.isclass(thing) else "function"]
        if section != "Parameters" or parameters
    ]
    missing = [section for section in wanted if f"{section}\n{'-' * len(section)}\n" not in text]
    assert not missing, f"no sections {', '.join(missing)}"
    assert "import cbackprop as cb" in text
    for name in set(parameters) - OF_THE_BASE.get(family, set()):
        assert re.search(rf"^(\w+, )*\*{{0,2}}{name}(, \w+)*( : |$)", text, re.MULTILINE), f"{name} is not described"


# Layers that are several operations, each with a kernel and a twin of its own.
UNFOLDED = {
    cb.layers.SeparableConv1D,
    cb.layers.SeparableConv2D,
    cb.layers.RNN,
    cb.layers.StackedRNNCells,
    cb.layers.Bidirectional,
    cb.layers.TimeDistributed,
    cb.layers.AdditiveAttention,
    cb.layers.MultiHeadAttention,
    cb.layers.GroupQueryAttention,
}


@pytest.mark.parametrize("cls", LAYERS)
def test_layer_has_kernel_and_twin(cls):
    if cls.is_view or cls in UNFOLDED:
        return
    for package, dtype in IMPLEMENTATIONS:
        base = importlib.import_module(f"cbackprop.{package}.layers.layer").Layer
        assert issubclass(find(f"{package}.layers", implementation_of(cls), dtype), base)


@pytest.mark.parametrize("family", ["losses", "metrics"])
def test_row_functions_have_kernel_and_twin(family):
    for cls in filter(inspect.isclass, FAMILIES[family].values()):
        if cls in IN_PYTHON:
            continue
        for package, dtype in IMPLEMENTATIONS:
            base = importlib.import_module(f"cbackprop.{package}.losses.row_function").RowFunction
            if issubclass(cls, cb.metrics.Tally):
                base = importlib.import_module(f"cbackprop.{package}.metrics.tally").Tally
            assert issubclass(find(package, cls.implementation, dtype), base), cls


def test_optimizers_have_kernel_and_twin():
    for cls in FAMILIES["optimizers"].values():
        for package, dtype in IMPLEMENTATIONS:
            base = importlib.import_module(f"cbackprop.{package}.optimizers.optimizer").Optimizer
            assert issubclass(cls().implementation_in(package, dtype), base), cls


def test_activations_have_kernel_and_twin():
    for name, function in FAMILIES["activations"].items():
        kernel = function.kernel()
        assert kernel.halves or kernel.name in activation_kernels.names(), name
        assert len(activation_twins.pair(kernel.name)) == 2, name


def test_every_kernel_of_an_activation_belongs_to_one():
    rectifiers = {cb.activations.relu.bind(negative_slope=0.1).kernel().name}
    known = rectifiers | {function.kernel().name for function in FAMILIES["activations"].values()}
    variants = {name for name in activation_kernels.names() if name not in known}
    assert all(any(name.endswith(base) or name.startswith(base) for base in known) for name in variants), variants


def test_every_layer_has_a_network_that_checks_its_gradient():
    registered = {cls.__name__ for cls in FAMILIES["layers"].values()}
    assert registered == set(layer_cases.LAYERS)
    assert all(layer_cases.LAYERS[name] for name in registered - {"InputLayer"})


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(make, id=f"{name}{i}")
        for name, rows in layer_cases.LAYERS.items()
        for i, (make, _) in enumerate(rows)
    ],
)
def test_layer_config_round_trip(make):
    layer = make()
    config = json.loads(json.dumps(cb.saving.serialize_keras_object(layer)))
    again = cb.saving.deserialize_keras_object(config)
    assert type(again) is type(layer)
    assert cb.saving.serialize_keras_object(again) == cb.saving.serialize_keras_object(layer)


@pytest.mark.parametrize("family", ["losses", "metrics", "optimizers", "initializers", "regularizers", "constraints"])
def test_config_round_trip(family):
    for name in families.classes(FAMILIES[family].items()):
        cls = FAMILIES[family][name]
        if cls in NEEDED:
            thing = cls(**NEEDED[cls])
        elif inspect.signature(cls).parameters and any(
            p.default is p.empty and p.kind is not p.VAR_KEYWORD for p in inspect.signature(cls).parameters.values()
        ):
            pytest.fail(f"{name} cannot be made without arguments: add it to NEEDED with some")
        else:
            thing = cls()
        config = json.loads(json.dumps(cb.saving.serialize_keras_object(thing)))
        assert cb.saving.deserialize_keras_object(config).get_config() == thing.get_config(), name


@pytest.mark.parametrize("family", [f for f in FAMILIES if f != "layers"])
def test_unknown_name_suggests_known_ones(family):
    module = importlib.import_module(f"cbackprop.{family}")
    name = next(iter(FAMILIES[family]))
    with pytest.raises(ValueError, match="Did you mean"):
        module.get(name + "x")
    with pytest.raises(ValueError, match=r"Known: |Did you mean"):
        module.get("?")
    with pytest.raises(TypeError, match=r"Expected an? "):
        module.get(3.5)


def test_plain_values_survive():
    value = {"a": [1, 2.5, None, True, "x"], "b": np.float32(2), "c": np.arange(3)}
    again = cb.saving.deserialize_keras_object(json.loads(json.dumps(cb.saving.serialize_keras_object(value))))
    assert again["a"] == value["a"]
    assert again["b"] == 2
    np.testing.assert_array_equal(again["c"], value["c"])
    with pytest.raises(TypeError, match="cannot be written"):
        cb.saving.serialize_keras_object(object())


@pytest.mark.parametrize(
    "config",
    [{"class_name": 5}, {"class_name": "Sequential", "config": {}}, {"class_name": "Model", "config": {"name": 1}}],
)
def test_a_damaged_config_is_a_value_error(config):
    with pytest.raises(ValueError, match=r"must be a string|incomplete or damaged"):
        cb.layers.registry.deserialize(config)


@pytest.mark.parametrize(
    ("module", "name", "message"),
    [
        (cb, "ops", r"^module 'cbackprop' has no attribute 'ops', unlike Keras \(.*use numpy\)$"),
        (
            cb.datasets,
            "cifar10",
            r"^module 'cbackprop.datasets' has no attribute 'cifar10', .*nothing is downloaded.*$",
        ),
        (
            cb.layers,
            "AugMix",
            r"^module 'cbackprop.layers' has no attribute 'AugMix', unlike Keras \(left out: images are .*\)$",
        ),
        (cb, "Dense", "^module 'cbackprop' has no attribute 'Dense'. Did you mean 'layers.Dense'.$"),
        (cb, "load_model", "^module 'cbackprop' has no attribute 'load_model'. Did you mean 'models.load_model'.$"),
        (cb.layers, "Densee", "^module 'cbackprop.layers' has no attribute 'Densee'. Did you mean 'Dense'.$"),
        (
            cb.utils,
            "to_categorial",
            "^module .* has no attribute 'to_categorial'. Did you mean 'to_categorical'.$",
        ),
    ],
)
def test_a_name_that_is_absent(module, name, message):
    with pytest.raises(AttributeError, match=message) as caught:
        getattr(module, name)
    # Python makes a suggestion of its own out of the module's names, unless the message has one.
    assert (caught.value.name, caught.value.obj) == (name, None if "Did you mean" in message else module)


@pytest.mark.parametrize(
    ("family", "name", "end"),
    [
        (
            "losses",
            "mean_square_error",
            "'mean_squared_error' or 'mean_squared_logarithmic_error' or 'mean_absolute_error'?",
        ),
        ("initializers", "glorot", "Did you mean 'glorot_normal' or 'glorot_uniform'?"),
        ("optimizers", "adm", "Did you mean 'adam' or 'nadam' or 'adamax'?"),
    ],
)
def test_an_unknown_name_is_answered_with_one_spelling_of_each(family, name, end):
    with pytest.raises(ValueError, match=f"{re.escape(end)}$"):
        registries[family].find(name)
