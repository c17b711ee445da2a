"""Programs that MPI starts as several processes."""

import os
import shutil
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import NamedTuple

import pytest

# Seconds after which a program counts as hanging: some 20 times what the longest one takes on an idle machine.
PATIENCE = 180


def launcher():
    """The program that starts ranks, with the arguments that tests need; None where there is no MPI."""
    try:
        import mpi4py
    except ImportError:
        return None
    near = [Path(sys.prefix) / "bin", Path(mpi4py.__file__).parents[4] / "bin"]
    path = os.pathsep.join([*map(str, near), os.environ.get("PATH", "")])
    found = shutil.which("mpiexec", path=path)
    if found is None:
        return None
    version = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=60).stdout
    if "Open MPI" in version or "OpenRTE" in version:
        # More ranks than processors, perhaps as root in a container.
        return [found, "--allow-run-as-root", "--oversubscribe", "--bind-to", "none"]
    return [found]


needs_mpi = pytest.mark.skipif(launcher() is None, reason="needs mpi4py and mpiexec: pip install cbackprop[mpi]")


class Ended(NamedTuple):
    """How a program of several ranks has ended."""

    status: int
    out: str
    err: str
    seconds: float


def run_ranks(ranks, folder, program, *arguments, alone=False, act=None, start=None):
    """Run a program, the text of a Python file, in `folder`, by so many ranks; or without MPI, `alone`.

    `act`, if given, is called with the process while it runs. `start` is the command that starts ranks in another way.
    """
    path = Path(folder) / "program.py"
    path.write_text(textwrap.dedent(program))
    command = [sys.executable, str(path), *map(str, arguments)]
    if not alone:
        command = [*(start or [*launcher(), "-n", str(ranks)]), *command]
    paths = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "OMP_NUM_THREADS": "1"}
    begin = time.monotonic()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder, env=variables
    )
    try:
        if act is not None:
            act(process)
        out, err = process.communicate(timeout=PATIENCE)
    except BaseException:
        process.kill()
        process.communicate()
        raise
    return Ended(process.returncode, out, err, time.monotonic() - begin)


def succeed(*arguments, **keywords):
    """`run_ranks`, and fail unless all ranks end well."""
    ended = run_ranks(*arguments, **keywords)
    assert ended.status == 0, ended.out + ended.err
    return ended
