"""Files of the callback TensorBoard, read by TensorBoard."""

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import cbackprop as cb
from cbackprop import callbacks, layers

X, Y = np.linspace(-1, 1, 30).reshape(10, 3), np.linspace(0, 1, 10).reshape(10, 1)


def test_tensorboard(tmp_path):
    model = cb.Sequential([cb.Input((3,)), layers.Dense(4, activation="tanh"), layers.Dense(1)])
    model.compile(cb.optimizers.SGD(0.1), "mse", metrics=["mae"])
    board = callbacks.TensorBoard(tmp_path, histogram_freq=1, update_freq=2, write_steps_per_second=True)
    history = model.fit(X, Y, batch_size=2, epochs=2, validation_data=(X, Y), callbacks=[board], verbose=0).history

    def load(folder):
        events = EventAccumulator(str(tmp_path / folder))
        events.Reload()
        return events

    train, validation = load("train"), load("validation")
    values = [(event.step, event.value) for event in train.Scalars("epoch_loss")]
    assert values == [(step, pytest.approx(value)) for step, value in enumerate(history["loss"])]
    assert [event.step for event in train.Scalars("batch_loss")] == [0, 2, 4, 6, 8]
    assert train.Scalars("epoch_learning_rate")[0].value == pytest.approx(0.1)
    assert train.Scalars("epoch_steps_per_second")[1].value > 0
    assert [event.value for event in validation.Scalars("epoch_mae")] == pytest.approx(history["val_mae"])
    assert [event.step for event in validation.Scalars("evaluation_loss_vs_iterations")] == [5, 10]
    last = train.Histograms(f"{model.layers[0].name}/kernel/histogram")[-1].histogram_value
    kernel = model.layers[0].get_weights()[0]
    assert (last.num, last.min, last.max) == (12, kernel.min(), kernel.max())
    assert sum(last.bucket) == 12
