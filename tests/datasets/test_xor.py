import numpy as np

from cbackprop.datasets import xor


def test_truth_table():
    x, y = xor.load_data()
    np.testing.assert_array_equal(x, np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32), strict=True)
    np.testing.assert_array_equal(y, np.array([[0], [1], [1], [0]], np.float32), strict=True)


def test_rows_repeat_and_need_not_be_a_multiple_of_four():
    x, y = xor.load_data(samples=10)
    assert x.shape == (10, 2)
    assert y.shape == (10, 1)
    for row in range(10):
        a, b = x[row].astype(int)
        assert (a, b) == divmod(row % 4, 2)
        assert y[row, 0] == a ^ b


def test_arrays_are_not_shared():
    x, y = xor.load_data()
    x[...] = y[...] = 7
    assert xor.load_data()[0].max() == 1
    assert xor.load_data()[1].max() == 1
