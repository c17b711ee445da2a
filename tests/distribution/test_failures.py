"""A failure on one rank soon ends all ranks, with its message."""

import signal
import subprocess
import time
from pathlib import Path

import pytest
from mpi_ranks import needs_mpi, run_ranks

pytestmark = needs_mpi

START = """
import os
import sys
import time
import numpy as np
import cbackprop as cb
from cbackprop import layers

cb.distribution.set_distribution(ranks := cb.distribution.DataParallel())
x = np.random.default_rng(0).normal(size=(64, 4))
y = x[:, :1]


def network(units=3):
    model = cb.Sequential([cb.Input((4,)), layers.Dense(units), layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


class Callback(cb.callbacks.Callback):
    def __init__(self, act):
        super().__init__()
        self.act = act

    def on_epoch_end(self, epoch, logs=None):
        if ranks.rank == 1 and epoch == 1:
            self.act()


def fail():
    raise KeyError("the disk is full")


"""

# A program, and what is said about it.
ENDS = {
    "a callback raises": ("network().fit(x, y, epochs=3, verbose=0, callbacks=[Callback(fail)])", "the disk is full"),
    "a generator raises": (
        """
def batches():
    for i in range(8):
        if ranks.rank == 2 and i == 5:
            raise OSError("this file cannot be read")
        yield x, y
network().fit(batches(), verbose=0)
""",
        "this file cannot be read",
    ),
    "a generator ends": (
        """
def batches():
    for i in range(8 - ranks.rank):
        yield x, y
network().fit(batches(), verbose=0)
""",
        "same number of batches",
    ),
    "a layer raises": (
        """
class Layer(layers.Layer):
    calls = 0
    def call(self, inputs, training=False):
        if training:
            self.calls += 1
        if ranks.rank == 0 and self.calls > 9:
            raise ArithmeticError("no root")
        return inputs
    def backward(self, inputs, outputs, gradient):
        return gradient
model = cb.Sequential([cb.Input((4,)), layers.Dense(2), Layer(), layers.Dense(1)])
model.compile("sgd", "mse")
model.fit(x, y, epochs=20, verbose=0)
""",
        "no root",
    ),
    "data of one rank is wrong": (
        "network().fit(x if ranks.rank else x[:, :3], y, verbose=0)",
        "must have shape (None, 4)",
    ),
    "a metric raises": (
        """
class Metric(cb.metrics.Metric):
    def update_state(self, y_true, y_pred, sample_weight=None):
        if ranks.rank == 2:
            raise LookupError("no such class")
    def result(self):
        return 0.0
model = network()
model.compile("sgd", "mse", metrics=[Metric(name="m")])
model.fit(x, y, verbose=0)
""",
        "no such class",
    ),
    "models differ": ("network(3 + (ranks.rank == 1)).fit(x, y, verbose=0)", "weights of rank 1 and rank 0 differ"),
    "optimizers differ": (
        """
model = network()
model.compile(cb.optimizers.SGD(0.1 + 0.1 * (ranks.rank == 2)), "mse")
model.fit(x, y, verbose=0)
""",
        "optimizer of rank 2 and rank 0 differ",
    ),
    "data differs in size": ("network().fit(x[ranks.rank:], y[ranks.rank:], verbose=0)", "samples of rank 1"),
    "epochs differ": ("network().fit(x, y, epochs=2 + ranks.rank, verbose=0)", "epochs of rank 1"),
    "batch sizes differ": ("network().fit(x, y, batch_size=8 + ranks.rank, verbose=0)", "batch size of rank 1"),
    "first epochs differ": (
        "network().fit(x, y, initial_epoch=ranks.rank, epochs=4, verbose=0)",
        "initial epoch of rank 1",
    ),
    "batches of a generator differ": (
        "network().fit(((x[: 9 + ranks.rank], y[: 9 + ranks.rank]) for _ in range(4)), verbose=0)",
        "they have 9 to 11 samples",
    ),
    "batches of a generator for evaluation differ": (
        "network().evaluate(((x[: 9 + ranks.rank], y[: 9 + ranks.rank]) for _ in range(4)), verbose=0)",
        "they have 36 to 44 samples",
    ),
    "single batches differ": (
        "network().train_on_batch(x[ranks.rank:], y[ranks.rank:])",
        "they have 62 to 64 samples",
    ),
    "validation differs in size": (
        "network().fit(x, y, validation_data=(x[ranks.rank:], y[ranks.rank:]), verbose=0)",
        "validation of rank 1",
    ),
    "activations differ": (
        """
model = cb.Sequential([cb.Input((4,)), layers.Dense(1, "tanh" if ranks.rank == 1 else "relu")])
model.compile("sgd", "mse")
model.fit(x, y, verbose=0)
""",
        "layers of rank 1",
    ),
    "orders differ": ("network().fit(x, y, shuffle=ranks.rank == 1, verbose=0)", "shuffle of rank 1"),
    "weights of classes differ": (
        "network().fit(x, y > 0, class_weight={0: 1.0, 1: 2.0 + ranks.rank}, verbose=0)",
        "class weight of rank 1",
    ),
    "one rank alone has weights of samples": (
        "network().fit(x, y, sample_weight=np.ones(64) if ranks.rank else None, verbose=0)",
        "with sample weights of rank 1",
    ),
    "a callback of one rank changes the learning rate": (
        """
model = network()
def change():
    model.optimizer.learning_rate = 0.5
model.fit(x, y, epochs=3, verbose=0, callbacks=[Callback(change)])
""",
        '"learning_rate": 0.5',
    ),
    "a callback of one rank changes the loss": (
        """
model = network()
model.compile("sgd", cb.losses.Huber(1.0))
class Narrows(cb.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if ranks.rank == 1:
            model.loss.delta = 0.5
model.fit(x, y, epochs=3, verbose=0, callbacks=[Narrows()])
""",
        "losses of rank 1 and rank 0 differ",
    ),
    "a callback of one rank sets weights": (
        """
model = network()
def change():
    model.layers[0].kernel.assign(np.ones((4, 3)))
model.fit(x, y, epochs=3, verbose=0, callbacks=[Callback(change)])
""",
        "must have the same weights",
    ),
    "a callback of one rank stops within an epoch": (
        """
class Stop(cb.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        self.model.stop_training = ranks.rank == 1
network().fit(x, y, epochs=3, batch_size=8, verbose=0, callbacks=[Stop()])
""",
        "All ranks must",
    ),
    "one rank alone evaluates": (
        """
model = network()
model.fit(x, y, verbose=0)
if ranks.rank == 1:
    model.evaluate(x, y, verbose=0)
""",
        "All ranks must call the same methods",
    ),
    "one rank alone evaluates in a callback": (
        """
model = network()
model.fit(x, y, epochs=3, verbose=0, callbacks=[Callback(lambda: model.evaluate(x, y, verbose=0))])
""",
        "All ranks must",
    ),
    "one rank fails elsewhere": (
        "model = network()\nif ranks.rank == 1:\n    open('no such file')\nmodel.fit(x, y, epochs=10**6, verbose=0)",
        "no such file",
    ),
    "one rank exits": (
        "model = network()\nif ranks.rank == 1:\n    sys.exit(3)\nmodel.fit(x, y, epochs=10**6, verbose=0)",
        "has come to the end of its program",
    ),
    "one rank is interrupted": (
        """
def interrupt():
    raise KeyboardInterrupt
network().fit(x, y, epochs=3, verbose=0, callbacks=[Callback(interrupt)])
""",
        "KeyboardInterrupt",
    ),
}


@pytest.mark.parametrize("case", ENDS)
def test_all_ranks_end(tmp_path, case):
    program, said = ENDS[case]
    ended = run_ranks(3, tmp_path, START + program)
    assert ended.status != 0
    assert said in ended.err, ended.err
    assert ended.seconds < 60


CAUGHT = """
caught = []
for attempt in range(3):
    model = network()
    try:
        model.fit(x, y, epochs=3, verbose=0, callbacks=[Callback(fail)])
    except Exception as error:
        caught.append(type(error).__name__ + ": " + str(error))
    else:
        raise AssertionError("nothing was raised")
model = network()
history = model.fit(x, y, epochs=2, verbose=0).history["loss"]
assert len(set(ranks.communicator.gathered(tuple(history)))) == 1
name = "KeyError" if ranks.rank == 1 else "RankError"
assert all(text.startswith(name) and "the disk is full" in text for text in caught), caught
print("went on", flush=True)
"""


def test_an_error_of_one_rank_can_be_caught_on_all_and_training_goes_on(tmp_path):
    ended = run_ranks(3, tmp_path, START + CAUGHT)
    assert ended.status == 0, ended.err
    assert ended.out.count("went on") == 3


def test_training_stops_on_all_ranks_if_a_callback_stops_it_on_one(tmp_path):
    program = """
model = network()
def stop():
    model.stop_training = True
assert model.fit(x, y, epochs=9, verbose=0, callbacks=[Callback(stop)]).epoch == [0, 1]
print("stopped", flush=True)
"""
    ended = run_ranks(3, tmp_path, START + program)
    assert ended.status == 0, ended.err
    assert ended.out.count("stopped") == 3


def test_models_whose_names_differ_train_together(tmp_path):
    """A rank that has made another model before has other names."""
    program = "if ranks.rank == 1:\n    network()\nnetwork().fit(x, y, verbose=0)"
    ended = run_ranks(2, tmp_path, START + program)
    assert ended.status == 0, ended.err


def test_wrong_arguments_can_be_caught_on_all_ranks(tmp_path):
    program = """
fit = network().fit
for wrong in (lambda: fit(x, y, epochs=-1), lambda: fit(x[:, :2], y), lambda: network().evaluate(x)):
    try:
        wrong()
    except ValueError as error:
        print("refused", flush=True)
network().fit(x, y, verbose=0)
"""
    ended = run_ranks(2, tmp_path, START + program)
    assert ended.status == 0, ended.err
    assert ended.out.count("refused") == 6


REFUSED = {
    "a loss of a whole batch": (
        "model = network()\nmodel.compile('sgd', cb.losses.Dice())\nmodel.fit(x, abs(y), verbose=0)",
        "must see a batch as a whole",
    ),
    "a full-batch optimizer": (
        "model = network()\nmodel.compile(cb.optimizers.LBFGS(), 'mse')\nmodel.fit(x, y, verbose=0)",
        "LBFGS needs all samples",
    ),
    "the twin": (
        "model = network()\nmodel.compile('sgd', 'mse', engine='reference')\nmodel.fit(x, y, verbose=0)",
        "engine='reference' runs on one rank only",
    ),
    "many models": ("cb.fit_many([network(), network()], x, y, verbose=0)", "let each rank train other models"),
    "another number of ranks": ("cb.distribution.DataParallel(deterministic=True)", "1, 2, 4 or 8 ranks"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_ranks_cannot_do_is_refused_on_all(tmp_path, case):
    program, said = REFUSED[case]
    lines = "\n".join("    " + line for line in program.splitlines())
    ended = run_ranks(
        3, tmp_path, f"{START}\ntry:\n{lines}\nexcept ValueError as error:\n    print(error, flush=True)\n"
    )
    assert ended.status == 0, ended.err
    assert ended.out.count(said) == 3, ended.out


def test_a_rank_that_is_killed_ends_the_run(tmp_path):
    program = """
if ranks.rank == 1:
    with open("pid", "w") as file:
        file.write(str(os.getpid()))
network().fit(x, y, epochs=10**7, verbose=0)
"""

    def kill(process):
        path = Path(tmp_path) / "pid"
        until = time.monotonic() + 60
        while not (path.exists() and path.read_text()) and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(1)
        subprocess.run(["kill", f"-{signal.SIGKILL.value}", path.read_text()], check=True)

    ended = run_ranks(3, tmp_path, START + program, act=kill)
    assert ended.status != 0
    assert ended.seconds < 90


def test_no_other_thread_trains_meanwhile(tmp_path):
    program = """
import threading
found = []
def other():
    try:
        network().fit(x, y, verbose=0)
    except RuntimeError as error:
        found.append(str(error))
class Start(cb.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
network().fit(x, y, epochs=1, verbose=0, callbacks=[Start()])
assert len(found) == 1 and "no other thread" in found[0], found
"""
    ended = run_ranks(2, tmp_path, START + program)
    assert ended.status == 0, ended.err
