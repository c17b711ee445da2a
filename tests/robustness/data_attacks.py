"""Attacks by data: batches that lie, sparse matrices, memory and files that go away, sequences, labels."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from attacks import attack, pick, some_data, some_model
from values import Lies, odd_array, odd_number, odd_value

import cbackprop as cb
from cbackprop import callbacks, layers, losses


@attack
def batches_that_lie(rng):
    model = some_model(rng)

    def batches():
        for _ in range(4):
            x, y = some_data(rng, model, 0.1)
            yield pick(rng, [(x, y), (x, y), (x, y), x, (x, y, odd_array(rng)), odd_value(rng), [x, y], {"x": x}])

    class Data(cb.utils.PyDataset):
        def __len__(self):
            return pick(rng, [2, 2, 0, -1, 3])

        def __getitem__(self, index):
            return next(iter(batches()))

    source = pick(rng, [batches(), Data(), Data(workers=2), Lies(rng), iter([]), [1, 2]])
    model.steps_per_execution = pick(rng, [1, 1, 3, odd_value(rng)])
    model.fit(source, verbose=0, steps_per_epoch=pick(rng, [None, 2, 2, 9]), epochs=pick(rng, [1, 2]))


@attack
def sparse_data(rng):
    import scipy.sparse

    model = cb.Sequential([cb.Input((5,)), pick(rng, [layers.Dense(3), layers.Rescaling(2.0), layers.Masking()])])
    model.compile("sgd", "mse")
    x = scipy.sparse.random(8, 5, 0.4, pick(rng, ["csr", "csr", "csc", "coo", "lil"]), random_state=1)
    if x.format == "csr" and rng.random() < 0.7:
        name = pick(rng, ["indptr", "indices", "data"])
        array = getattr(x, name).copy()
        if rng.random() < 0.5 and array.size:
            array[rng.integers(array.size)] = pick(rng, [-1, 2**31 - 1, 5, 100])
        else:
            array = array[:-1]
        setattr(x, name, array)
    y = np.zeros((8, model.output_shape[1]))
    model.fit(x, y, verbose=0)
    model.predict(x, verbose=0)


@attack
def data_that_goes_away(rng):
    """A callback resizes an array, makes it another one, or cuts off the file that it lies in."""
    model = some_model(rng)
    x, y = some_data(rng, model, 0)
    with tempfile.TemporaryDirectory() as folder:
        arrays = [np.array(array) for array in (*(x if isinstance(x, list) else [x]), y)]
        place = rng.integers(len(arrays))
        path = Path(folder) / "array"
        if rng.random() < 0.5:
            array = arrays[place]
            arrays[place] = np.memmap(path, array.dtype, "w+", shape=array.shape)
            arrays[place][...] = array
        goes = arrays[place]
        if goes.ndim and rng.random() < 0.3:
            arrays[place] = goes[::-1]
        acts = [
            lambda: goes.resize(pick(rng, [(1,), (0,), (10**6, 2), goes.shape[:1]]), refcheck=False),
            lambda: setattr(goes, "shape", pick(rng, [(-1,), (1, -1), (-1, 1)])),
            lambda: path.exists() and path.write_bytes(b""),
        ]
        act = pick(rng, acts[:2] if goes.base is None else acts[2:])
        hook = pick(
            rng, ["on_train_begin", "on_epoch_begin", "on_epoch_end", "on_train_batch_end", "on_test_batch_end"]
        )
        callback = type("Acts", (callbacks.Callback,), {hook: lambda self, *_: act()})()
        data = arrays[:-1] if len(arrays) > 2 else arrays[0]
        model.fit(data, arrays[-1], batch_size=2, epochs=3, validation_split=0.3, verbose=0, callbacks=[callback])


@attack
def label_sequences(rng):
    """CTC with labels that are none, on sequences of any length, also of length 0."""
    steps, classes = int(rng.integers(0, 6)), int(rng.integers(1, 5))
    model = cb.Sequential([cb.Input((pick(rng, [None, steps]), 2)), layers.Dense(classes)])
    loss = losses.CTC(pick(rng, ["sum", "mean", "mean_with_sample_weight", None]))
    model.compile("sgd", loss, metrics=pick(rng, [None, ["mse"], [loss]]))
    x = rng.normal(size=(4, steps, 2)) * pick(rng, [1, 1e30])
    y = pick(rng, [rng.integers(0, classes + 1, size=(4, rng.integers(0, 4))), odd_array(rng), odd_value(rng)])
    if rng.random() < 0.5:
        model.fit(x, y, verbose=0)
    else:
        loss(y, rng.normal(size=(4, steps, classes)))
        cb.utils.ctc_decode(x, pick(rng, [[steps] * 4, [0] * 4, odd_value(rng)]), "beam_search", beam_width=3)


@attack
def sequences_of_different_lengths(rng):
    """PaddedSequences of what is mostly no list of sequences."""
    x = [rng.normal(size=(int(n), 2)) for n in rng.integers(pick(rng, [0, 1, 1]), 5, size=rng.integers(1, 6))]
    if rng.random() < 0.5:
        x = pick(rng, [odd_array(rng), odd_value(rng), [odd_value(rng), odd_value(rng)]])
    y = pick(rng, [None, np.zeros(len(x) if hasattr(x, "__len__") else 1), x, odd_value(rng)])
    made = cb.utils.PaddedSequences(x, y, batch_size=2, value=odd_number(rng), shuffle=bool(rng.random() < 0.5))
    model = cb.Sequential([cb.Input((None, 2)), layers.SimpleRNN(2)])
    model.compile("sgd", "mse")
    model.fit(made, verbose=0)
