"""Makes the pictures of pages, each by the snippet above it; and those of the course, by `learn/draw.py`.

python docs/pictures.py
"""

from __future__ import annotations

import contextlib
import io
import re
import runpy
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
PAGES = [DOCS / "tutorial.md", DOCS / "plotting.md"]
COURSE = sorted((DOCS / "learn").glob("[0-9]*.md"))
# Texts stay texts, so that the files are small; the same numbers make the same file.
STYLE = {"svg.fonttype": "none", "svg.hashsalt": "cbackprop", "font.family": "sans-serif", "font.size": 9}


def parts(page: Path) -> Iterator[tuple[str, str]]:
    """The actions for a page, in order: ("run", snippet) and ("save", name of a picture)."""
    pattern = r"^```python\n(.*?)^```$|^!\[[^\]]*\]\(([^)]*)\)$"
    for found in re.finditer(pattern, page.read_text(), re.MULTILINE | re.DOTALL):
        yield ("run", found[1]) if found[1] else ("save", found[2])


def run(page: Path, folder: Path, draw: Callable[[dict[str, Any]], Any] | None = None) -> list[str]:
    """Run the snippets of a page, and save the pictures below this folder; their names.

    A picture is what the snippet above it has drawn, or else what `draw` makes of the names that the page has so far.
    """
    import matplotlib as mpl
    from matplotlib import pyplot as plt

    saved = []
    names: dict[str, Any] = {}
    with mpl.rc_context(STYLE):
        for kind, text in parts(page):
            if kind == "run":
                plt.close("all")
                exec(compile(text, str(page), "exec"), names)
                continue
            if draw:
                draw(names)
            path = folder / text
            path.parent.mkdir(parents=True, exist_ok=True)
            plt.gcf().savefig(path, metadata={"Date": None})
            saved.append(text)
        plt.close("all")
    return saved


def run_course(folder: Path) -> list[str]:
    """Run the pages of the course, and save the picture of each below this folder; their names."""
    import cbackprop as cb

    saved, floatx = [], cb.config.floatx()
    pictures = runpy.run_path(str(DOCS / "learn" / "draw.py"))["PICTURES"]
    for page in COURSE:
        cb.utils.clear_session(free_memory=False)  # names of layers begin without a number again
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                saved += run(page, folder, pictures[page.stem])
        finally:
            cb.config.set_floatx(floatx)
    return saved


if __name__ == "__main__":
    import matplotlib as mpl

    mpl.use("Agg")
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):  # for files that pages write
        for page in PAGES:
            print(*run(page, DOCS), sep="\n")
        print(*run_course(DOCS / "learn"), sep="\n")
