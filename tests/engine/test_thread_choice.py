"""How many threads are chosen, what limits their number, and that the choice changes no result."""

import os
import subprocess
import sys

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers, processors, threads
from cbackprop.engine import compiled, thread_choice, thread_trials
from cbackprop.engine.room import Room
from cbackprop.engine.thread_choice import ThreadChoice


class Machine:
    """A clock, and the seconds of a step for each number of threads."""

    def __init__(self, seconds):
        self.seconds, self.time, self.ran = seconds, 0.0, {}

    def clock(self):
        return self.time

    def run(self, choice, steps, first_step=0.0):
        """Simulate a run of `steps` steps. Return the number of threads of its last step."""
        threads = 0
        while steps:
            trial = choice.next(steps)
            threads = trial.threads
            woken = first_step if threads > 1 else 0.0
            self.time += woken + trial.steps * self.seconds(threads, self.time)
            self.ran[threads] = self.ran.get(threads, 0) + trial.steps
            choice.done(trial, first_step and woken + self.seconds(threads, self.time))
            steps -= trial.steps
        return threads


@pytest.fixture
def on(monkeypatch):
    def make(seconds):
        machine = Machine(seconds)
        monkeypatch.setattr(thread_choice, "perf_counter", machine.clock)
        return machine

    return make


@pytest.mark.parametrize("step", [2e-5, 1e-3, 0.3])
@pytest.mark.parametrize(("most", "best"), [(1, 1), (2, 2), (3, 3), (6, 6), (16, 8), (64, 8)])
def test_the_fastest_number_is_found(most, best, step, on):
    """Up to eight threads a step becomes faster here, then slower again."""
    machine = on(lambda threads, time: step * (1 / threads + 0.02 * max(threads - 6, 0)))
    choice = ThreadChoice(most)
    machine.run(choice, 100_000)
    assert choice.best == best
    assert machine.ran[best] > 0.9 * 100_000


def test_one_thread_where_more_do_not_pay(on):
    machine = on(lambda threads, time: 1e-4 if threads == 1 else 0.99e-4)
    choice = ThreadChoice(8)
    machine.run(choice, 10_000)
    assert choice.best == 1
    assert set(machine.ran) == {1, 2}


def test_a_processor_that_is_taken_and_set_free_again(on):
    """Between the seconds 5 and 10 somebody else uses the other processor: two threads wait for each other."""
    machine = on(lambda threads, time: 1e-3 if threads == 1 else 5e-3 if 5 < time < 10 else 0.6e-3)
    choice = ThreadChoice(2)
    chosen = {}
    while machine.time < 20:
        chosen[round(machine.time)] = machine.run(choice, 100)
    assert chosen[4] == 2
    assert chosen[6] == 1
    assert chosen[9] == 1
    assert chosen[13] == 2
    assert chosen[19] == 2


def test_searches_cost_little_where_threads_are_a_disaster(on):
    machine = on(lambda threads, time: 1e-4 if threads == 1 else 0.02)
    choice = ThreadChoice(2)
    while machine.time < 60:
        machine.run(choice, 500)
    assert machine.ran[1] * 1e-4 > 0.9 * machine.time


def test_long_steps_are_tried_once_each(on):
    machine = on(lambda threads, time: 5.0 / threads)
    choice = ThreadChoice(4)
    machine.run(choice, 20)
    assert choice.best == 4
    assert machine.ran[1] <= 3
    assert machine.ran[2] <= 2


def test_the_start_of_threads_is_not_counted(on):
    machine = on(lambda threads, time: 1e-4 / threads)
    choice = ThreadChoice(2)
    machine.run(choice, 1000, first_step=0.003)
    assert choice.best == 2


def test_runs_of_single_steps(on):
    """As `train_on_batch` makes them."""
    machine = on(lambda threads, time: 1e-3 / threads)
    choice = ThreadChoice(2)
    for _ in range(30):
        machine.run(choice, 1)
    assert choice.best == 2


@pytest.fixture
def auto(monkeypatch):
    """Every step may be shared by up to three threads, and trials are short, so that numbers change all the time."""
    monkeypatch.setattr(thread_trials, "LEAST_WORK_TO_TRY", 1)
    monkeypatch.setattr(thread_trials, "LEAST_WORK_TO_START", 1)
    monkeypatch.setattr(threads, "limit", lambda: 3 if threads.is_auto() else threads.setting())
    monkeypatch.setattr(thread_choice, "LONGEST", 0.0)
    monkeypatch.setattr(thread_choice, "LONG_ENOUGH", 0.0)
    monkeypatch.setattr(thread_choice, "HOLDS_FOR", 0.0)
    monkeypatch.setattr(thread_choice, "HOLDS_FOR_SEARCHES", 0.0)
    yield
    cb.config.set_num_threads("auto")


def results(number):
    cb.config.set_num_threads(number)
    cb.utils.set_random_seed(3)
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(333, 6)), rng.integers(0, 4, size=333)
    model = cb.Sequential(
        [
            cb.Input((6,)),
            layers.Dense(9, activation="tanh"),
            layers.BatchNormalization(),
            layers.Dropout(0.3),
            layers.Dense(4, activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    seen = []

    class Steps(cb.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            seen.append((batch, logs["loss"]))

    history = model.fit(x, y, batch_size=10, epochs=3, verbose=0, validation_split=0.2)
    model.fit(x, y, batch_size=10, epochs=1, verbose=0, callbacks=[Steps()])
    numbers = [*history.history.values(), seen, model.evaluate(x, y, batch_size=7, verbose=0)]
    numbers += [model.train_on_batch(x[:40], y[:40]) for _ in range(9)]
    predictions = [model.predict(x, verbose=0), model.predict(x[:5], verbose=0), model(x), model(x, training=True)]
    return [repr(numbers), *(w.tobytes() for w in model.get_weights()), *(p.tobytes() for p in predictions)]


def test_the_same_bits_whatever_is_chosen(auto, monkeypatch):
    used = set()
    next_trial = ThreadChoice.next

    def noted(self, steps_left):
        trial = next_trial(self, steps_left)
        used.add(trial.threads)
        return trial

    monkeypatch.setattr(ThreadChoice, "next", noted)
    assert results("auto") == results(1)
    assert {1, 2} <= used


def test_progress_counts_all_samples():
    seen = []
    compiled._counted_from(30, seen.append)(4)
    compiled._counted_from(0, seen.append)(5)
    assert seen == [34, 5]
    assert compiled._counted_from(30, None) is None


def test_an_interrupt_ends_a_run_in_trials(auto):
    cb.config.set_num_threads("auto")
    model = cb.Sequential([cb.Input((6,)), layers.Dense(2)])
    model.compile("sgd", "mse")

    class Stop(cb.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.fit(np.zeros((100, 6)), np.zeros((100, 2)), batch_size=10, verbose=0, callbacks=[Stop()])
    model.fit(np.zeros((100, 6)), np.zeros((100, 2)), batch_size=10, verbose=0)


# Limits of the number


@pytest.mark.parametrize("noise", [layers.Dropout, layers.GaussianNoise])
def test_layers_that_draw_do_not_see_the_pieces_of_a_run(noise, monkeypatch):
    """Outside of training, they count samples of the data and not of a piece, whose size depends on measured times."""
    x = np.random.default_rng(0).normal(size=(300, 4)).astype("float32")
    results = []
    for steps in (1, 2, 10_000):
        with cb.config.num_threads(1 if steps == 10_000 else "auto"):
            cb.utils.set_random_seed(1)
            given = cb.Input((4,))
            model = cb.Model(given, layers.Dense(4)(noise(0.5, seed=3)(given, training=True)))
            model.compile("sgd", "mse")
            monkeypatch.setattr(compiled, "most_threads", lambda flops, starts=False: 2)
            monkeypatch.setattr(Room, "samples_of_block", lambda self: 24)
            monkeypatch.setattr(ThreadChoice, "next", lambda self, left, n=steps: thread_choice.Trial(2, min(n, left)))
            results.append([model.predict(x, verbose=0), model(x, training=True), model.evaluate(x, x, 32, verbose=0)])
    for found in results[1:]:
        for a, b in zip(results[0], found, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.fixture
def anew(monkeypatch):
    monkeypatch.setattr(processors, "_answered", float("-inf"))
    monkeypatch.setattr(processors, "_allowed", lambda: 12)
    monkeypatch.setattr(processors, "_quota", lambda: None)
    for name in processors.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_processors(anew):
    assert processors.usable() == 12


@pytest.mark.parametrize("name", processors.VARIABLES)
@pytest.mark.parametrize(
    ("value", "number"), [("3", 3), ("4,2", 4), (" 5 ", 5), ("0", 1), ("", 12), ("auto", 12), ("-1", 12), ("99", 12)]
)
def test_environment(name, value, number, anew):
    anew.setenv(name, value)
    assert processors.usable() == number


@pytest.mark.parametrize(
    ("files", "number"),
    [
        ({}, None),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu.max": "150000 100000\n"}, 2),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu.max": "800000 100000\n", "user/one/cpu.max": "300000 100000"}, 3),
        ({"cpu.max": "200000 100000\n", "user/one/cpu.max": "max 100000"}, 2),
        ({"user/cpu.max": "400000 100000\n"}, 4),
        ({"cpu/cpu.cfs_quota_us": "250000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({"cpu.max": "nonsense"}, None),
        ({"cpu.max": "1 0"}, None),
    ],
)
def test_quota_of_a_container(files, number, tmp_path, monkeypatch):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "own").write_text("1:name=systemd:/\n0::/user/one\n")
    monkeypatch.setattr(processors, "CGROUPS", tmp_path)
    monkeypatch.setattr(processors, "OWN_GROUP", tmp_path / "own")
    assert processors._quota() == number


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity")
def test_affinity():
    code = (
        "import os, cbackprop as cb\n"
        "from cbackprop import threads\n"
        "os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])\n"
        "assert threads.limit() == 1 and cb.config.get_num_threads() == 'auto'\n"
    )
    subprocess.run([sys.executable, "-P", "-c", code], check=True)


def test_limits_of_others_for_blas(anew):
    from threadpoolctl import threadpool_limits

    threads._loaded_libraries.cache_clear()
    with threadpool_limits(1):
        assert threads.limit() == 1


# The setting


def test_the_setting():
    assert cb.config.get_num_threads() == "auto"
    try:
        cb.config.set_num_threads(3)
        assert (cb.config.get_num_threads(), threads.limit()) == (3, 3)
        with cb.config.num_threads("auto"):
            assert cb.config.get_num_threads() == "auto"
        assert cb.config.get_num_threads() == 3
    finally:
        cb.config.set_num_threads("auto")
    assert cb.config.get_num_threads() == "auto"


@pytest.mark.parametrize("bad", ["many", "1", 0, -2, 1.5, None, True])
def test_bad_settings(bad):
    for setter in (cb.config.set_num_threads, lambda n: cb.config.num_threads(n).__enter__()):
        with pytest.raises((TypeError, ValueError), match=r"\bn\b"):
            setter(bad)
    assert cb.config.get_num_threads() == "auto"


def test_show_says_it(capsys):
    cb.config.show()
    assert f"auto (at most {threads.limit()})" in capsys.readouterr().out
