"""
Classifying handwritten digits
==============================

This example trains a classifier on the bundled images of 8 x 8 pixels, and then looks at its errors and its weights.
"""

# %%
# There are 1,437 images to train on and 360 to test with. Pixels are between 0 and 1.

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
# The hidden layer has 64 units; dropout sets a fifth of them to 0 in every step. The softmax of the last layer makes
# ten probabilities, and cross-entropy compares them with the true digit. The seed makes every number on this page
# repeatable.

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
# A tenth of the images is held out. Training stops when the loss on them no longer falls. The best weights are kept.

patience = callbacks.EarlyStopping("val_loss", patience=10, restore_best_weights=True)
history = model.fit(x_train, y_train, epochs=100, validation_split=0.1, callbacks=[patience], verbose=0)
print(f"{len(history.epoch)} epochs")
print(model.evaluate(x_test, y_test, return_dict=True, verbose=0))

# %%
# Loss and accuracy in each epoch:

figure, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
for name, ax in zip(("loss", "accuracy"), axes):
    ax.plot(history.history[name], label="training")
    ax.plot(history.history[f"val_{name}"], label="validation")
    ax.set(xlabel="epoch", ylabel=name)
    ax.legend()

# %%
# The confusion matrix of the test images:

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
# The weights of 16 hidden units as images. Red pixels excite the unit, blue ones inhibit it.

kernel = model.layers[0].get_weights()[0]
limit = np.abs(kernel).max()
figure, axes = plt.subplots(2, 8, figsize=(8, 2.2))
for unit, ax in zip(kernel.T, axes.flat):
    ax.imshow(unit.reshape(8, 8), cmap="RdBu_r", vmin=-limit, vmax=limit)
    ax.axis("off")
