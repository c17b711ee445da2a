"""Products and convolutions have the same bits, whether or not half vectors compute the last few columns."""

import os
import subprocess
import sys

PROGRAM = """
import hashlib
import numpy as np
from cbackprop.compiled.kernels import from_python
from cbackprop.compiled.kernels.convolution_geometry import Convolution

rng = np.random.default_rng(0)
found = hashlib.sha256()
for columns in (*range(1, 70), 100, 130):
    for dtype in ("float32", "float64"):
        for transposes in ((False, False), (True, False), (False, True)):
            rows, depth = (int(n) for n in rng.integers(1, 40, 2))
            shapes = (rows, depth), (depth, columns)
            a, b = (rng.normal(size=s[::-1] if t else s).astype(dtype) for s, t in zip(shapes, transposes))
            out = np.empty((rows, columns), dtype)
            from_python.product(a, b, out, *transposes)
            found.update(out.tobytes())
        size, channels = int(rng.integers(3, 9)), int(rng.choice([1, 3, 20, 24, 40]))
        sizes = (1, size, size)
        conv = Convolution(sizes, sizes, (1, 3, 3), (1, 1, 1), (1, 1, 1), (0, 1, 1), channels, columns, 1)
        image = rng.normal(size=2 * size * size * channels).astype(dtype)
        kernel = rng.normal(size=9 * channels * columns + 32).astype(dtype)
        maps = rng.normal(size=2 * size * size * columns + 32).astype(dtype)
        for what, result in {"maps": maps, "image": image, "kernel": kernel}.items():
            from_python.convolution(conv, what, image, kernel, maps)
            found.update(result.tobytes())
print(found.hexdigest())
"""


def digest(halves):
    """The hash of all results, computed in another process."""
    environment = {**os.environ, "CBACKPROP_HALVES": halves}
    command = [sys.executable, "-P", "-c", PROGRAM]  # -P: not the source, which may not be built
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout


def test_half_vectors_do_not_change_bits():
    assert digest("0") == digest("1")
