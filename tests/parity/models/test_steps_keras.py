"""Where epochs end, and the executions that callbacks see, against Keras's own iterator of epochs."""

import itertools
import warnings

import keras
import numpy as np
import pytest
from keras.src.trainers.epoch_iterator import EpochIterator
from numpy.testing import assert_allclose

import cbackprop as cb

SIZE, EPOCHS = 26, 5
X = np.arange(3.0 * SIZE, dtype="float32").reshape(SIZE, 3) / SIZE
Y = np.cos(np.arange(2.0 * SIZE, dtype="float32")).reshape(SIZE, 2)


def dataset(library):
    class Batches(library.utils.PyDataset):
        def __len__(self):
            return -(-SIZE // 4)

        def __getitem__(self, index):
            return X[4 * index : 4 * index + 4], Y[4 * index : 4 * index + 4]

    return Batches()


class Watch(cb.callbacks.Callback):
    def __init__(self):
        self.told = []

    def on_epoch_begin(self, epoch, logs=None):
        self.told.append([])

    def on_train_batch_begin(self, batch, logs=None):
        self.told[-1].append((batch, self.model.optimizer.iterations))

    def on_train_batch_end(self, batch, logs=None):
        begin, before = self.told[-1][-1]
        self.told[-1][-1] = (begin, batch, self.model.optimizer.iterations - before)


@pytest.mark.parametrize("kind", ["arrays", "dataset"])
@pytest.mark.parametrize(
    ("steps", "at_once", "batch_size"), list(itertools.product([None, 1, 3, 4, 6, 7, 8, 20], [1, 2, 3, 50], [4, None]))
)
def test_executions(steps, at_once, batch_size, kind):
    given = {"x": X, "y": Y, "batch_size": batch_size} if kind == "arrays" else {"x": dataset(keras)}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        epochs = EpochIterator(**given, steps_per_epoch=steps, steps_per_execution=at_once)
        expected = [[(begin, end, len(data)) for begin, end, data in epochs.enumerate_epoch()] for _ in range(EPOCHS)]
    # A last execution of fewer batches runs out of data within Keras, which says so. It is no reason for a warning.
    short = steps is not None and any(len(epoch) < -(-steps // at_once) for epoch in expected)
    assert any("ran out of data" in str(warning.message) for warning in caught) >= short
    model, watch = cb.Sequential([cb.Input((3,)), cb.layers.Dense(2)]), Watch()
    model.compile("sgd", "mse", steps_per_execution=at_once)
    given |= {} if kind == "arrays" else {"x": dataset(cb)}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(**given, steps_per_epoch=steps, epochs=EPOCHS, callbacks=[watch], verbose=0)
    assert watch.told == expected
    assert any("ran out of data" in str(warning.message) for warning in caught) == short


@pytest.mark.parametrize("steps", [3, 5, 7, 9])
def test_history_and_weights(steps):
    histories, weights = [], None
    for library in (keras, cb):
        model = library.Sequential([library.Input((3,)), library.layers.Dense(4, "tanh"), library.layers.Dense(2)])
        model.compile(library.optimizers.SGD(0.1), "mse", metrics=["mae"])
        weights = weights or model.get_weights()
        model.set_weights(weights)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            history = model.fit(
                X,
                Y,
                batch_size=4,
                steps_per_epoch=steps,
                epochs=4,
                shuffle=False,
                validation_data=dataset(library) if steps % 4 == 3 else (X, Y),
                validation_steps=2,
                verbose=0,
            )
        histories.append((history.history, model.get_weights()))
    for name, values in histories[0][0].items():
        assert_allclose(histories[1][0][name], values, rtol=1e-4)
    for a, b in zip(histories[0][1], histories[1][1], strict=True):
        assert_allclose(b, a, rtol=1e-4, atol=1e-6)


def test_files_keep_executions(tmp_path):
    for writer, reader in ((cb, keras), (keras, cb), (cb, cb)):
        model = writer.Sequential([writer.Input((3,)), writer.layers.Dense(2)])
        model.compile("sgd", "mse", steps_per_execution=3)
        model.save(tmp_path / "model.keras")
        assert reader.models.load_model(tmp_path / "model.keras").steps_per_execution == 3
