"""The console command: the digits, models of arrays, mistakes, pipes and interrupts. For tables see test_cli_tables."""

import os
import pty
import re
import signal
import subprocess
import sys
import time
import types

import numpy as np
import pytest
from console import assert_refused

import cbackprop as cb
from cbackprop import tables
from cbackprop.cli import main

COMMAND = [sys.executable, "-P", "-m", "cbackprop"]


def test_info(capsys):
    assert main(["info"]) == 0
    printed = capsys.readouterr().out
    for word in (cb.__version__, "instruction set", "BLAS", "threads"):
        assert word in printed
    assert max(map(len, printed.splitlines())) <= 60


def test_train_in_short(capsys):
    assert main(["train", "--epochs", "2"]) == 0
    printed = capsys.readouterr().out
    assert len(re.findall(r"^Epoch \d/2 - .*accuracy: .* - loss: ", printed, re.MULTILINE)) == 2
    assert "Total params: 4,810" in printed
    assert max(map(len, printed.splitlines())) <= 80
    assert re.search(r"test accuracy 0\.\d{4}", printed)
    rows = re.findall(r"^ +\d((?: +(?:\d+|\.)){10})$", printed, re.MULTILINE)
    assert len(rows) == 10
    assert sum(int(cell) for row in rows for cell in row.replace(".", "0").split()) == 360
    assert re.search(r"compiled C +\d+\.\d+ s for 2 epochs\nNumPy twin +\d+\.\d+ s .*\nratio +\d+\.\d", printed)


def test_the_main_job_reaches_its_accuracy(capsys):
    """Fixed by the seed, but for the rounding of the processor's own BLAS."""
    assert main(["train", "--no-compare", "--quiet"]) == 0
    printed = capsys.readouterr().out
    assert float(re.search(r"test accuracy (0\.\d{4})", printed)[1]) >= 0.97
    assert "NumPy" not in printed
    assert "Epoch" not in printed


@pytest.fixture
def digits(tmp_path, capsys):
    """A saved model of arrays, and arrays for it."""
    (x, y), _ = cb.datasets.digits.load_data()
    np.savez(tmp_path / "d.npz", x=x[:50], y=y[:50], images=x[:3], wide=x[:50, :3])
    model = tmp_path / "digits.safetensors"
    assert main(["train", "--no-compare", "--epochs", "3", "--save", str(model)]) == 0
    capsys.readouterr()
    return str(model), str(tmp_path / "d.npz")


def test_a_model_that_takes_arrays(digits, capsys):
    model, data = digits
    network = cb.models.load_model(model)
    x, y = (np.load(data)[name] for name in "xy")
    assert main(["evaluate", model, data]) == 0
    printed = capsys.readouterr().out
    loss, accuracy = network.evaluate(x, y, verbose=0)
    assert re.search(rf"accuracy +{accuracy:.4f}\s+loss +{loss:.4f}", printed)

    assert main(["predict", model, data, "--x", "images"]) == 0
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.split(",") == [f"digit{i}" for i in range(10)]
    found = np.array([[float(cell) for cell in row.split(",")] for row in rows])
    np.testing.assert_allclose(found, network.predict(x[:3], verbose=0), rtol=1e-7)

    assert main(["summary", model]) == 0
    assert "Total params: 4,810" in capsys.readouterr().out


@pytest.mark.parametrize("data", [True, False])
def test_gradients(digits, capsys, data):
    assert main(["gradcheck", digits[0], *([digits[1]] if data else []), "--rows", "2"]) == 0
    assert re.match(r"4810 gradients checked; largest relative error \d\.\d\de-(0[6-9]|1)", capsys.readouterr().out)


def test_a_wrong_gradient_has_exit_code_1(digits, monkeypatch, capsys):
    monkeypatch.setattr("cbackprop.cli.gradcheck.TOLERANCE", 1e-30)
    assert main(["gradcheck", digits[0], "--rows", "1"]) == 1
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("loss", ["mse", "binary_crossentropy", "categorical_crossentropy", "hinge"])
def test_gradients_on_random_samples(tmp_path, loss, capsys):
    model = cb.Sequential([cb.Input((3,)), cb.layers.Dense(4, "tanh"), cb.layers.Dense(2, "softmax")])
    model.compile("sgd", loss)
    model.save(tmp_path / "m")
    assert main(["gradcheck", str(tmp_path / "m")]) == 0
    assert "26 gradients checked" in capsys.readouterr().out


def test_bench(capsys, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", {"cbackprop": True, "numpy": True}.get)
    assert main(["bench", "--seconds", "0"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"network +cbackprop +NumPy twin *\n", printed)
    assert re.search(r"784-128-10, batch 32, sgd +[\d.,]+ +[\d.,]+ *\n", printed)
    assert printed.endswith("not installed: scikit-learn, PyTorch\n")


MISTAKES = {
    "epochs": (["train", "--epochs", "-1"], "Invalid value for '--epochs': -1 is not in the range x>=1"),
    "batch size": (["train", "--batch-size", "0"], "Invalid value for '--batch-size': 0 is not in the range x>=1"),
    "seed": (["train", "--seed", "-1"], "Invalid value for '--seed'"),
    "no number": (["train", "--epochs", "x"], "Invalid value for '--epochs': 'x' is not a valid integer"),
    "layers": (
        ["train", "d.npz", "--layers", "64,x"],
        "'--layers': expected widths such as 64,32, or none, but",
    ),
    "activation": (["train", "d.npz", "--activation", "rleu"], "Unknown activation 'rleu'. Did you mean 'relu'"),
    "optimizer": (
        ["train", "d.npz", "--optimizer", "adma"],
        "'adma'. Did you mean 'adamax' or 'adam'",
    ),
    "all rows": (
        ["train", "d.npz", "--quiet", "--optimizer", "lbfgs", "--batch-size", "9"],
        "samples in one batch, but got batch_size=9",
    ),
    "rate": (["train", "d.npz", "--learning-rate", "0"], "'--learning-rate': 0.0 is not in the range x>0"),
    "command": (["fly"], "No such command 'fly'"),
    "option": (["train", "--epoch", "3"], "No such option"),
    "for tables": (["train", "--target", "a"], "--target is for tables, but without DATA the bundled digits are"),
    "for digits": (
        ["train", "d.npz", "--no-compare"],
        "--no-compare is for the bundled digits, but DATA is not a folder",
    ),
    "for images": (
        ["train", "d.npz", "--filters", "3"],
        "--filters is for images, but DATA is not a folder, so it must be a table",
    ),
    "images or tables": (["train", "--dropout", "0.1"], "--dropout is for tables and images, but without DATA"),
    "for tables, not images": (["train", ".", "--target", "a"], "--target is for tables, but DATA is a folder"),
    "no images": (["train", "."], "No images found in directory '.'"),
    "image size": (["train", ".", "--image-size", "1x2x3"], "'--image-size': expected a size such as 64, or 48x64"),
    "no size": (["train", ".", "--image-size", "0"], "'--image-size': expected a size such as 64"),
    "change": (["train", ".", "--augment", "flip,turn"], "'--augment': expected different ones of flip, shift"),
    "keep": (["predict", "digits.safetensors", "d.npz", "--keep", "a"], "--keep is for models of tables, but"),
    "encoding": (
        ["evaluate", "digits.safetensors", "d.npz", "--encoding", "ascii"],
        "--encoding is for models of tables",
    ),
    "several files": (
        ["predict", "digits.safetensors", "d.npz", "d.npz"],
        "Only a model of images takes several",
    ),
    "no data": (["predict", "digits.safetensors"], "Missing argument 'DATA...'"),
    "no file": (["train", "nothing.npz"], "There is no file 'nothing.npz'"),
    "no such folder": (["train", "nothing"], "There is no folder 'nothing'"),
    "no model": (["summary", "nothing"], "there is no file at 'nothing'"),
    "not a model": (["summary", "d.npz"], "'d.npz' is an archive, but not a model"),
    "a folder": (["summary", "."], "there is a folder, not a file, at '.'"),
    "suffix": (["train", "data.xlsx"], "must end in .csv, .tsv, .parquet, .npz, but got 'data.xlsx'"),
    "a csv for arrays": (["predict", "digits.safetensors", "d.csv"], "takes arrays, which must be in an NPZ file"),
    "no array": (["predict", "digits.safetensors", "d.npz", "--x", "z"], "'d.npz' has no array 'z'"),
    "another width": (
        ["evaluate", "digits.safetensors", "d.npz", "--x", "wide"],
        "x must have shape (None, 64), but got",
    ),
    "no folder": (["train", "--save", "no/m"], "--save must be in a folder that exists"),
    "save as folder": (["train", "--save", "."], "--save must be the name of a file, but '.' is a folder"),
    "picture": (["train", "--plot", "curve.gfi"], "--plot must end in .png, .svg, .pdf, but got 'curve.gfi'"),
    "no npz": (["train", "bad.npz"], "'bad.npz' cannot be read as NPZ"),
    "one array": (["train", "npy.npz"], "'npy.npz' cannot be read as NPZ"),
    "cut off": (["train", "cut.npz"], "'cut.npz' cannot be read as NPZ"),
    "pickle": (["train", "objects.npz"], "'objects.npz' cannot be read as NPZ: Object arrays cannot be loaded"),
    "a number": (["train", "scalar.npz"], "but 'x' is one number"),
    "no target": (["train", "x.npz"], "'x.npz' has no array 'y'"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_sentence_and_exit_code_2(digits, tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.npz").write_text("nothing")
    with open("npy.npz", "wb") as file:
        np.save(file, np.zeros(3))
    (tmp_path / "cut.npz").write_bytes((tmp_path / "d.npz").read_bytes()[:-100])
    np.savez("objects.npz", x=np.array([1, "a"], object), y=np.zeros(2))
    np.savez("scalar.npz", x=3.0, y=np.zeros(2))
    np.savez("x.npz", x=np.zeros((4, 2)))
    monkeypatch.setattr("cbackprop.utils.image_folders.pillow", lambda use: types.SimpleNamespace(preinit=lambda: None))
    assert_refused(*MISTAKES[name], capsys)


def test_no_command_is_help_and_exit_code_2(capsys):
    assert main([]) == 2
    assert "gradcheck" in capsys.readouterr().err


@pytest.mark.parametrize("command", [[], ["train"], ["predict"], ["evaluate"], ["summary"], ["export"], ["bench"]])
def test_help(command, capsys):
    assert main([*command, "--help"]) == 0
    assert "Usage: cbackprop" in capsys.readouterr().out


def test_what_is_not_installed_is_named(tmp_path, monkeypatch, capsys):
    (tmp_path / "d.parquet").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "polars", None)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["train", str(tmp_path / "d.parquet"), "--target", "b"]) == 2
    assert capsys.readouterr().err == 'cbackprop: reading Parquet needs polars: pip install "cbackprop[tables]".\n'
    assert main(["train", "--plot", str(tmp_path / "p.png")]) == 2
    assert capsys.readouterr().err == "cbackprop: --plot needs matplotlib: pip install matplotlib.\n"


class Figure:
    """Of one picture or of several, as matplotlib's."""

    def __init__(self):
        self.figure = self

    def savefig(self, path):
        with open(path, "w") as file:
            file.write("picture")


@pytest.mark.parametrize("several", [False, True])
def test_a_plot_is_of_the_history(tmp_path, monkeypatch, several):
    seen = []

    def curves(history):
        seen.append(history.history)
        return np.array([[Figure(), Figure()]]) if several else Figure()

    monkeypatch.setitem(sys.modules, "matplotlib", types.ModuleType("matplotlib"))
    monkeypatch.setattr("cbackprop.plotting.curves", curves)
    path = str(tmp_path / "p.png")
    assert main(["train", "--no-compare", "--epochs", "2", "--plot", path]) == 0
    np.savez(tmp_path / "d.npz", x=np.random.default_rng(0).normal(size=(50, 2)), y=np.arange(50.0))
    assert main(["train", str(tmp_path / "d.npz"), "--epochs", "3", "--plot", path]) == 0
    assert [len(history["loss"]) for history in seen] == [2, 3]
    assert "val_loss" in seen[1]
    assert (tmp_path / "p.png").read_text() == "picture"


def test_export_hands_the_network_over(digits, tmp_path, monkeypatch, capsys):
    seen = []
    monkeypatch.setattr("cbackprop.export.onnx", lambda model, path: seen.append((model, path)))
    path = str(tmp_path / "m.onnx")
    assert main(["export", digits[0], "--onnx", path]) == 0
    assert capsys.readouterr().err == ""
    model = tables.build({"a": [1, 2, 3], "b": [2.5, 4.5, 6.5]}, "b")
    model.save(tmp_path / "table")
    assert main(["export", str(tmp_path / "table"), "--onnx", path]) == 0
    assert capsys.readouterr().err.startswith("note: the file contains only the network")
    assert [(type(network), where) for network, where in seen] == [(cb.Sequential, path), (cb.Model, path)]


def test_settings_are_those_from_before(capsys):
    assert main(["train", "--epochs", "1", "--no-compare", "--threads", "2"]) == 0
    assert capsys.readouterr().out.endswith(" s for 1 epoch\n")
    assert cb.config.get_num_threads() == "auto"


def test_the_command_is_installed(tmp_path):
    done = subprocess.run([*COMMAND, "--version"], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.strip() == f"cbackprop {cb.__version__}"


def test_a_reader_that_leaves(tmp_path):
    """As `| head -1`: no trace, and an end."""
    ones = np.ones((20_000, 64), np.float32)
    np.savez(tmp_path / "d.npz", x=ones)
    cb.Sequential([cb.Input((64,)), cb.layers.Dense(4)]).save(tmp_path / "m")
    arguments = [*COMMAND, "predict", str(tmp_path / "m"), str(tmp_path / "d.npz")]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline().startswith("dense")
    process.stdout.close()
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(60) == 1


def test_an_interrupt(interrupts, tmp_path):
    """On a terminal, with a progress bar."""
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "d.npz", x=rng.normal(size=(2000, 5)), y=rng.normal(size=2000))
    ours, theirs = pty.openpty()
    arguments = [*COMMAND, "train", str(tmp_path / "d.npz"), "--epochs", "1000000", "--patience", "0"]
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "150"}
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=theirs, env=environment)
    os.close(theirs)
    shown = b""
    while b"val_loss" not in shown:
        shown += os.read(ours, 10_000)
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    while process.poll() is None:
        try:
            shown += os.read(ours, 10_000)
        except OSError:  # the other end is closed
            break
    assert process.wait(60) == 130
    assert process.stdout.read() == b""
    process.stdout.close()
    os.close(ours)
    assert b"epoch " in shown
    assert b"/1000000" in shown
    assert b"interrupted" in shown
    assert b"Traceback" not in shown
