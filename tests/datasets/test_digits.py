import hashlib
import subprocess
import sys

import numpy as np

from cbackprop.datasets import digits


def archive():
    with np.load(digits.ARCHIVE) as file:
        return file["images"], file["labels"]


def test_shapes_dtypes_and_ranges():
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    for x, y, rows in (x_train, y_train, 1437), (x_test, y_test, 360):
        assert x.shape == (rows, 64)
        assert x.dtype == np.float32
        assert x.flags.c_contiguous
        assert (x.min(), x.max()) == (0.0, 1.0)
        assert y.shape == (rows,)
        assert y.dtype == np.int64
        assert set(y.tolist()) == set(range(10))


def test_pixels_are_sixteenths():
    (x_train, _), (x_test, _) = digits.load_data()
    for x in x_train, x_test:
        np.testing.assert_array_equal(x * 16, np.round(x * 16))


def test_every_class_sends_a_fifth_to_the_test_part():
    (_, y_train), (_, y_test) = digits.load_data()
    train, test = np.bincount(y_train), np.bincount(y_test)
    assert (train + test).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]  # UCI's own counts
    assert (np.abs(test - (train + test) / 5) < 1).all()


def test_split_takes_every_row_once():
    train, test = digits.split(archive()[1])
    assert sorted([*train, *test]) == list(range(1797))


def test_parts_are_the_rows_of_the_split():
    images, labels = archive()
    for (x, y), rows in zip(digits.load_data(), digits.split(labels), strict=True):
        np.testing.assert_array_equal(x.reshape(-1, 8, 8), images[rows] / 16)
        np.testing.assert_array_equal(y, labels[rows])


def test_no_image_is_in_both_parts():
    # Holds because the source has no two equal images; a leak of rows would break it.
    (x_train, _), (x_test, _) = digits.load_data()
    assert not {row.tobytes() for row in x_train} & {row.tobytes() for row in x_test}


def test_both_parts_are_shuffled():
    for _, y in digits.load_data():
        # Neighbours differ nine times in ten, give or take sqrt(0.09 / 359) = 0.016 in the smaller part.
        assert abs(np.count_nonzero(np.diff(y)) / (len(y) - 1) - 0.9) < 0.05
    for rows in digits.split(archive()[1]):
        assert abs(np.corrcoef(np.arange(len(rows)), rows)[0, 1]) < 0.1


def test_split_is_the_same_for_ever():
    # Published numbers depend on it: a new digest here is a new data set.
    train, test = digits.split(archive()[1])
    rows = np.concatenate([train, test]).astype("<i8")
    assert (
        hashlib.sha256(rows.tobytes()).hexdigest() == "0d1fe6ff56190e9061425d2816a01553447074ed117c05a90201d45071dbd98f"
    )


def test_calls_give_equal_arrays_that_are_not_shared():
    (first, _), _ = digits.load_data()
    (second, _), _ = digits.load_data()
    np.testing.assert_array_equal(first, second)
    first[...] = 0
    assert second.any()


def test_global_random_state_is_left_alone():
    np.random.seed(3)  # noqa: NPY002 -- the state under test
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(3)  # noqa: NPY002
    digits.load_data()
    assert np.random.random() == expected  # noqa: NPY002


def test_import_reads_no_data_and_load_needs_no_sklearn(tmp_path):
    program = """
import builtins, sys
opened = []
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
from cbackprop import datasets
assert not [name for name in opened if "digits.npz" in name or "ubyte" in name], opened
datasets.digits.load_data()
assert [name for name in opened if "digits.npz" in name]
assert "sklearn" not in sys.modules
"""
    subprocess.run([sys.executable, "-P", "-c", program], check=True, cwd=tmp_path)


def test_licence_note_lies_beside_the_data():
    note = digits.ARCHIVE.with_name("README.md").read_text()
    for word in "digits.npz", "Alpaydin", "Kaynak", "10.24432/C50P49", "CC BY", "Changed":
        assert word in note.replace("\n", " ")
