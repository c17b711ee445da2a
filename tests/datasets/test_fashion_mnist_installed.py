"""The real Fashion-MNIST, from Debian's package; test_fashion_mnist.py tests the loader everywhere."""

import hashlib

import numpy as np
import pytest

from cbackprop.datasets import fashion_mnist

DIRECTORY = fashion_mnist.DEBIAN_DIRECTORY

# SHA-256 of the values of each array. Debian strips name and time from the gzip headers; with these put back
# (31 August 2017, 10:50:06 UTC for train-*, 10:50:27 UTC for t10k-*) the MD5 of each of its four files is the one that
# the README.md of github.com/zalandoresearch/fashion-mnist publishes.
SHA256 = [
    "2e487a6c89124f78f2d7521542223cafe96f7123c3ca13d447772ac6ecbb3012",
    "657fbd221bfc9f4198cc14b5619cc33ec57c58dd0e47af4d99d6650759e869a7",
    "c867c93ff95360594e8ec3287995350b824dd110b11595c0e13d5423f621867a",
    "3d0e6c6ea990b53b6f8f500a41cac93881d981b315f84578b7d915342ade01e9",
]


@pytest.fixture(scope="module")
def installed():
    if not DIRECTORY.is_dir():
        pytest.skip(f"no data in {DIRECTORY}: 'apt-get install dataset-fashion-mnist' makes this test run")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("CBACKPROP_DATA", raising=False)
        return fashion_mnist.load_data()


def test_every_value_is_zalandos(installed):
    (x_train, y_train), (x_test, y_test) = installed
    for array, digest in zip([x_train, y_train, x_test, y_test], SHA256, strict=True):
        assert hashlib.sha256(array.tobytes()).hexdigest() == digest


def test_shapes_dtypes_and_classes_are_those_of_keras(installed):
    for (x, y), rows in zip(installed, (60_000, 10_000), strict=True):
        assert x.shape == (rows, 28, 28)
        assert x.dtype == y.dtype == np.uint8
        assert y.shape == (rows,)
        assert (x.min(), x.max()) == (0, 255)
        assert np.bincount(y).tolist() == [rows // 10] * 10


def test_values_are_in_their_places(installed):
    (x_train, y_train), _ = installed
    # Known of the set: the first image is an ankle boot; the mean and deviation of all training pixels.
    assert y_train[0] == 9
    assert x_train.mean() / 255 == pytest.approx(0.2860, abs=5e-5)
    assert x_train.std() / 255 == pytest.approx(0.3530, abs=5e-5)
