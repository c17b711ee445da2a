"""Names of Keras that this library does not have, and why: for error messages and the table of docs/coverage.py."""

from __future__ import annotations

import dis
import re
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import FrameType, ModuleType
from typing import Any

from cbackprop import torch_names
from cbackprop.suggestions import nearest_of

__all__ = ["ATTRIBUTES", "AbsentModules", "attribute_missing", "explain", "name_error", "reason"]

PLANNED = "planned"
LEFT_OUT = "left out"

# A family, a regular expression for names in it, whether they are planned or left out, and why.
ABSENT = [
    (
        "layers",
        r".*Conv(olution)?\d?D?(Transpose)?",
        PLANNED,
        "images",
    ),
    ("layers", r"\w*Conv\w*", PLANNED, "images"),
    (
        "layers",
        r"ConvLSTM\dD",
        PLANNED,
        "recurrent networks",
    ),
    (
        "layers",
        r"SpectralNormalization",
        LEFT_OUT,
        "it overwrites weights in the forward pass, so that the loss is no function of them",
    ),
    (
        "layers",
        r"Random\w+|RandAugment|AugMix|AutoContrast|CutMix|Equalization|MixUp|Pipeline"
        r"|Solarization|ContrastLimited\w+|MaxNumBoundingBoxes",
        LEFT_OUT,
        "images are prepared before training",
    ),
    ("layers", r"MelSpectrogram|STFTSpectrogram", LEFT_OUT, "signals are prepared before training (scipy.signal)"),
    (
        "layers",
        r"HashedCrossing|Hashing|IntegerLookup|StringLookup|TextVectorization",
        LEFT_OUT,
        "texts and categories are turned into numbers before training (scikit-learn)",
    ),
    ("layers", r"FlaxLayer|JaxLayer|TFSMLayer|TorchModuleWrapper", LEFT_OUT, "wraps another framework"),
    ("layers", r"InputSpec", LEFT_OUT, "shapes are checked by `compute_output_shape`"),
    ("losses", r"Circle|circle", LEFT_OUT, "for learned distances, with pairs made inside of a batch"),
    ("optimizers", r"LossScaleOptimizer", LEFT_OUT, "for float16, which is not supported"),
    ("optimizers", r"MultiOptimizer|OptimizerMap", PLANNED, "several optimizers in one model"),
    ("callbacks", r"OrbaxCheckpoint", LEFT_OUT, "a file format of JAX"),
    ("callbacks", r"RemoteMonitor", LEFT_OUT, "write a callback of three lines with `requests`"),
    (
        "utils",
        r"bounding_boxes",
        LEFT_OUT,
        "images are prepared before training (Pillow)",
    ),
    ("utils", r"audio_dataset_from_directory|text_dataset_from_directory", LEFT_OUT, "a PyDataset reads any files"),
    ("utils", r"get_file", LEFT_OUT, "nothing is downloaded"),
    ("utils", r"FeatureSpace", LEFT_OUT, "cbackprop.tables turns columns of tables into numbers"),
    ("utils", r"Config", LEFT_OUT, "use a dict"),
    ("utils", r"legacy", LEFT_OUT, "for older versions of Keras"),
    ("config", r"\w*flash_attention\w*", PLANNED, "attention"),
    ("config", r"\w*traceback_filtering\w*", LEFT_OUT, "tracebacks are short and always complete"),
    ("config", r"enable_unsafe_deserialization", LEFT_OUT, "code in files is never run"),
    ("config", r"is_nnx_enabled", LEFT_OUT, "of JAX's"),
    ("config", r"set_backend", LEFT_OUT, 'everything runs in compiled C; compile(engine="reference") runs in NumPy'),
    ("config", r"set_dtype_policy", LEFT_OUT, "networks compute in float32 or float64: set_floatx"),
    (
        "saving",
        r"KerasFileEditor",
        LEFT_OUT,
        "weights are arrays: get_weights, set_weights, load_weights(skip_mismatch=True)",
    ),
    ("random", r"SeedGenerator", LEFT_OUT, "seeds are numbers; utils.set_random_seed seeds everything"),
    ("random", r"dropout", LEFT_OUT, "layers.Dropout"),
    (
        "random",
        r"beta|binomial|categorical|gamma|normal|randint|shuffle|truncated_normal|uniform",
        LEFT_OUT,
        "numpy.random draws arrays",
    ),
    (
        "distribution",
        r"DeviceMesh|LayoutMap|ModelParallel|TensorLayout|distribute_tensor",
        LEFT_OUT,
        "every rank has the whole model: DataParallel",
    ),
    ("distribution", r"get_device_count", LEFT_OUT, "DataParallel.num_processes"),
    ("initializers", r"STFT\w*|stft", LEFT_OUT, "goes with the spectrogram layers"),
    (
        "datasets",
        r"boston_housing|california_housing|cifar10|cifar100|imdb|reuters",
        LEFT_OUT,
        "nothing is downloaded; scikit-learn fetches data",
    ),
]
_QUANTIZED = f"{LEFT_OUT}: networks compute in float32 or float64"
_STATELESS = f"{LEFT_OUT}: for JAX; here the object holds its state"
_MADE = f"{LEFT_OUT}: a step is compiled C and cannot be overridden in Python; use train_on_batch or gradients"
_STORED = f"{LEFT_OUT}: weights are stored by name and shape, whatever the class"
_POLICY = f"{LEFT_OUT}: there are no mixed types; use dtype"
# Attributes that objects of Keras's classes have and those of this library do not, and why. A model has those of a
# layer as well.
_OF_LAYERS = {
    "add_metric": f"{LEFT_OUT}: metrics are given to compile",
    "add_variable": f"{LEFT_OUT}: add_weight",
    "compute_output_spec": f"{LEFT_OUT}: compute_output_shape",
    "symbolic_call": f"{LEFT_OUT}: call the layer on a symbolic tensor",
    "dtype_policy": _POLICY,
    "input_dtype": _POLICY,
    "input_spec": f"{LEFT_OUT}: shapes are checked by compute_output_shape",
    "stateful": f"{PLANNED}: recurrent networks",
    "load_own_variables": _STORED,
    "save_own_variables": _STORED,
    "metrics": f"{LEFT_OUT}: metrics are those of a model",
    "metrics_variables": f"{LEFT_OUT}: each metric has its variables",
    "quantization_mode": _QUANTIZED,
    "quantize": _QUANTIZED,
    "quantized_build": _QUANTIZED,
    "quantized_call": _QUANTIZED,
    "rematerialized_call": f"{LEFT_OUT}: memory is planned before training",
    "stateless_call": _STATELESS,
    "torch_params": f"{LEFT_OUT}: of PyTorch's",
    "dtype": f"{LEFT_OUT}: each layer has its own",
    "path": f"{LEFT_OUT}: each weight has a path",
}
ATTRIBUTES: dict[str, dict[str, str]] = {
    "Layer": _OF_LAYERS,
    "Model": _OF_LAYERS
    | {
        "get_quantization_layer_structure": _QUANTIZED,
        "get_state_tree": f"{LEFT_OUT}: get_weights() and optimizer.variables",
        "set_state_tree": f"{LEFT_OUT}: set_weights",
        "jit_compile": f"{LEFT_OUT}: everything is compiled ahead",
        "run_eagerly": f'{LEFT_OUT}: compile(engine="reference") runs in NumPy',
        "make_predict_function": _MADE,
        "make_test_function": _MADE,
        "make_train_function": _MADE,
        "predict_step": _MADE,
        "test_step": _MADE,
        "train_step": _MADE,
        "stateless_compute_loss": _STATELESS,
    },
    "Optimizer": {
        "add_optimizer_variables": f"{LEFT_OUT}: the state of an optimizer is compiled: new_slot of an implementation",
        "add_variable": f"{LEFT_OUT}: the state of an optimizer is compiled",
        "add_variable_from_reference": f"{LEFT_OUT}: the state of an optimizer is compiled",
        "assign": f"{LEFT_OUT}: variable.assign(value)",
        "assign_add": f"{LEFT_OUT}: variable.assign_add(value)",
        "assign_sub": f"{LEFT_OUT}: variable.assign_sub(value)",
        "load_own_variables": _STORED,
        "save_own_variables": _STORED,
        "set_weights": f"{PLANNED}: the state of an optimizer is set variable by variable",
        "stateless_apply": _STATELESS,
        "update_step": f"{LEFT_OUT}: the rule is compiled; a new one is a package (docs/extending.md)",
    },
    "Metric": {
        "stateless_reset_state": _STATELESS,
        "stateless_result": _STATELESS,
        "stateless_update_state": _STATELESS,
        "dtype": f"{LEFT_OUT}: sums are doubles",
    },
    "Callback": {},
    "Loss": {"dtype": f"{LEFT_OUT}: a loss computes in the type of the predictions"},
}
# Modules and classes at the top level of Keras, and what to use instead.
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
    "Function": "a graph of layers is a Model",
    "Operation": "what is computed in Python is a layers.Layer",
}


def reason(family: str, name: str) -> str | None:
    """Whether a name in one of Keras's families is planned or left out, and why; ``None`` if it is not listed."""
    for of, pattern, state, why in ABSENT:
        if of == family and re.fullmatch(pattern, name):
            return f"{state}: {why}"
    return None


def name_error(module: ModuleType, name: str, frame: FrameType) -> AttributeError | ImportError:
    """Python's error for a missing name in a module, with advice if Keras or PyTorch has it.

    Parameters
    ----------
    module : module
    name : str
    frame : frame
        The one that asked for the name. Python replaces an ``AttributeError`` in ``from module import name`` by an
        ``ImportError`` without advice, so an ``ImportError`` is returned then.
    """
    family = module.__name__.removeprefix("cbackprop").removeprefix(".")
    why = reason(family, name) if family else FIRST_FLOOR.get(name)
    end = "" if why is None else f", unlike Keras ({why})"
    if why is None and (ours := torch_names.MODULES.get(family, {}).get(name)) is not None:
        end = f". Use this instead of PyTorch's: {ours}"
    near = "" if end else nearest_of(name, module)
    # A module that is being imported is found without being an attribute yet.
    if (end or near) and _imports_name(frame) and f"{module.__name__}.{name}" not in sys.modules:
        end = end or f". Did you mean {near!r}?"
        text = f"cannot import name {name!r} from {module.__name__!r}{end}"
        return ImportError(text, name=module.__name__, path=module.__file__)
    text = f"module {module.__name__!r} has no attribute {name!r}{end}"
    if near:
        # Without `obj`, because Python would then append its own suggestion.
        return AttributeError(f"{text}. Did you mean {near!r}?", name=name)
    return AttributeError(text, name=name, obj=module)


def _imports_name(frame: FrameType) -> bool:
    """Whether a frame is in the middle of ``from module import name``."""
    return frame.f_lasti >= 0 and frame.f_code.co_code[frame.f_lasti] == dis.opmap.get("IMPORT_FROM")


class AbsentModules:
    """The last finder for modules that do not exist: its errors say what to use instead of a module of Keras."""

    @staticmethod
    def find_spec(fullname: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        """Return ``None``, or raise Python's ``ModuleNotFoundError`` with advice if Keras has the module."""
        package, _, name = fullname.partition(".")
        if package != "cbackprop" or name not in FIRST_FLOOR:
            return None
        raise ModuleNotFoundError(f"No module named {fullname!r}, unlike Keras ({FIRST_FLOOR[name]})", name=fullname)


def attribute_missing(thing: Any, kind: str, name: str) -> AttributeError:
    """Python's error for a missing attribute of an object, with advice if Keras or PyTorch has it.

    To be called in ``__getattr__``. If a property of the object raised the error, that error is raised again.

    Parameters
    ----------
    thing : object
    kind : {"Layer", "Model", "Optimizer", "Metric", "Callback", "Loss", "KerasTensor", "Variable"}
        The class of Keras that it corresponds to.
    name : str
    """
    if not name.startswith("__") and hasattr(type(thing), name):
        object.__getattribute__(thing, name)
    end = ""
    if (why := ATTRIBUTES.get(kind, {}).get(name)) is not None:
        end = f", unlike Keras's ({why})"
    elif (ours := torch_names.METHODS.get(kind, {}).get(name)) is not None:
        end = f". Use this instead of PyTorch's: {ours}"
    return AttributeError(f"{type(thing).__name__!r} object has no attribute {name!r}{end}", name=name, obj=thing)


def explain(name: str) -> None:
    """Add this advice to the errors about missing names of a module, which calls this itself."""
    module = sys.modules[name]

    def missing(attribute: str) -> None:
        raise name_error(module, attribute, sys._getframe(1))

    module.__getattr__ = missing  # type: ignore[method-assign,assignment]
