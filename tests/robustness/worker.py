"""Runs attacks, and says of each how it ended: one line of JSON before and after each.

python worker.py FIRST COUNT STEP
"""

from __future__ import annotations

import faulthandler
import io
import json
import os
import resource
import sys
import traceback
import warnings
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

HERE = Path(__file__).parent
# Exceptions of these classes do not say what is wrong or how to correct it, so the library must not raise them itself.
BARE = (
    AssertionError, AttributeError, IndexError, KeyError, NameError, OverflowError, RecursionError, StopIteration,
    SystemError, ZeroDivisionError,
)  # fmt: skip
MEANT = (ValueError, TypeError, RuntimeError, MemoryError, OSError, ImportError)
GIGABYTES = 4


def of_the_library(error: BaseException) -> bool:
    """Whether an exception was raised by the library, or by what it called, rather than by an attack's own code."""
    frames = [Path(frame.filename) for frame in traceback.extract_tb(error.__traceback__)]
    return bool(frames) and HERE not in frames[-1].parents


def judged(error: BaseException) -> str | None:
    """The fault of an exception; nothing if the library raises it on purpose."""
    if type(error).__name__ == "LieError" or not of_the_library(error):
        return None
    if isinstance(error, BARE) and not meant(error):
        return f"bare {type(error).__name__}: {error}"
    if not isinstance(error, (*MEANT, AttributeError, KeyError)):
        return f"{type(error).__name__}: {error}"
    if not str(error) and not isinstance(error, MemoryError):
        return f"{type(error).__name__} without a message"
    return None


def meant(error: BaseException) -> bool:
    """An AttributeError or IndexError that the library raises by name, in the line that it ends in.

    Or one of the library's own classes, which are a KeyError for Keras's users and a ValueError for others.
    """
    line = traceback.extract_tb(error.__traceback__)[-1].line or ""
    own = isinstance(error, KeyError) and isinstance(error, ValueError)
    return own or (isinstance(error, (AttributeError, IndexError)) and line.startswith("raise "))


def run(seed: int) -> dict[str, str | None]:
    """One case."""
    import data_attacks  # noqa: F401  enters its own
    import file_attacks  # noqa: F401
    import image_attacks  # noqa: F401
    import numpy as np
    import recurrent_attacks  # noqa: F401
    import sequence_attacks  # noqa: F401
    from attacks import ATTACKS

    import cbackprop as cb

    rng = np.random.default_rng(seed)
    name = list(ATTACKS)[rng.integers(len(ATTACKS))]
    cb.utils.set_random_seed(seed % 2**32)
    cb.utils.clear_session(free_memory=False)
    silent = io.StringIO()
    try:
        with redirect_stdout(silent), redirect_stderr(silent), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ATTACKS[name](rng)
    except BaseException as error:
        wrong = judged(error)
        where = "".join(traceback.format_exception(error)[-6:]) if wrong else None
        return {"attack": name, "ended": type(error).__name__, "wrong": wrong, "where": where}
    return {"attack": name, "ended": "well", "wrong": None, "where": None}


def main() -> None:
    """All cases of a range."""
    first, count, step = map(int, sys.argv[1:4])
    sys.path.insert(0, str(HERE.parent / "shared"))
    faulthandler.enable()
    limit = int(os.environ.get("CBACKPROP_ROBUSTNESS_GIGABYTES", GIGABYTES)) * 2**30
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    out = os.fdopen(os.dup(1), "w", buffering=1)
    for seed in range(first, first + count * step, step):
        print(json.dumps({"seed": seed}), file=out)
        print(json.dumps({"seed": seed, **run(seed)}), file=out)


if __name__ == "__main__":
    main()
