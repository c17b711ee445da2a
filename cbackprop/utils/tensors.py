"""Functions on symbolic tensors, and names of types."""

from __future__ import annotations

from typing import Any

import numpy as np

from cbackprop.config import floatx
from cbackprop.number_types import FLOAT_TYPES, INTEGER_TYPES
from cbackprop.tensor import KerasTensor

__all__ = ["get_source_inputs", "is_keras_tensor", "standardize_dtype"]


def is_keras_tensor(x: Any) -> bool:
    """Return whether `x` is a symbolic tensor.

    Examples
    --------
    >>> import cbackprop as cb
    >>> cb.utils.is_keras_tensor(cb.Input((3,))), cb.utils.is_keras_tensor([1.0])
    (True, False)
    """
    return isinstance(x, KerasTensor)


def standardize_dtype(dtype: Any) -> str:
    """Return the name of a type of numbers; `config.floatx` for ``None``.

    Parameters
    ----------
    dtype : str, NumPy type, Python type, or object with a ``dtype``

    Raises
    ------
    ValueError
        If it is not a type of numbers.

    Examples
    --------
    >>> import numpy as np
    >>> import cbackprop as cb
    >>> cb.utils.standardize_dtype(np.float64), cb.utils.standardize_dtype(int), cb.utils.standardize_dtype(None)
    ('float64', 'int32', 'float32')
    """
    if dtype is None:
        return floatx()
    python = {bool: "bool", int: "int32", float: floatx(), str: "string"}
    if isinstance(dtype, type) and dtype in python:
        return python[dtype]
    found = getattr(dtype, "dtype", dtype) if not isinstance(dtype, type) else dtype
    text = str(found).rpartition(".")[2] if "torch" in str(found) or "jax" in str(found) else found
    if text in ("string", "bfloat16"):
        return str(text)
    try:
        name = np.dtype(text).name
    except TypeError:
        name = str(dtype)
    if name not in (*FLOAT_TYPES, *INTEGER_TYPES, "float16", "complex64", "complex128"):
        raise ValueError(f"Invalid dtype: {dtype!r}. Types of numbers are 'float32', 'float64', 'int64', 'bool' ...")
    return name


def get_source_inputs(tensor: KerasTensor) -> list[KerasTensor]:
    """Return the inputs of a network that a symbolic tensor depends on.

    Examples
    --------
    >>> import cbackprop as cb
    >>> x = cb.Input((3,))
    >>> cb.utils.get_source_inputs(cb.layers.Dense(2)(x))[0] is x
    True
    """
    if not isinstance(tensor, KerasTensor):
        raise TypeError(f"tensor must be a symbolic tensor, but got {tensor!r}.")
    found: dict[int, KerasTensor] = {}
    seen: set[int] = set()
    waiting = [tensor]
    while waiting:
        current = waiting.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        if current.node is None or not current.node.inputs:
            found[id(current)] = current
        else:
            waiting.extend(reversed(current.node.inputs))
    return list(found.values())
