"""The console command."""

import re
import subprocess
import sys

import pytest

import cbackprop as cb
from cbackprop.cli import main


def test_info(capsys):
    assert main(["info"]) == 0
    printed = capsys.readouterr().out
    for word in (cb.__version__, "instruction set", "BLAS", "threads"):
        assert word in printed


def test_train_in_short(capsys):
    assert main(["train", "--epochs", "2"]) == 0
    printed = capsys.readouterr().out
    assert len(re.findall(r"^Epoch \d/2 - .*accuracy: .* - loss: ", printed, re.MULTILINE)) == 2
    assert "Total params: 4,810" in printed
    assert re.search(r"test accuracy 0\.\d{4}", printed)
    rows = re.findall(r"^ +\d((?: +(?:\d+|\.)){10})$", printed, re.MULTILINE)
    assert len(rows) == 10
    assert sum(int(cell) for row in rows for cell in row.replace(".", "0").split()) == 360
    assert re.search(r"compiled C +\d+\.\d+ s for 2 epochs\nNumPy twin +\d+\.\d+ s .*\nratio +\d+\.\d", printed)


def test_the_main_job_reaches_its_accuracy(capsys):
    """Fixed by the seed, but for the rounding of the processor's own BLAS."""
    assert main(["train", "--no-compare"]) == 0
    printed = capsys.readouterr().out
    assert float(re.search(r"test accuracy (0\.\d{4})", printed)[1]) >= 0.97
    assert "NumPy" not in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--epochs", "-1"], "epochs must be at least 0"),
        (["train", "--batch-size", "0"], "batch_size must be at least 1"),
        (["train", "--seed", "-1"], "seed must be at least 0"),
    ],
)
def test_a_wrong_value_is_one_sentence_and_exit_code_2(arguments, message, capsys):
    assert main(arguments) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["fly"], ["train", "--epochs", "x"]])
def test_a_wrong_option_exits_with_2(arguments):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2


def test_the_command_is_installed(tmp_path):
    command = [sys.executable, "-c", "import sys; from cbackprop.cli import main; sys.exit(main(['--version']))"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.strip() == f"cbackprop {cb.__version__}"
