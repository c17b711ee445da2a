"""
Looking into a convolutional network
====================================

This example trains a small convolutional network on the bundled images of digits. Then it looks inside: at the
filters, at what they find in an image, and at the pixels that a prediction depends on. For a dense network on the
same images, see :doc:`plot_digits`.
"""

# %%
# Layers for images take arrays of the shape (samples, height, width, channels). The digits are rows of 64 pixels, so
# they are first reshaped to images of 8 x 8 pixels with one channel.

import matplotlib.pyplot as plt
import numpy as np

import cbackprop as cb
from cbackprop import callbacks, layers, plotting

(x_train, y_train), (x_test, y_test) = cb.datasets.digits.load_data()
x_train, x_test = x_train.reshape(-1, 8, 8, 1), x_test.reshape(-1, 8, 8, 1)

# %%
# A ``Conv2D`` with 3 x 3 filters moves each filter over the image, and computes at each place how well it fits. It
# needs few weights, because a filter is the same at all places. ``MaxPooling2D`` halves the size, so a stroke that is
# moved by a pixel changes little in the layers after it. The first layer augments the training data: it moves each
# image by up to an eighth, differently in every epoch. Outside training it does nothing. The last layer has no softmax,
# so its outputs are scores. ``from_logits=True`` tells the loss so.

cb.utils.set_random_seed(0)
model = cb.Sequential(
    [
        cb.Input((8, 8, 1)),
        layers.RandomTranslation(0.125, 0.125, fill_mode="constant", name="moved"),
        layers.Conv2D(16, 3, padding="same", activation="relu", name="first"),
        layers.Conv2D(32, 3, padding="same", activation="relu", name="second"),
        layers.MaxPooling2D(name="halved"),
        layers.Conv2D(32, 3, activation="relu", name="third"),
        layers.Flatten(name="flat"),
        layers.Dropout(0.4, name="dropout"),
        layers.Dense(10, name="score"),
    ]
)
loss = cb.losses.SparseCategoricalCrossentropy(from_logits=True)
model.compile(cb.optimizers.Adam(2e-3), loss=loss, metrics=["accuracy"])
model.summary(show_costs=True)

# %%
# A tenth of the images is held out. The weights with the best loss on them are kept.

best = callbacks.EarlyStopping("val_loss", patience=15, restore_best_weights=True)
history = model.fit(x_train, y_train, epochs=60, validation_split=0.1, callbacks=[best], verbose=0)
history.plot()

# %%
# The filters of the first layer. White weights respond to bright pixels, black ones to dark pixels; in these data ink
# is bright. Many filters look for the edges of strokes in one direction.

panels = plotting.weights(model, kind="image", layers=["first"])

# %%
# What they find: for three digits, the outputs of the first layer, one picture for each filter. These are called
# feature maps.

three = np.concatenate([x_test[y_test == digit][:1] for digit in (0, 4, 7)])
figure, ax = plt.subplots(figsize=(10, 2.6), layout="constrained")
panels = plotting.activations(model, three, kind="image", layers=["first"], ax=ax)

# %%
# Deeper layers combine what the layers before them have found, and their maps are coarser:

figure, ax = plt.subplots(figsize=(10, 1.8), layout="constrained")
panels = plotting.activations(model, three, kind="image", layers=["halved"], ax=ax)

# %%
# Saliency: how much the score of the predicted digit changes with each pixel. Bright pixels matter most. Some of them
# are where there is no ink: a 4 must be open where a 9 is closed.

panels = plotting.saliency(model, three)

# %%
# The misclassified test images:

predicted = model.predict(x_test, verbose=0).argmax(axis=1)
wrong = np.flatnonzero(predicted != y_test)
figure, axes = plt.subplots(1, 8, figsize=(9, 1.6), layout="constrained")
for ax in axes:
    ax.axis("off")
for index, ax in zip(wrong, axes):
    ax.imshow(x_test[index, ..., 0], cmap="gray_r")
    ax.set_title(f"{y_test[index]}, taken for {predicted[index]}", fontsize=7)

# %%
# The result:

accuracy = model.evaluate(x_test, y_test, return_dict=True, verbose=0)["accuracy"]
print(f"{accuracy:.1%} of {len(x_test)} test images right, {len(wrong)} wrong, with {model.count_params():,} weights")
