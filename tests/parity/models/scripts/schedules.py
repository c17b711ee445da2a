"""Learning rates that change: a schedule with warm-up, and a callback."""

import keras
import numpy as np
from keras import layers

rng = np.random.default_rng(8)
x = rng.normal(size=(160, 5)).astype("float32")
y = np.tanh(x @ rng.normal(size=(5, 2)))


def build():
    return keras.Sequential([keras.Input((5,)), layers.Dense(20, activation="softplus"), layers.Dense(2)])


warm = build()
rate = keras.optimizers.schedules.CosineDecay(0.0, 40, alpha=0.1, warmup_target=0.02, warmup_steps=10)
warm.compile(keras.optimizers.AdamW(learning_rate=rate, weight_decay=1e-3, clipnorm=1.0), "mse")
first = warm.fit(x, y, batch_size=16, epochs=5, shuffle=False, verbose=0)

model = build()
model.compile(keras.optimizers.Adam(0.1), loss=keras.losses.LogCosh())
history = model.fit(
    x,
    y,
    batch_size=16,
    epochs=12,
    shuffle=False,
    verbose=0,
    callbacks=[
        keras.callbacks.LearningRateScheduler(lambda epoch, lr: lr if epoch < 4 else lr * 0.9),
        keras.callbacks.ReduceLROnPlateau(monitor="loss", factor=0.5, patience=1, min_delta=0.01),
    ],
)
results = {f"warm_{index}": loss for index, loss in enumerate(first.history["loss"])}
predictions = np.concatenate([warm.predict(x, verbose=0), model.predict(x, verbose=0)])
