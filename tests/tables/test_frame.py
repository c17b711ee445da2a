"""Columns of any kind as NumPy columns."""

import datetime
import decimal

import numpy as np
import pytest

from cbackprop.tables import as_table, check_column, drop_missing, split
from cbackprop.tables.frame import kind_of

DAY = datetime.date(2020, 2, 29)
MOMENT = datetime.datetime(2020, 2, 29, 12, 30)
BERLIN = datetime.timezone(datetime.timedelta(hours=1))

COLUMNS = {
    "whole numbers": ([1, 2], [1, 2], "int64", "number"),
    "a number is missing": ([1, None], [1, np.nan], "float64", "number"),
    "infinite": ([1.0, np.inf], [1, np.inf], "float64", "number"),
    "too large": ([1, 10**400], [1, np.inf], "float64", "number"),
    "larger than int64": ([1, 2**63], [1, 2.0**63], "float64", "number"),
    "uint64": (np.array([1, 2**63], np.uint64), [1, 2.0**63], "float64", "number"),
    "small type": (np.array([1, 2], np.uint8), [1, 2], "int64", "number"),
    "half": (np.array([1, 2], np.float16), [1, 2], "float64", "number"),
    "decimal": ([decimal.Decimal("1.5"), None], [1.5, np.nan], "float64", "number"),
    "numpy's numbers": ([np.float32(1.5), np.int8(2)], [1.5, 2], "float64", "number"),
    "masked": (np.ma.array([1, 2], mask=[False, True]), [1, np.nan], "float64", "number"),
    "nothing": ([None, ""], [np.nan, np.nan], "float64", "number"),
    "booleans": ([True, False], [True, False], "bool", "boolean"),
    "a boolean is missing": ([True, None], [True, None], "object", "boolean"),
    "texts": (["a ", ""], ["a", None], "object", "text"),
    "fixed texts": (np.array(["a", ""]), ["a", None], "object", "text"),
    "texts and numbers": (["a", 1, 2.0, 2.5, True], ["a", "1", "2", "2.5", "true"], "object", "text"),
    "days": ([DAY, None], ["2020-02-29", "NaT"], "datetime64[us]", "time"),
    "moments": ([MOMENT, MOMENT.replace(tzinfo=BERLIN)], ["2020-02-29T12:30", "2020-02-29T11:30"], "<M8[us]", "time"),
    "numpy's days": (np.array(["2020-02-29", "NaT"], "M8[D]"), ["2020-02-29", "NaT"], "<M8[us]", "time"),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_columns(name):
    given, expected, dtype, kind = COLUMNS[name]
    found = as_table({"a": given})["a"]
    assert found.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(found, np.array(expected, found.dtype))
    assert kind_of(found) == kind


def test_arrays_have_numbered_columns():
    found = as_table(np.array([[1, 2], [3, 4]]))
    assert list(found) == ["x0", "x1"]
    assert found["x1"].tolist() == [2, 4]


MISTAKES = {
    "no table": (3, TypeError, "A table must be .* but got int"),
    "a vector": (np.zeros(3), TypeError, "A table must be"),
    "no columns": ({}, ValueError, "has no columns"),
    "no rows": ({"a": []}, ValueError, "has no rows"),
    "lengths": ({"a": [1], "b": [1, 2]}, ValueError, "the same number of rows, but got {'a': 1, 'b': 2}"),
    "the same name": ({"1": [1], 1: [2]}, ValueError, "'1' occurs twice"),
    "a text": ({"a": "abc"}, TypeError, "Column 'a' must be a sequence, but got str"),
    "two axes": ({"a": np.zeros((2, 2))}, ValueError, r"Column 'a' must have one axis, but got shape \(2, 2\)"),
    "complex": ({"a": np.zeros(2, complex)}, TypeError, "Column 'a' must hold .* but holds complex"),
    "lists": ({"a": [[1], [2]]}, TypeError, "but holds list"),
    "times and numbers": ({"a": [DAY, 1]}, TypeError, "one kind of them, but holds datetime64, int"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name):
    table, error, message = MISTAKES[name]
    with pytest.raises(error, match=message):
        as_table(table)


def test_unknown_columns_are_told_with_the_nearest():
    with pytest.raises(ValueError, match=r"The table has no column 'aeg'. Did you mean 'age'\?"):
        check_column("aeg", {"age": [1], "city": [2]})


@pytest.mark.parametrize("share", [0.01, 0.2, 0.25, 0.5, 0.9])
def test_a_split_loses_no_row_and_no_class(share):
    labels = ["a"] * 100 + ["b"] * 50 + ["c"] * 3 + ["d"]
    table = {"row": np.arange(154), "label": labels}
    train, held_out = split(table, share, classes="label", seed=1)
    assert sorted([*train["row"], *held_out["row"]]) == list(range(154))
    assert {*train["label"]} == {"a", "b", "c", "d"}
    for label, count in (("a", 100), ("b", 50)):
        assert abs((held_out["label"] == label).sum() - share * count) <= 1
    again, other = (split(table, share, seed=seed)[1]["row"].tolist() for seed in (1, 2))
    assert split(table, share, seed=1)[1]["row"].tolist() == again != other
    assert abs(len(again) - share * 154) <= 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"share": 0.0}, "share must be greater than 0"),
        ({"share": 1.0}, "below 1"),
        ({"share": 0.1}, "share must leave rows on both sides, but got 0.1 of 3 rows"),
        ({"share": 0.5, "classes": "c"}, "no column 'c'"),
        ({"share": 0.5, "seed": -1}, "seed must be at least 0"),
    ],
)
def test_splits_that_cannot_be(arguments, message):
    with pytest.raises(ValueError, match=message):
        split({"a": [1, 2, 3]}, **arguments)


def test_rows_without_a_value():
    table = {"a": [1, None, 3, 4], "b": ["x", "y", None, "z"], "c": [None] * 4}
    assert drop_missing(table, ["a", "b"])["a"].tolist() == [1, 4]
    with pytest.raises(ValueError, match="No row has a value of 'a' and 'c'"):
        drop_missing(table, ["a", "c"])


def test_rows_as_dicts():
    rows = [{"city": "Rome", "rain": 3}, {"rain": 1.5, "wet": True}, {"city": "Oslo", "wet": False, "rain": None}]
    table = as_table(rows)
    assert list(table) == ["city", "rain", "wet"]
    assert table["city"].tolist() == ["Rome", None, "Oslo"]
    np.testing.assert_array_equal(table["rain"], [3, 1.5, np.nan])
    assert table["wet"].tolist() == [None, True, False]
    for name, column in as_table({"a": [1, 2], "b": ["x", "y"]}).items():
        assert as_table([{"a": 1, "b": "x"}, {"a": 2, "b": "y"}])[name].tolist() == column.tolist()
    with pytest.raises(ValueError, match="no rows"):
        as_table([])
    with pytest.raises(ValueError, match="no columns"):
        as_table([{}])
    with pytest.raises(TypeError, match="a list of rows as dicts, or an array"):
        as_table([{"a": 1}, 2])
