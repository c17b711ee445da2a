"""A functional model of two named inputs that share a layer."""

import keras
import numpy as np
from keras import layers

rng = np.random.default_rng(1)
titles = rng.normal(size=(240, 8)).astype("float32")
numbers = rng.normal(size=(240, 3)).astype("float32")
labels = (titles[:, 0] + numbers[:, 1] > 0).astype("float32")

title = keras.Input(shape=(8,), name="title")
number = keras.Input(shape=(3,), name="number")
project = layers.Dense(8, activation="tanh", name="project")
a = project(title)
b = project(layers.Concatenate()([number, layers.Dense(5, activation="relu")(number)]))
merged = layers.concatenate([layers.Multiply()([a, b]), layers.add([a, b])])
output = layers.Dense(1, activation="sigmoid", name="probability")(layers.Dropout(0.0)(merged))
model = keras.Model(inputs={"title": title, "number": number}, outputs=output, name="two_inputs")

model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy", keras.metrics.AUC(name="auc")])
data = {"title": titles, "number": numbers}
history = model.fit(data, labels, batch_size=16, epochs=4, shuffle=False, verbose=0)
results = model.evaluate(data, labels, verbose=0, return_dict=True)
predictions = model.predict(data, verbose=0)
