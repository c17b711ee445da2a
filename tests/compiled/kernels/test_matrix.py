"""Matrix products in register tiles, against NumPy in float64."""

import numpy as np
import pytest
from locked_pages import beside_locked_pages, needs_locked_pages

from cbackprop.compiled.kernels.from_python import product

# Sizes near the sizes of vectors (4 to 16), tiles (6, 8), panels (48) and blocks (256, 320).
SIZES = [1, 2, 3, 5, 8, 13, 16, 17, 31, 48, 49, 96, 100, 256, 257, 300, 320, 321]
TOLERANCES = {"float32": 2e-6, "float64": 4e-15}


def operand(rows, columns, transposed, dtype, rng):
    """A matrix in memory, and the matrix that it stands for in a product."""
    stored = rng.normal(size=(columns, rows) if transposed else (rows, columns)).astype(dtype)
    return stored, (stored.T if transposed else stored).astype(np.float64)


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("transpose_b", [False, True])
@pytest.mark.parametrize("transpose_a", [False, True])
def test_products(transpose_a, transpose_b, dtype, rng):
    shapes = [tuple(rng.choice(SIZES, 3)) for _ in range(150)] + [(400, 300, 600), (70, 1100, 300), (1, 1, 1)]
    shapes.append((1024, 200, 150))  # rows of A^T are whole pages apart
    shapes.append((700, 1100, 7))  # C is large and sums are short
    shapes += [(13, 600, 40), (20, 1024, 600)]  # rows of B are far apart, or whole pages
    for m, n, k in shapes:
        a, left = operand(m, k, transpose_a, dtype, rng)
        b, right = operand(k, n, transpose_b, dtype, rng)
        out = np.full((m, n), np.nan, dtype)
        product(a, b, out, transpose_a, transpose_b)
        scale = np.abs(left) @ np.abs(right)
        assert (np.abs(out - left @ right) <= TOLERANCES[dtype] * scale).all(), (m, n, k)


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("transpose_b", [False, True])
@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize("add", [False, True])
def test_bias_and_addition(add, transpose_a, transpose_b, dtype, rng):
    """In each way through a product: tiles, packed or not, with parts of vectors, a single row, a single column."""
    for m, n, k in [
        (1, 256, 300),
        (1, 64, 17),
        (1, 5, 9),
        (50, 1, 37),
        (3, 1, 5),
        (1, 1, 4),
        (20, 24, 300),
        (300, 320, 700),
        (13, 23, 40),
        (29, 7, 300),
        (64, 300, 130),
        (40, 4, 37),
        (6, 53, 300),
        (300, 5, 22),
    ]:
        a, left = operand(m, k, transpose_a, dtype, rng)
        b, right = operand(k, n, transpose_b, dtype, rng)
        bias, out = rng.normal(size=n).astype(dtype), rng.normal(size=(m, n)).astype(dtype)
        expected = left @ right + bias + (out.astype(np.float64) if add else 0)
        product(a, b, out, transpose_a, transpose_b, bias=bias, add=add)
        scale = np.abs(left) @ np.abs(right) + 10
        assert (np.abs(out - expected) <= TOLERANCES[dtype] * scale).all(), (m, n, k)


def test_a_bias_of_another_width_is_refused():
    with pytest.raises(ValueError, match="bias does not fit"):
        product(np.ones((2, 3)), np.ones((3, 4)), np.ones((2, 4)), bias=np.ones(3))


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("transpose_b", [False, True])
def test_rows_do_not_depend_on_how_many_there_are(transpose_b, dtype, rng):
    """Threads share rows: each must be the same to the last bit in any company.

    With 320 columns, few rows are multiplied by B where it lies, and many by B in packed blocks. Where a product reads
    across an operand, the rows that are left over do not.
    """
    shapes = [(7, 300), (64, 64), (64, 320), (64, 321), (300, 700), (320, 700)]
    shapes += [(1, 500), (1, 47), (500, 33), (3, 300), (5, 23), (600, 1024), (9, 1100)]
    for n, k in shapes:
        a, _ = operand(200, k, False, dtype, rng)
        b, _ = operand(k, n, transpose_b, dtype, rng)
        whole = np.empty((200, n), dtype)
        product(a, b, whole, False, transpose_b)
        for begin, end in [(0, 1), (3, 50), (8, 72), (70, 76), (100, 200)]:
            part = np.empty((end - begin, n), dtype)
            product(a[begin:end], b, part, False, transpose_b)
            assert part.tobytes() == whole[begin:end].tobytes()


def test_nothing_beside_the_result_is_touched(rng):
    for m, n in [(1, 1), (5, 3), (8, 17), (6, 31), *((20, n) for n in range(1, 36))]:
        around = np.full((m + 2, n), 7.0, np.float32)
        product(np.ones((m, 4), np.float32), np.ones((4, n), np.float32), around[1:-1])
        assert (around[0] == 7).all()
        assert (around[-1] == 7).all()
        assert (around[1:-1] == 4).all()


@needs_locked_pages
@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("at_end", [False, True])
def test_nothing_outside_of_the_operands_is_read(at_end, dtype, rng):
    for transpose_a, transpose_b in [(False, False), (True, False), (False, True), (True, True)]:
        for m, n, k in [tuple(rng.choice(SIZES, 3)) for _ in range(40)] + [(8, 8, 126), (8, 16, 126), (40, 4, 37)]:
            a = beside_locked_pages((k, m) if transpose_a else (m, k), dtype, at_end)
            b = beside_locked_pages((n, k) if transpose_b else (k, n), dtype, at_end)
            bias, out = (beside_locked_pages(shape, dtype, at_end) for shape in ((n,), (m, n)))
            a[...], b[...], bias[...] = 1, 2, 3
            product(a, b, out, transpose_a, transpose_b, bias=bias)
            assert (out == 2 * k + 3).all()


def test_nan_and_infinity_pass_through():
    a = np.array([[np.nan, 1.0], [np.inf, 1.0], [0.0, 1.0]], np.float32)
    out = np.empty((3, 3), np.float32)
    product(a, np.ones((2, 3), np.float32), out)
    assert np.isnan(out[0]).all()
    assert np.isinf(out[1]).all()
    assert (out[2] == 1).all()


@pytest.mark.parametrize(
    ("a", "b", "out"), [((2, 3), (4, 5), (2, 5)), ((2, 3), (3, 5), (2, 4)), ((2, 3), (3, 5), (3, 5))]
)
def test_wrong_shapes_are_refused(a, b, out):
    with pytest.raises(ValueError, match="do not fit"):
        product(np.zeros(a), np.zeros(b), np.zeros(out))


def test_empty_matrices_are_refused():
    with pytest.raises(ValueError, match="empty"):
        product(np.zeros((2, 0)), np.zeros((0, 3)), np.zeros((2, 3)))
