"""
Finding events in noisy signals
===============================

A sensor gives one number at a time. Sometimes there is an event: a short burst, a step, or a spike that decays. This
example trains a one-dimensional convolutional network to recognize which of them a noisy signal contains, or that it
contains none. The program makes the signals itself, so no data are needed.
"""

# %%
# Each signal has 128 numbers of noise. Three of four signals also have an event, at a random place and of random
# size.

import matplotlib.pyplot as plt
import numpy as np

import cbackprop as cb
from cbackprop import callbacks, layers

NAMES = ["nothing", "burst", "step", "spike"]
LENGTH = 128


def make_signals(count, seed):
    """Signals (count, LENGTH, 1), what is in them (count,), and where it begins (count,)."""
    rng = np.random.default_rng(seed)
    kinds = rng.integers(len(NAMES), size=count)
    starts = rng.integers(16, LENGTH - 40, size=count)
    time = np.arange(LENGTH) - starts[:, None]  # since the event began
    burst = np.sin(time * rng.uniform(0.7, 0.9, (count, 1))) * (time < 24)
    step = np.ones((count, LENGTH))
    spike = 2.0 * np.exp(-time / 6.0 * (time >= 0))
    events = np.stack([np.zeros((count, LENGTH)), burst, step, spike])
    shapes = events[kinds, np.arange(count)] * (time >= 0)
    sizes = rng.uniform(1.0, 2.0, (count, 1)) * rng.choice([-1.0, 1.0], (count, 1))
    noise = rng.normal(size=(count, LENGTH))
    return (sizes * shapes + noise).astype(np.float32)[..., None], kinds, starts


x_train, y_train, _ = make_signals(4000, seed=1)
x_test, y_test, starts = make_signals(2000, seed=2)

figure, axes = plt.subplots(2, 4, figsize=(9, 3.2), sharex=True, sharey=True, layout="constrained")
for column, name in enumerate(NAMES):
    for ax, index in zip(axes[:, column], np.flatnonzero(y_test == column)):
        ax.plot(x_test[index, :, 0], linewidth=0.8)
        if column > 0:
            ax.axvline(starts[index], color="C3", linestyle=":")
    axes[0, column].set_title(name)

# %%
# Layers for signals take arrays of the shape (samples, steps, channels), here with one channel. A ``Conv1D`` moves each
# of its filters along the signal, so it finds the same shape at any place with the same few weights. A dense layer
# would have to learn the shape for each place separately. ``MaxPooling1D`` keeps the largest of each two or four
# neighbors, so that the next filters see more of the signal. ``GlobalMaxPooling1D`` then keeps the largest output of
# each of the last filters. Where it was no longer matters.

cb.utils.set_random_seed(0)
model = cb.Sequential(
    [
        cb.Input((LENGTH, 1)),
        layers.Conv1D(16, 15, padding="same", activation="relu", name="first"),
        layers.MaxPooling1D(2, name="halved"),
        layers.Conv1D(32, 9, padding="same", activation="relu", name="second"),
        layers.MaxPooling1D(4, name="quartered"),
        layers.Conv1D(32, 5, padding="same", activation="relu", name="third"),
        layers.GlobalMaxPooling1D(name="best"),
        layers.Dropout(0.3, name="dropout"),
        layers.Dense(len(NAMES), activation="softmax", name="event"),
    ]
)
model.compile(cb.optimizers.Adam(2e-3), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
model.summary(show_costs=True)

# %%
# A tenth of the signals is held out. Training stops when the loss on them no longer falls.

patience = callbacks.EarlyStopping("val_loss", patience=5, restore_best_weights=True)
history = model.fit(x_train, y_train, epochs=30, validation_split=0.1, callbacks=[patience], verbose=0)
history.plot()

# %%
# The filters of the first layer are short pieces of signals. Some are waves, like a burst; others are hills or slopes.

kernel = model.get_layer("first").get_weights()[0]
figure, axes = plt.subplots(2, 8, figsize=(9, 2.4), sharex=True, sharey=True, layout="constrained")
for weights, ax in zip(kernel[:, 0].T, axes.flat):
    ax.axhline(0, color="0.8", linewidth=0.8)
    ax.plot(weights)
    ax.set(xticks=[], yticks=[])

# %%
# The outputs of the first layer for one signal of each kind: a row for each filter, brighter where the filter fits
# better.

first = cb.Model(model.inputs, model.get_layer("first").output)
chosen = [np.flatnonzero(y_test == kind)[0] for kind in range(len(NAMES))]
maps = first.predict(x_test[chosen], verbose=0)
figure, axes = plt.subplots(2, 4, figsize=(9, 3.6), sharex=True, layout="constrained")
for column, index in enumerate(chosen):
    axes[0, column].plot(x_test[index, :, 0], linewidth=0.8)
    axes[0, column].set_title(NAMES[column])
    axes[1, column].imshow(maps[column].T, aspect="auto", cmap="viridis", interpolation="nearest")
axes[1, 0].set_ylabel("filter")

# %%
# The confusion matrix of 2,000 new signals. Steps are easy to see; some weak bursts and spikes drown in the noise.

predicted = model.predict(x_test, verbose=0)
cb.plotting.confusion(y_test, predicted, labels=NAMES, normalize="true")

# %%
# The result: the share of test signals that are recognized. For comparison, a dense network with about as many weights
# is trained in the same way.

cb.utils.set_random_seed(0)
dense = cb.Sequential(
    [
        cb.Input((LENGTH, 1)),
        layers.Flatten(),
        layers.Dense(80, activation="relu"),
        layers.Dropout(0.3),
        layers.Dense(len(NAMES), activation="softmax"),
    ]
)
dense.compile(cb.optimizers.Adam(2e-3), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
dense.fit(x_train, y_train, epochs=30, validation_split=0.1, callbacks=[patience], verbose=0)
for name, network in (("convolutional", model), ("dense", dense)):
    accuracy = network.evaluate(x_test, y_test, return_dict=True, verbose=0)["accuracy"]
    print(f"{name}: {network.count_params():,} weights, {accuracy:.1%} of the test signals right")
