"""Tables as numbers: known ones, any ones, and back from JSON."""

import copy
import datetime
import json
from contextlib import contextmanager

import numpy as np
import plain_values
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbackprop.tables import TableEncoder

HOUR = datetime.timedelta(hours=1)


def through_json(encoder):
    return TableEncoder.from_config(json.loads(json.dumps(encoder.get_config(), allow_nan=False)))


def test_numbers_are_standardised_and_the_median_stands_for_missing_ones():
    encoder = TableEncoder().fit({"a": [1.0, 2.0, 6.0, None], "b": [True, False, False, False]})
    assert encoder.feature_names == ["a", "a is missing", "b"]
    mean, scale = 3.0, np.std([1, 2, 6])
    expected = np.array([[(1 - mean) / scale, 0], [(2 - mean) / scale, 0], [(6 - mean) / scale, 0], [-1 / scale, 1]])
    found = encoder.transform({"b": ["true", "FALSE", 0.0, 0], "a": ["1", 2, 6, np.inf]}, "float64")
    np.testing.assert_allclose(found[:, :2], expected, rtol=1e-15)
    np.testing.assert_allclose(found[:, 2], [np.sqrt(3), *3 * [-1 / np.sqrt(3)]], rtol=1e-15)


def test_texts_are_one_hot_and_unknown_ones_are_zeros():
    encoder = TableEncoder().fit({"a": ["x", None, "y", "x"]})
    assert encoder.feature_names == ["a is x", "a is y", "a is missing"]
    np.testing.assert_array_equal(
        encoder.transform({"a": ["y", "x", None, "z"]}), [[0, 1, 0], [1, 0, 0], [0, 0, 1], [0, 0, 0]]
    )


def test_numbers_can_stand_for_categories():
    encoder = TableEncoder(categorical=["a"]).fit({"a": [1, 2, 1]})
    for same in ([1], [1.0], ["1"], [np.int8(1)]):
        np.testing.assert_array_equal(encoder.transform({"a": same}), [[1, 0]])
    assert encoder.text_columns == ["a"]


def test_times_are_days_and_places_in_year_week_and_day():
    monday = datetime.datetime(1970, 1, 5)
    encoder = TableEncoder().fit({"t": [monday, monday + datetime.timedelta(days=10), None]})
    assert encoder.feature_names[:2] == ["t", "t, sine of the year"]
    (row,) = encoder.transform({"t": [monday]}, "float64")
    angle = 2 * np.pi * 4 / 365.2425
    np.testing.assert_allclose(row, [-1, np.sin(angle), np.cos(angle), 0, 1, 0], atol=1e-12)
    clock = TableEncoder().fit({"t": [monday, monday + 6 * HOUR]})
    np.testing.assert_allclose(clock.transform({"t": ["1970-01-05T06:00"]})[0, -2:], [1, 0], atol=1e-6)


def test_texts_of_many_values_are_numbers_in_one_vocabulary():
    table = {
        "a": ["p", "q", "r", "p", "q", "r", "s"],
        "b": ["x", None, "x", "y", "y", "x", "x"],
        "n": [1, 2, 3] * 2 + [9],
    }
    encoder = TableEncoder(embed_above=1).fit(table)
    found = encoder.transform(table)
    assert set(found) == {"numbers", "categories"}
    # a: unknown, p, q, r (s is there once); b: unknown, x, y, missing
    np.testing.assert_array_equal(found["categories"][:, 0], [1, 2, 3, 1, 2, 3, 0])
    np.testing.assert_array_equal(found["categories"][:, 1], [5, 7, 5, 6, 6, 5, 5])
    assert encoder.vocabulary == 8
    assert set(TableEncoder(embed_above=1, drop=["n"]).fit_transform(table)) == {"categories"}


USELESS = {
    "is empty": [None] * 30,
    "is constant": ["x"] * 30,
    "is different in each row": [f"name {i}" for i in range(30)],
    "counts the rows": list(range(5, 35)),
}


@pytest.mark.parametrize("why", USELESS)
def test_what_says_nothing_is_left_out(why):
    encoder = TableEncoder().fit({"a": USELESS[why], "b": [1.5, 2.5] * 15})
    assert encoder.dropped == {"a": why}
    assert [column.name for column in encoder.columns] == ["b"]
    with pytest.raises(ValueError, match=f"no column to learn from: 'a' {why}"):
        TableEncoder().fit({"a": USELESS[why]})


def test_what_looks_useless_but_is_not():
    numbers = np.random.default_rng(0).permutation(30)
    assert TableEncoder().fit({"a": numbers}).dropped == {}
    assert TableEncoder().fit({"a": numbers * 0.5, "user_id": numbers}).dropped == {"user_id": "counts the rows"}
    assert TableEncoder().fit({"a": [7, None, 7], "b": ["x", None, "x"]}).width == 4
    assert TableEncoder(categorical=["a"]).fit({"a": list(range(30))}).width == 30


@pytest.mark.parametrize(
    "numbers", [[1.7e308, -1.7e308], [5e-324, 0.0], [1e308, 1.0, 2.0], [-3e-320, 1e300], [1e16, 1e16 + 2]]
)
def test_extreme_numbers_stay_finite(numbers):
    for dtype in ("float32", "float64"):
        assert np.isfinite(TableEncoder().fit_transform({"a": numbers}, dtype)).all()
        later = TableEncoder().fit({"a": numbers}).transform({"a": [1.7e308, -1.7e308, 0, 1e-300]}, dtype)
        assert np.isfinite(later).all()


TEXT = st.text(max_size=4) | st.sampled_from(["a", "b", "NaN", "1", "true", "INF", "-", "1,5", "3 kg", "2020-01-31"])
KINDS = [
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.booleans(),
    TEXT,
    st.datetimes(),
    st.dates(),
    st.integers() | st.floats() | TEXT,
]


@st.composite
def tables(draw):
    rows = draw(st.integers(1, 30))
    names = draw(st.lists(st.text(max_size=3), min_size=1, max_size=4, unique=True))
    cells = {name: draw(st.sampled_from(KINDS)) | st.none() for name in names}
    return {name: draw(st.lists(cell, min_size=rows, max_size=rows)) for name, cell in cells.items()}


@contextmanager
def sentences(*known):
    """What is raised within must say one of these; yields a list that is not empty afterwards if something was."""
    said = []
    try:
        yield said
    except ValueError as error:
        said.append(str(error))
        if not any(part in said[0] for part in known):
            raise


@pytest.mark.filterwarnings("ignore:Column .* counts as texts:UserWarning")
@settings(max_examples=150, deadline=None)
@given(table=tables(), other=tables(), embed_above=st.integers(0, 10), dtype=st.sampled_from(["float32", "float64"]))
def test_any_table(table, other, embed_above, dtype):
    encoder = TableEncoder(embed_above)
    with sentences("has no column to learn from") as refused:
        found = encoder.fit_transform(table, dtype)
    if refused:
        return
    parts = found if isinstance(found, dict) else {"numbers": found}
    rows = len(next(iter(table.values())))
    if "numbers" in parts:
        assert parts["numbers"].shape == (rows, encoder.width)
        assert parts["numbers"].dtype == dtype
        assert np.isfinite(parts["numbers"]).all()
    if "categories" in parts:
        assert parts["categories"].shape == (rows, len(encoder.embedded))
        assert 0 <= parts["categories"].min() <= parts["categories"].max() < encoder.vocabulary
    same = through_json(encoder)
    assert same.get_config() == encoder.get_config()
    again = same.transform(table, dtype)
    for name, part in (again if isinstance(again, dict) else {"numbers": again}).items():
        np.testing.assert_array_equal(part, parts[name])
    names = [column.name for column in encoder.columns]
    with sentences("must hold", "has no column"):
        encoder.transform(dict(zip(names, other.values(), strict=False)))


MISTAKES = {
    "embed_above": (lambda: TableEncoder(-1), ValueError, "embed_above must be at least 0"),
    "categorical": (
        lambda: TableEncoder(categorical="a"),
        TypeError,
        "categorical must be names of columns, but got 'a'",
    ),
    "drop": (lambda: TableEncoder(drop=[1]), TypeError, "drop must be names of columns, but got 1"),
    "unknown": (lambda: TableEncoder(drop=["b"]).fit({"a": [1, 2]}), ValueError, "no column 'b'"),
    "not fitted": (lambda: TableEncoder().transform({"a": [1]}), RuntimeError, "Call fit first"),
    "missing": (lambda: NUMBERS.transform({"aa": [1]}), ValueError, r"no column 'a'. Did you mean 'aa'\?"),
    "text": (lambda: NUMBERS.transform({"a": [1, "x"]}), ValueError, "'a' must hold numbers, but holds 'x' in row 1"),
    "times": (lambda: NUMBERS.transform({"a": [datetime.date(2020, 1, 1)]}), ValueError, "but holds times"),
    "no time": (lambda: TIMES.transform({"t": ["soon"]}), ValueError, "'t' must hold times, but holds 'soon' in row 0"),
    "number": (lambda: TIMES.transform({"t": [3.5]}), ValueError, "must hold times, but holds '3.5'"),
    "dtype": (lambda: NUMBERS.transform({"a": [1]}, "int8"), ValueError, "float32"),
    "config": (lambda: TableEncoder.from_config({}), ValueError, "config of an encoder must have the entries"),
}
NUMBERS = TableEncoder().fit({"a": [1, 2, 4]})
TIMES = TableEncoder().fit({"t": [datetime.date(2020, 1, 1), datetime.date(2020, 1, 9)]})
WHOLE = TableEncoder().fit(
    {"a": [1, None, 4], "c": ["x", "y", "y"], "t": TIMES and [datetime.date(2020, 1, d) for d in (1, 2, 9)]}
)


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(name):
    make, error, message = MISTAKES[name]
    with pytest.raises(error, match=message):
        make()


PLAIN = plain_values.ANY | st.just([]) | st.just({})


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_value_of_a_config_replaced(data):
    """A damaged config gives an encoder that works, or an error that says why not."""
    config = copy.deepcopy(WHOLE.get_config())
    config = json.loads(json.dumps(config))
    path = data.draw(st.sampled_from([path for path in plain_values.paths(config) if path]))
    inner = config
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = data.draw(PLAIN)
    try:
        encoder = TableEncoder.from_config(config)
        found = encoder.transform({"a": [1, None], "c": ["x", "z"], "t": ["2020-01-01", None]})
    except (TypeError, ValueError, RuntimeError):
        return
    assert np.isfinite(found if isinstance(found, np.ndarray) else found["numbers"]).all()
