"""A regression with a hidden layer, a held-out part and several metrics."""

import keras
import numpy as np
from keras import layers

rng = np.random.default_rng(0)
x = rng.uniform(-1, 1, size=(320, 6)).astype("float32")
y = np.sin(x.sum(axis=1, keepdims=True)) + 0.1 * rng.normal(size=(320, 1))

model = keras.Sequential(
    [
        keras.Input(shape=(6,)),
        layers.Dense(32, activation="relu", name="hidden"),
        layers.Dense(16, activation="tanh"),
        layers.Dense(1),
    ]
)
model.summary()
model.compile(
    optimizer=keras.optimizers.SGD(learning_rate=0.02, momentum=0.9, nesterov=True),
    loss="mse",
    metrics=["mae", keras.metrics.RootMeanSquaredError(name="rmse"), keras.metrics.R2Score()],
)
history = model.fit(x, y, batch_size=32, epochs=5, validation_split=0.2, shuffle=False, verbose=2)
results = model.evaluate(x, y, batch_size=64, verbose=0, return_dict=True)
predictions = model.predict(x[:10], verbose=0)
assert model.get_layer("hidden").units == 32
