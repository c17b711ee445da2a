"""The bundled digits are scikit-learn's, and the recipe in README.md makes them."""

import re

import numpy as np
import sklearn.datasets

from cbackprop.datasets import digits


def test_archive_holds_the_rows_of_sklearn_in_their_order():
    source = sklearn.datasets.load_digits()
    with np.load(digits.ARCHIVE) as archive:
        assert sorted(archive.files) == ["images", "labels"]
        np.testing.assert_array_equal(archive["images"], source.images.astype(np.uint8), strict=True)
        np.testing.assert_array_equal(archive["labels"], source.target.astype(np.uint8), strict=True)
    np.testing.assert_array_equal(source.images, source.images.astype(np.uint8))


def test_both_parts_are_rows_of_sklearn():
    source = sklearn.datasets.load_digits()
    for (x, y), rows in zip(digits.load_data(), digits.split(source.target), strict=True):
        np.testing.assert_array_equal(x, source.data[rows] / 16)
        np.testing.assert_array_equal(y, source.target[rows])


def test_recipe_in_the_readme_makes_the_archive(tmp_path, monkeypatch):
    readme = digits.ARCHIVE.with_name("README.md").read_text()
    (recipe,) = re.findall(r"^```python\n(.*?)^```$", readme, re.DOTALL | re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    exec(compile(recipe, "README.md", "exec"), {})
    with np.load(tmp_path / "digits.npz") as made, np.load(digits.ARCHIVE) as bundled:
        assert made.files == bundled.files
        for name in made.files:
            np.testing.assert_array_equal(made[name], bundled[name], strict=True)
