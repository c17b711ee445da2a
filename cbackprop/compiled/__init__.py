"""The compiled half of cbackprop, chosen for this processor.

Every module here was built once for any processor of the architecture, and those that gain from it once more for some
of the instruction sets listed in setup.py, below ``variants/``. Putting the folders of the chosen set and of lesser
ones in front of the search path is all the choosing there is: modules, and the C functions that they take from each
other with ``cimport``, are then found there under the same names.
"""

from __future__ import annotations

import os
from pathlib import Path

try:
    from cbackprop.compiled import cpu as cpu
except ImportError as error:
    raise ImportError(
        f"{Path(__file__).parent.parent} is cbackprop's source, which has not been built in place. "
        "Run from another directory to use the installed package, or build it here: pip install -e ."
    ) from error

__all__ = ["INSTRUCTION_SET", "available", "variant_path"]

_HERE = Path(__file__).parent
BASELINE = "baseline"


def available() -> list[str]:
    """Instruction sets that were built and that this processor has, the best first."""
    return [name for name in cpu.supported() if (_HERE / "variants" / name).is_dir()] + [BASELINE]


def _choose() -> str:
    """The best available one, or the one that the environment variable ``CBACKPROP_CPU`` names."""
    usable = available()
    wanted = os.environ.get("CBACKPROP_CPU", usable[0])
    if wanted not in usable:
        raise ImportError(f"CBACKPROP_CPU={wanted!r} cannot be used here. Choose from: {', '.join(usable)}.")
    return wanted


INSTRUCTION_SET = _choose()
# The chosen set and the sets that it includes, without the baseline
_SETS = available()[:-1]
_SETS = _SETS[_SETS.index(INSTRUCTION_SET) :] if INSTRUCTION_SET in _SETS else []


def variant_path(package: str, path: list[str]) -> list[str]:
    """The search path of a package below this one: the chosen variants' folders, then its own."""
    parts = package.split(".")[2:]
    return [*(str(_HERE.joinpath("variants", name, *parts)) for name in _SETS), *path]


__path__ = variant_path(__name__, __path__)
