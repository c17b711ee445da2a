"""
Many networks, and how sure they are
====================================

A network outputs a number for every input, also for inputs that are unlike all its training data. This example trains
many small networks at once. Where there are data, they agree. Where there are none, they differ, and the spread of
their predictions shows how uncertain they are.
"""

# %%
# Noisy samples of a curve, with a gap in the middle.

import matplotlib.pyplot as plt
import numpy as np

import cbackprop as cb
from cbackprop import layers

cb.utils.set_random_seed(0)
rng = np.random.default_rng(0)
x = np.concatenate([rng.uniform(-2, -0.5, 60), rng.uniform(0.7, 2, 60)]).reshape(-1, 1)
y = np.sin(3 * x) + 0.1 * rng.normal(size=x.shape)

# %%
# Two hundred networks begin with different weights. `fit_many` trains several at the same time, and each gets the same
# numbers as by its own `fit`. In bagging, each network also has its own samples, drawn with replacement: give a list
# with one entry for each model.


def make_model():
    model = cb.Sequential([cb.Input((1,)), layers.Dense(32, "tanh"), layers.Dense(32, "tanh"), layers.Dense(1)])
    model.compile(cb.optimizers.Adam(0.01), "mse")
    return model


models = [make_model() for _ in range(200)]
rows = [rng.integers(len(x), size=len(x)) for _ in models]
histories = cb.fit_many(models, [x[each] for each in rows], [y[each] for each in rows], epochs=100, verbose=0)
last = [history.history["loss"][-1] for history in histories]
print(f"loss of the best network {min(last):.4f}, of the worst {max(last):.4f}")

# %%
# An `Ensemble` predicts with all of them. It returns their mean, and their spread.

ensemble = cb.Ensemble(models)
points = np.linspace(-3, 3, 200).reshape(-1, 1)
each = ensemble.predict_each(points)[:, :, 0]
mean, spread = ensemble.predict(points)[:, 0], ensemble.spread(points)[:, 0]

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), sharey=True, layout="constrained")
left.plot(points, each[:30].T, color="C0", alpha=0.3, linewidth=0.7)
left.set_title("30 of the networks")
right.plot(points, mean, label="mean")
right.fill_between(points[:, 0], mean - 2 * spread, mean + 2 * spread, alpha=0.3, label="two times the spread")
right.set_title("the ensemble")
for ax in (left, right):
    ax.plot(x, y, "k.", markersize=3)
    ax.set_ylim(-3, 3)
right.legend(loc="upper left", fontsize=8)

# %%
# Between -0.5 and 0.7, and beyond the ends, the band is wide: there the networks can only guess.

inside, gap = (np.abs(points + 1.2) < 0.5)[:, 0], (np.abs(points - 0.1) < 0.2)[:, 0]
print(f"spread among the data {spread[inside].mean():.3f}, in the gap {spread[gap].mean():.3f}")
