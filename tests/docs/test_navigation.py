"""Every page of the site stands in one list of pages, and the start page has five of them."""

import re
import tomllib
from collections import Counter

import pages

DOCS = pages.ROOT / "docs"
MADE = {"reference/index", "examples/index"}  # when the site is built
SECTIONS = ["learn", "guides", "reference/index", "examples/index", "about"]


def listed(name):
    """The names of the pages that a page lists, from the folder docs."""
    path = DOCS / f"{name}.md"
    lists = [block.text for block in pages.blocks(path.read_text()) if block.kind == "{toctree}"]
    names = [line for text in lists for line in text.splitlines() if re.fullmatch(r"[\w/]+", line)]
    return [(path.parent / name).relative_to(DOCS).as_posix() for name in names]


def test_sections():
    assert listed("index") == SECTIONS


def test_every_page_has_one_place():
    places, waiting = Counter(), ["index"]
    while waiting:
        places[name := waiting.pop()] += 1
        assert places[name] < 2, name
        waiting += listed(name) if name not in MADE else []
    existing = {path.relative_to(DOCS).with_suffix("").as_posix() for path in DOCS.rglob("*.md")}
    # docs/_extensions/reference.py lists the page on Keras.
    assert set(places) == (existing | MADE) - {"coverage"}


def test_supported_pythons_are_said_once():
    """In README, as in the package's own list; the wheels and the workflow go by the same."""
    project = tomllib.loads((pages.ROOT / "pyproject.toml").read_text())
    versions = re.findall(r"Python :: (3\.\d+)", " ".join(project["project"]["classifiers"]))
    said = f"Python {', '.join(versions[:-1])} or {versions[-1]}"
    assert [page.name for page in pages.PAGES if said in " ".join(page.read_text().split())] == ["README.md"]
    assert project["project"]["requires-python"] == f">={versions[0]}"
    assert project["tool"]["cibuildwheel"]["build"] == " ".join(f"cp{v.replace('.', '')}-*" for v in versions)
    workflow = (pages.ROOT / ".github" / "workflows" / "ci.yml").read_text()
    assert set(re.findall(r'"(3\.\d+)"', workflow)) == set(versions)
