"""Read the cells of text files: CSV, and files with other separators."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["Texts", "read_delimited"]

# Possible column separators. If several fit equally well, the first one is used.
SEPARATORS = ",;\t|"
# Longer byte order marks come first, because the mark of UTF-32 begins with that of UTF-16.
ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# The number of records from which the separator is found.
SAMPLE = 20
# A record that no file contains. If it is not read as the last record, a quote before it is not closed.
END = "\x00end of the table\x00"
NUMBER = re.compile(r"\s*[-+]?[0-9.,]+(?:e[-+]?[0-9]+)?\s*", re.IGNORECASE)


# A text in a formula, as spreadsheets write it to protect the text from conversion.
FORMULA = re.compile(r'="([^"]*)"')
# The first bytes of files that are not text, and what they are.
OTHERS = {
    b"PK\x03\x04": "an Excel workbook or another ZIP archive",
    b"\xd0\xcf\x11\xe0": "an Excel workbook",
    b"\x1f\x8b": "compressed by gzip",
    b"PAR1": "a Parquet file",
    b"%PDF": "a PDF file",
    b"SQLite format 3": "an SQLite database",
}


class EncodingError(ValueError):
    """A file is not in the encoding with which it is read."""


@dataclass(frozen=True)
class Texts:
    """The cells of a text file.

    Parameters
    ----------
    columns : dict of str to list of str
    lines : list of int
        The line of each row, counted from 1.
    name : str
        The file, as messages name it.
    separator : str
    """

    columns: dict[str, list[str]]
    lines: list[int]
    name: str
    separator: str

    def where(self, row: int) -> str:
        """The place of a row, for messages."""
        return f"line {self.lines[row]:,}"


def read_delimited(content: bytes, name: str, separator: str | None = None, encoding: str | None = None) -> Texts:
    """Read all cells as texts. Blank lines, and comments before the header, are skipped.

    Parameters
    ----------
    content : bytes
    name : str
        The file, as messages name it.
    separator : str, optional
        By default, the one given by a first line such as ``sep=;``; otherwise the separator that divides most of the
        first rows into equal numbers of fields.
    encoding : str, optional
        By default, as the byte order mark says, or UTF-8.

    Raises
    ------
    ValueError
        If the file is empty or not in this encoding, the header has a name twice, or a row has more or fewer fields
        than the header.
    """
    text = decoded(content, name, encoding)
    if not text.strip():
        raise ValueError(f"{name} is empty.")
    body, skipped, given = _without_preamble(text)
    separator = given or separator or _separator(body)
    records = _records(body, separator, name, skipped)
    first, header = next(records)
    names = _names(header, name, first)
    rows, lines = [], []
    alone = len(header) == 1 and '""' in body  # then a row may consist of one empty field
    for line, record in records:
        if len(record) == 1 and not (alone or record[0].strip()):
            continue
        if len(record) != len(header):
            record = _fitted(record, len(header), name, line, first)
        rows.append(record)
        lines.append(line)
    if not rows:
        raise ValueError(f"{name} has no rows below its header in line {first}.")
    cells = [_plain(column) for column in zip(*rows, strict=True)]
    columns = {
        title or f"column {place}": column
        for place, (title, column) in enumerate(zip(names, cells, strict=True), 1)
        if title or any(map(str.strip, column))
    }
    return Texts(columns, lines, name, separator)


def decoded(content: bytes, name: str, encoding: str | None) -> str:
    """The text of a file.

    Raises
    ------
    EncodingError
        If it is not in this encoding. Nothing is replaced.
    ValueError
        If there is no such encoding.
    """
    other = next((what for start, what in OTHERS.items() if content.startswith(start)), None)
    if other is not None:
        raise EncodingError(f"{name} is not a text file, but {other}. Export its table as CSV first.")
    marked = next((codec for mark, codec in ORDER_MARKS if content.startswith(mark)), None)
    try:
        text = content.decode(marked or encoding or "utf-8")
    except LookupError:
        known = "utf-8, cp1252, latin-1 or utf-16"
        raise ValueError(f"There is no encoding {encoding!r}. Use one such as {known}.") from None
    except UnicodeError as error:
        place = ""
        if isinstance(error, UnicodeDecodeError):
            line = content.count(b"\n", 0, error.start) + 1
            place = f": byte 0x{content[error.start]:02x} in line {line:,}"
        what = marked or encoding or "UTF-8"
        hint = "" if encoding or marked else "; give its encoding, such as --encoding cp1252 for older Windows files"
        raise EncodingError(f"{name} is not in {what}{place}{hint}.") from None
    if "\x00" in text:
        raise EncodingError(f"{name} contains zero bytes: it is not text, or needs --encoding, such as utf-16-le.")
    return text


def _without_preamble(text: str) -> tuple[str, int, str | None]:
    """The text from the header on, the number of lines before it, and the separator in a line such as ``sep=;``.

    Lines before the header are skipped if they are blank or begin with ``#``. If the first line after that contains
    only numbers, the comment above it is the header, as written by NumPy.
    """
    separator = None
    lines = io.StringIO(text, newline="").readlines()
    comment = at = 0
    while at < len(lines) and (not lines[at].strip() or lines[at][0] == "#" or _named_separator(lines[at])):
        separator = _named_separator(lines[at]) or separator
        comment = at if lines[at][0] == "#" else comment
        at += 1
    if at and (at == len(lines) or _is_header_of(lines[comment], lines[at])):
        at, lines[comment] = comment, lines[comment].lstrip("# ")
    return "".join(lines[at:]), at, separator


def _named_separator(line: str) -> str | None:
    found = re.fullmatch(r'"?sep=(.)"?', line.strip("\r\n"), re.IGNORECASE)
    return found[1] if found else None


def _is_header_of(comment: str, line: str) -> bool:
    """Whether a comment is the header of the line below it, which contains only numbers."""
    mark = _separator(line)
    fields = line.strip().split(mark)
    return (
        comment.startswith("#")
        and comment.count(mark) == line.count(mark) > 0
        and all(NUMBER.fullmatch(part) for part in fields)
    )


def _separator(text: str) -> str:
    """The separator that divides the first records into the same, largest number of fields."""
    lines = io.StringIO(text, newline="")
    some = [line for line, _ in zip(lines, range(SAMPLE), strict=False)]

    def fit(mark: str) -> tuple[int, int]:
        widths = [len(record) for record in csv.reader(some, delimiter=mark, skipinitialspace=True) if record]
        same = sum(width == widths[0] for width in widths)
        return (same if widths[0] > 1 else 0, widths[0])

    return max(SEPARATORS, key=fit)


def _records(text: str, separator: str, name: str, skipped: int) -> Iterator[tuple[int, list[str]]]:
    """The records, each with the number of its first line. Empty lines are skipped."""
    lines = io.StringIO(text if text.endswith(("\n", "\r")) else text + "\n", newline="")
    reader = csv.reader(itertools.chain(lines, [END]), delimiter=separator, skipinitialspace=True)
    line = 0
    try:
        for record in reader:
            if record and record[-1].endswith(END):
                if record == [END]:
                    return
                break
            if record:
                yield skipped + line + 1, record
            line = reader.line_num
    except csv.Error:  # a field is longer than csv allows
        pass
    raise ValueError(f"{name}, line {skipped + line + 1:,}: a quote opens a field, but nothing closes it.")


def _plain(cells: Sequence[str]) -> list[str]:
    """Cells without the wrapper ``="..."``, which protects a text from conversion in spreadsheets."""
    if not any(cell.startswith('="') for cell in cells):
        return list(cells)
    return [found[1] if (found := FORMULA.fullmatch(cell.strip())) else cell for cell in cells]


def _names(header: list[str], name: str, line: int) -> list[str]:
    """The names of the columns; "" for columns without one."""
    names = [title.strip() for title in _plain(header)]
    repeated = [title for title in dict.fromkeys(names) if title and names.count(title) > 1]
    if repeated:
        several = ", ".join(map(repr, repeated))
        hint = " It looks like a row of numbers: is the header missing?" if all(map(NUMBER.fullmatch, repeated)) else ""
        raise ValueError(f"{name}, line {line}: the header names more than one column {several}.{hint}")
    return names


def _fitted(record: list[str], width: int, name: str, line: int, first: int) -> list[str]:
    """A record without empty fields beyond those of the header."""
    if len(record) > width and not any(map(str.strip, record[width:])):
        return record[:width]
    raise ValueError(
        f"{name}, line {line:,}: there {'are' if len(record) > 1 else 'is'} {len(record):,} "
        f"field{'s' * (len(record) > 1)}, but the header in line {first} has {width:,}."
    )
