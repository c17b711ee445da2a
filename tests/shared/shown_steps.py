"""Masks of sequences, for models of time steps."""

import numpy as np

STEPS = 5
# Nothing hidden, everything, the first step, the last one, some at the beginning, some at the end, and others.
SHOWN = np.array(
    [
        [1, 1, 1, 1, 1],
        [0, 0, 0, 0, 0],
        [0, 1, 1, 1, 1],
        [1, 1, 1, 1, 0],
        [0, 0, 0, 1, 1],
        [1, 1, 0, 0, 0],
        [0, 1, 0, 1, 0],
    ]
)


def as_list(value):
    """All arrays of an output, however they are nested."""
    return [value] if isinstance(value, np.ndarray) else [array for part in value for array in as_list(part)]
