"""A user's script, with everything annotated: checked by ``mypy --strict``, and run by test_user_script.py."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cbackprop as cb
from cbackprop import callbacks, initializers, layers, losses, metrics, models, optimizers, regularizers

Floats = NDArray[np.float32]


class Doubled(layers.Layer):
    """A layer of the user's own."""

    def call(self, inputs: Floats) -> Floats:
        return 2 * inputs

    def backward(self, inputs: Floats, outputs: Floats, delta: Floats) -> Floats:
        return 2 * delta


class Keeper(cb.Callback):
    """A callback of the user's own."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[float] = []

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.seen.append((logs or {})["loss"])


class Batches(cb.utils.PyDataset):
    """A data set of the user's own."""

    def __init__(self, x: Floats, y: NDArray[np.int64], size: int) -> None:
        super().__init__()
        self.x, self.y, self.size = x, y, size

    def __len__(self) -> int:
        return len(self.x) // self.size

    def __getitem__(self, index: int) -> tuple[Floats, NDArray[np.int64]]:
        rows = slice(index * self.size, (index + 1) * self.size)
        return self.x[rows], self.y[rows]


def squares(y_true: NDArray[Any], y_pred: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """A loss of the user's own."""
    error = y_pred - y_true
    return (error**2).mean(axis=-1), 2 * error / error.shape[-1]


def classifier() -> cb.Sequential:
    """Layers one after the other."""
    model = cb.Sequential(
        [
            cb.Input((64,)),
            layers.Dense(
                32,
                activation="relu",
                kernel_initializer=initializers.HeNormal(seed=1),
                kernel_regularizer=regularizers.L2(1e-4),
            ),
            Doubled(),
            layers.BatchNormalization(),
            layers.Dropout(0.2),
            layers.Dense(10, activation=cb.activations.softmax),
        ],
        name="digits",
    )
    model.compile(
        optimizer=optimizers.Adam(optimizers.schedules.ExponentialDecay(3e-3, 100, 0.9)),
        loss=losses.SparseCategoricalCrossentropy(),
        metrics=["accuracy", metrics.SparseTopKCategoricalAccuracy(3, name="top3")],
    )
    return model


def train(model: cb.Sequential) -> dict[str, list[float]]:
    """Fit, with callbacks; the history."""
    (x_train, y_train), (x_test, y_test) = cb.datasets.digits.load_data()
    keeper = Keeper()
    history = model.fit(
        x_train,
        y_train,
        batch_size=64,
        epochs=3,
        validation_data=(x_test, y_test),
        class_weight={0: 2.0},
        callbacks=[keeper, callbacks.EarlyStopping("val_loss", patience=2), callbacks.TerminateOnNaN()],
        verbose=0,
    )
    values: dict[str, list[float]] = history.history
    assert keeper.seen == values["loss"]
    model.fit(Batches(x_train, y_train, 128), epochs=1, verbose=0)
    scores: dict[str, float] = model.evaluate(x_test, y_test, return_dict=True, verbose=0)
    predictions: NDArray[Any] = model.predict(x_test, verbose=0)
    assert predictions.shape == (len(x_test), 10)
    assert set(scores) == {"loss", "accuracy", "top3"}
    return values


def look_inside(model: cb.Model) -> None:
    """Weights, gradients, layers."""
    (x, y), _ = cb.datasets.digits.load_data()
    gradients: list[NDArray[Any]] = model.gradients(x[:8], y[:8])
    weights: list[NDArray[Any]] = model.get_weights()
    model.set_weights(weights)
    total: int = model.count_params()
    first: layers.Layer = model.layers[0]
    paths: list[str] = [variable.path for variable in model.trainable_variables]
    report = model.check_gradients(x[:2], y[:2])
    worst: float = report.max_relative_error
    assert worst < 1e-5
    assert total == sum(w.size for w in weights)
    assert len(gradients) == len(paths)
    assert isinstance(first.name, str)


def functional() -> cb.Model:
    """Two inputs, a shared layer, two outputs."""
    left, right = cb.Input((4,), name="left"), cb.Input((4,), name="right")
    shared = layers.Dense(3, activation="tanh")
    merged = layers.Concatenate()([shared(left), shared(right)])
    near = layers.Dense(1, name="near")(merged)
    far = layers.Dense(1, name="far")(layers.add([merged, merged]))
    model = cb.Model([left, right], [near, far])
    model.compile(optimizers.SGD(0.1, momentum=0.9), {"near": "mse", "far": squares}, loss_weights=[1.0, 0.5])

    def batches() -> Iterator[tuple[dict[str, NDArray[Any]], dict[str, NDArray[Any]]]]:
        rng = np.random.default_rng(0)
        while True:
            x = rng.normal(size=(2, 16, 4))
            y = x.sum(axis=2, keepdims=True)[0]
            yield {"left": x[0], "right": x[1]}, {"near": y, "far": -y}

    model.fit(batches(), steps_per_epoch=4, epochs=2, verbose=0)
    return model


def save(model: cb.Model, folder: Path) -> cb.Model:
    """To a file, and back."""
    path = folder / "model.safetensors"
    model.save(path)
    loaded: cb.Model = models.load_model(path, custom_objects={"squares": squares})
    copy: cb.Model = models.clone_model(loaded)
    copy.set_weights(loaded.get_weights())
    return copy


def alone() -> None:
    """Losses, metrics, activations, initializers and optimizers on arrays."""
    y_true, y_pred = np.array([[1.0], [0.0]]), np.array([[0.8], [0.3]])
    value = float(losses.Huber()(y_true, y_pred))
    auc = metrics.AUC()
    auc.update_state(y_true, y_pred)
    assert 0 <= float(auc.result()) <= 1
    assert value > 0
    hot: NDArray[Any] = cb.utils.to_categorical([0, 2], num_classes=3)
    assert hot.shape == (2, 3)
    assert np.asarray(cb.activations.relu(np.array([-1.0, 1.0]))).tolist() == [0.0, 1.0]
    drawn: NDArray[Any] = initializers.GlorotUniform(seed=0)((2, 3))
    assert drawn.shape == (2, 3)


def main() -> None:
    """Everything."""
    cb.utils.set_random_seed(0)
    cb.config.set_num_threads("auto")
    floatx: str = cb.config.floatx()
    version: str = cb.__version__
    assert floatx == "float32"
    assert version
    model = classifier()
    model.summary()
    train(model)
    look_inside(model)
    with tempfile.TemporaryDirectory() as folder:
        save(functional(), Path(folder))
    alone()


if __name__ == "__main__":
    main()
