"""Numbers and dates as they are written: single texts, and what a column decides."""

import datetime
import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbackprop.tables.dates import Dates, find_dates
from cbackprop.tables.numerals import Numerals, decimal_of, find_numerals, units_of

NUMBERS = {
    ".": {
        "1": 1, "-2.5": -2.5, "+3": 3, ".5": 0.5, "5.": 5, "1e3": 1000, "1E-3": 0.001, "(7)": -7, "7-": -7, "-$5": -5,
        "$-5": -5, "'12": 12, "0012": 12, "5 kg": None, "1,234": None, "1_000": None, "inf": None, "nan": None,
        "0x10": None, "1 2": None, "--1": None, "(1": None, "1.2.3": None, "": None, "-": None, "٣": 3,
        "\uff11\uff12\uff0e\uff15": 12.5,
    },
}  # fmt: skip


def test_plain_numbers():
    for text, number in NUMBERS["."].items():
        numerals = Numerals(unit="$") if "$" in text else Numerals()
        assert numerals.read(text) == number, text
        assert (
            type(numerals.read(text)) is type(number) or number is None or float(text.strip("(-)'") or 0) == abs(number)
        )


def test_numbers_of_thousands_of_digits():
    for text, number in (("9" * 290, int("9" * 290)), ("9" * 5000, math.inf), ("-" + "9" * 5000, -math.inf)):
        assert Numerals().read(text) == number
        assert Numerals(unit="$").read(f"{text}$") == number


COLUMNS = [
    (["1,234", "567", "12,345"], {}, [1234, 567, 12345], "thousands with commas"),
    (["1,234", "2,345"], {"separator": ";"}, [1.234, 2.345], "decimal comma"),
    (["1,234", "2,345"], {"separator": ","}, [1234, 2345], "thousands with commas"),
    (["1,234", "2,345"], {"likely": "."}, [1234, 2345], "thousands with commas"),
    (["1,234", "2,345"], {"likely": ","}, [1.234, 2.345], "decimal comma"),
    (["1.234", "2.345"], {"likely": ","}, [1234, 2345], "decimal comma, thousands with points"),
    (["1.234", "2.345"], {"separator": ";"}, [1.234, 2.345], ""),
    (["1.234", "999"], {"separator": ";"}, [1234, 999], "decimal comma, thousands with points"),
    (["1.234", "999"], {}, [1.234, 999], ""),
    (["0,123", "1,234"], {}, [0.123, 1.234], "decimal comma"),
    (["1,23,456", "12,34,567"], {}, [123456, 1234567], "thousands with commas"),
    (["1.234.567", "8"], {}, [1234567, 8], "decimal comma, thousands with points"),
    (["1 day", "2 days", "3 Days."], {}, [1, 2, 3], "unit 'day'"),
    (["5 kg", "0", "1.5KG"], {}, [5, 0, 1.5], "unit 'kg'"),
    (["5 kg", "6 kg", "3 g", "4"], {}, [5, 6, None, None], "unit 'kg'"),
    (["US$ 5", "US$7.50"], {}, [5, 7.5], "unit 'US$'"),
    (["12 fl oz", "8 fl oz"], {}, [12, 8], "unit 'fl oz'"),
    (['3.8"', '4"'], {}, [3.8, 4], "unit '\"'"),
    (["$3.50/kg", "$4/kg"], {}, [3.5, 4], "unit '$/kg'"),
    (["0.31 €/kWh", "0.2 €/kWh"], {}, [0.31, 0.2], "unit '€/kWh'"),
    (["€110.5M", "€565K", "€0", "€1.5bn"], {}, [110_500_000, 565_000, 0, 1_500_000_000], "unit '€'"),
    (["1,25 Mio. €", "7 Tsd. €", "3 €"], {}, [1_250_000, 7000, 3], "decimal comma, unit '€'"),
    (["$5 kg", "$6 kg"], {}, [None, None], ""),
    (["\u0661\u0662", "\u0663\u066b\u0665"], {}, [12, 3.5], ""),
    (["A12", "B13"], {}, [None, None], ""),
    (["9" * 30], {}, [int("9" * 30)], ""),
]


@pytest.mark.parametrize(("texts", "hints", "numbers", "how"), COLUMNS)
def test_columns_of_numbers(texts, hints, numbers, how):
    found = find_numerals(Counter(texts), **hints)
    assert [found.read(text) for text in texts] == numbers
    assert str(found) == how


def test_which_mark_leaves_no_doubt():
    assert decimal_of({"1.5": 1, "2": 1}) == "."
    assert decimal_of({"1,5": 1, "2": 1}) == ","
    assert decimal_of({"1,234.5": 1}) == "."
    assert decimal_of({"1,234": 1, "5": 1}) is None
    assert decimal_of({"x": 1}) is None
    assert units_of({"5 kg": 2, "6 g": 3, "7": 1, "x": 9}) == ["g", "kg", ""]


@given(st.lists(st.decimals(-(10**9), 10**9, places=2), min_size=1), st.sampled_from([",.", ".,", " .", " ,", "'."]))
def test_grouped_numbers_come_back(numbers, marks):
    """Whatever the marks, from numbers of which one leaves no doubt."""
    thousands, decimal = marks
    numbers = [*numbers, 1234.5]
    texts = [f"{number:,.2f}".replace(".", "!").replace(",", thousands).replace("!", decimal) for number in numbers]
    found = find_numerals(Counter(texts))
    assert [found.read(text) for text in texts] == [float(number) for number in numbers]


MOMENT = datetime.datetime(2018, 1, 31, 14, 30)
TIMES = [
    "2018-01-31 14:30", "2018-01-31T14:30:00", "2018/1/31 14:30", "31.01.2018 14:30", "31.1.18 14:30",
    "31-Jan-2018 14:30", "31 January 2018, 14:30", "Jan 31, 2018 2:30 PM", "January 31st, 2018 2:30pm",
    "Wed, 31 Jan 2018 14:30:00", "Wednesday 31 Jan 2018 14:30", "2018-Jan-31 14:30", "31/01/2018 02:30 p.m.",
    "Wed Jan 31 14:30:00 2018", "31. Januar 2018 14.30 Uhr", "31 janv. 2018 14:30", "31 de enero de 2018 14:30",
    "31.01.2018 14.30", "31-gen-2018 14:30", "2018年1月31日 14:30", "2018년 1월 31일 14:30",
    "20180131T1430", "'2018-01-31 14:30", "2018-01-31 14:30:00.000000000",
]  # fmt: skip
ZONED = [
    "2018-01-31T14:30Z", "2018-01-31 14:30 UTC", "2018-01-31T15:30+01:00", "2018-01-31T09:30:00-0500",
    "31/Jan/2018:15:30:00 +0100", "2018-01-31 20:00+05:30", "20180131T143000Z", "2018-01-31t15:30:00+01",
    "Wed Jan 31 06:30:00 PST 2018", "Wed Jan 31 14:30:00 +0000 2018", "2018-01-31 15:30 CET",
    "Wed Jan 31 2018 15:30:00 GMT+0100 (Central European Standard Time)", "2018-01-31 15:30 Europe/Berlin",
    "2018-01-31T15:30+01:00[Europe/Berlin]",
]  # fmt: skip
NO_TIMES = [
    "2018-02-30", "2018-13-01", "31.02.2018", "2018-01-31 25:00", "2018-01-31 13:00 PM", "2018-W60", "today", "12",
    "2018", "1.5", "", "2018-01-31 14:30 in Rome", "99999999", "0000-01-01", "2018-01-31T14:30+99:00",
    "2018-01-31 14:30 Nowhere/Town", "9999-12-31", "31.12.9999", "0001-01-01 00:00:00", "12.30", "31 foo 2018",
]  # fmt: skip


def test_times():
    for text in TIMES:
        assert find_dates({text: 1}).read(text) == MOMENT, text
    for text in ZONED:
        assert find_dates({text: 1}).read(text) == MOMENT, text
        assert Dates().read(text) is None
    for text in NO_TIMES:
        assert find_dates({text: 1}).read(text) is None, text


@given(st.dates(datetime.date(1970, 1, 1), datetime.date(2068, 12, 31)), st.sampled_from("-/. "), st.sampled_from("yY"))
def test_dates_come_back(day, mark, year):
    for order, layout in (("dmy", f"%d{mark}%m{mark}%{year}"), ("mdy", f"%m{mark}%d{mark}%{year}")):
        assert Dates(order).read(day.strftime(layout)) == datetime.datetime.combine(day, datetime.time())


def test_what_a_column_decides():
    assert find_dates({"01/02/2018": 5, "31/01/2018": 1}).order == "dmy"
    assert find_dates({"01/02/2018": 5, "01/31/2018": 1}).order == "mdy"
    assert find_dates({"01/02/2018": 5}).order == "undecided"
    assert find_dates({"02/02/2018": 5}).order == "dmy"
    assert find_dates({"01.02.2018": 5}).order == "dmy"
    assert find_dates({"31/01/2018": 60, "01/31/2018": 1}).order == "dmy"
    assert find_dates({"31/01/2018": 6, "01/31/2018": 1}).order == "undecided"
    assert find_dates({"01/02/2018": 5}, "mdy").read("01/02/2018").month == 1
    assert find_dates({"14:30": 3}).read("14:30") == datetime.datetime(1970, 1, 1, 14, 30)


def test_arguments():
    for make in (lambda: Numerals(decimal="x"), lambda: Numerals(thousands="."), lambda: Dates("ydm")):
        with pytest.raises(ValueError, match="must be"):
            make()
    with pytest.raises(TypeError, match="unit must be a string"):
        Numerals(unit=3)
