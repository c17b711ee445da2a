"""Matrix products by BLAS, behind the same function as those by tiles, against NumPy in float64."""

import numpy as np
import pytest

from cbackprop.compiled.kernels import blas
from cbackprop.compiled.kernels.from_python import product

TOLERANCES = {"float32": 2e-6, "float64": 4e-15}
# Single rows and columns are products with a vector, which BLAS has other functions for.
SHAPES = [(1, 1, 1), (1, 40, 300), (50, 1, 37), (1, 1, 9), (3, 5, 1), (20, 24, 300), (13, 23, 40), (29, 7, 300)]


def operands(m, n, k, transpose_a, transpose_b, dtype, rng):
    a = rng.normal(size=(k, m) if transpose_a else (m, k)).astype(dtype)
    b = rng.normal(size=(n, k) if transpose_b else (k, n)).astype(dtype)
    left, right = a.T if transpose_a else a, b.T if transpose_b else b
    return a, b, left.astype(np.float64), right.astype(np.float64)


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("transpose_b", [False, True])
@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize("with_bias", [False, True])
@pytest.mark.parametrize("add", [False, True])
def test_products(add, with_bias, transpose_a, transpose_b, dtype, rng):
    for m, n, k in SHAPES:
        a, b, left, right = operands(m, n, k, transpose_a, transpose_b, dtype, rng)
        bias = rng.normal(size=n).astype(dtype) if with_bias else None
        before = rng.normal(size=(m, n)).astype(dtype)
        expected = left @ right + (before if add else 0) + (bias if with_bias else 0)
        for rows in (1, 16, m):
            out = before.copy() if add else np.full((m, n), np.nan, dtype)
            product(a, b, out, transpose_a, transpose_b, bias=bias, add=add, blas_rows=rows)
            scale = np.abs(left) @ np.abs(right) + 10
            assert (np.abs(out - expected) <= TOLERANCES[dtype] * scale).all(), (m, n, k, rows)


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("transpose_b", [False, True])
def test_blocks_of_rows_do_not_depend_on_those_beside_them(transpose_b, dtype, rng):
    """Each thread has some of the blocks. The result is the same as if one thread had all of them."""
    for n, k in [(7, 300), (64, 64), (300, 700), (1, 500), (500, 33)]:
        a, b, _, _ = operands(200, n, k, False, transpose_b, dtype, rng)
        whole = np.empty((200, n), dtype)
        product(a, b, whole, False, transpose_b, blas_rows=16)
        for begin, end in [(0, 16), (16, 96), (96, 200), (192, 200)]:
            part = np.empty((end - begin, n), dtype)
            product(a[begin:end], b, part, False, transpose_b, blas_rows=16)
            assert part.tobytes() == whole[begin:end].tobytes()


def test_what_was_in_the_result_does_not_matter(rng):
    for m, n in [(1, 5), (5, 1), (5, 6)]:
        out = np.full((m, n), np.nan, np.float32)
        product(np.ones((m, 4), np.float32), np.ones((4, n), np.float32), out, blas_rows=m)
        assert (out == 4).all()


@pytest.fixture
def small_integers():
    before = blas.get_largest()
    blas.set_largest(20)
    yield
    blas.set_largest(before)


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize(
    ("m", "n", "k", "fits"), [(20, 20, 20, True), (15, 21, 3, False), (15, 3, 21, False), (21, 3, 5, True)]
)
def test_tiles_take_what_blas_cannot_be_told(m, n, k, fits, dtype, small_integers, rng):
    """Rows of C are no matter: BLAS gets a block of them at a time."""
    a, b, _, _ = operands(m, n, k, False, False, dtype, rng)
    by_tiles, out = np.empty((m, n), dtype), np.empty((m, n), dtype)
    product(a, b, by_tiles)
    product(a, b, out, blas_rows=16)
    np.testing.assert_allclose(out, by_tiles, rtol=1e-4, atol=1e-4)
    if not fits:
        assert out.tobytes() == by_tiles.tobytes()
    a[0, 0] += 1
    product(a, b, out, blas_rows=16)
    assert not (out[0] == by_tiles[0]).all()


def test_largest_number_of_blas():
    assert blas.get_largest() in (2**31 - 1, 2**63 - 1)
