"""`seeded`: random numbers of a block of code alone, and of its thread alone."""

import threading

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers, random


def draws():
    x = np.linspace(-1, 1, 40)[:, None]
    model = cb.Sequential([cb.Input((1,)), layers.Dense(4, activation="relu"), layers.Dropout(0.5), layers.Dense(1)])
    model.compile("adam", "mse")
    return model.fit(x, x, batch_size=8, epochs=2, verbose=0).history["loss"]


def test_seeded_repeats_and_leaves_the_process_alone():
    before = random.state(), np.random.get_state()[1].tobytes()  # noqa: NPY002 - the global one must not move
    found = []
    for seed in (3, 3, 4):
        with cb.utils.seeded(seed):
            found.append(draws())
            with cb.utils.seeded(0):
                draws()
    assert (random.state(), np.random.get_state()[1].tobytes()) == before  # noqa: NPY002
    assert found[0] == found[1] != found[2]
    cb.utils.set_random_seed(3)
    assert draws() == found[0]


def test_seeded_is_left_by_an_exception():
    state = random.state()
    with pytest.raises(KeyError), cb.utils.seeded(1):
        raise KeyError
    assert random.state() == state


def test_each_thread_has_its_own():
    with cb.utils.seeded(7):
        expected = draws()
    found, together = {}, threading.Barrier(3)

    def work(seed):
        with cb.utils.seeded(seed), cb.config.num_threads(seed):
            together.wait()
            found[seed] = draws(), cb.config.get_num_threads()

    threads = [threading.Thread(target=work, args=(seed,)) for seed in (7, 8, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[7] == (expected, 7)
    assert found[9][1] == 9
    assert cb.config.get_num_threads() == "auto"


@pytest.mark.parametrize("value", [-1, 1.5, "1", True, None, 2**32])
def test_mistaken_seeds(value):
    with pytest.raises((TypeError, ValueError), match="seed must"), cb.utils.seeded(value):
        pass
