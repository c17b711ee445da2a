r"""
Uncertainty: predicting how wrong a prediction may be
=====================================================

A prediction is more useful if we know how far it may be from the truth. A network can learn this, too: with the
Gaussian likelihood as its loss it has two outputs, a mean and a variance. The variance can differ between samples.
"""

# %%
# The data are 569 tumors. From the mean radius of the cell nuclei the network predicts the mean area of the three
# largest ones. Small nuclei are similar to each other; among large ones, the largest may be much larger.

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import norm
from sklearn.datasets import load_breast_cancer

import cbackprop as cb
from cbackprop import layers

table = load_breast_cancer(as_frame=True).data
x = table[["mean radius"]].to_numpy("float32") / 10  # in units of about 1
y = table[["worst area"]].to_numpy("float32") / 1000
order = np.random.default_rng(0).permutation(len(x))
train, test = order[:380], order[380:]

# %%
# ``Dense(2)`` outputs the mean and the logarithm of the variance, which may be any number. The loss of a row is
#
# .. math:: \tfrac12 \log 2\pi + \tfrac12 s + \tfrac12 (y - m)^2 e^{-s}
#
# with the mean m and the logarithm s. Where errors are large, a large s makes the last term small, at the cost of the
# term before it.


def train_model(outputs, loss):
    """A trained network, and its history."""
    cb.utils.set_random_seed(0)
    model = cb.Sequential([cb.Input((1,)), layers.Dense(32, "tanh"), layers.Dense(32, "tanh"), layers.Dense(outputs)])
    rate = cb.optimizers.schedules.CosineDecay(0.01, 150 * 12)
    model.compile(cb.optimizers.Adam(rate), loss)
    return model, model.fit(x[train], y[train], epochs=150, validation_data=(x[test], y[test]), verbose=0)


model, history = train_model(2, cb.losses.GaussianNegativeLogLikelihood())
history.plot("loss")

# %%
# Squared error has one variance for all samples: that of the errors on the training rows. With both networks, 90 of 100
# tumors should lie in the band of 1.64 standard deviations around the mean.


def gaussian(rows):
    """Mean and standard deviation of each row, from the network with two outputs."""
    mean, log_variance = model.predict(rows, verbose=0).T
    return mean, np.exp(log_variance / 2)


plain, _ = train_model(1, "mse")
same_for_all = np.std(y[train] - plain.predict(x[train], verbose=0))


def constant(rows):
    """The same from squared error: one standard deviation for all."""
    mean = plain.predict(rows, verbose=0)[:, 0]
    return mean, np.full_like(mean, same_for_all)


width = norm.ppf(0.95)
points = np.linspace(x.min(), x.max(), 200)[:, None]
figure, axes = plt.subplots(1, 2, figsize=(9, 3.8), sharey=True, layout="constrained")
for (title, predict), ax in zip({"Gaussian likelihood": gaussian, "squared error": constant}.items(), axes):
    mean, deviation = predict(points)
    ax.plot(10 * x[test], 1000 * y[test], ".", color="0.3", markersize=4, label="test")
    ax.plot(10 * points, 1000 * mean, label="mean")
    ax.fill_between(
        10 * points[:, 0], *(1000 * (mean + sign * width * deviation) for sign in (-1, 1)), alpha=0.3, label="90 %"
    )
    ax.set(title=title, xlabel="mean radius")
axes[0].set_ylabel("area of the largest")
axes[0].legend(loc="upper left")

# %%
# The result: the shares of test rows in the band, overall and for small, medium and large nuclei. The last number is
# the negative log-likelihood, which should be small.

y_test = y[test][:, 0]
third = np.argsort(np.argsort(x[test][:, 0])) * 3 // len(test)
for name, predict in {"Gaussian likelihood": gaussian, "squared error": constant}.items():
    mean, deviation = predict(x[test])
    inside = np.abs(y_test - mean) < width * deviation
    shares = ", ".join(f"{inside[third == part].mean():.0%}" for part in range(3))
    print(f"{name}: {inside.mean():.0%} in the band ({shares}); {-norm.logpdf(y_test, mean, deviation).mean():.2f}")

# sphinx_gallery_thumbnail_number = 2
