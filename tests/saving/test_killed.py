"""Processes that are killed while they train or write, and disks that are full: no file is ever half a file."""

import errno
import io
import os
import resource
import signal
import subprocess
import sys

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import callbacks, layers

X, Y = np.linspace(-1, 1, 600).reshape(200, 3), np.linspace(0, 1, 200).reshape(200, 1)
EPOCHS = 30

TRAINING = """
import sys
import numpy as np
import cbackprop as cb
from cbackprop import callbacks, layers
from test_killed import X, Y, dropping, arguments

folder = sys.argv[1]
cb.utils.set_random_seed(5)
model = dropping()
told = callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: print(epoch, flush=True))
kept = callbacks.ModelCheckpoint(folder + "/best.safetensors", monitor="loss")
history = model.fit(X, Y, **arguments(), callbacks=[callbacks.BackupAndRestore(folder + "/backup", 11), kept, told])
model.save(folder + "/final.safetensors")
"""


def dropping():
    model = cb.Sequential([cb.Input((3,)), layers.Dense(8, "tanh"), layers.Dropout(0.3), layers.Dense(1)])
    model.compile(cb.optimizers.Adam(0.01), "mse")
    return model


def arguments():
    return {"batch_size": 10, "epochs": EPOCHS, "verbose": 0}


def train_until(folder, epoch):
    """Train in another process; kill it, if `epoch` is a number, at whatever it is doing after it has begun that."""
    paths = [os.path.dirname(__file__), *sys.path]
    command = [sys.executable, "-P", "-c", TRAINING, str(folder)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        begun = []
        for line in process.stdout:
            begun.append(int(line))
            if epoch is not None and begun[-1] >= epoch:
                process.kill()
                break
    return begun, process.returncode


def test_training_that_is_killed_twice_ends_in_the_same_bits(tmp_path):
    begun, code = train_until(tmp_path, 3)
    assert (begun[0], code) == (0, -signal.SIGKILL)
    cb.models.load_model(tmp_path / "best.safetensors").predict(X, verbose=0)
    again, code = train_until(tmp_path, 12)
    assert 2 <= again[0] <= 12
    assert code == -signal.SIGKILL
    last, code = train_until(tmp_path, None)
    assert (last[-1], code) == (EPOCHS - 1, 0)
    assert last[0] >= 11

    cb.utils.set_random_seed(5)
    whole = dropping()
    whole.fit(X, Y, **arguments())
    for a, b in zip(
        cb.models.load_model(tmp_path / "final.safetensors").get_weights(), whole.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(a, b)


def in_a_child(run):
    """The signal or code that a forked process ends with; `run` may kill it."""
    child = os.fork()
    if child == 0:
        try:
            run()
        except BaseException:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)


class Half(io.RawIOBase):
    """A file that takes the first half of the data, and then fails."""

    def __init__(self, handle, then):
        self.handle, self.then = handle, then

    def write(self, content):
        os.write(self.handle, content[: len(content) // 2])
        self.then()


def out_of_space():
    raise OSError(errno.ENOSPC, "No space left on device")


WRITING = {
    "write": lambda then: setattr(os, "fdopen", lambda handle, mode: Half(handle, then)),
    "fsync": lambda then: setattr(os, "fsync", lambda handle: then()),
    "replace": lambda then: setattr(os, "replace", lambda old, new: then()),
}


def save_over(path, model, step, then):
    WRITING[step](then)
    model.save(path)


@pytest.mark.parametrize("step", WRITING)
def test_killed_while_writing(tmp_path, step):
    model = dropping()
    path = tmp_path / "m.safetensors"
    model.save(path)
    before, expected = path.read_bytes(), model.predict(X, verbose=0)
    model.fit(X, Y, verbose=0)
    assert in_a_child(lambda: save_over(path, model, step, kill)) == -signal.SIGKILL
    assert path.read_bytes() == before
    np.testing.assert_array_equal(cb.models.load_model(path).predict(X, verbose=0), expected)
    model.save(path)
    assert path.read_bytes() != before


@pytest.mark.parametrize("step", WRITING)
def test_a_full_disk(tmp_path, monkeypatch, step):
    model = dropping()
    path = tmp_path / "m.safetensors"
    model.save(path)
    before = path.read_bytes()
    model.fit(X, Y, verbose=0)
    for name in ("fdopen", "fsync", "replace"):
        monkeypatch.setattr(os, name, getattr(os, name))  # so that it is put back
    with pytest.raises(OSError, match="No space left"):
        save_over(path, model, step, out_of_space)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["m.safetensors"]


def test_a_file_may_not_grow(tmp_path):
    """The kernel itself ends the write; training goes on after it, and the backup is the one before."""
    model = dropping()
    path = tmp_path / "m.safetensors"
    model.save(path)
    before = path.read_bytes()

    def run():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, len(before) // 2))
        model.fit(X, Y, verbose=0)
        with pytest.raises(OSError, match="File too large"):
            model.save(path)
        model.fit(X, Y, verbose=0)

    assert in_a_child(run) == 0
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["m.safetensors"]


def test_saved_killed_loaded_to_the_same_predictions(tmp_path):
    def run():
        model = dropping()
        model.fit(X, Y, **arguments())
        np.save(tmp_path / "p.npy", model.predict(X, verbose=0))
        model.save(tmp_path / "m.safetensors")
        kill()

    assert in_a_child(run) == -signal.SIGKILL
    found = cb.models.load_model(tmp_path / "m.safetensors").predict(X, verbose=0)
    np.testing.assert_array_equal(found, np.load(tmp_path / "p.npy"))


def test_checkpoints_do_not_pile_up_after_failures(tmp_path, monkeypatch):
    """A failed write leaves nothing behind, and training says so at once."""
    model = dropping()
    kept = callbacks.ModelCheckpoint(tmp_path / "m.safetensors", monitor="loss")
    monkeypatch.setattr(os, "fsync", lambda handle: out_of_space())
    with pytest.raises(OSError, match="No space left"):
        model.fit(X, Y, **arguments(), callbacks=[kept])
    assert os.listdir(tmp_path) == []


@pytest.mark.h5py
@pytest.mark.parametrize("suffix", ["cb", "keras", "weights.h5", "safetensors", "backup"])
def test_ctrl_c_when_the_file_is_in_its_place_already(tmp_path, monkeypatch, suffix):
    """The interrupt is raised, not an error about a missing temporary file."""
    model = cb.Sequential([cb.Input((2,)), cb.layers.Dense(1)])
    model.compile("sgd", "mse")
    replace = os.replace

    def interrupted(*paths):
        replace(*paths)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    save = {"cb": model.save, "keras": model.save, "backup": model.save_training}.get(suffix, model.save_weights)
    with pytest.raises(KeyboardInterrupt):
        save(tmp_path / f"it.{suffix}")
    assert os.listdir(tmp_path) == [f"it.{suffix}"]


SAVING_WITHOUT_MEMORY = """
import resource, sys
import cbackprop as cb
from cbackprop import layers

cb.Sequential([cb.Input((2,)), layers.Dense(2)]).save(sys.argv[1])  # loads what saving needs
model = cb.Sequential([cb.Input((1000,)), layers.Dense(4000)])
pages = int(open("/proc/self/statm").read().split()[0])
for share in range(80):
    try:
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + share * 10**6, resource.RLIM_INFINITY))
        model.save(sys.argv[1])
        print("saved", flush=True)
        break
    except MemoryError:
        pass
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="only Linux tells how much memory a process has")
def test_saving_without_memory_does_not_end_the_process(tmp_path):
    path = str(tmp_path / "model.safetensors")
    run = subprocess.run([sys.executable, "-P", "-c", SAVING_WITHOUT_MEMORY, path], capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (0, "saved\n"), run.stderr
    assert cb.models.load_model(path).output_shape == (None, 4000)
    assert os.listdir(tmp_path) == ["model.safetensors"]
