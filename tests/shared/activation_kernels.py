"""Activations that keep the shape, and calls of their kernels."""

import numpy as np
import pytest

from cbackprop import activations
from cbackprop.compiled.kernels import activations as kernels

# Activations that halve an axis are tested in tests/activations/test_glu.py.
REGISTERED = {name: function for name, function in activations.registry if not function.kernel().halves}
TYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])


def run_kernel(function, x):
    """y = f(x) by the compiled kernel."""
    kernel = function.kernel()
    rows, width, numbers = kernel.layout(x.shape)
    y = np.full_like(x, 123)
    kernels.Activation(kernel.name, numbers).apply(x.reshape(rows, width), y.reshape(rows, width))
    return y


def run_kernel_backward(function, delta, x, y):
    """delta f'(x) by the compiled kernel, which is given NaN for the one of x and y that it must not read."""
    kernel = function.kernel()
    rows, width, numbers = kernel.layout(x.shape)
    if kernels.reads_input(kernel.name):
        y = np.full_like(y, np.nan)
    else:
        x = np.full_like(x, np.nan)
    delta = delta.copy()
    kernels.Activation(kernel.name, numbers).apply_backward(*(a.reshape(rows, width) for a in (delta, x, y)))
    return delta
