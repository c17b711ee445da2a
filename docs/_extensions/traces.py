"""The traces and notebooks of the course, made of its pages when the site is built; and the playground."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import re
import runpy
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import cbackprop as cb
from cbackprop import playground

if TYPE_CHECKING:  # tests use this module where there is no Sphinx
    from sphinx.application import Sphinx

PICTURE = re.compile(r"^!\[([^\]]*)\]\([^)]*\)$\n*", re.MULTILINE)
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def make(page: Path, target: Path, draw: Callable[[dict[str, Any]], Any] | None = None) -> bytes | None:
    """Run the code of a page, and write what its `film` or else its last `trace` shows.

    The result is what `draw` makes of the page's names, as PNG.
    """
    namespace: dict[str, Any] = {"__name__": "__main__"}
    floatx = cb.config.floatx()
    cb.utils.clear_session(free_memory=False)  # names of layers begin without a number again
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), np.printoptions():
        try:
            for code in BLOCK.findall(page.read_text(encoding="utf-8")):
                with contextlib.redirect_stdout(io.StringIO()):
                    exec(compile(code, page.name, "exec"), namespace)
            shown = namespace["film"] if "film" in namespace else namespace["trace"]
            shown.to_html(target)
            return png(draw(namespace)) if draw else None
        finally:
            cb.config.set_floatx(floatx)


def png(figure: Any) -> bytes:
    """A figure of matplotlib as PNG, and no longer open."""
    from matplotlib import pyplot as plt

    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=130)
    plt.close(figure)
    return file.getvalue()


def notebook_of(page: Path, picture: bytes | None = None) -> dict[str, Any]:
    """A page as a notebook: its text without outputs and embedded traces, and its code in cells.

    A notebook is one file, so it holds the page's picture, as PNG: Jupyter shows no SVG that is within a cell of text.
    """
    text = re.sub(r"^```(?:output|\{raw\} html)\n.*?^```$\n*", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    cells: list[dict[str, Any]] = []
    for number, part in enumerate(BLOCK.split(text)):
        if not part.strip():
            continue
        cell: dict[str, Any] = {"id": f"part{number}", "metadata": {}, "source": part.strip("\n")}
        if number % 2:
            cell |= {"cell_type": "code", "execution_count": None, "outputs": []}
        else:
            cell |= {"cell_type": "markdown"}
            if picture and PICTURE.search(part):
                cell["attachments"] = {"picture.png": {"image/png": base64.b64encode(picture).decode()}}
            cell["source"] = PICTURE.sub(r"![\1](attachment:picture.png)\n\n" if picture else "", part).strip("\n")
        cells.append(cell)
    shown = {"cell_type": "code", "execution_count": None, "outputs": [], "metadata": {}}
    cells.append(shown | {"id": "shown", "source": "film.traces[-1]" if "film = " in text else "trace"})
    return {"cells": cells, "metadata": {"language_info": {"name": "python"}}, "nbformat": 4, "nbformat_minor": 5}


def finish(app: Sphinx, exception: Exception | None) -> None:
    """Write the traces into the pages' folders."""
    if exception is None and app.builder.format == "html":
        folder = Path(app.outdir) / "_static" / "traces"
        folder.mkdir(parents=True, exist_ok=True)
        pictures = runpy.run_path(str(Path(app.srcdir) / "learn" / "draw.py"))["PICTURES"]
        for page in sorted((Path(app.srcdir) / "learn").glob("[0-9]*.md")):
            picture = make(page, folder / f"{page.stem}.html", pictures[page.stem])
            notebook = json.dumps(notebook_of(page, picture), ensure_ascii=False, indent=1)
            (folder / f"{page.stem}.ipynb").write_text(notebook, encoding="utf-8")
        playground.write(folder.parent / "playground.html")


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx."""
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
