"""A few cells that make columns of numbers or times count as texts are named."""

import warnings

import numpy as np
import pytest

from cbackprop import tables
from cbackprop.cli import main
from cbackprop.tables.doubts import doubts

NUMBERS = [f"{value:.5f}" for value in np.random.default_rng(0).normal(size=60)]


def with_cells(cells, values=NUMBERS):
    values = list(values)
    for row, cell in cells.items():
        values[row] = cell
    return values


DOUBTS = {
    "a word": (with_cells({17: "n/a?", 20: "x"}), r"'n/a\?' in row 17, counted from 0: 58 of 60 values are numbers"),
    "beside gaps": (with_cells({0: None, 3: "-"}), r"'-' in row 3, counted from 0: 58 of 59 values are numbers"),
    "one comma": (with_cells({4: "12,5"}), r"'12,5' in row 4, counted from 0: 59 of 60 values are numbers"),
    "commas": (["1", *["0,25", "-3,5", "7"] * 9], "'0,25' in row 1, counted from 0: numbers are written with a point"),
    "times": (["2020-01-05", "2020-02-30", "2020-01-07"], "'2020-02-30' in row 1, counted from 0: 2 of 3 values are t"),
    "texts of numbers": (NUMBERS, f"'{NUMBERS[0]}' in row 0, counted from 0: all values are numbers, but given as te"),
    "numbers and texts": ([1.5, 2, "?!", 4.5], r"'\?!' in row 2, counted from 0: 3 of 4 values are numbers"),
}


@pytest.mark.parametrize("name", DOUBTS)
def test_the_first_of_them_is_named(name):
    values, message = DOUBTS[name]
    table = {"a": values, "b": np.arange(len(values)) % 3, "c": np.arange(len(values)) ** 2}
    with pytest.warns(UserWarning, match=f"Column 'a' counts as texts because of {message}.*categorical=") as told:
        tables.TableEncoder().fit(table)
    assert told[0].filename == __file__
    with pytest.warns(UserWarning, match=message) as told:
        tables.build(table, "b")
    assert len(told) == 1
    assert told[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tables.TableEncoder(categorical=["a"]).fit(table)
        tables.TableEncoder(drop=["a"]).fit(table)


@pytest.mark.parametrize(
    "values",
    [
        ["red", "blue", "3"] * 5,
        ["1", "2", "3"] * 5,
        ["3a", "3b", "4"] * 5,
        ["1", "x"] * 5,
        ["1", "2", "crew"] * 5,
        ["true", "false", "?"],
        [None, None],
        [1.5, None, 2.5],
        [True, None],
        ["1990-x", "b-2"],
    ],
)
def test_texts_are_in_no_doubt(values):
    assert doubts(tables.as_table({"a": values})) == {}


def test_large_columns_of_texts_are_not_read_whole():
    class Counted(str):
        read = 0

        def __float__(self):
            Counted.read += 1
            raise ValueError

    column = np.array([Counted("word")] * 100_000, object)
    assert doubts({"a": column}) == {}
    assert Counted.read <= 1000


def test_targets():
    few = ["1", "2", "2", "1"] * 5 + ["2?"]
    with pytest.warns(UserWarning, match=r"Target 'y' counts as texts because of '2\?' in row 20.*'classification'"):
        assert tables.TargetEncoder("y").fit(few).classes == ["1", "2", "2?"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tables.TargetEncoder("y", "classification").fit(few)
    with pytest.raises(ValueError, match=r"too many for classes\. It counts as texts because of 'x' in row 3"):
        tables.TargetEncoder("y").fit(with_cells({3: "x"}))
    with pytest.raises(
        ValueError, match="for regression, but holds texts, because of 'x' in row 3, counted from 0: 59"
    ):
        tables.TargetEncoder("y", "regression").fit(with_cells({3: "x"}))


def test_the_command_notes_them(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    y = np.where(np.arange(60) == 5, np.nan, np.arange(60.0) ** 2)
    np.savez("d.npz", bad=with_cells({40: "12,5"}), odd=["1", "2"] * 29 + ["3?", "1"], y=y)
    note = (
        "note: bad counts as texts because of '12,5' in row 40, counted from 0: 59 of 60 values are numbers. Mend such "
        "cells, or leave them empty; if these are categories, say --categorical bad"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert main(["train", "d.npz", "--target", "y", "--epochs", "1", "--categorical", "odd"]) == 0
        assert capsys.readouterr().err.splitlines() == [
            note,
            "note: left out because a target is missing: 1 of 60 rows",
            "note: a column left out, because it is different in each row: bad",
        ]
        assert main(["train", "d.npz", "--target", "odd", "--epochs", "1", "--drop", "bad"]) == 0
        assert "note: odd counts as texts because of '3?' in row 58" in capsys.readouterr().err
        assert main(["train", "d.npz", "--target", "y", "--epochs", "1", "--quiet"]) == 0
        assert capsys.readouterr().err == ""
