"""Data that comes in batches: from a PyDataset, and from a generator; and a loop over train_on_batch."""

import keras
import numpy as np
from keras import layers

rng = np.random.default_rng(10)
x = rng.normal(size=(96, 4)).astype("float32")
y = x.sum(axis=1, keepdims=True)


class Batches(keras.utils.PyDataset):
    def __init__(self, size, **kwargs):
        super().__init__(**kwargs)
        self.size = size

    def __len__(self):
        return len(x) // self.size

    def __getitem__(self, index):
        rows = slice(index * self.size, (index + 1) * self.size)
        return x[rows], y[rows]


def generate():
    while True:
        for start in range(0, len(x), 24):
            yield x[start : start + 24], y[start : start + 24]


model = keras.Sequential([keras.Input((4,)), layers.Dense(10, activation="mish"), layers.Dense(1)])
model.compile(optimizer=keras.optimizers.Lion(1e-3), loss="mae")
model.fit(Batches(12, workers=1), epochs=2, shuffle=False, verbose=0)
losses = [float(model.train_on_batch(x[i : i + 32], y[i : i + 32])) for i in range(0, 96, 32)]
history = model.fit(generate(), steps_per_epoch=4, epochs=3, verbose=0)
results = {f"loss_{index}": loss for index, loss in enumerate(losses)}
predictions = model.predict(x, verbose=0)
