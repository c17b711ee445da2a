"""Compiled code finds every number that is not finite, wherever it stands."""

import numpy as np
import pytest

from cbackprop.compiled.kernels.vectors import is_finite
from cbackprop.losses.target import NotFiniteError, check_finite


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [*range(1, 36), *range(62, 67), 150, 1000])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_number_among_many(dtype, size, bad):
    array = np.full(size, np.finfo(dtype).max, dtype)  # their sum would be infinite
    assert is_finite(array)
    for place in range(size):
        array[place] = bad
        assert not is_finite(array)
        array[place] = 1.0


def test_empty_arrays_are_finite():
    assert is_finite(np.empty((3, 0), np.float32))


def test_only_contiguous_memory_is_read():
    with pytest.raises(ValueError, match="contiguous"):
        is_finite(np.zeros((4, 4), np.float32)[:, ::2])


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f4", ">f8", "longdouble"])
@pytest.mark.parametrize(
    "view",
    [np.array, lambda a: a[:, ::2], lambda a: a[::-1], np.asfortranarray, lambda a: np.broadcast_to(a, (5, 6, 8))],
)
def test_arrays_in_any_form_are_searched(dtype, view):
    array = np.ones((6, 8), dtype)
    check_finite("x", view(array))
    array[4, 2] = np.nan
    with pytest.raises(NotFiniteError, match="x must be finite, but got nan"):
        check_finite("x", view(array))
