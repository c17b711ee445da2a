"""The course: every page has its trace and the three exercises of its name; pages follow each other."""

import importlib.util
import re

import pages
import pytest

from cbackprop import teach

COURSE = sorted((pages.ROOT / "docs" / "learn").glob("[0-9]*.md"))


def test_eight_pages_in_order():
    assert [page.stem[0] for page in COURSE] == list("12345678")
    listed = (pages.ROOT / "docs" / "learn" / "course.md").read_text()
    assert re.findall(r"^\d_\w+$", listed, re.MULTILINE) == [page.stem for page in COURSE]
    for page, following in zip(COURSE, [*COURSE[1:], None], strict=True):
        assert f"({following.name if following else 'course.md'})" in page.read_text()


@pytest.mark.parametrize("page", COURSE, ids=lambda page: page.stem)
def test_page(page, tmp_path):
    text = page.read_text()
    (name,) = re.findall(r'cb\.teach\.check\("(\w+)/1", answer\)', text)
    for number in (1, 2, 3):
        assert f"{number}. {teach.exercises()[f'{name}/{number}'].question}\n" in text
    assert re.findall(r"_static/traces/(.*?)\.html", text) == [page.stem]
    assert f'href="../_static/traces/{page.stem}.ipynb"' in text
    ((alt, picture),) = re.findall(r"^!\[([^\]]{20,})\]\((pictures/\w+\.svg)\)$", text, re.MULTILINE)
    assert (page.parent / picture).is_file(), f"python docs/pictures.py makes the picture: {alt}"
    spec = importlib.util.spec_from_file_location("traces", pages.ROOT / "docs" / "_extensions" / "traces.py")
    traces = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(traces)
    notebook = traces.notebook_of(page)
    cells = notebook["cells"]
    code = [cell["source"] + "\n" for cell in cells if cell["cell_type"] == "code"]
    programs = [block.text for block in pages.blocks(text) if block.kind == "python"]
    assert code[: len(programs)] == programs
    assert not any("```" in cell["source"] or "![" in cell["source"] for cell in cells)
    assert len({cell["id"] for cell in cells}) == len(cells)
    traces.make(page, tmp_path / "trace.html")
    assert '"lossAfter"' in (tmp_path / "trace.html").read_text(encoding="utf-8")
