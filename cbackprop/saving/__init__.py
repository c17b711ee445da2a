"""Save and load models and weights, and convert objects to plain values and back."""

from cbackprop.absent import explain
from cbackprop.saving.custom_objects import (
    CustomObjectScope,
    custom_object_scope,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
)
from cbackprop.saving.foreign_config import own_config as own_config  # for the models of this library
from cbackprop.saving.model_file import load_extras, load_model, save_model
from cbackprop.saving.plain import deserialize_keras_object, serialize_keras_object
from cbackprop.saving.weights_file import load_weights, save_weights

__all__ = [
    "CustomObjectScope",
    "custom_object_scope",
    "deserialize_keras_object",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "load_extras",
    "load_model",
    "load_weights",
    "register_keras_serializable",
    "save_model",
    "save_weights",
    "serialize_keras_object",
]


explain(__name__)
