"""The runner of attacks finds the failures that it is made for."""

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def run(*arguments):
    command = [sys.executable, str(HERE), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout + done.stderr


def test_some_cases():
    status, out = run(40, "--jobs", 2)
    assert status == 0, out
    assert out.splitlines()[-1].startswith("40 cases from seed 0: 0 crashes, 0 hangs, 0 exceptions that say nothing;")


ATTACK = """
@attack
def planted(rng):
    {code}

ATTACKS = {{"planted": planted}}
"""
PLANTED = [
    ("import ctypes; ctypes.string_at(0)", "2 crashes, 0 hangs, 0 exceptions"),
    ("import time; time.sleep(60)", "0 crashes, 2 hangs, 0 exceptions"),
    ("import string; string.Template('$x').substitute({})", "0 crashes, 0 hangs, 2 exceptions"),
    ("{}['x']", "0 crashes, 0 hangs, 0 exceptions"),  # the attack's own
]


@pytest.mark.parametrize(("code", "line"), PLANTED)
def test_what_is_planted_is_found(tmp_path, code, line):
    folder = tmp_path / "tests" / "robustness"
    folder.mkdir(parents=True)
    for path in HERE.glob("*.py"):
        (folder / path.name).write_text(path.read_text())
    shared = folder.parent / "shared"
    shared.mkdir()
    for path in HERE.parent.glob("shared/*layer_cases.py"):
        (shared / path.name).write_text(path.read_text())
    with (folder / "attacks.py").open("a") as file:
        file.write(ATTACK.format(code=code))
    for path in folder.glob("*_attacks.py"):
        path.write_text("")  # which would enter others beside the planted one
    command = [sys.executable, str(folder), "2", "--first", "77", "--jobs", "1", "--seconds", "10"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    out = done.stdout + done.stderr
    assert line in out.splitlines()[-1], out
    assert done.returncode == (1 if "2 " in line else 0)
    if done.returncode:
        assert "--first 77 -v" in out
        assert "seed 78" in out
