"""
A network with several outputs
==============================

A network can answer several questions about the same input. Its first layers are then shared, and each answer has its
own loss and metrics. This example reads a two-digit number from a picture: one output is the tens digit, another the
ones digit, and a third says which of the two digits is larger.
"""

# %%
# A picture is made of two of the bundled images, side by side. Pictures for training are made of training images
# only.

import matplotlib.pyplot as plt
import numpy as np

import cbackprop as cb
from cbackprop import layers, plotting

rng = np.random.default_rng(0)


def pairs(images, digits, count):
    """Pictures (count, 8, 16, 1) of two digits, and the answers by name."""
    left, right = rng.integers(len(images), size=(2, count))
    pictures = np.concatenate([images[left].reshape(-1, 8, 8, 1), images[right].reshape(-1, 8, 8, 1)], axis=2)
    tens, ones = digits[left], digits[right]
    return pictures, {"tens": tens, "ones": ones, "larger": (tens > ones).astype("float32")[:, None]}


train, test = cb.datasets.digits.load_data()
x_train, y_train = pairs(*train, 4000)
x_test, y_test = pairs(*test, 1000)

figure, axes = plt.subplots(1, 6, figsize=(9, 1.2), layout="constrained")
for picture, tens, ones, ax in zip(x_test, y_test["tens"], y_test["ones"], axes):
    ax.imshow(picture[..., 0], cmap="gray_r")
    ax.set_title(f"{tens}{ones}", fontsize=9)
    ax.axis("off")

# %%
# The convolutions are shared. Comparing two digits is harder than naming one, so the third answer has one more layer.
# The name of an output is that of its layer, and losses, metrics and targets are given by these names. Training
# minimizes the weighted sum of all losses; ``loss_weights`` gives their weights.

cb.utils.set_random_seed(0)
picture = cb.Input((8, 16, 1), name="picture")
shared = layers.Conv2D(16, 3, padding="same", activation="relu")(picture)
shared = layers.MaxPooling2D(2)(shared)
shared = layers.Conv2D(32, 3, padding="same", activation="relu")(shared)
shared = layers.Dense(64, activation="relu")(layers.Flatten()(shared))
compared = layers.Dense(32, activation="relu")(shared)
model = cb.Model(
    picture,
    {
        "tens": layers.Dense(10, activation="softmax", name="tens")(shared),
        "ones": layers.Dense(10, activation="softmax", name="ones")(shared),
        "larger": layers.Dense(1, activation="sigmoid", name="larger")(compared),
    },
)
model.compile(
    cb.optimizers.Adam(2e-3),
    loss={
        "tens": "sparse_categorical_crossentropy",
        "ones": "sparse_categorical_crossentropy",
        "larger": "binary_crossentropy",
    },
    loss_weights={"tens": 1.0, "ones": 1.0, "larger": 0.5},
    metrics={"tens": ["accuracy"], "ones": ["accuracy"], "larger": ["accuracy"]},
)
plotting.plot_model(model, to_file=None, show_shapes=True, show_layer_names=True)

# %%
# The history has the loss of each output and their sum:

history = model.fit(x_train, y_train, epochs=20, validation_split=0.1, verbose=0)
figure, axes = plt.subplots(2, 2, figsize=(8, 5), layout="constrained")
history.plot(["loss", "tens_loss", "ones_loss", "larger_loss"], ax=list(axes.flat), yscale="log")

# %%
# ``predict`` returns a dict of the three answers. The third could also be computed from the first two. So we can check
# how often the network contradicts itself.

answers = model.predict(x_test, verbose=0)
tens, ones = answers["tens"].argmax(axis=1), answers["ones"].argmax(axis=1)
larger = answers["larger"][:, 0] > 0.5

figure, axes = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained")
for name, found, ax in zip(("tens", "ones"), (tens, ones), axes):
    plotting.confusion(y_test[name], found, ax=ax).set(xlabel=f"{name}, predicted", ylabel=f"{name}, true")

# %%
# The result, on pictures of digits that the network has never seen:

both = (tens == y_test["tens"]) & (ones == y_test["ones"])
print(f"tens right: {np.mean(tens == y_test['tens']):.1%}, ones right: {np.mean(ones == y_test['ones']):.1%}")
print(f"whole number right: {both.mean():.1%}")
print(f"which digit is larger: {np.mean(larger == y_test['larger'][:, 0]):.1%} right")
print(f"the third answer contradicts the others: {np.mean(larger != (tens > ones)):.1%}")
