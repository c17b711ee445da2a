"""
Transfer: learning from a few samples
=====================================

A network that has learned some digits learns others faster. This example trains a network on the digits 0 to 6. Then it
keeps the layers that recognize shapes, adds a new last layer, and trains on a few images of 7, 8 and 9. The comparison
is the same network trained from scratch.
"""

# %%
# Each digit is at a random place in a picture of 16 x 16 pixels. So for all digits the network needs the same ability:
# to recognize strokes anywhere.

import matplotlib.pyplot as plt
import numpy as np

import cbackprop as cb
from cbackprop import layers

SIZE = 16
NEW = (7, 8, 9)
rng = np.random.default_rng(0)
train, test = cb.datasets.digits.load_data()


def place(images):
    """Each image at a random place of an empty picture: (count, SIZE, SIZE, 1)."""
    pictures = np.zeros((len(images), SIZE, SIZE, 1), np.float32)
    for picture, image, (row, column) in zip(pictures, images, rng.integers(SIZE - 7, size=(len(images), 2))):
        picture[row : row + 8, column : column + 8, 0] = image.reshape(8, 8)
    return pictures


old = np.repeat(np.flatnonzero(train[1] < 7), 3)  # each image at three places
x_old, y_old = place(train[0][old]), train[1][old]
is_new = test[1] >= 7
x_test, y_test = place(test[0][is_new]), test[1][is_new] - 7

figure, axes = plt.subplots(1, 8, figsize=(9, 1.5), layout="constrained")
for picture, digit, ax in zip(x_old, y_old, axes):
    ax.imshow(picture[..., 0], cmap="gray_r")
    ax.set_title(digit, fontsize=9)
    ax.set(xticks=[], yticks=[])

# %%
# The convolutions recognize strokes. ``GlobalMaxPooling2D`` keeps how strongly each was found, and drops where. These
# layers are a model of their own, which a classifier uses as one of its layers.


def make_forms():
    """The layers that recognize shapes."""
    return cb.Sequential(
        [
            cb.Input((SIZE, SIZE, 1)),
            layers.Conv2D(16, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.GlobalMaxPooling2D(),
            layers.Dense(64, activation="relu"),
        ],
        name="forms",
    )


def make_classifier(forms, digits):
    """Layers that recognize shapes, and a last one for this many digits."""
    model = cb.Sequential([cb.Input((SIZE, SIZE, 1)), forms, layers.Dense(digits, activation="softmax")])
    model.compile(cb.optimizers.Adam(3e-3), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


# %%
# The first training, on many pictures of the digits 0 to 6:

cb.utils.set_random_seed(0)
known = make_forms()
history = make_classifier(known, 7).fit(x_old, y_old, epochs=8, validation_split=0.1, verbose=0)
figure, axes = plt.subplots(1, 2, figsize=(8, 3), layout="constrained")
history.plot(ax=list(axes))

# %%
# Now a few pictures of new digits. Frozen layers (``trainable = False``) keep what they have learned, and only the last
# layer is trained. Otherwise all layers continue to learn. Each number of pictures is tried five times, with different
# pictures and initial weights.


def accuracy(forms, pictures, digits):
    """The accuracy on new digits of the test, after training on these pictures."""
    model = make_classifier(forms, len(NEW))
    model.fit(pictures, digits, epochs=40, batch_size=8, verbose=0)
    return model.evaluate(x_test, y_test, return_dict=True, verbose=0)["accuracy"]


def copy_of(forms, trainable):
    """The same layers with the same weights."""
    copied = make_forms()
    copied.set_weights(forms.get_weights())
    copied.trainable = trainable
    return copied


COUNTS, TRIALS = (1, 2, 4, 8), 5
found = {"all layers trained": [], "only the last layer trained": [], "from scratch": []}
for count in COUNTS:
    results = []
    for _ in range(TRIALS):
        rows = [rng.choice(np.flatnonzero(train[1] == digit), count, replace=False) for digit in NEW]
        pictures, digits = place(train[0][np.concatenate(rows)]), np.repeat(range(len(NEW)), count)
        starts = copy_of(known, trainable=True), copy_of(known, trainable=False), make_forms()
        results.append([accuracy(forms, pictures, digits) for forms in starts])
    for values, column in zip(found.values(), zip(*results)):
        values.append(column)

figure, ax = plt.subplots(figsize=(6, 3.6), layout="constrained")
for name, values in found.items():
    ax.errorbar(COUNTS, np.mean(values, axis=1), np.std(values, axis=1), marker="o", capsize=3, label=name)
ax.set_xscale("log", base=2)
ax.set(xticks=COUNTS, xticklabels=COUNTS, xlabel="pictures of each new digit", ylabel="accuracy")
ax.legend()

# %%
# The result: the mean accuracy on test pictures of 7, 8 and 9.

print(f"{'pictures of each new digit':31}" + " ".join(f"{count:7}" for count in COUNTS))
for name, values in found.items():
    print(f"{name:31}" + " ".join(f"{value:7.1%}" for value in np.mean(values, axis=1)))

# sphinx_gallery_thumbnail_number = 3
