"""
Segmenting pictures with a U-Net
================================

Segmentation assigns a class to each pixel of a picture. This example draws circles and squares on noise, and trains a
small U-Net [1]_ to classify each pixel as background, circle or square.

.. [1] O. Ronneberger, P. Fischer and T. Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation", 2015,
   https://arxiv.org/abs/1505.04597
"""

# %%
# The program makes its own pictures of 32 x 32 pixels with one channel. A shape is a little brighter or darker than the
# noise around it. Whether it is a circle or a square cannot be seen at a single pixel, only from its outline.

import matplotlib.pyplot as plt
import numpy as np

import cbackprop as cb
from cbackprop import layers

SIZE = 32
NAMES = ["background", "circle", "square"]


def make_pictures(count, seed):
    """Pictures (count, SIZE, SIZE, 1), and the class of each pixel (count, SIZE, SIZE)."""
    rng = np.random.default_rng(seed)
    row, column = np.mgrid[:SIZE, :SIZE]
    x = rng.normal(size=(count, SIZE, SIZE)) * 0.35
    y = np.zeros((count, SIZE, SIZE), int)
    for picture, classes in zip(x, y):
        for kind in rng.integers(1, 3, size=rng.integers(1, 3)):
            radius = rng.uniform(5, 8)
            down, right = np.abs(row - rng.uniform(7, SIZE - 7)), np.abs(column - rng.uniform(7, SIZE - 7))
            inside = down**2 + right**2 < radius**2 if kind == 1 else np.maximum(down, right) < 0.9 * radius
            picture[inside] += rng.choice([-1.0, 1.0]) * rng.uniform(0.8, 1.2)
            classes[inside] = kind
    return x.astype(np.float32)[..., None], y


x_train, y_train = make_pictures(1200, seed=1)
x_test, y_test = make_pictures(300, seed=2)
shares = np.bincount(y_train.ravel()) / y_train.size
print("pixels:", ", ".join(f"{share:.0%} {name}" for share, name in zip(shares, NAMES)))

figure, axes = plt.subplots(2, 6, figsize=(9, 3.2), layout="constrained")
for picture, classes, (above, below) in zip(x_train, y_train, axes.T):
    above.imshow(picture[..., 0], cmap="gray")
    below.imshow(classes, cmap="viridis", vmin=0, vmax=2)
    above.axis("off")
    below.axis("off")

# %%
# On the way down, ``MaxPooling2D`` halves the picture twice, so that filters of 3 x 3 pixels see larger and larger
# parts of it. There the network learns what is where, but only roughly. On the way up, ``Conv2DTranspose`` doubles the
# size again. ``Concatenate`` adds the channels from the way down with the same size, which contain the exact outlines.
# These are the skip connections of a U-Net. The softmax of the last layer is applied to each pixel.
#
# Two convolutions in a row are a model of their own, which is used as a layer. ``BatchNormalization`` keeps their
# outputs at about the same scale, which makes training faster. They need no bias, because it has one itself.


def convolutions(filters, name):
    """Two convolutions, each with batch normalization and a ReLU."""
    block = []
    for _ in range(2):
        block.append(layers.Conv2D(filters, 3, padding="same", use_bias=False))
        block.append(layers.BatchNormalization(momentum=0.9))
        block.append(layers.ReLU())
    return cb.Sequential(block, name=name)


cb.utils.set_random_seed(0)
inputs = cb.Input((SIZE, SIZE, 1), name="picture")
fine = convolutions(8, "fine")(inputs)
middle = convolutions(16, "middle")(layers.MaxPooling2D(name="halved")(fine))
coarse = convolutions(32, "coarse")(layers.MaxPooling2D(name="quartered")(middle))
x = layers.Conv2DTranspose(16, 2, strides=2, name="doubled")(coarse)
x = convolutions(16, "middle_again")(layers.Concatenate(name="with_middle")([x, middle]))
x = layers.Conv2DTranspose(8, 2, strides=2, name="doubled_again")(x)
x = convolutions(8, "fine_again")(layers.Concatenate(name="with_fine")([x, fine]))
outputs = layers.Conv2D(len(NAMES), 1, activation="softmax", name="classes")(x)
model = cb.Model(inputs, outputs, name="u_net")
cb.utils.plot_model(model, to_file=None, show_shapes=True, show_layer_names=True)

# %%
# The loss is that of a classifier, and its mean is taken over all pixels. Targets are the classes of the pixels. Four
# of five pixels are background, so accuracy says little. Intersection over union (IoU) is better: for each class, the
# number of pixels that have it both in target and prediction, divided by the number that have it in either. It is 1 if
# both are the same.

model.compile(cb.optimizers.Adam(5e-3), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
history = model.fit(x_train, y_train, batch_size=32, epochs=10, validation_data=(x_test, y_test), verbose=0)
history.plot()

# %%
# Pictures that the network has never seen. From above: input, target, prediction, and the pixels that are wrong.

predicted = model.predict(x_test, verbose=0).argmax(axis=-1)
figure, axes = plt.subplots(4, 6, figsize=(9, 6.2), layout="constrained")
for index, column in enumerate(axes.T):
    column[0].imshow(x_test[index, ..., 0], cmap="gray")
    column[1].imshow(y_test[index], cmap="viridis", vmin=0, vmax=2)
    column[2].imshow(predicted[index], cmap="viridis", vmin=0, vmax=2)
    column[3].imshow(predicted[index] != y_test[index], cmap="Reds", vmin=0, vmax=1)
    for ax in column:
        ax.set(xticks=[], yticks=[])
for ax, text in zip(axes[:, 0], ("input", "target", "prediction", "errors")):
    ax.set_ylabel(text)

# %%
# The result: the IoU of each class over all pixels of the test pictures. No layer is dense, so the model could also
# take pictures of other sizes: with ``cb.Input((None, None, 1))`` sizes come with the data.

for number, name in enumerate(NAMES):
    both = np.sum((predicted == number) & (y_test == number))
    either = np.sum((predicted == number) | (y_test == number))
    print(f"IoU of {name}: {both / either:.3f}")
mean = cb.metrics.MeanIoU(num_classes=len(NAMES))
mean.update_state(y_test, predicted)
print(f"mean IoU: {float(mean.result()):.3f}, pixels that are right: {np.mean(predicted == y_test):.1%}")
