"""Configs that are damaged: a clear error, or something that can be made; never anything else."""

import contextlib
import copy
import inspect
import json
import random

import layer_cases
import plain_values
import pytest

import cbackprop as cb
from cbackprop import layers
from cbackprop.families import families
from cbackprop.spec import Spec

DELETED = object()
OTHERS = [
    DELETED, None, -1, 2.5, float("nan"), 10**30, True, "", "x", [], [1], [None], {}, {"a": 1}, [[[]]],
    {"class_name": "Dense", "config": {}}, {"class_name": "__array__", "config": {}},
    {"class_name": "__array__", "config": {"value": "x", "dtype": "float32"}}, {"tensor": ["a", 0, 0]},
]  # fmt: skip


def sequential():
    return cb.Sequential([cb.Input((3,)), layers.Dense(4, "relu", kernel_regularizer="l2"), layers.Dropout(0.1)])


def functional():
    a, b = cb.Input((3,), name="a"), cb.Input((2,), name="b")
    both = layers.Concatenate()([layers.Dense(2)(a), b])
    inner = layers.Add()([layers.Dense(4)(both), sequential()(a)])
    return cb.Model({"a": a, "b": b}, [layers.Dense(1, name="u")(both), inner])


def things():
    """A model of each kind, a layer of each class, and all others that need no arguments."""
    yield sequential()
    yield functional()
    for rows in layer_cases.LAYERS.values():
        if rows:
            yield rows[0][0]()
    for family, registry in families.items():
        for _, entry in registry:
            made = None
            if family != "layers" and inspect.isclass(entry) and issubclass(entry, Spec):
                with contextlib.suppress(TypeError):
                    made = entry()
            if made is not None:
                yield made


def changed(config, path, value):
    if not path:
        return {} if value is DELETED else value
    config = copy.deepcopy(config)
    holder = config
    for key in path[:-1]:
        holder = holder[key]
    if value is DELETED:
        del holder[path[-1]]
    else:
        holder[path[-1]] = copy.deepcopy(value)
    return config


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("thing", list(things()), ids=lambda thing: type(thing).__name__)
def test_any_part_replaced(thing):
    whole = json.loads(json.dumps(cb.saving.serialize_keras_object(thing)))
    for config, read in ((whole["config"], type(thing).from_config), (whole, cb.saving.deserialize_keras_object)):
        paths = list(plain_values.paths(config))
        rng = random.Random(0)
        chosen = paths if len(paths) <= 12 else rng.sample(paths, 12)
        for path in [(), *chosen]:
            for value in OTHERS:
                with contextlib.suppress(TypeError, ValueError):
                    read(changed(config, path, value))


@pytest.mark.parametrize("read", [cb.Sequential.from_config, cb.Model.from_config, layers.Dense.from_config])
@pytest.mark.parametrize("config", [None, [], "dense", 3])
def test_configs_are_dicts(read, config):
    with pytest.raises(TypeError, match=r"The config of .* must be a dict, but got"):
        read(config)


@pytest.mark.parametrize("cls", [cb.Sequential, cb.Model])
def test_what_is_missing_is_named(cls):
    with pytest.raises(ValueError, match=r"is incomplete or damaged: KeyError\('layers'\)|but it lacks .*'layers'"):
        cls.from_config({})


def test_a_config_without_end():
    config = cb.saving.serialize_keras_object(layers.Dense(1))
    for _ in range(3000):
        config = {"class_name": "Sequential", "config": {"name": "s", "layers": [config]}}
    for read, given in ((cb.saving.deserialize_keras_object, config), (cb.Sequential.from_config, config["config"])):
        with pytest.raises(ValueError, match="nested too deep"):
            read(given)
