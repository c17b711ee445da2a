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
from cbackprop import callbacks, layers, plotting

(x_train, y_train), (x_test, y_test) = cb.datasets.digits.load_data()

figure, axes = plt.subplots(2, 8, figsize=(8, 2.4))
for image, digit, ax in zip(x_train, y_train, axes.flat):
    ax.imshow(image.reshape(8, 8), cmap="gray_r")
    ax.set_title(digit, fontsize=9)
    ax.axis("off")

# %%
# The hidden layer has 64 units; dropout sets a fifth of them to 0 in every step. The softmax of the last layer outputs
# ten probabilities, and cross-entropy compares them with the true digit. With the seed, all numbers on this page are
# reproducible.

cb.utils.set_random_seed(0)
model = cb.Sequential(
    [
        cb.Input((64,)),
        layers.Dense(64, activation="relu", name="hidden"),
        layers.Dropout(0.2),
        layers.Dense(10, activation="softmax"),
    ]
)
model.compile(cb.optimizers.Adam(3e-3), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
model.summary()

# %%
# A tenth of the images is held out. Training stops when the loss on them no longer falls, and the best weights are
# kept.

patience = callbacks.EarlyStopping("val_loss", patience=10, restore_best_weights=True)
history = model.fit(x_train, y_train, epochs=100, validation_split=0.1, callbacks=[patience], verbose=0)
print(f"{len(history.epoch)} epochs")
print(model.evaluate(x_test, y_test, return_dict=True, verbose=0))

# %%
# Loss and accuracy in each epoch:

figure, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
history.plot(ax=list(axes))

# %%
# The confusion matrix of the test images. Mistakes are orange.

probabilities = model.predict(x_test, verbose=0)
plotting.confusion(y_test, probabilities)

# %%
# The images that are misclassified, with their labels and predictions. Some of them are hard for people, too.

predicted = probabilities.argmax(axis=1)
wrong = np.flatnonzero(predicted != y_test)[:8]
figure, axes = plt.subplots(1, 8, figsize=(8, 1.5))
for ax in axes:
    ax.axis("off")
for index, ax in zip(wrong, axes):
    ax.imshow(x_test[index].reshape(8, 8), cmap="gray_r")
    ax.set_title(f"{y_test[index]}, not {predicted[index]}", fontsize=9)

# %%
# The weights of the hidden units as images: white pixels excite a unit, black ones inhibit it. Next to them, the
# biases.

plotting.weights(model, kind="image", layers=["hidden"], shape=(8, 8))
