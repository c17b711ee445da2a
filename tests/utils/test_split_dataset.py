"""split_dataset as datasets of samples, and of such datasets."""

import numpy as np
import pytest

from cbackprop import utils


class Dataset:
    """A dataset in PyTorch's style: a length, and a sample at each index."""

    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if not 0 <= index < self.count:
            raise IndexError
        return {"x": np.full((2, 3), index), "more": (index, float(index))}, index


@pytest.mark.parametrize("shape", [(2,), (10, 2), ()])
@pytest.mark.parametrize("kind", [list, tuple])
def test_parts_are_datasets_of_samples_for_torch(kind, shape):
    x, y = np.random.default_rng(0).normal(size=(100, *shape)), np.arange(100.0).reshape(-1, 1)
    left, right = utils.split_dataset(kind([x, y]), left_size=0.2, right_size=0.8, preferred_backend="torch")
    assert (len(left), len(right)) == (20, 80)
    samples = [*left, *right]
    assert len(samples) == 100
    for i, sample in enumerate(samples):
        assert isinstance(sample, kind)
        np.testing.assert_array_equal(sample[0], x[i])
        np.testing.assert_array_equal(sample[1], y[i])
    np.testing.assert_array_equal(right[-1][0], x[-1])
    for index in (80, -81):
        with pytest.raises((IndexError, ValueError), match="index must be"):
            right[index]


def test_datasets_of_samples_are_taken():
    left, right = utils.split_dataset(Dataset(10), left_size=7)
    assert left[0]["x"].shape == (7, 2, 3)
    assert right[0]["x"].shape == (3, 2, 3)
    np.testing.assert_array_equal(left[1], np.arange(7))
    np.testing.assert_array_equal(right[0]["more"][1], [7.0, 8.0, 9.0])
    left, right = utils.split_dataset(Dataset(10), right_size=0.5, shuffle=True, seed=3, preferred_backend="torch")
    assert sorted(sample[1] for part in (left, right) for sample in part) == list(range(10))
    assert all(sample[0]["more"][0] == sample[1] for sample in left)
    with pytest.raises(ValueError, match="at least one sample"):
        utils.split_dataset(Dataset(0), left_size=1)


def test_samples_of_different_parts_are_refused():
    class Uneven(Dataset):
        def __getitem__(self, index):
            return (1,) * (1 + index % 2)

    with pytest.raises(ValueError, match="the same parts"):
        utils.split_dataset(Uneven(4), left_size=2)
