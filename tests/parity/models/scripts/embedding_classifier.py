"""Words as rows of an embedding, and a classifier on top."""

import keras
import numpy as np
from keras import layers

VOCABULARY, LENGTH, CLASSES = 50, 6, 3
rng = np.random.default_rng(6)
words = rng.integers(VOCABULARY, size=(300, LENGTH))
labels = words[:, 0] % CLASSES

model = keras.Sequential(
    [
        keras.Input(shape=(LENGTH,), dtype="int32"),
        layers.Embedding(input_dim=VOCABULARY, output_dim=8),
        layers.Flatten(),
        layers.Dense(20, activation="relu"),
        layers.Dense(CLASSES),
    ]
)
model.compile(
    optimizer=keras.optimizers.Adam(5e-3),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy", keras.metrics.SparseTopKCategoricalAccuracy(k=2, name="top2")],
)
history = model.fit(words, labels, batch_size=30, epochs=5, shuffle=False, verbose=0)
results = model.evaluate(words, labels, verbose=0, return_dict=True)
predictions = model.predict(words, verbose=0)
