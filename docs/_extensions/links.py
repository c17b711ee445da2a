"""Pages are read in the repository as well: there links lead to files that the site has copies of."""

from sphinx.application import Sphinx

COPIES = {
    "../CONTRIBUTING.md": "contributing.md",
    "../CHANGELOG.md": "changelog.md",
    "../benchmarks/README.md": "benchmarks.md",
}


def redirect(app: Sphinx, page: str, source: list[str]) -> None:
    """Change the targets of links in a page that has just been read."""
    for target, copy in COPIES.items():
        source[0] = source[0].replace(f"]({target}", f"]({copy}")


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx."""
    app.connect("source-read", redirect)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
