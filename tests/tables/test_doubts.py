"""Texts in Python's tables that look like numbers or times: `build` reads them, encoders alone warn of them."""

import warnings

import numpy as np
import pytest

from cbackprop import tables
from cbackprop.cli import main
from cbackprop.tables.doubts import doubt_of

NUMBERS = [f"{value:.5f}" for value in np.random.default_rng(0).normal(size=60)]


def with_cells(cells, values=NUMBERS):
    values = list(values)
    for row, cell in cells.items():
        values[row] = cell
    return values


DAYS = [f"2020-01-{day:02}" for day in range(1, 31)]
READ = {
    "a word": (
        with_cells({17: "n/a?", 20: "x"}),
        "taken for missing: 'n/a\\?' in row 17, counted from 0, 'x' in row 20",
    ),
    "beside gaps": (with_cells({0: None, 3: "-"}), "taken for missing: '-' in row 3"),
    "one comma": (with_cells({4: "12,5"}), "taken for missing: '12,5' in row 4"),
    "commas": (["1", *["0,25", "-3,5", "7"] * 9], "decimal comma"),
    "a day that is none": (with_cells({1: "2020-02-30"}, DAYS), "taken for missing: '2020-02-30' in row 1"),
    "zones": ([f"{day}T12:00+01:00" for day in DAYS], "converted to UTC"),
}


@pytest.mark.parametrize("name", READ)
def test_build_reads_them_and_warns(name):
    values, how = READ[name]
    table = {"a": values, "b": np.arange(len(values)) % 3, "c": np.arange(len(values)) ** 2}
    with pytest.warns(UserWarning, match=f"Column 'a' is read as (numbers|times): {how}") as told:
        model = tables.build(table, "b")
    assert len(told) == 1
    assert told[0].filename == __file__
    assert model.encoder.columns[0].kind in ("number", "time")
    with pytest.warns(UserWarning, match=r"Column 'a' counts as texts, but could be read as .*categorical=") as told:
        tables.TableEncoder().fit(table)
    assert told[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(model.predict({"a": values[:9], "c": range(9)})) == 9
        tables.TableEncoder(categorical=["a"]).fit(table)
        tables.TableEncoder(drop=["a"]).fit(table)
        tables.build(table, "b", encoder=tables.TableEncoder(categorical=["a"]))
        tables.build(table, "b", reader=tables.TableReader(types={"a": "category"}).fit(table))


def test_texts_of_numbers_are_numbers():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = tables.build({"a": NUMBERS, "b": np.arange(60) % 3}, "b")
    assert model.encoder.columns[0].kind == "number"


@pytest.mark.parametrize(
    "values",
    [
        ["red", "blue", "3"] * 5,
        ["1", "2", "3"] * 5,
        ["3a", "3b", "4"] * 5,
        ["1", "x"] * 5,
        ["1", "2", "crew"] * 5,
        [None, None],
        [1.5, None, 2.5],
        [True, None],
        ["1990-x", "b-2"],
        ["", "", "INF"],
        ["-", "?", "n/a", "-inf"],
        ["INF", "INF", "x"],
    ],
)
def test_texts_are_in_no_doubt(values):
    assert doubt_of(tables.as_table({"a": values})["a"]) == ""


def test_texts_that_cannot_be_read_are_doubtful():
    table = tables.as_table({"units": [f"{row} {'kg' if row % 2 else 'g'}" for row in range(30)], "b": [1, 2, 3] * 10})
    with pytest.warns(
        UserWarning, match=r"'units' counts as texts, but is not read as numbers, because they have diff"
    ):
        tables.TableEncoder().fit(table)
    with pytest.warns(UserWarning, match=r"'units' is not read as numbers, because they have different units"):
        tables.build(table | {"c": [*range(15)] * 2}, "b")
    days = [f"0{1 + row % 9}/0{1 + row % 7}/2018" for row in range(30)]
    with pytest.warns(UserWarning, match="but holds dates such as '01/01/2018', in which day and month cannot be"):
        tables.TableEncoder().fit(table | {"units": days})
    with pytest.raises(ValueError, match="Column 'units' holds dates such as '01/01/2018', in which day and month"):
        tables.build(table | {"units": days}, "b")


def test_targets():
    few = ["1", "2", "2", "1"] * 5 + ["2?"]
    with pytest.warns(UserWarning, match=r"Target 'y' counts as texts, but could be read as numbers.*'classification'"):
        assert tables.TargetEncoder("y").fit(few).classes == ["1", "2", "2?"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tables.TargetEncoder("y", "classification").fit(few)
    with pytest.raises(ValueError, match=r"too many for classes\. It counts as texts, but could be read as numbers"):
        tables.TargetEncoder("y").fit(with_cells({3: "x"}))
    with pytest.raises(ValueError, match="for regression, but holds texts, but could be read as numbers"):
        tables.TargetEncoder("y", "regression").fit(with_cells({3: "x"}))


def test_the_command_notes_them(tmp_path, capsys, monkeypatch):
    """In files of any kind."""
    monkeypatch.chdir(tmp_path)
    y = np.where(np.arange(60) == 5, np.nan, np.arange(60.0) ** 2)
    np.savez("d.npz", bad=with_cells({40: "12,5"}), odd=["1", "2"] * 29 + ["3?", "1"], y=y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert main(["train", "d.npz", "--target", "y", "--epochs", "1", "--categorical", "odd", "--save", "m"]) == 0
        printed = capsys.readouterr()
        assert printed.err.splitlines() == [
            "note: bad is read as numbers: taken for missing: '12,5' in row 40, counted from 0",
            "note: left out because a target is missing: 1 of 60 rows",
        ]
        assert "\nnumbers: bad\ncategories: odd\npredicted numbers: y\n" in printed.out
        assert main(["predict", "m", "d.npz"]) == 0
        assert main(["train", "d.npz", "--target", "odd", "--epochs", "1", "--drop", "bad"]) == 0
        assert "note: odd is read as numbers: taken for missing: '3?' in row 58" in capsys.readouterr().err
        assert main(["train", "d.npz", "--target", "y", "--epochs", "1", "--quiet"]) == 0
        assert capsys.readouterr().err == ""
