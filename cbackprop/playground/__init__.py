"""The playground: a page in which a small network learns while you watch. It needs no server and no internet."""

from __future__ import annotations

import re
from importlib.resources import files
from os import PathLike

from cbackprop.absent import explain
from cbackprop.trace.page import check_page_path

__all__ = ["page", "write"]

MODULES = ("network.js", "settings.js", "data.js", "script.js", "playground.js")


def page() -> str:
    """The page as a string, with the modules of its script combined into one.

    Examples
    --------
    >>> from cbackprop import playground
    >>> "Watch a network learn" in playground.page()
    True
    """
    folder = files("cbackprop.playground")

    def read(name: str) -> str:
        return folder.joinpath(name).read_text(encoding="utf-8")

    # In a single script the modules need not import each other.
    parts = [re.sub(r"^import \{.*\n|^export (?=\w)", "", read(name), flags=re.MULTILINE) for name in MODULES]
    shown = read("playground.html").replace("{{style}}", read("playground.css"))
    return shown.replace("{{script}}", "\n".join(parts))


def write(path: str | PathLike[str]) -> None:
    """Write the page to a file whose name ends in ``.html``.

    Raises
    ------
    TypeError, ValueError
        If `path` is not a path of a page.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import os, tempfile
    >>> from cbackprop import playground
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     playground.write(os.path.join(folder, "playground.html"))
    ...     os.listdir(folder)
    ['playground.html']
    """
    check_page_path(path).write_text(page(), encoding="utf-8")


explain(__name__)
