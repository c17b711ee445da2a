"""The notebooks of the course run as notebooks: every cell prints what the page shows, and a trace shows itself."""

import base64
import importlib.util
import re

import pages
import pytest

nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")
pytest.importorskip("ipykernel")

COURSE = sorted((pages.ROOT / "docs" / "learn").glob("[0-9]*.md"))


def notebook_of(page):
    """The files that the site offers with a page."""
    spec = importlib.util.spec_from_file_location("traces", pages.ROOT / "docs" / "_extensions" / "traces.py")
    traces = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(traces)
    notebook = nbformat.from_dict(traces.notebook_of(page, b"picture"))
    nbformat.validate(notebook)
    return notebook


def assert_pictured(cells):
    """One cell of text shows the page's picture, which is in the notebook itself."""
    (cell,) = (cell for cell in cells if "![" in cell.source)
    assert re.findall(r"^!\[[^\]]+\]\((.*)\)$", cell.source, re.MULTILINE) == ["attachment:picture.png"]
    assert base64.b64decode(cell.attachments["picture.png"]["image/png"]) == b"picture"


def shown(page):
    """The output that the page shows below each of its programs, or None."""
    found = []
    for block in pages.blocks(page.read_text()):
        if block.kind == "python":
            found.append(None)
        elif block.kind == "output":
            found[-1] = block
    return found


@pytest.mark.parametrize("page", COURSE, ids=lambda page: page.stem)
def test_notebook(page, tmp_path):
    notebook = notebook_of(page)
    assert_pictured(notebook.cells)
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3", resources=resources).execute()
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell, block in zip(cells, [*shown(page), None], strict=True):
        printed = "".join(output.text for output in cell.outputs if output.get("name") == "stdout")
        assert not [output for output in cell.outputs if output.get("name") == "stderr"]
        if block is not None:
            pages.compare(page, block, printed)
    (last,) = cells[-1].outputs
    assert last.data["text/html"].startswith("<")
    assert "<script" not in last.data["text/html"]
