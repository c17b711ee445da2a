"""An encoder and a decoder, models of their own, trained as one; then the encoder is frozen and used again."""

import keras
import numpy as np
from keras import layers

rng = np.random.default_rng(9)
x = rng.uniform(size=(200, 16)).astype("float32")

encoder = keras.Sequential([keras.Input((16,)), layers.Dense(8, activation="relu"), layers.Dense(3)], name="encoder")
decoder = keras.Sequential(
    [keras.Input((3,)), layers.Dense(8, activation="relu"), layers.Dense(16, activation="sigmoid")], name="decoder"
)
inputs = keras.Input((16,))
autoencoder = keras.Model(inputs, decoder(encoder(inputs)))
autoencoder.compile(optimizer="adam", loss="binary_crossentropy")
first = autoencoder.fit(x, x, batch_size=20, epochs=4, shuffle=False, verbose=0)

encoder.trainable = False
model = keras.Sequential([keras.Input((16,)), encoder, layers.Dense(2, activation="softmax")])
model.compile(optimizer=keras.optimizers.SGD(0.1), loss="sparse_categorical_crossentropy", metrics=["acc"])
labels = (x[:, 0] > 0.5).astype("int64")
history = model.fit(x, labels, batch_size=20, epochs=3, shuffle=False, verbose=0)
results = {f"first_{index}": loss for index, loss in enumerate(first.history["loss"])}
predictions = encoder.predict(x, verbose=0)
assert len(model.trainable_weights) == 2
