"""Pages of the documentation as programs: their blocks, and how they are run.

A page is run from top to bottom in one folder of its own. Fenced blocks marked ``python`` share one namespace, and
blocks marked ``sh`` are given to a shell, but for lines that install something. A block marked ``output`` must be what
the block before it printed, where ``...`` stands for anything. A block whose first line is a comment that begins with
``# not run by the tests`` says to the reader, too, why it is not run. Where the mark is followed by ``file=NAME``, the
block is that file, and is written into the folder. Blocks with any other mark, or none, are not programs; marks that
mean the same as these are refused, lest something is never run.

How long something took is different in every run, so any time stands for any other: ``0.03 s`` for ``1.2 s``.

``python tests/shared/pages.py PAGE FOLDER`` writes the files of a page.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import cbackprop as cb

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "learn").glob("*.md")])
NOT_RUN = "# not run by the tests"
REFUSED = {"py", "python3", "ipython", "pycon", "bash", "shell", "console", "shell-session"}
FENCE = re.compile(r"^(```+)(\{[\w-]+\}|[\w-]*)(?: file=([\w./-]+))?[^\n]*\n(.*?)^\1[ ]*$", re.MULTILINE | re.DOTALL)
INSTALL = re.compile(r"^pip install .*\n", re.MULTILINE)
EXTRA = re.compile(r"pip install \"?(?:cbackprop|\.)\[([\w,-]+)\]")
LISTING = re.compile(r"(?<=\n\n)(?: {4}[^\n]*\n|\n(?= {4}))+")
DURATION = re.compile(r"\b[\d.,]+ (s|ms|us|µs|min)\b")


@dataclass
class Block:
    """A fenced block of a page."""

    kind: str
    text: str
    line: int
    file: str | None = None


def blocks(text: str) -> list[Block]:
    """The fenced blocks of a page, in order."""
    return [
        Block(found[2], found[4], text.count("\n", 0, found.start(4)) + 1, found[3]) for found in FENCE.finditer(text)
    ]


def indented(text: str) -> list[Block]:
    """The indented blocks of a page: commands to look at, which tests/docs/test_commands.py judges."""
    plain = FENCE.sub(lambda fence: "\n" * fence[0].count("\n"), text)
    found = LISTING.finditer(plain)
    return [Block("", textwrap.dedent(each[0]), plain.count("\n", 0, each.start()) + 1) for each in found]


def extras(page: Path) -> set[str]:
    """The extras that a page tells its readers to install."""
    return {name for names in EXTRA.findall(page.read_text()) for name in names.split(",")}


def run(page: Path, folder: Path) -> int:
    """Run a page in a folder; the number of its blocks that were run."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    printed, count = "", 0
    with contextlib.chdir(folder), settings():
        for block in blocks(page.read_text()):
            if block.file:
                write(block)
            elif block.kind == "output":
                compare(page, block, printed)
            elif block.kind in ("python", "sh") and not block.text.startswith(NOT_RUN):
                printed = run_python(page, block, namespace) if block.kind == "python" else run_shell(page, block)
                count += 1
    return count


def write(block: Block, folder: Path = Path()) -> None:
    """Write a block that is a file."""
    assert block.file
    path = folder / block.file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(block.text)


@contextlib.contextmanager
def settings() -> Iterator[None]:
    """Restore the settings of this process that a page may change."""
    floatx, threads = cb.config.floatx(), cb.config.get_num_threads()
    try:
        with np.printoptions():
            yield
    finally:
        cb.config.set_floatx(floatx)
        cb.config.set_num_threads(threads)


def run_python(page: Path, block: Block, namespace: dict[str, Any]) -> str:
    """Run a block of Python; what it printed. Errors point to the page's own lines."""
    code = compile("\n" * (block.line - 1) + block.text, str(page), "exec")
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(code, namespace)
    return out.getvalue()


def run_shell(page: Path, block: Block) -> str:
    """Run a block of commands, with this Python's commands first; what they printed."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    command = ["bash", "-euo", "pipefail", "-c", INSTALL.sub("", block.text)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PATH": path}, timeout=120)
    assert done.returncode == 0, f"{page.name}, line {block.line}:\n{done.stdout}{done.stderr}"
    return done.stdout


def compare(page: Path, block: Block, printed: str) -> None:
    """Hold the output that a page shows against what was printed."""
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    same = doctest.OutputChecker().check_output(timeless(block.text), timeless(printed), flags)
    assert same, (
        f"{page.name}, line {block.line}: the page shows\n{block.text}but the block before it printed\n{printed}"
    )


def timeless(text: str) -> str:
    """A text with the same time in place of every one."""
    return DURATION.sub(r"0 \1", text)


def write_files(page: Path, folder: Path) -> None:
    """Write all files that a page shows."""
    for block in blocks(page.read_text()):
        if block.file:
            write(block, folder)


if __name__ == "__main__":
    write_files(*map(Path, sys.argv[1:]))
