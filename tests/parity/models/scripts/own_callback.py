"""A callback of one's own with hooks for epochs and batches, and a LambdaCallback."""

import keras
import numpy as np
from keras import layers

rng = np.random.default_rng(3)
x = rng.normal(size=(128, 4)).astype("float32")
y = keras.utils.to_categorical(rng.integers(3, size=128), 3)


class Recorder(keras.callbacks.Callback):
    def on_train_begin(self, logs=None):
        self.batches = []
        self.epochs = []

    def on_train_batch_end(self, batch, logs=None):
        self.batches.append((batch, float(logs["loss"])))

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.append(sorted(logs))
        if epoch == 2:
            self.model.stop_training = True


ends = []
recorder = Recorder()
model = keras.Sequential([keras.Input((4,)), layers.Dense(12, activation="elu"), layers.Dense(3, activation="softmax")])
model.compile(keras.optimizers.Nadam(0.01), "categorical_crossentropy", metrics=["categorical_accuracy"])
history = model.fit(
    x,
    y,
    batch_size=32,
    epochs=10,
    shuffle=False,
    verbose=0,
    callbacks=[recorder, keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: ends.append(epoch))],
)
assert ends == [0, 1, 2]
assert len(recorder.batches) == 12
results = {f"batch_{index}": loss for index, (_, loss) in enumerate(recorder.batches)}
predictions = model.predict(x, verbose=0)
