"""Nanoseconds an element of every activation, forward and backward, compiled and in NumPy.

python benchmarks/activations.py [name ...]
"""

import sys
import time

import numpy as np

from cbackprop import activations, config
from cbackprop.compiled.kernels import activations as kernels
from cbackprop.reference import activations as twins

SHAPE = (128, 128)  # fits into the cache, as the output of a layer does
REPEATS = 200


def best_time(run):
    """The shortest of many runs, in nanoseconds an element."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times) / np.prod(SHAPE) * 1e9


def measure(kernel, dtype):
    """Forward and backward, compiled; forward and backward, NumPy."""
    x = np.random.default_rng(0).uniform(-6, 6, SHAPE).astype(dtype)
    y, delta = np.empty_like(x), np.zeros_like(x)
    rows, width, numbers = kernel.layout(SHAPE)
    compiled = kernels.Activation(kernel.name, numbers)
    matrices = [array.reshape(rows, width) for array in (delta, x, y)]
    forward, backward = twins.pair(kernel.name)
    arguments = kernel.numbers if kernel.axis is None else (kernel.axis,)
    return [
        best_time(lambda: compiled.apply(*matrices[1:])),
        best_time(lambda: compiled.apply_backward(*matrices)),
        best_time(lambda: forward(x, *arguments)),
        best_time(lambda: backward(delta, x, y, *arguments)),
    ]


def main(names):
    config.show()
    titles = ["compiled", "backward", "NumPy", "backward"]
    for dtype in ("float32", "float64"):
        print(f"\n{dtype:20}" + "".join(f"{title:>10}" for title in titles))
        for name in names or [name for name, _ in activations.registry]:
            numbers = measure(activations.get(name).kernel(), dtype)
            print(f"{name:20}" + "".join(f"{number:10.2f}" for number in numbers))


main(sys.argv[1:])
