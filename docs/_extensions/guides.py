"""Pages that the start page does not name are guides, and stand in its list of guides: in place of the line ``*``."""

from pathlib import Path

from sphinx.application import Sphinx


def complete(app: Sphinx, page: str, source: list[str]) -> None:
    """Put the other pages into the list."""
    if page == "index":
        lines = source[0].splitlines()
        others = sorted({path.stem for path in Path(app.srcdir).glob("*.md")} - {*lines, "index"})
        at = lines.index("*")
        source[0] = "\n".join([*lines[:at], *others, *lines[at + 1 :]]) + "\n"


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx."""
    app.connect("source-read", complete)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
