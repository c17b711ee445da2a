"""Writes docs/coverage.md: every public name of Keras's families, and whether it is here.

    KERAS_BACKEND=torch python docs/coverage.py

What is here is read from the installed packages. For what is not, `ABSENT` says why; a name that is in neither is an
error, so that the table cannot fall behind.
"""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from typing import Any

import keras

import cbackprop

FAMILIES = (
    "layers",
    "activations",
    "losses",
    "optimizers",
    "optimizers.schedules",
    "metrics",
    "callbacks",
    "initializers",
    "regularizers",
    "constraints",
)

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
    ("layers", r"TimeDistributed|Wrapper", PLANNED, "recurrent networks"),
    ("layers", r"\w*Attention|ReversibleEmbedding|EinsumDense", PLANNED, "attention"),
    ("layers", r"SpectralNormalization|Discretization", PLANNED, "the rest of their families"),
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
    ("initializers", r"STFT\w*|stft", LEFT_OUT, "goes with the spectrogram layers"),
]
# What `get` needs, and no part of a network.
PLUMBING = {"serialize", "deserialize", "get"}


def module(package: Any, family: str) -> Any:
    """The module of a family."""
    for part in family.split("."):
        package = getattr(package, part)
    return package


def names(family: str) -> list[str]:
    """Keras's public names of a family."""
    theirs = module(keras, family)
    public = [name for name in dir(theirs) if not name.startswith("_")]
    return [name for name in public if not inspect.ismodule(getattr(theirs, name)) and name not in PLUMBING]


def status(family: str, name: str) -> str:
    """Here, planned, or left out and why.

    Raises
    ------
    LookupError
        For a name that is not here, and that nothing is said about.
    """
    if hasattr(module(cbackprop, family), name):
        return "here"
    for of, pattern, state, reason in ABSENT:
        if of == family and re.fullmatch(pattern, name):
            return f"{state}: {reason}"
    raise LookupError(f"{family}.{name} of Keras is not here, and ABSENT does not say why.")


def table() -> str:
    """The whole page."""
    version = ".".join(keras.__version__.split(".")[:2])
    lines = [
        "# What of Keras is here",
        "",
        f"Every public name of the families of Keras {version}. Made by `KERAS_BACKEND=torch python docs/coverage.py`.",
        "",
        "| family | here | of |",
        "|---|---|---|",
    ]
    found = {family: {name: status(family, name) for name in names(family)} for family in FAMILIES}
    for family, states in found.items():
        lines.append(f"| {family} | {sum(state == 'here' for state in states.values())} | {len(states)} |")
    for family, states in found.items():
        lines += ["", f"## {family}", "", "| name | |", "|---|---|"]
        lines += [f"| `{name}` | {state} |" for name, state in states.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    path = Path(__file__).with_suffix(".md")
    path.write_text(table())
    sys.stdout.write(f"{path}\n")
