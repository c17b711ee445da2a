"""Early stopping with the best weights, checkpoints on disk, a log file, and the model read back."""

import os
import tempfile

import keras
import numpy as np
from keras import layers

rng = np.random.default_rng(4)
x = rng.normal(size=(200, 5)).astype("float32")
y = x[:, :1] ** 2 - x[:, 1:2] + 0.5 * rng.normal(size=(200, 1))

model = keras.Sequential([keras.Input((5,)), layers.Dense(40, activation="relu"), layers.Dense(1)])
model.compile(optimizer=keras.optimizers.Adam(0.02), loss="mean_squared_error", metrics=["mae"])
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "best.keras")
    history = model.fit(
        x[:150],
        y[:150],
        validation_data=(x[150:], y[150:]),
        batch_size=25,
        epochs=30,
        shuffle=False,
        verbose=0,
        callbacks=[
            keras.callbacks.EarlyStopping(monitor="val_loss", patience=3, min_delta=0.05, restore_best_weights=True),
            keras.callbacks.ModelCheckpoint(path, monitor="val_loss", save_best_only=True),
            keras.callbacks.CSVLogger(os.path.join(folder, "log.csv")),
            keras.callbacks.TerminateOnNaN(),
        ],
    )
    saved = keras.models.load_model(path)
    with open(os.path.join(folder, "log.csv")) as log:
        assert len(log.readlines()) == 1 + len(history.history["loss"])
assert len(history.history["loss"]) < 30
results = saved.evaluate(x[150:], y[150:], verbose=0, return_dict=True)
predictions = model.predict(x, verbose=0)
