"""Batch normalization, regularizers and constraints."""

import keras
import numpy as np
from keras import constraints, layers, regularizers

rng = np.random.default_rng(7)
x = rng.normal(3, 2, size=(256, 12)).astype("float32")
y = rng.integers(5, size=256)

model = keras.Sequential(
    [
        keras.Input((12,)),
        layers.Dense(24, kernel_regularizer=regularizers.L2(1e-3), bias_regularizer="l1", use_bias=True),
        layers.BatchNormalization(momentum=0.9),
        layers.Activation("relu"),
        layers.Dense(16, activation="silu", kernel_constraint=constraints.MaxNorm(1.0)),
        layers.Dense(5, activation="softmax", kernel_regularizer=regularizers.l1_l2(1e-4, 1e-4)),
    ]
)
model.compile(optimizer=keras.optimizers.SGD(0.05), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
history = model.fit(x, y, batch_size=32, epochs=4, shuffle=False, verbose=0)
results = model.evaluate(x, y, verbose=0, return_dict=True)
predictions = model.predict(x, verbose=0)
