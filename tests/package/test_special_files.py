"""Named pipes, devices and sockets where a file is expected: they are refused, and nothing waits for them."""

import os
import signal
import socket
import stat

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers
from cbackprop.cli import main
from cbackprop.validation import check_regular

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")


@pytest.fixture(autouse=True)
def no_waiting():
    """Nothing here may take long: reading a pipe to which no program writes would never end."""

    def stop(number, frame):
        raise AssertionError("it waits")

    earlier = signal.signal(signal.SIGALRM, stop)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, earlier)


@pytest.fixture
def pipe(tmp_path):
    def make(name):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(path)
        return path

    return make


def small():
    model = cb.Sequential([cb.Input((2,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


READERS = {
    "table.csv": cb.tables.read,
    "table.tsv": cb.tables.read,
    "table.npz": cb.tables.read,
    "table.parquet": cb.tables.read,
    "train-images-idx3-ubyte": cb.datasets.read_idx,
    "model.safetensors": cb.models.load_model,
    "model.keras": cb.models.load_model,
    "own": cb.saving.load_extras,
    "ensemble.safetensors": cb.Ensemble.load,
    "model.weights.h5": lambda path: small().load_weights(path),
    "other.safetensors": lambda path: small().load_weights(path),
}


@pytest.mark.parametrize("name", READERS)
def test_readers(pipe, name):
    with pytest.raises(OSError, match=f"{name}' is a named pipe, but a file is needed"):
        READERS[name](pipe(name))


@pytest.mark.h5py
@pytest.mark.parametrize("name", ["metadata.json", "model.weights.h5"])
def test_a_part_of_a_folder(pipe, tmp_path, name):
    pipe(f"model/{name}")
    for other in {"config.json", "metadata.json"} - {name}:
        (tmp_path / "model" / other).write_text("{}")
    with pytest.raises(ValueError, match=f"{name}' is a named pipe"):
        cb.models.load_model(tmp_path / "model")


def test_onnx(pipe):
    pytest.importorskip("onnx")
    with pytest.raises(OSError, match="is a named pipe"):
        cb.export.from_onnx(pipe("model.onnx"))


def images(tmp_path):
    for name in ("a/1.png", "a/2.png", "b/1.png", "b/2.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        cb.utils.save_img(tmp_path / name, np.full((6, 6, 3), 90.0), scale=False)


def test_images(pipe, tmp_path):
    pytest.importorskip("PIL")
    images(tmp_path)
    path = pipe("b/3.png")
    with pytest.raises(OSError, match="is a named pipe"):
        cb.utils.load_img(path)
    found = cb.utils.image_dataset_from_directory(tmp_path, image_size=(4, 4), verbose=False)
    with pytest.raises(OSError, match=r"3\.png' is a named pipe"):
        list(found)


@pytest.mark.parametrize("command", ["train", "predict", "evaluate"])
def test_commands(pipe, tmp_path, capsys, command):
    pytest.importorskip("PIL")
    folder, model = tmp_path / "images", str(tmp_path / "model")
    folder.mkdir()
    images(folder)
    options = ["--save", model, "--epochs", "1", "--image-size", "8", "--quiet", "--validation", "0.5"]
    if command != "train":
        assert main(["train", str(folder), *options]) == 0
    path = pipe("images/b/3.png")
    capsys.readouterr()
    assert main(["train", str(folder), *options] if command == "train" else [command, model, str(folder)]) != 0
    assert f"{str(path)!r} is a named pipe, but a file is needed" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", ["", ".safetensors"])
def test_nothing_takes_the_place_of_a_pipe(pipe, suffix):
    """As an administrator, saving to /dev/null would replace it by a file, for all programs."""
    path = pipe(f"model{suffix}")
    for save in (small().save, small().save_weights):
        with pytest.raises(OSError, match="is a named pipe, but a file is needed"):
            save(path)
    assert stat.S_ISFIFO(path.stat().st_mode)


def test_other_kinds(tmp_path):
    with pytest.raises(OSError, match="'/dev/null' is a device"):
        check_regular("/dev/null")
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        with pytest.raises(OSError, match="is a socket"):
            check_regular(path)
    with pytest.raises(FileNotFoundError):
        check_regular(tmp_path / "missing")
    check_regular(tmp_path)
    (tmp_path / "link").symlink_to(__file__)
    check_regular(tmp_path / "link")
