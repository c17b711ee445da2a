"""Text files of other programs: read as they are meant, or refused with the file and the line."""

import io

import numpy as np
import pytest
from console import assert_refused

from cbackprop import tables
from cbackprop.cli import main

A_AND_B = {"a": [1, 2], "b": ["x", "y"]}
READ = {
    "plain": (b"a,b\n1,x\n2,y\n", A_AND_B),
    "no line end": (b"a,b\n1,x\n2,y", A_AND_B),
    "line ends of windows": (b"a,b\r\n1,x\r\n2,y\r\n", A_AND_B),
    "line ends of old": (b"a,b\r1,x\r2,y\r", A_AND_B),
    "mixed line ends": (b"a,b\r\n1,x\n2,y\r", A_AND_B),
    "blank lines": (b"\n\na,b\n\n1,x\n   \n2,y\n\n\n", A_AND_B),
    "blank lines in one column": (b"a\n\n1\n\n2\n\n", {"a": [1, 2]}),
    "an empty cell in one column": (b'a\n1\n""\n2\n', {"a": [1, None, 2]}),
    "semicolons": (b"a;b\n1;x\n2;y\n", A_AND_B),
    "tabs": (b"a\tb\n1\tx\n2\ty\n", A_AND_B),
    "bars": (b"a|b\n1|x\n2|y\n", A_AND_B),
    "commas in a header of semicolons": (b"a, b, or c;b\n1;x\n2;y\n", {"a, b, or c": [1, 2], "b": ["x", "y"]}),
    "decimal commas": (b"a;b\n1,5;0,5\n2,5;1,25\n", {"a": [1.5, 2.5], "b": [0.5, 1.25]}),
    "sep": (b"sep=;\na;b\n1;x\n2;y\n", A_AND_B),
    "sep in quotes": (b'"sep=;"\r\na;b\r\n1;x\r\n2;y\r\n', A_AND_B),
    "sep of a tab": (b"SEP=\t\na\tb\n1\tx\n2\ty\n", A_AND_B),
    "another sep": (b"sep=:\na:b\n1:x\n2:y\n", A_AND_B),
    "mark and sep": (b"\xef\xbb\xbfsep=;\r\na;b\r\n1;x\r\n2;y\r\n", A_AND_B),
    "comments": (b"# made by a program\n# on a Monday, at noon\na,b\n1,x\n2,y\n", A_AND_B),
    "comments and blank lines": (b"# made\n\n# here\n\na,b\n1,x\n2,y\n", A_AND_B),
    "a header in a comment": (b"# a,b\n1,3\n2,4\n", {"a": [1, 2], "b": [3, 4]}),
    "a header with a hash": (b"#a,b\n1.5,3\n2.5,4e2\n", {"a": [1.5, 2.5], "b": [3, 400.0]}),
    "spaces behind separators": (b"a, b\n1, x\n2, y\n", A_AND_B),
    "spaces around": (b"a , b\n 1 , x \n 2 , y \n", A_AND_B),
    "quotes behind spaces": (b'"a", "b"\n"1", "x, z"\n"2", "y"\n', {"a": [1, 2], "b": ["x, z", "y"]}),
    "spaces behind quotes": (b'a,b\n1,"x" \n2,"y, z" \n', {"a": [1, 2], "b": ["x", "y, z"]}),
    "quoted names": (b'"a","b"\n1,x\n2,y\n', A_AND_B),
    "names of several words": (b'"a, in m","b ""c"""\n1,x\n2,y\n', {"a, in m": [1, 2], 'b "c"': ["x", "y"]}),
    "line ends in quotes": (b'a,b\n1,"x\nz"\n2,y\n', {"a": [1, 2], "b": ["x\nz", "y"]}),
    "texts of a spreadsheet": (b'"=""a""",b\n="1",x\n"=""2""",="y"\n', A_AND_B),
    "quotes within": (b'a,b\n1,5" pipe\n2,"say ""no"""\n', {"a": [1, 2], "b": ['5" pipe', 'say "no"']}),
    "separators at line ends": (b"a,b,\n1,x,\n2,y,\n", A_AND_B),
    "separators at line ends but the first": (b"a,b\n1,x,\n2,y,\n", A_AND_B),
    "row numbers without a name": (b",a,b\n0,1,x\n1,2,y\n", {"column 1": [0, 1], **A_AND_B}),
    "utf-8": ("a,b\n1,Zürich\n2,Łódź\n".encode(), {"a": [1, 2], "b": ["Zürich", "Łódź"]}),
    "utf-8 with a mark": ("\ufeffa,b\n1,x\n2,y\n".encode(), A_AND_B),
    "utf-16 of windows": ("a,b\n1,Zürich\n2,Łódź\n".encode("utf-16"), {"a": [1, 2], "b": ["Zürich", "Łódź"]}),
    "utf-16, the other": ("\ufeffa,b\n1,x\n2,y\n".encode("utf-16-be"), A_AND_B),
    "utf-32": ("a,b\n1,x\n2,y\n".encode("utf-32"), A_AND_B),
    "missing": (b"a,b\n1,NA\n,?\n3,x\n", {"a": [1, None, 3], "b": [None, None, "x"]}),
    "nothing in a column": (b"a,b\n1,\n2,\n", {"a": [1, 2], "b": [None, None]}),
    "rows of nothing but separators": (b"a,b\n1,x\n,\n", {"a": [1, None], "b": ["x", None]}),
    "booleans": (b"a,b\ntrue,TRUE\nFALSE,#N/A\n", {"a": [True, False], "b": [True, None]}),
    "large numbers": (b"a\n1\n123456789012345678901234567890\n", {"a": [1, 1.2345678901234568e29]}),
    "zeros before": (b"a\n007\n012\n", {"a": [7, 12]}),
    "days of spreadsheets": (b"a\n43131\n43132\n", {"a": [43131, 43132]}),
    "years": (b"a\n2018\n2019\n", {"a": [2018, 2019]}),
    "long names": (b"%s,b\n1,x\n2,y\n" % (b"a" * 300), {"a" * 300: [1, 2], "b": ["x", "y"]}),
}
REFUSED = {
    "empty": (b"", "'d.csv' is empty."),
    "blank": (b" \n\n", "'d.csv' is empty."),
    "a header only": (b"a,y\n", "'d.csv' has no rows below its header in line 1."),
    "comments only": (b"# a\n# b\n", "'d.csv' has no rows below its header in line 2."),
    "a long row": (b"a,y\n1,2\n1,2,3\n", "'d.csv', line 3: there are 3 fields, but the header in line 1 has 2."),
    "a short row": (b"a,b,y\n1,2,3\n\n1,2\n", "'d.csv', line 4: there are 2 fields, but the header in line 1 has 3."),
    "a footer": (b"a,y\n1,2\nTotal: 1\n", "'d.csv', line 3: there is 1 field, but the header in line 1 has 2."),
    "a title": (b"Report\n\na,y\n1,2\n", "'d.csv', line 3: there are 2 fields, but the header in line 1 has 1."),
    "a long row behind sep": (
        b"sep=;\na;y\n1;2\n1;2;3\n",
        "'d.csv', line 4: there are 3 fields, but the header in line 2",
    ),
    "a long row behind comments": (
        b"# x\n#y\n\na,y\n1,2,3\n",
        "'d.csv', line 5: there are 3 fields, but the header in line 4",
    ),
    "a long row behind line ends": (b'a,y\n"1\n2",3\n1,2,3\n', "'d.csv', line 4: there are 3 fields"),
    "an open quote": (b'a,y\n1,2\n1,"2\n1,2\n', "'d.csv', line 3: a quote opens a field, but nothing closes it."),
    "an open quote, long": (b'a,y\n1,"2\n' + b"1,2\n" * 100_000, "'d.csv', line 2: a quote opens a field"),
    "a name twice": (b"a,y,a\n1,2,3\n", "'d.csv', line 1: the header names more than one column 'a'."),
    "names twice": (b"a,y,b,a,y\n1,2,3,4,5\n", "the header names more than one column 'a', 'y'."),
    "a name twice but for spaces": (b"a, a,y\n1,2,3\n", "the header names more than one column 'a'."),
    "no header": (b"1,0,1\n2,3,4\n", "the header names more than one column '1'. It looks like a row of numbers"),
    "latin 1": ("a,y\n1,2\nZürich,2\n".encode("latin-1"), "'d.csv' is not in UTF-8: byte 0xfc in line 3; give"),
    "a broken mark": (b"\xff\xfea,\xd8\xd8\xd8\xd8\n", "'d.csv' is not in utf-16"),
    "utf-16 without a mark": (
        "a,y\n1,2\n".encode("utf-16-le"),
        "'d.csv' contains zero bytes: it is not text, or needs --enc",
    ),
    "a picture": (b"\x89PNG\r\n\x1a\n\x00\x00", "'d.csv' is not in UTF-8: byte 0x89 in line 1"),
    "a workbook": (b"PK\x03\x04\x14\x00\x00\x00", "'d.csv' is not a text file, but an Excel workbook or another ZIP"),
    "an old workbook": (b"\xd0\xcf\x11\xe0\xa1\xb1", "'d.csv' is not a text file, but an Excel workbook. Export"),
    "compressed": (
        b"\x1f\x8b\x08\x00",
        "'d.csv' is not a text file, but compressed by gzip. Export its table as CSV first.",
    ),
}


@pytest.mark.parametrize("name", READ)
def test_what_a_file_means(name):
    content, expected = READ[name]
    found = tables.read(io.BytesIO(content))
    assert list(found) == list(expected)
    for column, values in tables.as_table(expected).items():
        np.testing.assert_array_equal(found[column], values)
        assert found[column].dtype == values.dtype


@pytest.mark.parametrize("name", REFUSED)
def test_refused(tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    content, message = REFUSED[name]
    (tmp_path / "d.csv").write_bytes(content)
    assert_refused(["train", "d.csv", "--target", "y"], message, capsys)


def test_encodings_that_the_user_names(tmp_path, monkeypatch, capsys, rng):
    """The model remembers one; later files may be in UTF-8, too."""
    monkeypatch.chdir(tmp_path)
    towns = ["Zürich", "Genève", "Köln"]
    text = "town,y\n" + "".join(f"{towns[row % 3]},{row % 3 + 0.1 * rng.normal():.3f}\n" for row in range(60))
    (tmp_path / "old.csv").write_bytes(text.encode("cp1252"))
    (tmp_path / "new.csv").write_text(text, encoding="utf-8")
    (tmp_path / "half.csv").write_bytes(text.encode("utf-16-le"))
    options = ["--target", "y", "--epochs", "2"]
    assert main(["train", "old.csv", "--encoding", "cp1252", "--save", "m", *options]) == 0
    assert tables.load("m").encoder.feature_names == ["town is Genève", "town is Köln", "town is Zürich"]
    predicted = []
    capsys.readouterr()
    for file in (["old.csv"], ["new.csv"], ["half.csv", "--encoding", "utf-16-le"]):
        assert main(["predict", "m", *file]) == 0
        predicted.append(capsys.readouterr().out)
    assert predicted[0] == predicted[1] == predicted[2]
    assert_refused(
        ["train", "new.csv", "--encoding", "ascii", *options], "'new.csv' is not in ascii: byte 0xc3 in", capsys
    )
    assert_refused(["train", "new.csv", "--encoding", "utf8x", *options], "There is no encoding 'utf8x'", capsys)
    assert_refused(["train", "new.csv", "--encoding", "base64", *options], "There is no encoding 'base64'", capsys)


def test_arrays_of_the_same_name_are_refused(tmp_path):
    np.savez(tmp_path / "d.npz", x0=np.zeros(3), x=np.zeros((3, 2)))
    with pytest.raises(ValueError, match=r"has more than one column 'x0': see 'x'"):
        tables.read(tmp_path / "d.npz")


def test_rows_are_counted_without_blank_lines(tmp_path, monkeypatch, capsys, rng):
    monkeypatch.chdir(tmp_path)
    rows = [f"{a:.3f},{b:.3f}\n\n" for a, b in rng.normal(size=(50, 2))]
    (tmp_path / "d.csv").write_text("a,b\n\n" + "".join(rows) + "\n\n")
    assert main(["train", "d.csv", "--target", "b", "--epochs", "1", "--save", "m"]) == 0
    assert capsys.readouterr().out.startswith("40 rows of 1 column")
    assert main(["predict", "m", "d.csv"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 51
