import gzip
from pathlib import Path

import numpy as np
import pytest

from cbackprop.datasets import fashion_mnist, mnist_files

COUNTS = {"train": 12, "t10k": 5}


def part(count, seed):
    generator = np.random.default_rng(seed)
    images = generator.integers(256, size=(count, 28, 28), dtype=np.uint8)
    return images, generator.integers(10, size=count, dtype=np.uint8)


@pytest.fixture
def write_set(write_idx):
    """A small set in a directory; `suffixes` are those of the four files, in the order of mnist_files.NAMES."""

    def write(directory, suffixes=("", "", "", ""), seed=0):
        directory.mkdir(parents=True, exist_ok=True)
        arrays = [*part(COUNTS["train"], seed), *part(COUNTS["t10k"], seed + 1)]
        for name, suffix, array in zip(mnist_files.NAMES, suffixes, arrays, strict=True):
            write_idx(directory / f"{name}{suffix}", array)
        return arrays

    return write


@pytest.fixture(autouse=True)
def no_data_of_this_machine(monkeypatch, tmp_path):
    monkeypatch.delenv("CBACKPROP_DATA", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(fashion_mnist, "DEBIAN_DIRECTORY", tmp_path / "debian")


def assert_is(loaded, arrays):
    (x_train, y_train), (x_test, y_test) = loaded
    for got, expected in zip([x_train, y_train, x_test, y_test], arrays, strict=True):
        np.testing.assert_array_equal(got, expected, strict=True)


@pytest.mark.parametrize("suffixes", [("",) * 4, (".gz",) * 4, ("", ".gz", ".gz", "")], ids=["plain", "gz", "mixed"])
@pytest.mark.parametrize("kind", [str, Path])
def test_reads_a_directory(tmp_path, write_set, suffixes, kind):
    arrays = write_set(tmp_path, suffixes)
    assert_is(fashion_mnist.load_data(kind(tmp_path)), arrays)


@pytest.mark.parametrize("folder", ["", "fashion-mnist"])
def test_environment_variable_names_the_directory_or_the_one_above(tmp_path, write_set, monkeypatch, folder):
    arrays = write_set(tmp_path / "data" / folder)
    write_set(tmp_path / "debian", seed=9)
    monkeypatch.setenv("CBACKPROP_DATA", str(tmp_path / "data"))
    assert_is(fashion_mnist.load_data(), arrays)


def test_keras_s_own_copy_is_found(tmp_path, write_set):
    arrays = write_set(tmp_path / "keras" / "datasets" / "fashion-mnist", (".gz",) * 4)
    assert_is(fashion_mnist.load_data(), arrays)


def test_an_archive_by_path(tmp_path, write_set):
    arrays = write_set(tmp_path)
    np.savez(tmp_path / "set.npz", **dict(zip(mnist_files.ARRAYS, arrays, strict=True)))
    assert_is(fashion_mnist.load_data(tmp_path / "set.npz"), arrays)


def test_path_comes_before_the_environment_and_that_before_debian(tmp_path, write_set, monkeypatch):
    debian = write_set(tmp_path / "debian", seed=0)
    environment = write_set(tmp_path / "environment", seed=10)
    given = write_set(tmp_path / "given", seed=20)
    assert_is(fashion_mnist.load_data(), debian)
    monkeypatch.setenv("CBACKPROP_DATA", "")
    assert_is(fashion_mnist.load_data(), debian)
    monkeypatch.setenv("CBACKPROP_DATA", str(tmp_path / "environment"))
    assert_is(fashion_mnist.load_data(), environment)
    assert_is(fashion_mnist.load_data(tmp_path / "given"), given)


def test_what_the_user_named_is_not_passed_over(tmp_path, write_set, monkeypatch):
    write_set(tmp_path / "debian")
    with pytest.raises(FileNotFoundError):
        fashion_mnist.load_data(tmp_path / "nowhere")
    monkeypatch.setenv("CBACKPROP_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError):
        fashion_mnist.load_data()


def test_missing_files_are_named_with_place_and_remedy(tmp_path, write_set):
    write_set(tmp_path / "some")
    (tmp_path / "some" / "train-labels-idx1-ubyte").unlink()
    (tmp_path / "some" / "t10k-images-idx3-ubyte").unlink()
    with pytest.raises(FileNotFoundError) as caught:
        fashion_mnist.load_data(tmp_path / "some")
    message = str(caught.value)
    assert f"{tmp_path / 'some'} lacks train-labels-idx1-ubyte, t10k-images-idx3-ubyte (" in message
    assert "apt-get install dataset-fashion-mnist" in message
    assert "CBACKPROP_DATA" in message


def test_every_place_that_was_looked_in_is_named(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"debian lacks train-images-idx3-ubyte, train-labels.*; .*keras/"):
        fashion_mnist.load_data()
    monkeypatch.setenv("CBACKPROP_DATA", str(tmp_path / "root"))
    with pytest.raises(FileNotFoundError, match=r"root/fashion-mnist lacks .*root lacks "):
        fashion_mnist.load_data()


def test_a_directory_in_the_place_of_a_file_is_missing(tmp_path, write_set):
    write_set(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    (tmp_path / "t10k-labels-idx1-ubyte").mkdir()
    with pytest.raises(FileNotFoundError, match="lacks t10k-labels-idx1-ubyte"):
        fashion_mnist.load_data(tmp_path)


WRONG = {
    "images of another size": ("train-images-idx3-ubyte", np.zeros((12, 28, 27), np.uint8), "expected uint8 of shape"),
    "images of rank 2": ("t10k-images-idx3-ubyte", np.zeros((5, 784), np.uint8), "expected uint8 of shape"),
    "images of another type": ("t10k-images-idx3-ubyte", np.zeros((5, 28, 28), np.int16), "got int16"),
    "labels of rank 2": ("train-labels-idx1-ubyte", np.zeros((12, 1), np.uint8), "expected uint8 of shape"),
    "labels of another type": ("train-labels-idx1-ubyte", np.zeros(12, np.int32), "got int32"),
    "too few labels": ("t10k-labels-idx1-ubyte", np.zeros(4, np.uint8), "holds 5 images"),
    "too many labels": ("train-labels-idx1-ubyte", np.zeros(13, np.uint8), "holds 12 images"),
    "an eleventh class": ("t10k-labels-idx1-ubyte", np.full(5, 10, np.uint8), "labels from 0 to 9"),
}


@pytest.mark.parametrize("case", WRONG)
def test_files_that_do_not_fit(tmp_path, write_set, write_idx, case):
    name, array, message = WRONG[case]
    write_set(tmp_path)
    write_idx(tmp_path / name, array)
    with pytest.raises(ValueError, match=message) as caught:
        fashion_mnist.load_data(tmp_path)
    assert name in str(caught.value)


@pytest.mark.parametrize("name", mnist_files.NAMES)
def test_damaged_file_is_named(tmp_path, write_set, name):
    write_set(tmp_path, (".gz",) * 4)
    file = tmp_path / f"{name}.gz"
    file.write_bytes(gzip.compress(gzip.decompress(file.read_bytes())[:-1]))
    with pytest.raises(ValueError, match=f"{name}.gz is not a sound IDX file"):
        fashion_mnist.load_data(tmp_path)


@pytest.mark.parametrize("path", [3, b"data", ["data"], True])
def test_path_of_a_wrong_type(path):
    with pytest.raises(TypeError, match="path must be a string or a path, but got"):
        fashion_mnist.load_data(path)
