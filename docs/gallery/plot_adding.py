"""
Remembering over 200 steps
==========================

In the adding problem each step of a sequence has a random number and a mark. Two of the steps are marked. The network
has to output the sum of the two marked numbers. There are up to 199 steps between the first of them and the end. A
network that outputs 1 for every input has a mean squared error of 1/6, about 0.167. To do better it must remember a
number over many steps, and its gradient must reach back that far.
"""

# %%
# One mark is in the first half of a sequence, the other in the second.

import matplotlib.pyplot as plt
import numpy as np

import cbackprop as cb
from cbackprop import layers

STEPS = 200


def make_sequences(count, seed):
    """Sequences (count, STEPS, 2) of numbers and marks, and the sums of the marked numbers (count, 1)."""
    rng = np.random.default_rng(seed)
    x = np.zeros((count, STEPS, 2), np.float32)
    x[:, :, 0] = rng.uniform(size=(count, STEPS))
    rows = np.arange(count)
    x[rows, rng.integers(STEPS // 2, size=count), 1] = 1
    x[rows, rng.integers(STEPS // 2, STEPS, size=count), 1] = 1
    return x, (x[:, :, 0] * x[:, :, 1]).sum(axis=1, keepdims=True)


x_train, y_train = make_sequences(4000, seed=1)
x_test, y_test = make_sequences(1000, seed=2)

figure, ax = plt.subplots(figsize=(9, 2), layout="constrained")
ax.plot(x_test[0, :, 0], linewidth=0.8)
marked = np.flatnonzero(x_test[0, :, 1])
ax.plot(marked, x_test[0, marked, 0], "o", color="C3")
ax.set(xlabel="step", title=f"the answer is {y_test[0, 0]:.2f}")

# %%
# LSTM and GRU have gates that can stay open or shut for as long as needed. The simple recurrent network multiplies its
# state by the same matrix at every step, so information from many steps ago fades away, and so does the gradient. All
# three networks get the same data, the same optimizer and clipped gradients.


def train(make_layer, epochs):
    """A trained network around a recurrent layer, and its history."""
    cb.utils.set_random_seed(0)
    model = cb.Sequential([cb.Input((STEPS, 2)), make_layer(32), layers.Dense(1)])
    model.compile(cb.optimizers.Adam(1e-2, clipnorm=1.0), loss="mse")
    history = model.fit(x_train, y_train, batch_size=50, epochs=epochs, validation_data=(x_test, y_test), verbose=0)
    return model, history.history["val_loss"]


results = {
    cell.__name__: train(cell, epochs) for cell, epochs in ((layers.LSTM, 25), (layers.GRU, 12), (layers.SimpleRNN, 12))
}

figure, ax = plt.subplots(figsize=(6, 3.5), layout="constrained")
for name, (_, losses) in results.items():
    ax.semilogy(range(1, len(losses) + 1), losses, marker=".", label=name)
ax.axhline(1 / 6, color="0.6", linestyle=":", label="always 1")
ax.set(xlabel="epoch", ylabel="mean squared error of the test sequences")
ax.legend()

# %%
# The result: the mean squared error of 1,000 new sequences, which were not used in training.

for name, (model, _) in results.items():
    print(
        f"{name}: {model.count_params():,} weights, mean squared error {model.evaluate(x_test, y_test, verbose=0):.4f}"
    )
