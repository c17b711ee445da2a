"""The script that type checkers are shown also runs."""

import runpy
from pathlib import Path


def test_it_runs():
    runpy.run_path(str(Path(__file__).with_name("user_script.py")), run_name="__main__")
