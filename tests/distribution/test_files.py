"""Rank 0 writes files, and an interrupted training goes on with any number of ranks."""

import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from mpi_ranks import needs_mpi, run_ranks, succeed

pytestmark = needs_mpi

WRITES = """
import os
import time
import numpy as np
import cbackprop as cb

cb.distribution.set_distribution(ranks := cb.distribution.DataParallel())
x = np.random.default_rng(0).normal(size=(64, 4))
os.mkdir(folder := f"rank{ranks.rank}")
model = cb.Sequential([cb.Input((4,)), cb.layers.Dense(1)])
model.compile("sgd", "mse")
path = lambda name: os.path.join(folder, name)
callbacks = [
    cb.callbacks.ModelCheckpoint(path("best.keras"), save_best_only=True, monitor="loss"),
    cb.callbacks.ModelCheckpoint(path("{epoch}.weights.safetensors"), save_weights_only=True),
    cb.callbacks.CSVLogger(path("log.csv")),
    cb.callbacks.LearningRateScheduler(lambda epoch, rate: rate, verbose=1),
    cb.callbacks.TensorBoard(path("events")),
    cb.callbacks.BackupAndRestore(path("backup"), delete_checkpoint=False),
]
model.fit(x, x[:, :1], epochs=2, callbacks=callbacks, validation_split=0.2, verbose=2)
model.save(path("model.safetensors"))
if ranks.rank == 0:
    model.save(path("alone.keras"))
model.evaluate(x, x[:, :1], verbose=1)
"""


def test_rank_0_writes_files_and_shows_progress(tmp_path):
    ended = succeed(2, tmp_path, WRITES)
    first, second = (sorted(path.name for path in (tmp_path / f"rank{rank}").iterdir()) for rank in (0, 1))
    assert first == [
        *("1.weights.safetensors", "2.weights.safetensors", "alone.keras", "backup", "best.keras", "events", "log.csv"),
        "model.safetensors",
    ]
    assert second == []
    assert ended.out.count("Epoch 1/2") == 1
    assert ended.out.count("learning rate set to") == 2


TRAINS = """
import sys
import time
import numpy as np
import cbackprop as cb

path, stop = sys.argv[1], int(sys.argv[2])
cb.distribution.set_distribution(ranks := cb.distribution.DataParallel(deterministic=True))
rng = np.random.default_rng(0)
x, y = rng.normal(size=(203, 5)).astype("float32"), rng.normal(size=(203, 1)).astype("float32")
cb.utils.set_random_seed(3)
model = cb.Sequential(
    [cb.Input((5,)), cb.layers.Dense(12, "tanh"), cb.layers.Dropout(0.2), cb.layers.Dense(1)]
)
model.compile("adam", "mse", metrics=["mae"])


class Wait(cb.callbacks.Callback):
    done = 0

    def on_train_batch_end(self, batch, logs=None):
        self.done += 1
        if self.done == stop:
            if ranks.rank == 0:
                open("ready", "w").close()
            time.sleep(1000)


callbacks = [cb.callbacks.BackupAndRestore("backup", save_freq=1), Wait()]
history = model.fit(x, y, batch_size=20, epochs=4, callbacks=callbacks, verbose=0, validation_split=0.2)
if ranks.rank == 0:
    np.savez(path, *model.get_weights(), **history.history)
"""


def kill(folder):
    """A function that kills one rank as soon as a program reports that it has reached the right place."""

    def act(process):
        until = time.monotonic() + 60
        while not (folder / "ready").exists() and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(0.2)
        listed = subprocess.run(["pgrep", "-f", str(folder / "program.py")], capture_output=True, text=True, check=True)
        ranks = [pid for pid in listed.stdout.split() if is_python(pid)]
        subprocess.run(["kill", f"-{signal.SIGKILL.value}", ranks[-1]], check=True)

    return act


def is_python(pid):
    try:
        return "python" in Path(f"/proc/{pid}/cmdline").read_text().split("\0")[0]
    except OSError:
        return False


@pytest.mark.parametrize("ranks", [(2, 2), (2, 4), (4, 1)])
def test_a_killed_training_goes_on_to_the_same_bits(tmp_path, ranks):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    whole.mkdir()
    parts.mkdir()
    succeed(2, whole, TRAINS, tmp_path / "whole.npz", 0)
    killed = run_ranks(ranks[0], parts, TRAINS, tmp_path / "parts.npz", 13, act=kill(parts))
    assert killed.status != 0
    assert (parts / "backup").exists()
    succeed(ranks[1], parts, TRAINS, tmp_path / "parts.npz", 0)
    assert not (parts / "backup").exists()
    with np.load(tmp_path / "whole.npz") as expected, np.load(tmp_path / "parts.npz") as found:
        assert set(expected.files) == set(found.files)
        for name in expected.files:
            if name.startswith("arr_"):
                assert expected[name].tobytes() == found[name].tobytes(), name
            else:  # of the epochs that were trained after the interruption
                np.testing.assert_allclose(found[name], expected[name][-len(found[name]) :], rtol=1e-6, err_msg=name)


def test_ranks_that_do_not_see_the_same_backup(tmp_path):
    program = TRAINS.replace('BackupAndRestore("backup"', 'BackupAndRestore(f"backup{ranks.rank}"')
    killed = run_ranks(2, tmp_path, program, tmp_path / "parts.npz", 13, act=kill(tmp_path))
    assert killed.status != 0
    ended = run_ranks(2, tmp_path, program, tmp_path / "parts.npz", 0)
    assert ended.status != 0
    assert "resumption of rank 1 and rank 0 differ" in ended.err
