"""Read and write files of Keras 3 without Keras. No code in a file is ever run."""

from cbackprop.saving.keras.archive import open_keras_file
from cbackprop.saving.keras.model import load_keras_model, read_keras_extras
from cbackprop.saving.keras.noted import Noted
from cbackprop.saving.keras.weights import read_keras_weights
from cbackprop.saving.keras.write import write_keras_model, write_keras_weights

__all__ = [
    "Noted",
    "load_keras_model",
    "open_keras_file",
    "read_keras_extras",
    "read_keras_weights",
    "write_keras_model",
    "write_keras_weights",
]
