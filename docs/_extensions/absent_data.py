"""Gallery scripts whose data are not on this machine are shown, with a note, but not run."""

from __future__ import annotations

from sphinx.application import Sphinx
from sphinx.config import Config

from cbackprop.datasets import fashion_mnist

NOTE = (
    ".. note:: When this page was built, the data were not on the machine. So the program was not run, and there are no"
    " results and no pictures.\n\n"
)


def absent() -> list[str]:
    """The scripts that cannot run."""
    try:
        fashion_mnist.load_data()
    except FileNotFoundError:
        return ["plot_fashion_mnist"]
    return []


def leave_out(app: Sphinx, config: Config) -> None:
    """Let only the other scripts run."""
    names = "|".join(absent())
    config.sphinx_gallery_conf["filename_pattern"] = rf"/(?!({names})\.py)plot_" if names else "/plot_"


def explain(app: Sphinx, page: str, source: list[str]) -> None:
    """Say so at the top of their pages."""
    if page.startswith("examples/") and page.removeprefix("examples/") in absent():
        source[0] = NOTE + source[0]


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx."""
    app.connect("config-inited", leave_out, priority=0)
    app.connect("source-read", explain)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
