"""
A convolutional autoencoder
===========================

An autoencoder learns to describe each picture by a few numbers, and to draw the picture again from these. What the
numbers mean is up to the network. This example describes the bundled images of digits by only two numbers, so that
all possible descriptions can be drawn as a map.
"""

# %%
# Images for convolutions have the shape (samples, height, width, channels). The bundled digits are rows of 64 pixels
# from 0 to 1. ``reshape`` turns them into images with one channel. The labels are used only to color the map.

import matplotlib.pyplot as plt
import numpy as np

import cbackprop as cb
from cbackprop import callbacks, layers

(x_train, y_train), (x_test, y_test) = cb.datasets.digits.load_data()
x_train, x_test = x_train.reshape(-1, 8, 8, 1), x_test.reshape(-1, 8, 8, 1)

# %%
# The encoder makes the picture smaller by convolutions that move two pixels at a time (``strides=2``), and ends in two
# numbers, the code. The decoder is its mirror image: ``Conv2DTranspose`` with ``strides=2`` doubles the size. Each is a
# model. A third model connects them: first the encoder, then the decoder. They share their weights, so training the
# third model trains all of them.

cb.utils.set_random_seed(4)
encoder = cb.Sequential(
    [
        cb.Input((8, 8, 1)),
        layers.Conv2D(16, 3, strides=2, padding="same", activation="relu"),
        layers.Conv2D(32, 3, strides=2, padding="same", activation="relu"),
        layers.Flatten(),
        layers.Dense(64, activation="relu"),
        layers.Dense(2, name="code"),
    ],
    name="encoder",
)
decoder = cb.Sequential(
    [
        cb.Input((2,)),
        layers.Dense(64, activation="relu"),
        layers.Dense(2 * 2 * 32, activation="relu"),
        layers.Reshape((2, 2, 32)),
        layers.Conv2DTranspose(32, 3, strides=2, padding="same", activation="relu"),
        layers.Conv2DTranspose(16, 3, strides=2, padding="same", activation="relu"),
        layers.Conv2D(1, 3, padding="same", activation="sigmoid"),
    ],
    name="decoder",
)
model = cb.Sequential([encoder, decoder], name="autoencoder")
model.summary(expand_nested=True)

# %%
# The pictures are both input and target: the network has to reproduce its input. Binary cross-entropy compares each
# pixel with its target. When the loss on held-out pictures stops falling, the learning rate is halved.

model.compile(cb.optimizers.Adam(3e-3), loss="binary_crossentropy", metrics=["mse"])
slower = callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=6)
history = model.fit(x_train, x_train, epochs=100, validation_split=0.1, callbacks=[slower], verbose=0)
history.plot("loss")

# %%
# Digits that the network has never seen, above, and what it drew from two numbers for each of them, below:

drawn = model.predict(x_test, verbose=0)
figure, axes = plt.subplots(2, 10, figsize=(9, 2.1), layout="constrained")
for digit, (above, below) in enumerate(axes.T):
    index = np.flatnonzero(y_test == digit)[0]
    above.imshow(x_test[index, ..., 0], cmap="gray_r", vmin=0, vmax=1)
    below.imshow(drawn[index, ..., 0], cmap="gray_r", vmin=0, vmax=1)
    above.axis("off")
    below.axis("off")

# %%
# The map: where the encoder puts the test images. Most digits have a region of their own, although no label was used
# in training.

codes = encoder.predict(x_test, verbose=0)
figure, ax = plt.subplots(figsize=(6, 5), layout="constrained")
points = ax.scatter(*codes.T, c=y_test, cmap="tab10", s=14, vmin=-0.5, vmax=9.5)
figure.colorbar(points, ticks=range(10), label="digit")
ax.set(xlabel="first number of the code", ylabel="second number of the code")

# %%
# The decoder can draw every point of the map, also where there is no image. Between two digits, it draws shapes that
# change gradually from one to the other.

low, high = np.percentile(codes, [5, 95], axis=0)
across, up = np.linspace(low[0], high[0], 16), np.linspace(high[1], low[1], 12)
grid = np.stack(np.meshgrid(across, up), axis=-1)
pictures = decoder.predict(grid.reshape(-1, 2), verbose=0).reshape(12, 16, 8, 8)
figure, ax = plt.subplots(figsize=(8, 6), layout="constrained")
ax.imshow(pictures.transpose(0, 2, 1, 3).reshape(12 * 8, 16 * 8), cmap="gray_r")
ax.axis("off")

# %%
# The result is the mean squared error of the pixels of the test images. For comparison: two principal components,
# computed from the same training images, are the best that a linear map to two numbers can do.

center = x_train.reshape(-1, 64).mean(axis=0)
directions = np.linalg.svd(x_train.reshape(-1, 64) - center, full_matrices=False)[2][:2]
flat = x_test.reshape(-1, 64) - center
linear = np.mean((flat - flat @ directions.T @ directions) ** 2)
print(f"mean squared error with two numbers per image: {np.mean((drawn - x_test) ** 2):.4f}")
print(f"with two principal components: {linear:.4f}")
