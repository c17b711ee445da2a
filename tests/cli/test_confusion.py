"""Confusion matrices as text."""

import pytest

from cbackprop.cli.confusion import confusion_text


def test_a_small_matrix():
    assert confusion_text([0, 0, 1], [0, 1, 1], ["cat", "dog"]) == (
        "true \\ predicted cat dog\n"
        "             cat   1   1\n"
        "             dog   .   1"
    )  # fmt: skip


def test_long_names_and_numbers():
    text = confusion_text([0] * 12345 + [1], [0] * 12345 + [0], ["a name that is longer than others", "b"])
    assert text.splitlines() == [
        "true \\ predicted a name that is …                b",
        "a name that is …            12345                .",
        "               b                1                .",
    ]


def test_columns_are_numbered_if_names_need_more_than_a_line():
    names = [f"class_{number:02}" for number in range(12)]
    lines = confusion_text(range(12), range(12), names).splitlines()
    assert lines[0].split() == ["true", "\\", "predicted", *map(str, range(12))]
    assert lines[4].split() == ["3", "class_03", *["."] * 3, "1", *["."] * 8]
    assert max(map(len, lines)) < 80


@pytest.mark.parametrize("classes", [21, 300])
def test_many_classes_are_listed(classes):
    names = [f"c{number}" for number in range(classes)]
    truth, found = [0, 0, 0, 5, 5, *range(classes)], [1, 1, 2, 6, 6, *range(classes)]
    assert confusion_text(truth, found, names).splitlines() == [
        "most frequent mistakes:",
        "     2  c0 taken for c1",
        "     2  c5 taken for c6",
        "     1  c0 taken for c2",
    ]
    assert confusion_text(range(classes), range(classes), names) == "no mistakes"


def test_a_matrix_that_is_wider_than_the_terminal(monkeypatch):
    names = [f"class_{number:02}" for number in range(15)]
    monkeypatch.setenv("COLUMNS", "60")
    in_a_file = confusion_text(range(15), [1, *range(1, 15)], names)
    assert len(in_a_file.splitlines()) == 16
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert confusion_text(range(15), [1, *range(1, 15)], names).splitlines()[1:] == [
        "     1  class_00 taken for class_01"
    ]
