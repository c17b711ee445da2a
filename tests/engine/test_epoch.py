"""An epoch on arrays is one call without the GIL."""

import signal
import sys
import threading
import time
import tracemalloc

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers


def network(optimizer="adam"):
    model = cb.Sequential(
        [
            cb.Input((4,)),
            layers.Dense(8, activation="tanh"),
            *([layers.Dropout(0.1)] if hasattr(layers, "Dropout") else []),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def samples(n):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 4)).astype(np.float32), rng.integers(3, size=n)


def count_calls(act):
    """Calls of Python and C functions while `act` runs, in this thread.

    The fewest of three runs: one that the system holds up takes the GIL for interrupts, 20 times a second.
    """
    return min(count_calls_once(act) for _ in range(3))


def count_calls_once(act):
    count = 0

    def profile(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(profile)
    try:
        act()
    finally:
        sys.setprofile(None)
    return count


def test_calls_do_not_grow_with_the_number_of_batches():
    model = network()
    counts = []
    for batches in (10, 1000):
        x, y = samples(8 * batches)
        model.fit(x, y, batch_size=8, verbose=0)
        one = count_calls(lambda x=x, y=y: model.fit(x, y, batch_size=8, epochs=1, verbose=0))
        two = count_calls(lambda x=x, y=y: model.fit(x, y, batch_size=8, epochs=2, verbose=0))
        counts.append(two - one)
    assert counts[0] == counts[1]
    assert 0 < counts[0] < 200


def test_nothing_is_allocated_by_python_inside_an_epoch():
    """The most memory that Python holds during an epoch is the same for 10 and for 1,000 batches of given data."""
    model = network()
    x, y = samples(8000)
    model.fit(x, y, batch_size=8, verbose=0)
    engine, data = model._engine, model._samples(model._engine, x, y).data
    order = np.arange(8000)
    peaks = []
    for batches in (10, 1000):
        engine.train(data, order, 0, 8 * batches, 8)
        tracemalloc.start()
        engine.train(data, order, 0, 8 * batches, 8)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] <= peaks[0] + 512


def test_another_thread_runs_meanwhile():
    """One call of the engine that takes a while; a second thread counts all the time."""
    model = network()
    x, y = samples(100_000)
    model.fit(x[:8], y[:8], verbose=0)
    engine, data = model._engine, model._samples(model._engine, x, y).data
    order = np.arange(len(x))
    counted = []
    running = threading.Event()

    def count():
        running.wait()
        while running.is_set():
            counted.append(time.perf_counter())
            time.sleep(0.001)

    thread = threading.Thread(target=count)
    thread.start()
    running.set()
    start = time.perf_counter()
    while time.perf_counter() - start < 0.3:
        begin = time.perf_counter()
        engine.train(data, order, 0, len(x), 4)
        end = time.perf_counter()
    running.clear()
    thread.join()
    inside = [t for t in counted if begin < t < end]
    assert len(inside) >= 5, f"{len(inside)} in {end - begin:.3f} s"


def test_two_threads_train_their_own_models():
    def train(results, key):
        x, y = samples(512)
        model = cb.Sequential([cb.Input((4,)), layers.Dense(3, activation="softmax")])
        model.set_weights([np.ones((4, 3)), np.zeros(3)])
        model.compile("sgd", "sparse_categorical_crossentropy")
        for _ in range(20):
            model.fit(x, y, shuffle=False, verbose=0)
        results[key] = model.get_weights()

    results = {}
    train(results, "alone")
    threads = [threading.Thread(target=train, args=(results, key)) for key in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for key in range(4):
        for a, b in zip(results["alone"], results[key], strict=True):
            np.testing.assert_array_equal(a, b)


def test_threads_share_a_model_without_harm():
    model = network()
    x, y = samples(256)
    model.fit(x, y, verbose=0)
    errors = []

    def use(act):
        try:
            for _ in range(15):
                act()
        except Exception as error:
            errors.append(error)

    acts = [
        lambda: model.fit(x, y, batch_size=16, verbose=0),
        lambda: model.predict(x, verbose=0),
        lambda: model.evaluate(x, y, batch_size=200, verbose=0),
        lambda: model.set_weights(model.get_weights()),
    ]
    threads = [threading.Thread(target=use, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_an_interrupt_stops_a_long_epoch_after_a_whole_step(interrupts):
    model = network()
    x, y = samples(200_000)
    model.fit(x[:8], y[:8], verbose=0)
    before = model.optimizer.iterations
    timer = threading.Timer(0.3, lambda: signal.raise_signal(signal.SIGINT))
    started = time.perf_counter()
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        model.fit(x, y, batch_size=1, epochs=1000, verbose=0)
    assert time.perf_counter() - started < 5
    assert model.optimizer.iterations > before
    assert all(np.isfinite(w).all() for w in model.get_weights())
    model.fit(x[:64], y[:64], verbose=0)


def test_a_running_model_cannot_be_used_from_within():
    """A callback of the engine runs in the middle of an epoch, as a signal handler does."""
    model = network()
    x, y = samples(400_000)
    model.fit(x[:8], y[:8], verbose=0)
    engine, data = model._engine, model._samples(model._engine, x, y).data
    raised = []

    def use(done):
        with pytest.raises(RuntimeError, match="in the middle of a batch"):
            model.predict(x[:4], verbose=0)
        raised.append(done)

    for _ in range(5):
        if not raised:
            engine.train(data, None, 0, len(x), 1, tick=use)
    assert raised
    model.fit(x[:64], y[:64], verbose=0)
