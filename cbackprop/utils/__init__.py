"""Utilities: seeds, labels, padding, plots of models, images, data sets and more."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from cbackprop.absent import name_error
from cbackprop.config import (
    disable_interactive_logging,
    enable_interactive_logging,
    is_interactive_logging_enabled,
)
from cbackprop.layers.names import clear_names as clear_session
from cbackprop.padded_sequences import PaddedSequences
from cbackprop.py_dataset import PyDataset
from cbackprop.random import seeded, set_random_seed
from cbackprop.saving import (
    CustomObjectScope,
    custom_object_scope,
    deserialize_keras_object,
    get_custom_objects,
    get_registered_name,
    get_registered_object,
    register_keras_serializable,
    serialize_keras_object,
)
from cbackprop.sequences import pad_sequences
from cbackprop.utils.ctc import ctc_decode
from cbackprop.utils.dot import model_to_dot
from cbackprop.utils.image_folders import image_dataset_from_directory
from cbackprop.utils.images import array_to_img, img_to_array, load_img, save_img
from cbackprop.utils.numerical import normalize, to_categorical
from cbackprop.utils.packing import pack_x_y_sample_weight, split_dataset, unpack_x_y_sample_weight
from cbackprop.utils.progbar import Progbar
from cbackprop.utils.tensors import get_source_inputs, is_keras_tensor, standardize_dtype
from cbackprop.utils.timeseries import timeseries_dataset_from_array

if TYPE_CHECKING:
    from cbackprop.plotting import plot_model

__all__ = [
    "CustomObjectScope",
    "PaddedSequences",
    "Progbar",
    "PyDataset",
    "Sequence",
    "array_to_img",
    "clear_session",
    "ctc_decode",
    "custom_object_scope",
    "deserialize_keras_object",
    "disable_interactive_logging",
    "enable_interactive_logging",
    "get_custom_objects",
    "get_registered_name",
    "get_registered_object",
    "get_source_inputs",
    "image_dataset_from_directory",
    "img_to_array",
    "is_interactive_logging_enabled",
    "is_keras_tensor",
    "load_img",
    "model_to_dot",
    "normalize",
    "pack_x_y_sample_weight",
    "pad_sequences",
    "plot_model",
    "register_keras_serializable",
    "save_img",
    "seeded",
    "serialize_keras_object",
    "set_random_seed",
    "split_dataset",
    "standardize_dtype",
    "timeseries_dataset_from_array",
    "to_categorical",
    "unpack_x_y_sample_weight",
]


def __getattr__(name: str) -> Any:
    """Import plotting functions only when they are used, so that importing the library is fast."""
    if name != "plot_model":
        raise name_error(sys.modules[__name__], name, sys._getframe(1))
    from cbackprop.plotting import plot_model

    return plot_model


# Keras has both names.
Sequence = PyDataset
