"""Calls of fit with arguments drawn at random, against Keras: batches that callbacks see, logs, histories, warnings."""

import random
import warnings

import keras
import numpy as np
import pytest
import torch

import cbackprop as cb

SIZE, HELD_OUT = 26, 11
X = np.sin(np.arange(3.0 * SIZE, dtype="float32")).reshape(SIZE, 3)
Y = np.cos(np.arange(2.0 * SIZE, dtype="float32")).reshape(SIZE, 2)


def dataset(library, size, batch_size):
    class Batches(library.utils.PyDataset):
        def __len__(self):
            return -(-size // batch_size)

        def __getitem__(self, index):
            rows = slice(index * batch_size, min((index + 1) * batch_size, size))
            return X[rows], Y[rows]

    return Batches()


def loader(library, size, batch_size):
    pairs = torch.utils.data.TensorDataset(torch.tensor(X[:size]), torch.tensor(Y[:size]))
    return torch.utils.data.DataLoader(pairs, batch_size=batch_size)


def generator(library, size, batch_size):
    while True:
        for begin in range(0, size, batch_size):
            yield X[begin : min(begin + batch_size, size)], Y[begin : min(begin + batch_size, size)]


KINDS = {"dataset": dataset, "loader": loader, "generator": generator}


def watching(library, stop):
    """A callback that notes all that it is told; it stops training after the batch of that number."""

    def note(watch, name, number, logs):
        watch.told.append((name, number, {key: float(value) for key, value in (logs or {}).items()}))
        if name == "on_train_batch_end" and number == stop:
            watch.model.stop_training = True

    def numbered(name):
        return lambda self, number, logs=None: note(self, name, number, logs)

    def ending(name):
        return lambda self, logs=None: note(self, name, None, logs)

    of_batches = [f"on_{run}_batch_{when}" for run in ("train", "test") for when in ("begin", "end")]
    moments = {name: numbered(name) for name in (*of_batches, "on_epoch_begin", "on_epoch_end")}
    moments |= {name: ending(name) for name in ("on_test_end", "on_train_end")}
    watch = type("Watch", (library.callbacks.Callback,), moments)()
    watch.told = []
    return watch


def arguments(draw, library):
    """The arguments of fit, and when training is stopped."""
    kind, batch_size = draw.choice(["arrays", "arrays", *KINDS]), draw.choice([4, 5, 13, 30, None])
    steps = draw.choice([None, None, 1, 2, 3, 5, 6, 7, 9])
    validation = draw.choice([None, "arrays", "split", "dataset", "loader"])
    given = {"epochs": draw.choice([1, 2, 4]), "initial_epoch": draw.choice([0, 0, 1]), "shuffle": False, "verbose": 0}
    given["steps_per_epoch"] = 3 if kind == "generator" and steps is None else steps
    given |= {"validation_steps": draw.choice([None, None, 1, 2, 3])} if validation else {}
    given |= {"validation_freq": draw.choice([1, 1, 2])} if validation else {}
    if kind == "arrays":
        given |= {"x": X, "y": Y, "batch_size": batch_size}
    else:
        given["x"] = KINDS[kind](library, SIZE, batch_size or 8)
    if validation in KINDS:
        given["validation_data"] = KINDS[validation](library, HELD_OUT, 3)
    elif validation == "split" and kind == "arrays":
        given |= {"validation_split": 0.3, "validation_batch_size": draw.choice([None, 3])}
    elif validation:
        given |= {"validation_data": (X[:HELD_OUT], Y[:HELD_OUT]), "validation_batch_size": draw.choice([None, 3])}
    return given, draw.choice([None, None, 0, 2])


@pytest.mark.parametrize("seed", range(40))
def test_fit(seed):
    found = []
    for library in (keras, cb):
        given, stop = arguments(random.Random(seed), library)
        first = library.initializers.Constant(0.1)
        model = library.Sequential([library.Input((3,)), library.layers.Dense(2, kernel_initializer=first)])
        model.compile(library.optimizers.SGD(0.1), "mse", metrics=["mae"])
        watch = watching(library, stop)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            history = model.fit(**given, callbacks=[watch])
        ran_out = any("ran out of data" in str(warning.message) for warning in caught)
        found.append((watch.told, watch.params["steps"], history.epoch, history.history, ran_out))
    theirs, ours = found
    assert [entry[:-1] for entry in ours[0]] == [entry[:-1] for entry in theirs[0]]
    for entry, expected in zip(ours[0], theirs[0], strict=True):
        assert entry[-1] == pytest.approx(expected[-1], rel=1e-4)
    assert ours[1:3] == theirs[1:3]
    assert ours[3].keys() == theirs[3].keys()
    for name, values in theirs[3].items():
        assert ours[3][name] == pytest.approx(values, rel=1e-4)
    assert ours[4] == theirs[4]
