"""Every command and every example of docs/command_line.md."""

import os
import re
import shlex
import stat
import subprocess
import sys
from pathlib import Path

from cbackprop.cli import main

PAGE = Path(__file__).parents[2] / "docs" / "command_line.md"
SHIM = f"#!{sys.executable}\nimport sys\nfrom cbackprop.cli import main\nsys.exit(main())\n"


def in_a_shell(line, folder):
    """As it stands, where `cbackprop` is what is tested, and `python` what runs the test."""
    bin_folder = folder / "bin"
    bin_folder.mkdir(exist_ok=True)
    command = bin_folder / "cbackprop"
    command.write_text(SHIM)
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    path = os.pathsep.join([str(bin_folder), str(Path(sys.executable).parent), os.environ["PATH"]])
    command_line = ["bash", "-c", line]
    done = subprocess.run(command_line, env=os.environ | {"PATH": path}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_the_page(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text()
    blocks = re.findall(r"^```(console|python)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    shown = {}
    for language, block in blocks:
        if language == "python":
            exec(compile(block, str(PAGE), "exec"), {"__name__": "page"})
            continue
        for line in block.splitlines():
            assert line.startswith("$ ")
            line = line.removeprefix("$ ")
            if "|" in line or not line.startswith("cbackprop "):
                shown[line] = in_a_shell(line, tmp_path)
            else:
                code = main(shlex.split(line)[1:])
                printed = capsys.readouterr()
                assert code == 0, line + printed.err
                shown[line] = printed.out
    assert len(shown) > 15
    # What the page shows of the first training is what it prints, but for the time and the last digits.
    pattern = re.search(r"    (354 rows .*?R2 .*?)$", text, re.MULTILINE | re.DOTALL)[1]
    first = shown["cbackprop train patients.csv --target target --save patients.keras"]
    words = [re.findall(r"[A-Za-z]+", part) for part in (pattern, first)]
    assert words[0] == words[1]
    found = [float(re.search(r"R2 +(\S+)", part)[1]) for part in (pattern, first)]
    assert abs(found[0] - found[1]) < 0.05
    assert len(next(out for line, out in shown.items() if line.endswith("head -3")).splitlines()) == 3
    check_bench(next(out for line, out in shown.items() if "bench" in line))
    for name in ("predicted.parquet", "predicted.npz", "predicted.csv", "logs"):
        assert os.path.exists(name), name


def check_bench(printed):
    """All peers are installed here, and measured."""
    assert re.search(r"network +cbackprop +NumPy twin +scikit-learn +PyTorch *\n", printed)
    for row in ("8-16-3, batch 16, adam", "64-64-10, batch 32, adam", "784-128-10, batch 32, sgd"):
        numbers = re.search(rf"{row} +([\d.,]+) +([\d.,]+) +([\d.,]+) +([\d.,]+) *\n", printed).groups()
        assert all(float(number.replace(",", "")) > 0.1 for number in numbers)
    assert "not installed" not in printed
