"""Names of Keras that are not here, and why: for messages, and for the table that docs/coverage.py makes."""

from __future__ import annotations

import re
from types import ModuleType

__all__ = ["attribute_error", "explain", "reason"]

PLANNED = "planned"
LEFT_OUT = "left out"

# The names of a family (a regular expression), whether they are planned or left out, and why.
ABSENT = [
    (
        "layers",
        r".*Conv(olution)?\d?D?(Transpose)?|(Adaptive|Global)?(Average|Avg|Max)Pool(ing)?\dD",
        PLANNED,
        "images",
    ),
    ("layers", r"(Global|Adaptive)\w*|\w*Pool\w*|\w*Conv\w*", PLANNED, "images"),
    ("layers", r"(Cropping|UpSampling|ZeroPadding)\dD", PLANNED, "images"),
    (
        "layers",
        r"(ConvLSTM\dD|GRU|GRUCell|LSTM|LSTMCell|RNN|SimpleRNN|SimpleRNNCell|StackedRNNCells|Bidirectional)",
        PLANNED,
        "recurrent networks",
    ),
    ("layers", r"TimeDistributed", PLANNED, "recurrent networks"),
    ("layers", r"\w*Attention|ReversibleEmbedding|EinsumDense", PLANNED, "attention"),
    (
        "layers",
        r"SpectralNormalization",
        LEFT_OUT,
        "it overwrites weights in the forward pass, so that the loss is no function of them",
    ),
    (
        "layers",
        r"Random\w+|RandAugment|AugMix|AutoContrast|CenterCrop|CutMix|Equalization|MixUp|Pipeline|Resizing"
        r"|Solarization|ContrastLimited\w+|MaxNumBoundingBoxes",
        LEFT_OUT,
        "preparing images is the data's business",
    ),
    ("layers", r"MelSpectrogram|STFTSpectrogram", LEFT_OUT, "preparing signals is the data's business (scipy.signal)"),
    (
        "layers",
        r"HashedCrossing|Hashing|IntegerLookup|StringLookup|TextVectorization",
        LEFT_OUT,
        "texts and categories become numbers before training (scikit-learn)",
    ),
    ("layers", r"FlaxLayer|JaxLayer|TFSMLayer|TorchModuleWrapper", LEFT_OUT, "wraps another framework"),
    ("layers", r"InputSpec", LEFT_OUT, "shapes are checked by `compute_output_shape`"),
    ("losses", r"Circle|circle", LEFT_OUT, "for learned distances, with pairs made inside of a batch"),
    ("losses", r"CTC|ctc", LEFT_OUT, "for sequences, with recurrent networks"),
    ("optimizers", r"LossScaleOptimizer", LEFT_OUT, "for float16, which nothing here computes in"),
    ("optimizers", r"MultiOptimizer|OptimizerMap", PLANNED, "several optimizers in one model"),
    ("callbacks", r"OrbaxCheckpoint", LEFT_OUT, "a format of JAX's"),
    ("callbacks", r"RemoteMonitor", LEFT_OUT, "sends logs to a server: a callback of three lines with `requests`"),
    ("utils", r"split_dataset", LEFT_OUT, "sklearn.model_selection.train_test_split splits arrays"),
    ("initializers", r"STFT\w*|stft", LEFT_OUT, "goes with the spectrogram layers"),
    ("datasets", r"mnist", LEFT_OUT, "nothing is downloaded: datasets.read_idx reads its files"),
    (
        "datasets",
        r"boston_housing|california_housing|cifar10|cifar100|imdb|reuters",
        LEFT_OUT,
        "nothing is downloaded; scikit-learn fetches data",
    ),
]
# Modules and classes of Keras's first floor, and what to do instead.
FIRST_FLOOR = {
    "backend": "everything runs in compiled C, and arrays are NumPy's",
    "ops": "layers, losses and metrics in Python work on NumPy arrays: use numpy",
    "tree": "nested arrays are lists and dicts",
    "random": "random numbers are numpy.random's; utils.set_random_seed seeds those of training",
    "preprocessing": "data is prepared before training, with NumPy or scikit-learn",
    "applications": "there are no trained networks for images",
    "mixed_precision": "networks compute in float32 or float64: config.set_floatx",
    "dtype_policies": "networks compute in float32 or float64: config.set_floatx",
    "DTypePolicy": "networks compute in float32 or float64: config.set_floatx",
    "quantizers": "networks compute in float32 or float64",
    "distribution": "batches are shared among threads: config.set_num_threads",
    "Function": "a graph of layers is a Model",
    "Operation": "what is computed in Python is a layers.Layer",
}


def reason(family: str, name: str) -> str | None:
    """Whether a name of one of Keras's families is planned or left out, and why; ``None`` if nothing is said of it."""
    for of, pattern, state, why in ABSENT:
        if of == family and re.fullmatch(pattern, name):
            return f"{state}: {why}"
    return None


def attribute_error(module: ModuleType, name: str) -> AttributeError:
    """Python's own error for a name that a module has not, with what is known about Keras's of that name."""
    family = module.__name__.removeprefix("cbackprop").removeprefix(".")
    why = reason(family, name) if family else FIRST_FLOOR.get(name)
    end = "" if why is None else f", unlike Keras ({why})"
    return AttributeError(f"module {module.__name__!r} has no attribute {name!r}{end}", name=name, obj=module)


def explain(module: ModuleType) -> None:
    """Let the module's errors about names say what is known about them."""

    def missing(name: str) -> None:
        raise attribute_error(module, name)

    module.__getattr__ = missing  # type: ignore[method-assign]
