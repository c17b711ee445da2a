"""Ranks on several machines, with a network between them on which each message takes two milliseconds."""

import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import rank_cases
from delayed_machines import machines
from mpi_ranks import run_ranks, succeed

DELAY = 0.002
PROGRAM = Path(rank_cases.__file__).read_text(encoding="utf-8")
NAMES = ["classes", "dropout_and_penalties", "frozen_and_clipped", "masks_over_weights", "one_step"]


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """The command that starts the given numbers of ranks on four machines."""
    with machines(tmp_path_factory.mktemp("machines"), 4, DELAY) as command:
        yield command


@pytest.mark.parametrize("ranks", [(1, 1), (2, 2), (1, 1, 1, 1)])
def test_the_bits_are_those_of_one_rank(tmp_path, start, ranks):
    begin = "import socket\nprint('on', socket.gethostname(), flush=True)\n"
    succeed(1, tmp_path, PROGRAM, "in_order", tmp_path / "one.npz", "float32", *NAMES)
    # The docstring of the program must stay its first statement.
    program = PROGRAM.replace("\nimport sys\n", f"\nimport sys\n{begin}", 1)
    ended = succeed(
        sum(ranks), tmp_path, program, "in_order", tmp_path / "all.npz", "float32", *NAMES, start=start(ranks)
    )
    hosts = [line.split()[1] for line in ended.out.splitlines() if line.startswith("on ")]
    assert len(hosts) == sum(ranks)
    assert len(set(hosts)) == len(ranks)
    with np.load(tmp_path / "one.npz") as one, np.load(tmp_path / "all.npz") as several:
        assert set(one.files) == set(several.files)
        for name in one.files:
            if "/weight " in name:
                assert one[name].tobytes() == several[name].tobytes(), name


TRAINS = """
import os
import numpy as np
import cbackprop as cb

cb.distribution.set_distribution(ranks := cb.distribution.DataParallel())
x = np.random.default_rng(0).normal(size=(64, 4))
model = cb.Sequential([cb.Input((4,)), cb.layers.Dense(3), cb.layers.Dense(1)])
model.compile("sgd", "mse")


class Fail(cb.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if ranks.rank == 1 and batch == 1:
            raise KeyError("the disk is full")


"""


def test_an_error_on_another_machine_ends_all(tmp_path, start):
    program = TRAINS + "model.fit(x, x[:, :1], epochs=3, verbose=0, callbacks=[Fail()])"
    ended = run_ranks(4, tmp_path, program, start=start((1, 1, 1, 1)))
    assert ended.status != 0
    assert "the disk is full" in ended.err
    assert ended.seconds < 60


def test_an_error_on_another_machine_can_be_caught(tmp_path, start):
    program = f"""{TRAINS}
try:
    model.fit(x, x[:, :1], verbose=0, callbacks=[Fail()])
except (KeyError, RuntimeError) as error:
    assert "the disk is full" in str(error)
model.fit(x, x[:, :1], verbose=0)
print("went on", flush=True)
"""
    assert succeed(2, tmp_path, program, start=start((1, 1))).out.count("went on") == 2


@pytest.mark.parametrize("rank", [0, 1])
def test_a_rank_that_is_killed_ends_all(tmp_path, start, rank):
    program = f"""{TRAINS}
if ranks.rank == {rank}:
    with open("pid.new", "w") as file:
        file.write(str(os.getpid()))
    os.rename("pid.new", "pid")
model.fit(x, x[:, :1], epochs=10**7, verbose=0)
"""

    def kill(process):
        until = time.monotonic() + 60
        while not (tmp_path / "pid").exists() and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(1)
        subprocess.run(["kill", f"-{signal.SIGKILL.value}", (tmp_path / "pid").read_text()], check=True)

    ended = run_ranks(2, tmp_path, program, act=kill, start=start((1, 1)))
    assert ended.status != 0
    assert ended.seconds < 60
