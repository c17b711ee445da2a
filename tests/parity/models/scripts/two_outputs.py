"""A model of two outputs, each with its loss, weight and metrics."""

import keras
import numpy as np
from keras import layers

rng = np.random.default_rng(2)
x = rng.normal(size=(256, 10)).astype("float32")
price = x[:, :1] * 2 + x[:, 1:2]
kind = rng.integers(4, size=256)

inputs = keras.Input((10,))
h = layers.Dense(24, activation="gelu")(inputs)
h = layers.LayerNormalization()(h)
price_out = layers.Dense(1, name="price")(h)
kind_out = layers.Dense(4, activation="softmax", name="kind")(h)
model = keras.Model(inputs, [price_out, kind_out])
model.compile(
    optimizer=keras.optimizers.RMSprop(2e-3),
    loss={"price": keras.losses.Huber(delta=0.5), "kind": "sparse_categorical_crossentropy"},
    loss_weights={"price": 1.0, "kind": 0.3},
    metrics={"price": ["mae"], "kind": ["accuracy"]},
)
history = model.fit(x, {"price": price, "kind": kind}, batch_size=32, epochs=4, shuffle=False, verbose=0)
results = model.evaluate(x, {"price": price, "kind": kind}, verbose=0, return_dict=True)
predictions = model.predict(x[:5], verbose=0)
