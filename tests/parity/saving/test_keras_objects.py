"""Keras's configs of losses, optimizers, initializers and so on are understood, with the same arguments."""

import inspect
import json

import keras
import pytest

from cbackprop.config_reading import from_config
from cbackprop.families import families
from cbackprop.saving.keras.plain import plain_value

FAMILIES = ["initializers", "regularizers", "constraints", "losses", "metrics", "optimizers", "optimizers.schedules"]
# Arguments that have no default.
NEEDED = {
    "boundaries": [1, 2],
    "decay_rate": 0.9,
    "decay_steps": 10,
    "first_decay_steps": 5,
    "initial_learning_rate": 0.1,
    "num_classes": 3,
    "precision": 0.5,
    "recall": 0.5,
    "sensitivity": 0.5,
    "specificity": 0.5,
    "target_class_ids": [0],
    "values": [0.1, 0.2, 0.3],
}
# Made with a function, which no file holds.
LEFT_OUT = {"MeanMetricWrapper"}


def in_keras(family):
    """Keras's class for each of ours that it has, by name."""
    module = keras
    for part in family.split("."):
        module = getattr(module, part)
    classes = {name: getattr(module, name, None) for name, thing in families[family] if inspect.isclass(thing)}
    return {name: cls for name, cls in classes.items() if cls is not None and name not in LEFT_OUT}


CASES = [(family, name) for family in FAMILIES for name in in_keras(family)]


@pytest.mark.parametrize(("family", "name"), CASES)
def test_objects(family, name):
    cls = in_keras(family)[name]
    parameters = inspect.signature(cls.__init__).parameters.values()
    theirs = cls(**{p.name: NEEDED[p.name] for p in parameters if p.default is p.empty and p.name in NEEDED})
    written = json.loads(json.dumps(keras.saving.serialize_keras_object(theirs)))
    ours = from_config(plain_value(written, family))
    assert type(ours).__name__ == name
    config = ours.get_config()
    for argument, value in written["config"].items():
        if isinstance(value, (int, float, str, list)) and argument in config and argument != "name":
            assert config[argument] == value
