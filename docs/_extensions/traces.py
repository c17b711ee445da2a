"""The traces and notebooks of the course, made of its pages when the site is built; and the playground."""

from __future__ import annotations

import contextlib
import io
import json
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import cbackprop as cb
from cbackprop import playground

if TYPE_CHECKING:  # tests use this module where there is no Sphinx
    from sphinx.application import Sphinx

BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def make(page: Path, target: Path) -> None:
    """Run the code of a page, and write what its `film` or else its last `trace` shows."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    floatx = cb.config.floatx()
    cb.utils.clear_session(free_memory=False)  # names of layers begin without a number again
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), np.printoptions():
        try:
            for code in BLOCK.findall(page.read_text(encoding="utf-8")):
                with contextlib.redirect_stdout(io.StringIO()):
                    exec(compile(code, page.name, "exec"), namespace)
        finally:
            cb.config.set_floatx(floatx)
    shown = namespace["film"] if "film" in namespace else namespace["trace"]
    shown.to_html(target)


def notebook_of(page: Path) -> dict[str, Any]:
    """A page as a notebook: its text without outputs and embedded traces, and its code in cells."""
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
        cells.append(cell)
    shown = {"cell_type": "code", "execution_count": None, "outputs": [], "metadata": {}}
    cells.append(shown | {"id": "shown", "source": "film.traces[-1]" if "film = " in text else "trace"})
    return {"cells": cells, "metadata": {"language_info": {"name": "python"}}, "nbformat": 4, "nbformat_minor": 5}


def finish(app: Sphinx, exception: Exception | None) -> None:
    """Put the traces beside the pages."""
    if exception is None and app.builder.format == "html":
        folder = Path(app.outdir) / "_static" / "traces"
        folder.mkdir(parents=True, exist_ok=True)
        for page in sorted((Path(app.srcdir) / "learn").glob("[0-9]*.md")):
            make(page, folder / f"{page.stem}.html")
            notebook = json.dumps(notebook_of(page), ensure_ascii=False, indent=1)
            (folder / f"{page.stem}.ipynb").write_text(notebook, encoding="utf-8")
        playground.write(folder.parent / "playground.html")


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx."""
    app.connect("build-finished", finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
