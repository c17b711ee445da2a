"""
Handwritten digits
==================

A classifier for images of 8 x 8 pixels that the library carries: trained, watched, and looked into.
"""

# %%
# The data: 1,437 images to train on and 360 to test with, pixels between 0 and 1.

import matplotlib.pyplot as plt
import numpy as np

import cbackprop as cb
from cbackprop import callbacks, layers

(x_train, y_train), (x_test, y_test) = cb.datasets.digits.load_data()

figure, axes = plt.subplots(2, 8, figsize=(8, 2.4))
for image, digit, ax in zip(x_train, y_train, axes.flat):
    ax.imshow(image.reshape(8, 8), cmap="gray_r")
    ax.set_title(digit, fontsize=9)
    ax.axis("off")

# %%
# A hidden layer of 64 units, of which dropout silences a fifth in every step. The last layer's softmax makes ten
# probabilities, and cross-entropy compares them with the digit that was meant. The seed makes every number on this
# page repeatable.

cb.utils.set_random_seed(0)
model = cb.Sequential(
    [
        cb.Input((64,)),
        layers.Dense(64, activation="relu"),
        layers.Dropout(0.2),
        layers.Dense(10, activation="softmax"),
    ]
)
model.compile(cb.optimizers.Adam(3e-3), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
model.summary()

# %%
# A tenth of the images is held back to see when training stops to help; the best weights are kept.

patience = callbacks.EarlyStopping("val_loss", patience=10, restore_best_weights=True)
history = model.fit(x_train, y_train, epochs=100, validation_split=0.1, callbacks=[patience], verbose=0)
print(f"{len(history.epoch)} epochs")
print(model.evaluate(x_test, y_test, return_dict=True, verbose=0))

# %%
# Loss and accuracy, epoch by epoch.

figure, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
for name, ax in zip(("loss", "accuracy"), axes):
    ax.plot(history.history[name], label="training")
    ax.plot(history.history[f"val_{name}"], label="validation")
    ax.set(xlabel="epoch", ylabel=name)
    ax.legend()

# %%
# What is mistaken for what, among the test images.

predicted = model.predict(x_test, verbose=0).argmax(axis=1)
confusion = np.zeros((10, 10), int)
np.add.at(confusion, (y_test, predicted), 1)
figure, ax = plt.subplots(figsize=(4, 4), layout="constrained")
ax.imshow(np.sqrt(confusion), cmap="Blues")
ax.set(xlabel="predicted", ylabel="true", xticks=range(10), yticks=range(10))
for (row, column), count in np.ndenumerate(confusion):
    if count:
        ax.text(column, row, count, ha="center", va="center", fontsize=8)

# %%
# The weights of 16 hidden units, drawn as the images that excite them (red) or calm them (blue).

kernel = model.layers[0].get_weights()[0]
limit = np.abs(kernel).max()
figure, axes = plt.subplots(2, 8, figsize=(8, 2.2))
for unit, ax in zip(kernel.T, axes.flat):
    ax.imshow(unit.reshape(8, 8), cmap="RdBu_r", vmin=-limit, vmax=limit)
    ax.axis("off")
