"""Settings of the whole process, such as the default float type, epsilon and the number of threads."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal

from cbackprop import compiled, threads
from cbackprop import matrix_products as products
from cbackprop.absent import explain
from cbackprop.compiled.kernels import epsilon as kernels
from cbackprop.number_types import check_float_type
from cbackprop.reference import epsilon as twin
from cbackprop.validation import check_integer, check_number
from cbackprop.version import __version__

__all__ = [
    "backend",
    "disable_interactive_logging",
    "dtype_policy",
    "enable_interactive_logging",
    "epsilon",
    "floatx",
    "get_num_threads",
    "image_data_format",
    "is_interactive_logging_enabled",
    "matrix_products",
    "max_epochs",
    "max_steps_per_epoch",
    "num_threads",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
    "set_matrix_products",
    "set_max_epochs",
    "set_max_steps_per_epoch",
    "set_num_threads",
    "show",
]

_floatx = "float32"
_image_data_format = "channels_last"
_interactive_logging = True
_max_epochs: int | None = None
_max_steps_per_epoch: int | None = None
# The float type of layers that are made while a model is copied to another float type.
_copied: ContextVar[str | None] = ContextVar("the float type of copies", default=None)


@contextmanager
def copying_to(dtype: str) -> Iterator[None]:
    """Inside the ``with`` block, make this the default float type of layers that this thread makes."""
    token = _copied.set(dtype)
    try:
        yield
    finally:
        _copied.reset(token)


def floatx() -> str:
    """Return the default float type of new layers, ``"float32"`` unless it was set.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.config.floatx()
    'float32'
    """
    return _copied.get() or _floatx


def set_floatx(value: str) -> None:
    """Set the default float type of new layers.

    Parameters
    ----------
    value : {"float32", "float64"}

    Raises
    ------
    ValueError
        For any other type.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.config.set_floatx("float64")
    >>> cb.config.floatx()
    'float64'
    >>> cb.config.set_floatx("float32")
    """
    global _floatx
    _floatx = check_float_type(value)


def max_epochs() -> int | None:
    """Return the maximum number of epochs of any `fit`; ``None`` unless it was set.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.config.max_epochs() is None
    True
    """
    return _max_epochs


def set_max_epochs(max_epochs: int | None) -> None:
    """Limit the number of epochs of every `fit`, to try out a script. A warning tells when epochs are skipped.

    Parameters
    ----------
    max_epochs : int or None
        At least 1. ``None`` removes the limit.

    Raises
    ------
    TypeError, ValueError
        If it is neither.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.config.set_max_epochs(2)
    >>> cb.config.max_epochs()
    2
    >>> cb.config.set_max_epochs(None)
    """
    global _max_epochs
    _max_epochs = None if max_epochs is None else check_integer("max_epochs", max_epochs, 1)


def max_steps_per_epoch() -> int | None:
    """Return the maximum number of batches in an epoch of `fit`, an evaluation or a prediction; ``None`` unless set.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.config.max_steps_per_epoch() is None
    True
    """
    return _max_steps_per_epoch


def set_max_steps_per_epoch(max_steps_per_epoch: int | None) -> None:
    """Limit the number of batches of every epoch of `fit`, `evaluate` and `predict`, to try out a script.

    It has the effect of `steps_per_epoch` (or `steps`, `validation_steps`), with a warning, unless a smaller number is
    given.

    Parameters
    ----------
    max_steps_per_epoch : int or None
        At least 1. ``None`` removes the limit.

    Raises
    ------
    TypeError, ValueError
        If it is neither.

    Notes
    -----
    As with `steps_per_epoch`, arrays without a `batch_size` are divided into this many batches.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.config.set_max_steps_per_epoch(10)
    >>> cb.config.max_steps_per_epoch()
    10
    >>> cb.config.set_max_steps_per_epoch(None)
    """
    global _max_steps_per_epoch
    checked = None if max_steps_per_epoch is None else check_integer("max_steps_per_epoch", max_steps_per_epoch, 1)
    _max_steps_per_epoch = checked


def epsilon() -> float:
    """Return the small number that keeps logarithms and quotients finite, 1e-7 unless it was set.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.config.epsilon()
    1e-07
    """
    return kernels.get_epsilon()


def set_epsilon(value: float) -> None:
    """Set the small number with which losses, metrics and constraints keep logarithms and quotients finite.

    It takes effect immediately, also for models that are already compiled. Layers and optimizers have their own
    argument `epsilon`.

    Parameters
    ----------
    value : float
        Above 0, and below 0.5.

    Raises
    ------
    TypeError, ValueError
        If `value` is not such a number.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.config.set_epsilon(1e-5)
    >>> cb.config.epsilon()
    1e-05
    >>> cb.config.set_epsilon(1e-7)
    """
    number = check_number("value", value, 0)
    if not 0 < number < 0.5:
        raise ValueError(f"value must be above 0 and below 0.5, but got {value!r}.")
    kernels.set_epsilon(number)
    twin.set_epsilon(number)


def image_data_format() -> str:
    """Return the default axis of the channels of images, ``"channels_last"`` unless it was set.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.config.image_data_format()
    'channels_last'
    """
    return _image_data_format


def set_image_data_format(data_format: str) -> None:
    """Set the axis of the channels of images for new layers that have no `data_format` of their own.

    Parameters
    ----------
    data_format : {"channels_last", "channels_first"}

    Raises
    ------
    ValueError
        For anything else.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.config.set_image_data_format("channels_last")
    """
    global _image_data_format
    _image_data_format = check_data_format(data_format)


def check_data_format(data_format: object) -> str:
    """`data_format` in lower case; the default of `image_data_format` for ``None``.

    Raises
    ------
    ValueError
        If it is neither ``"channels_last"`` nor ``"channels_first"``.
    """
    found = image_data_format() if data_format is None else str(data_format).lower()
    if found not in ("channels_last", "channels_first"):
        raise ValueError(f"data_format must be 'channels_last' or 'channels_first', but got {data_format!r}.")
    return found


def backend() -> str:
    """Return the name of the backend, always ``"cbackprop"``.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.config.backend()
    'cbackprop'
    """
    return "cbackprop"


def dtype_policy() -> str:
    """Return the default float type of new layers, like `floatx`: there are no mixed types.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.config.dtype_policy()
    'float32'
    """
    return floatx()


def enable_interactive_logging() -> None:
    """Let ``verbose="auto"`` draw progress bars, which is the default.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.config.enable_interactive_logging()
    """
    global _interactive_logging
    _interactive_logging = True


def disable_interactive_logging() -> None:
    """Let ``verbose="auto"`` print one line for each epoch, as it does when output goes to a file.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.config.disable_interactive_logging()
    >>> cb.config.is_interactive_logging_enabled()
    False
    >>> cb.config.enable_interactive_logging()
    """
    global _interactive_logging
    _interactive_logging = False


def is_interactive_logging_enabled() -> bool:
    """Return whether ``verbose="auto"`` draws progress bars.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.config.is_interactive_logging_enabled()
    True
    """
    return _interactive_logging


def get_num_threads() -> int | Literal["auto"]:
    """Return the number of threads that was set by `set_num_threads`; ``"auto"`` by default.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.config.get_num_threads()
    'auto'
    """
    return threads.setting()


def set_num_threads(n: int | Literal["auto"]) -> None:
    """Set the number of threads that training, evaluating and predicting may use.

    The threads share each batch. The number affects only speed: results are the same to the last bit.

    With ``"auto"`` a run tries out which number is the fastest. It tries again every few seconds, because other
    programs may need the processors. It uses at most the processors that this process may use, which are limited by
    its affinity, the quota of its container, ``CBACKPROP_NUM_THREADS``, ``OMP_NUM_THREADS``, and the limit that joblib
    or threadpoolctl has set for BLAS.

    Parameters
    ----------
    n : int or "auto"
        At least 1. Steps that are too small to share run on one thread in any case. With more threads than free
        processors, threads mostly wait for each other.

    Raises
    ------
    TypeError, ValueError
        If `n` is not such a number.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.config.set_num_threads(2)
    >>> cb.config.get_num_threads()
    2
    >>> cb.config.set_num_threads("auto")
    """
    threads.set_limit(_check_threads(n))


@contextmanager
def num_threads(n: int | Literal["auto"]) -> Iterator[None]:
    """Set the number of threads inside the ``with`` block, only for what this thread runs.

    Parameters
    ----------
    n : int or "auto"
        See `set_num_threads`.

    Raises
    ------
    TypeError, ValueError
        If `n` is not such a number.

    Examples
    --------
    >>> import cbackprop as cb
    >>> with cb.config.num_threads(2):
    ...     cb.config.get_num_threads()
    2
    >>> cb.config.get_num_threads()
    'auto'
    """
    with threads.own_limit(_check_threads(n)):
        yield


def _check_threads(n: object) -> threads.Setting:
    if isinstance(n, str):
        if n != threads.AUTO:
            raise ValueError(f"n must be a number of threads or 'auto', but got {n!r}.")
        return threads.AUTO
    return check_integer("n", n, 1)


def matrix_products() -> str:
    """What multiplies matrices: ``"auto"``, unless the environment variable ``CBACKPROP_PRODUCTS`` or a call says else.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.config.matrix_products()
    'auto'
    """
    return products.setting()


def set_matrix_products(value: str) -> None:
    """Set what multiplies matrices: the library's own code, or SciPy's BLAS.

    The next run of every model follows it, also of models that are built already. What runs meanwhile goes on as it
    began: an epoch of `fit`, unless a callback divides it into single batches, an evaluation, or a prediction. Nothing
    that a model remembers is lost. Results differ by rounding. With each setting, the same seed gives the same bits on
    any number of threads.

    Parameters
    ----------
    value : {"tiles", "blas", "auto"}
        ``"tiles"`` is the library's own code, made for the products of small and medium networks. ``"blas"`` is SciPy's
        BLAS, which each thread calls on its own part of a product; it is loaded when it is needed first. ``"auto"`` is
        what is faster on this machine: tiles, unless the library was built by a compiler without vectors (Microsoft's).

    Raises
    ------
    ValueError
        For anything else.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.config.set_matrix_products("blas")
    >>> cb.config.matrix_products()
    'blas'
    >>> cb.config.set_matrix_products("auto")
    """
    products.set_setting(value)


def show() -> None:
    """Print version, instruction set, what multiplies matrices, BLAS and threads."""
    import numpy
    import scipy

    others = [name for name in compiled.available() if name != compiled.INSTRUCTION_SET]
    rows = {
        "cbackprop": __version__,
        "Python": platform.python_version(),
        "NumPy": numpy.__version__,
        "SciPy": scipy.__version__,
        "processor": platform.machine(),
        "instruction set": compiled.INSTRUCTION_SET + (f" (also usable: {', '.join(others)})" if others else ""),
        "matrix products": products.description(),
        "BLAS": threads.blas_description(),
        "threads": f"auto (at most {threads.limit()})" if threads.is_auto() else str(get_num_threads()),
        "float type": floatx(),
    }
    width = max(map(len, rows))
    for name, value in rows.items():
        print(f"{name:<{width}}  {value}")


explain(__name__)
