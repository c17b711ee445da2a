"""MNIST by path: Keras's archive, and IDX files (test_fashion_mnist.py tests wrong ones)."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from cbackprop.datasets import mnist, mnist_files

RNG = np.random.default_rng(0)
ARRAYS = {
    "x_train": RNG.integers(256, size=(12, 28, 28), dtype=np.uint8),
    "y_train": RNG.integers(10, size=12, dtype=np.uint8),
    "x_test": RNG.integers(256, size=(5, 28, 28), dtype=np.uint8),
    "y_test": RNG.integers(10, size=5, dtype=np.uint8),
}


@pytest.fixture(autouse=True)
def no_data_of_this_machine(monkeypatch, tmp_path):
    monkeypatch.delenv("CBACKPROP_DATA", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.chdir(tmp_path)


def write(path, **changes):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **(ARRAYS | changes))
    return path


def assert_is_loaded(loaded):
    (x_train, y_train), (x_test, y_test) = loaded
    for got, expected in zip([x_train, y_train, x_test, y_test], ARRAYS.values(), strict=True):
        np.testing.assert_array_equal(got, expected, strict=True)


@pytest.mark.parametrize("kind", [str, Path])
def test_an_archive(tmp_path, kind):
    assert_is_loaded(mnist.load_data(kind(write(tmp_path / "any.npz"))))


def test_a_folder(tmp_path, write_idx):
    for name, suffix, array in zip(mnist_files.NAMES, ("", ".gz", "", ".gz"), ARRAYS.values(), strict=True):
        write_idx(tmp_path / f"{name}{suffix}", array)
    assert_is_loaded(mnist.load_data(tmp_path))


@pytest.mark.parametrize("path", [None, "mnist.npz"])
def test_keras_s_own_copy_is_found(tmp_path, path):
    write(tmp_path / "keras/datasets/mnist.npz")
    assert_is_loaded(mnist.load_data(path))
    with pytest.raises(FileNotFoundError, match=r"MNIST was not found: there is no file other\.npz"):
        mnist.load_data("other.npz")


def test_keras_s_folder_is_in_the_home(monkeypatch, tmp_path):
    monkeypatch.delenv("KERAS_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path / ".keras/datasets/mnist.npz")
    assert_is_loaded(mnist.load_data())


def test_the_environment_variable(tmp_path, monkeypatch, write_idx):
    monkeypatch.setenv("CBACKPROP_DATA", str(tmp_path / "data"))
    write(tmp_path / "keras/datasets/mnist.npz")
    with pytest.raises(FileNotFoundError, match=r"data/mnist lacks train-images.*; there is no file .*data/mnist.npz"):
        mnist.load_data()
    # Files in the folder itself may be another data set in the same form.
    (tmp_path / "data").mkdir()
    for name, array in zip(mnist_files.NAMES, ARRAYS.values(), strict=True):
        write_idx(tmp_path / "data" / name, array)
    with pytest.raises(FileNotFoundError):
        mnist.load_data()
    write(tmp_path / "data/mnist.npz")
    assert_is_loaded(mnist.load_data())


WRONG = {
    "images of another size": ({"x_train": np.zeros((12, 27, 28), np.uint8)}, "x_train: expected uint8 of shape"),
    "flat images": ({"x_test": np.zeros((5, 784), np.uint8)}, "x_test: expected uint8 of shape"),
    "images of another type": ({"x_test": np.zeros((5, 28, 28))}, "got float64"),
    "no images": ({"x_test": np.zeros((0, 28, 28), np.uint8), "y_test": np.zeros(0, np.uint8)}, "x_test: expected"),
    "labels of rank 2": ({"y_train": np.zeros((12, 1), np.uint8)}, "y_train: expected uint8 of shape"),
    "too few labels": ({"y_test": np.zeros(4, np.uint8)}, "x_test holds 5 images, but .*y_test 4 labels"),
    "an eleventh class": ({"y_train": np.full(12, 10, np.uint8)}, "y_train: expected labels from 0 to 9, but got 10"),
    "objects": ({"x_train": np.array([None] * 12)}, "is not a sound NPZ file: Object arrays"),
}


@pytest.mark.parametrize("case", WRONG)
def test_archives_that_do_not_fit(tmp_path, case):
    changes, message = WRONG[case]
    with pytest.raises(ValueError, match=message) as caught:
        mnist.load_data(write(tmp_path / "some.npz", **changes))
    assert "some.npz" in str(caught.value)


def test_a_missing_array_is_named(tmp_path):
    np.savez(tmp_path / "a.npz", x_train=ARRAYS["x_train"])
    with pytest.raises(
        ValueError, match=r"a.npz has no array 'y_train': it must hold x_train, y_train, x_test, y_test"
    ):
        mnist.load_data(tmp_path / "a.npz")


@pytest.mark.parametrize("damage", ["empty", "half", "text", "flipped", "one array", "too large"])
def test_damaged_archives_are_named(tmp_path, damage):
    path = write(tmp_path / "some.npz")
    content = path.read_bytes()
    if damage == "one array":
        np.save(tmp_path / "some.npy", ARRAYS["x_train"])
        path = tmp_path / "some.npy"
    elif damage == "too large":
        head = io.BytesIO()
        np.lib.format.write_array_header_1_0(head, {"descr": "|u1", "fortran_order": False, "shape": (2**50, 28, 28)})
        with zipfile.ZipFile(path, "w") as archive:
            for name in mnist_files.ARRAYS:
                archive.writestr(f"{name}.npy", head.getvalue())
    else:
        middle = len(content) // 2
        flipped = (
            content[:middle] + bytes(255 - byte for byte in content[middle : middle + 40]) + content[middle + 40 :]
        )
        path.write_bytes({"empty": b"", "half": content[:middle], "text": b"text", "flipped": flipped}[damage])
    with pytest.raises(ValueError, match=r"some\.np[zy] is not a sound NPZ file"):
        mnist.load_data(path)


@pytest.mark.parametrize("path", [3, b"data", ["data"], True])
def test_path_of_a_wrong_type(path):
    with pytest.raises(TypeError, match="path must be a string or a path, but got"):
        mnist.load_data(path)
