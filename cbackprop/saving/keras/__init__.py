"""Files that Keras 3 wrote: their weights, and models made of their architecture. No code of a file is ever run."""

from cbackprop.saving.keras.archive import open_keras_file
from cbackprop.saving.keras.model import load_keras_model
from cbackprop.saving.keras.weights import read_keras_weights

__all__ = ["load_keras_model", "open_keras_file", "read_keras_weights"]
