"""Tables as spreadsheets and people write them: each gives the scores of the same table written plainly."""

import datetime
import re

import numpy as np
import pytest
from console import assert_refused, score

from cbackprop import tables
from cbackprop.cli import main

ROWS = 120
RNG = np.random.default_rng(4)
# Numbers of at most two decimals, positive and negative, some above 1000.
X = RNG.integers(-300_000, 300_000, ROWS) / 100
Z = RNG.integers(1, 99_999, ROWS) / 10
NOISE = RNG.normal(size=ROWS)
DAYS = [datetime.date(2018, 1, 1) + datetime.timedelta(days=int(day)) for day in RNG.permutation(ROWS)]


def plain(values):
    return [f"{value:.2f}" for value in values]


def grouped(values, mark, point):
    return [f"{value:,.2f}".replace(",", "_").replace(".", point).replace("_", mark) for value in values]


def comma(values):
    return [text.replace(".", ",") for text in plain(values)]


def in_brackets(texts):
    return [f"({text[1:]})" if text.startswith("-") else text for text in texts]


def with_marks(texts, mark, every):
    return [mark if row % every == 3 else text for row, text in enumerate(texts)]


NUMBERS = {
    "thousands": (grouped(X, ",", "."), "thousands with commas"),
    "thousands of the continent": (grouped(X, ".", ","), "decimal comma, thousands with points"),
    "thousands with spaces": (grouped(X, " ", "."), "thousands with spaces"),
    "narrow spaces": (grouped(X, "\u202f", ","), "decimal comma, thousands with spaces"),
    "spaces that do not break": (grouped(X, "\u00a0", ","), "decimal comma, thousands with spaces"),
    "apostrophes": (grouped(X, "'", "."), "thousands with apostrophes"),
    "printed apostrophes": (grouped(X, "’", "."), "thousands with apostrophes"),  # noqa: RUF001
    "decimal commas": (comma(X), "decimal comma"),
    "dollars": ([f"${text}".replace("$-", "-$") for text in plain(X)], "unit '$'"),
    "euros before": ([f"€ {text}" for text in comma(X)], "decimal comma, unit '€'"),
    "euros behind": ([f"{text} €" for text in grouped(X, ".", ",")], "decimal comma, thousands with points, unit '€'"),
    "codes of currencies": ([f"{text} USD" for text in plain(X)], "unit 'USD'"),
    "codes before": ([f"CHF {text}" for text in grouped(X, "'", ".")], "thousands with apostrophes, unit 'CHF'"),
    "percent": ([f"{text}%" for text in plain(X)], "unit '%'"),
    "percent behind a space": ([f"{text} %" for text in plain(X)], "unit '%'"),
    "kilograms": ([f"{text} kg" for text in plain(X)], "unit 'kg'"),
    "kilometres an hour": ([f"{text}km/h" for text in plain(X)], "unit 'km/h'"),
    "degrees": ([f"{text} °C" for text in comma(X)], "decimal comma, unit '°C'"),
    "accountants": (in_brackets(grouped(X, ",", ".")), "thousands with commas"),
    "minus behind": ([f"{text[1:]}-" if text[0] == "-" else text for text in plain(X)], ""),
    "another minus": ([text.replace("-", "−") for text in plain(X)], ""),
    "plus": ([text if text[0] == "-" else f"+{text}" for text in plain(X)], ""),
    "texts of spreadsheets": ([f"'{text}" for text in plain(X)], ""),
    "blanks around": ([f"  {text}\t" for text in plain(X)], ""),
    "powers": ([f"{value:.6e}" for value in X], ""),
    "powers with commas": ([f"{value:.6E}".replace(".", ",") for value in X], "decimal comma"),
}
MARKS = [
    "-", "--", ".", "...", "unknown", "Unknown", "#N/A", "#DIV/0!", "#VALUE!", "n.a.", "n/a", "NULL", "nan", "N/A", "?",
    "*", "missing", "not available", "<NA>", "(null)", "\\N", "inf", "TBD", "no data", "–", "censored",  # noqa: RUF001
]  # fmt: skip
DATES = {
    "iso": ("%Y-%m-%d", ""),
    "slashes": ("%Y/%m/%d", ""),
    "month first": ("%m/%d/%Y", "month first"),
    "day first": ("%d/%m/%Y", "day first"),
    "points": ("%d.%m.%Y", "day first"),
    "points and two digits": ("%d.%m.%y", "day first"),
    "hyphens": ("%d-%m-%Y", "day first"),
    "names": ("%d-%b-%Y", ""),
    "names first": ("%b %d, %Y", ""),
    "long names": ("%d %B %Y", ""),
    "weekdays": ("%a, %d %b %Y", ""),
    "eight digits": ("%Y%m%d", ""),
    "with a time": ("%Y-%m-%d 00:00", ""),
    "with seconds": ("%Y-%m-%dT00:00:00", ""),
    "with half a day": ("%m/%d/%Y 12:00 AM", "month first"),
    "with z": ("%Y-%m-%dT00:00:00Z", "converted to UTC"),
    "with a zone": ("%Y-%m-%dT02:00:00+02:00", "converted to UTC"),
    "with fractions": ("%Y-%m-%dT00:00:00.000000", ""),
}


def save(path, columns, separator=","):
    """Write cells unchanged, in quotes if they contain the separator."""

    def field(cell):
        return f'"{cell}"' if separator in cell else cell

    lines = [separator.join(columns), *(separator.join(map(field, row)) for row in zip(*columns.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def trained(capsys, *options):
    """The output of the training, without times, and the notes."""
    assert main(["train", *options, "--epochs", "15", "--learning-rate", "0.01", "--layers", "8"]) == 0
    printed = capsys.readouterr()
    return re.sub(r"in \d+\.\d\d s", "", printed.out), printed.err


def assert_same(tmp_path, monkeypatch, capsys, texts, plainly, note, separator, options=()):
    """Both columns give the same network. Notes say how the first one was read, and predictions read it so too."""
    monkeypatch.chdir(tmp_path)
    y = np.array(X) + 100 * NOISE
    others = {"z": plain(Z), "y": plain(y)} if separator == "," else {"z": comma(Z), "y": comma(y)}
    save(tmp_path / "messy.csv", {"messy": texts} | others, separator)
    save(tmp_path / "plain.csv", {"messy": plainly, "z": plain(Z), "y": plain(y)})
    expected, _ = trained(capsys, "plain.csv", "--target", "y", "--save", "plain")
    found, notes = trained(capsys, "messy.csv", "--target", "y", "--save", "messy", *options)
    assert found == expected
    assert re.search("^(numbers|dates or times): .*messy", found, re.MULTILINE)
    assert (f": {note}" in notes) if note else ("messy" not in notes)
    results = []
    for name in ("messy", "plain"):
        assert main(["predict", name, f"{name}.csv"]) == 0
        printed = capsys.readouterr()
        assert printed.err == ""
        results.append(printed.out)
    assert results[0] == results[1]
    return found


@pytest.mark.parametrize("separator", [",", ";"])
@pytest.mark.parametrize("name", NUMBERS)
def test_spellings_of_numbers(tmp_path, monkeypatch, capsys, name, separator):
    texts, note = NUMBERS[name]
    printed = assert_same(tmp_path, monkeypatch, capsys, texts, plain(X), note, separator)
    assert score(printed, "R2")[0] > 0.9


@pytest.mark.parametrize("every", [ROWS, 5])
@pytest.mark.parametrize("mark", MARKS)
def test_marks_of_missing_numbers(tmp_path, monkeypatch, capsys, mark, every):
    gone = with_marks(plain(X), "", every)
    always = mark in ("n/a", "NULL", "nan", "N/A", "?", "#N/A", "<NA>")  # no note: these mean missing in any column
    place = "in line 5" if every == ROWS else "in 24 rows, first in line 5"
    note = "" if always else f"taken for missing: {mark!r} {place}"
    assert_same(tmp_path, monkeypatch, capsys, with_marks(plain(X), mark, every), gone, note, ",")


def test_marks_among_spelled_numbers(tmp_path, monkeypatch, capsys):
    texts = with_marks([f"{text} €" for text in grouped(X, ".", ",")], "k. A.", 10)
    note = "decimal comma, thousands with points, unit '€'; taken for missing: 'k. A.' in 12 rows, first in line 5"
    assert_same(tmp_path, monkeypatch, capsys, texts, with_marks(plain(X), "", 10), note, ";")


@pytest.mark.parametrize("name", DATES)
def test_spellings_of_dates(tmp_path, monkeypatch, capsys, name):
    layout, note = DATES[name]
    texts = with_marks([day.strftime(layout) for day in DAYS], "unknown", 40)
    plainly = with_marks([day.isoformat() for day in DAYS], "", 40)
    note = f"{note}; taken for missing: 'unknown' in 3 rows" if note else "taken for missing: 'unknown' in 3 rows"
    assert_same(tmp_path, monkeypatch, capsys, texts, plainly, note, ",")


def test_weeks_months_quarters_and_times_of_the_day(tmp_path):
    texts = {
        "week": ["2018-W05", "2018-W06", "2019-W01"],
        "month": ["2018-01", "2018-02", "2019-12"],
        "named": ["Jan 2018", "Feb 2018", "Dec 2019"],
        "quarter": ["2018-Q1", "2018-Q2", "2019-Q4"],
        "clock": ["14:30", "02:15", "23:59"],
        "half": ["2:30 PM", "2:15 am", "11:59 p.m."],
    }
    save(tmp_path / "d.csv", texts)
    found = tables.read(tmp_path / "d.csv")
    assert found["week"].astype("M8[D]").astype(str).tolist() == ["2018-01-29", "2018-02-05", "2018-12-31"]
    months = ["2018-01-01", "2018-02-01", "2019-12-01"]
    assert found["month"].astype("M8[D]").astype(str).tolist() == months
    assert found["named"].astype("M8[D]").astype(str).tolist() == months
    assert found["quarter"].astype("M8[D]").astype(str).tolist() == ["2018-01-01", "2018-04-01", "2019-10-01"]
    for name in ("clock", "half"):
        assert found[name].astype("M8[m]").astype(str).tolist() == [
            "1970-01-01T14:30",
            "1970-01-01T02:15",
            "1970-01-01T23:59",
        ]
    encoder = tables.TableEncoder().fit({"clock": found["clock"]})
    assert encoder.feature_names == ["clock", "clock, sine of the day", "clock, cosine of the day"]


UNDECIDED = [f"0{1 + day % 9}/0{1 + day * 5 % 7}/2018" for day in range(ROWS)]


def test_dates_that_do_not_tell_day_and_month_are_asked_for(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "d.csv", {"day": UNDECIDED, "z": plain(Z), "y": plain(NOISE)})
    message = (
        "in which day and month cannot be told apart. Say which is first: --type day=date-dmy or --type day=date-mdy"
    )
    assert_refused(
        ["train", "d.csv", "--target", "y"],
        f"Column 'day' of 'd.csv' holds dates such as '01/01/2018', {message}",
        capsys,
    )
    for order, layout in (("dmy", "%d/%m/%Y"), ("mdy", "%m/%d/%Y")):
        plainly = [datetime.datetime.strptime(text, layout).date().isoformat() for text in UNDECIDED]
        options = ("--type", f"messy=date-{order}")
        note = "day first" if order == "dmy" else "month first"
        assert_same(tmp_path, monkeypatch, capsys, UNDECIDED, plainly, note, ",", options)
    assert main(["train", "d.csv", "--target", "y", "--drop", "day", "--epochs", "1"]) == 0
    capsys.readouterr()
    assert main(["train", "d.csv", "--target", "y", "--type", "day=category", "--epochs", "1"]) == 0
    assert "\nembedded categories: day\n" in capsys.readouterr().out


def test_both_orders_are_asked_for(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    days = [*UNDECIDED[:-20], *["31/01/2018", "01/31/2018"] * 10]
    save(tmp_path / "d.csv", {"day": days, "y": plain(NOISE)})
    assert_refused(["train", "d.csv", "--target", "y"], "in which day and month cannot be told apart", capsys)


def test_the_user_decides(tmp_path, monkeypatch, capsys):
    """--decimal, --missing and --type; the model remembers."""
    monkeypatch.chdir(tmp_path)
    x = [f"{row % 7 + 1},{100 + row}" for row in range(ROWS)]
    save(
        tmp_path / "d.csv",
        {"x": x, "code": [str(row % 3) for row in range(ROWS)], "y": [str(row % 9) for row in range(ROWS)]},
        ";",
    )
    printed, notes = trained(
        capsys, "d.csv", "--target", "y", "--decimal", ",", "--type", "code=category", "--save", "m"
    )
    assert "numbers: x\ncategories: code\npredicted classes: y\n" in printed
    assert "x is read as numbers: decimal comma" in notes
    assert tables.load("m").reader.read("d.csv")["x"][8] == pytest.approx(2.108)
    printed, notes = trained(capsys, "d.csv", "--target", "y", "--decimal", ".")
    assert "x is read as numbers: thousands with commas" in notes
    # Numbers that a scanner writes for missing values, and the user's own marks.
    gone = with_marks(plain(X), "-999", 6)
    save(tmp_path / "e.csv", {"x": gone, "y": plain(NOISE)})
    trained(capsys, "e.csv", "--target", "y", "--missing", "-999,-", "--save", "m")
    assert np.isnan(tables.load("m").reader.read("e.csv")["x"]).sum() == 20


def test_another_decimal_mark_is_told_where_it_is_first(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "d.csv", {"x": comma(X), "y": comma(NOISE)}, ";")
    save(tmp_path / "e.csv", {"x": plain(X), "y": plain(NOISE)})
    trained(capsys, "d.csv", "--target", "y", "--save", "m.safetensors")
    told = (
        f"must hold numbers (decimal comma), but holds '{plain(X)[0]}' in line 2. If these numbers have a decimal point"
    )
    assert_refused(["predict", "m.safetensors", "e.csv"], told, capsys)
    assert main(["predict", "m.safetensors", "e.csv", "--decimal", "."]) == 0


def test_days_that_stand_for_no_day(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    days = with_marks([str(day) for day in DAYS], "9999-12-31", 4)
    save(tmp_path / "d.csv", {"until": days, "x": plain(X), "y": plain(NOISE)})
    _, notes = trained(capsys, "d.csv", "--target", "y")
    assert "until is read as dates or times: taken for missing: '9999-12-31'" in notes


def test_why_times_are_not_read(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    days = [f"{day} 12:00{'+01:00' if row % 2 else ''}" for row, day in enumerate(DAYS)]
    towns = [f"{day}{' in Rome' if row % 4 == 1 else ''}" for row, day in enumerate(DAYS)]
    save(tmp_path / "d.csv", {"day": days, "town": towns, "x": plain(X), "y": plain(NOISE)})
    _, notes = trained(capsys, "d.csv", "--target", "y")
    assert f"day: not read as dates or times, because only some have a zone: '{days[1]}' has one" in notes
    assert f"town: not read as dates or times, though 90 of 120 values are: '{towns[1]}' is not" in notes


def test_none_is_a_class_if_the_user_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "d.csv", {"x": plain(X), "harm": ["none", "some", "much"] * 40})
    printed, notes = trained(capsys, "d.csv", "--target", "harm")
    assert "note: harm: taken for missing: 'none' in 40 rows, first in line 2; if it is a category, say " in notes
    assert "--type harm=category" in notes
    for options in (["--type", "harm=category"], ["--missing", "NA"], ["--missing", ""]):
        printed, notes = trained(capsys, "d.csv", "--target", "harm", "--save", "m", *options)
        assert notes == ""
        assert "96 rows of 1 column" in printed
        assert tables.load("m").targets[0].classes == ["much", "none", "some"]
        assert main(["evaluate", "m", "d.csv"]) == 0
        assert "harm: 120 rows" in capsys.readouterr().out


def test_targets_are_numbers_too(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name, y in {
        "euro": [f"{text} €" for text in grouped(X, ".", ",")],
        "mark": with_marks(plain(X), "-", 30),
    }.items():
        save(tmp_path / f"{name}.csv", {"x": plain(X), "y": y}, ";")
        printed, notes = trained(capsys, f"{name}.csv", "--target", "y")
        assert score(printed, "R2")[0] > 0.95
        assert "y is read as numbers: " in notes
    assert "left out because a target is missing: 4 of 120 rows" in notes


def test_texts_remain_texts(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    columns = {
        "different units": [f"{row} {'kg' if row % 2 else 'g'}" for row in range(ROWS)],
        "codes": [("A12", "B7", "C")[row % 3] for row in range(ROWS)],
        "grades": [("1", "2", "3+")[row % 3] for row in range(ROWS)],
        "crew": [("1", "2", "crew")[row % 3] for row in range(ROWS)],
        "tickets": [f"PC {row}" if row % 4 == 0 else f"{row * 37}" for row in range(ROWS)],
        "ranges": [f"{row % 5}-{row % 5 + 1}" for row in range(ROWS)],
        "versions": [f"3.{row % 11}.14159" for row in range(ROWS)],
        "words": [("-", "unknown", "red")[row % 3] for row in range(ROWS)],
        "bounds": [f"<{row % 6}" for row in range(ROWS)],
    }
    save(tmp_path / "d.csv", columns | {"y": plain(NOISE)})
    found = tables.read(tmp_path / "d.csv")
    for name, texts in columns.items():
        assert found[name].tolist() == texts, name
    _, notes = trained(capsys, "d.csv", "--target", "y")
    assert "different units: not read as numbers, because they have different units ('g', 'kg')" in notes
    assert "tickets: not read as numbers, though 90 of 120 values are: 'PC 0' is not" in notes
    assert_refused(
        ["train", "d.csv", "--target", "y", "--type", "different units=number"], "they have different units", capsys
    )
    assert_refused(
        ["train", "d.csv", "--target", "y", "--type", "codes=number"], "has no numbers, but holds 'A12'", capsys
    )
    assert_refused(["train", "d.csv", "--target", "y", "--type", "codes=date"], "has no dates or times", capsys)
