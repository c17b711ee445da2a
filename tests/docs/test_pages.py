"""The programs on the pages of the documentation run, and print what the pages show.

Pages that need an extra are run by tests/parity/docs/test_pages_with_extras.py.
"""

import os
import re
import tomllib

import pages
import pytest

ALONE = [page for page in pages.PAGES if not pages.extras(page)]
# Blocks that are neither programs nor what a program printed: drawings, files of other tools, code of other libraries.
TEXTS = {
    "README": ["describe (Python)"],
    "design": ["describe (Python)", "{{for real"],
    "extending": ["cbdouble/__init__.py "],
    "from_pytorch": ["for epoch in range(20):"],
    "internals": ["thread 0 (called fit)", "gdb --args"],
    "scaling": ["#!/bin/bash"],
}
# Blocks of commands that are not run; each says why.
LEFT_OUT = {"internals": 4}


@pytest.mark.parametrize("page", ALONE, ids=lambda page: page.stem)
def test_page(page, tmp_path):
    pages.run(page, tmp_path)


@pytest.mark.parametrize("page", pages.PAGES, ids=lambda page: page.stem)
def test_marks_and_extras_exist(page):
    assert not {block.kind for block in pages.blocks(page.read_text())} & pages.REFUSED
    known = tomllib.loads((pages.ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert pages.extras(page) <= set(known)


@pytest.mark.parametrize("page", pages.PAGES, ids=lambda page: page.stem)
def test_what_a_page_shows_is_run_or_printed(page):
    """Every block that is neither run nor compared with an output is listed here."""
    text = page.read_text()
    shown = [block for block in pages.blocks(text) if block.kind not in ("python", "sh", "output")]
    others = [block for block in shown if not block.file and not block.kind.startswith("{")]
    begun = TEXTS.get(page.stem, [])
    assert [block.kind for block in others] == ["text"] * len(begun), f"in lines {[block.line for block in others]}"
    assert all(block.text.lstrip().startswith(beginning) for block, beginning in zip(others, begun, strict=True))


@pytest.mark.parametrize("page", pages.PAGES, ids=lambda page: page.stem)
def test_what_is_not_run_is_known(page):
    """Debuggers and profilers may be missing; everything else is run. Blocks in lists would be overlooked."""
    text = page.read_text()
    left_out = [block for block in pages.blocks(text) if block.text.startswith(pages.NOT_RUN)]
    assert [block.kind for block in left_out] == ["sh"] * LEFT_OUT.get(page.stem, 0)
    assert re.findall(r"^[ >]+```", text, re.MULTILINE) == []


def page(tmp_path, text):
    path = tmp_path / "page.md"
    path.write_text(text)
    return path


def test_blocks_share_names_and_output_is_compared(tmp_path):
    text = "```python\nx = 2\n```\n\n```python\nprint(x, 1.23)\n```\n\n```output\n2 1.2...\n```\n"
    assert pages.run(page(tmp_path, text), tmp_path) == 2
    with pytest.raises(AssertionError, match="line 10"):
        pages.run(page(tmp_path, text.replace("2 1.2...", "3 1.2...")), tmp_path)


def test_files_are_written(tmp_path):
    text = "```toml file=new/a.toml\nx = 1\n```\n\n```sh\ncat new/a.toml\n```\n\n```output\nx = 1\n```\n"
    assert pages.run(page(tmp_path, text), tmp_path) == 1


def test_any_time_is_as_good_as_another(tmp_path):
    text = "```python\nprint('3 epochs in 0.07 s')\n```\n\n```output\n3 epochs in 1.2 s\n```\n"
    assert pages.run(page(tmp_path, text), tmp_path) == 1
    with pytest.raises(AssertionError, match="line 6"):
        pages.run(page(tmp_path, text.replace("3 epochs in 1", "4 epochs in 1")), tmp_path)


def test_commands_run_in_the_folder(tmp_path):
    text = "```sh\npip install nothing\necho 1 > file\ncat file\n```\n\n```output\n1\n```\n"
    assert pages.run(page(tmp_path, text), tmp_path) == 1
    with pytest.raises(AssertionError, match="line 2"):
        pages.run(page(tmp_path, "```sh\nfalse\n```\n"), tmp_path)


def test_errors_point_into_the_page(tmp_path):
    with pytest.raises(ZeroDivisionError) as caught:
        pages.run(page(tmp_path, "text\n\n```python\n1 / 0\n```\n"), tmp_path)
    assert caught.traceback[-1].lineno + 1 == 4


def test_what_is_marked_is_not_run(tmp_path):
    text = f"```sh\n{pages.NOT_RUN}: takes long\nfalse\n```\n\n```text\nfalse\n```\n"
    assert pages.run(page(tmp_path, text), tmp_path) == 0
    assert os.listdir(tmp_path) == ["page.md"]
