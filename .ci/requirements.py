"""Print what the extras named on the command line require, and the package itself."""

import re
import sys
import tomllib
from pathlib import Path

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]


def requirements(extra: str) -> set[str]:
    """Those of an extra, and of the extras that it names."""
    found = set()
    for requirement in PROJECT["optional-dependencies"][extra]:
        own = re.fullmatch(rf"{PROJECT['name']}\[(.*)\]", requirement)
        found |= set().union(*map(requirements, own[1].split(","))) if own else {requirement}
    return found


print(*sorted(set(PROJECT["dependencies"]).union(*map(requirements, sys.argv[1:]))), sep="\n")
