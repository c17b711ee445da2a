"""
A loss of your own: when some mistakes cost more
================================================

Squared error treats predictions that are too high and too low in the same way. That is not always right. This example
predicts how far a disease has progressed after a year, and assumes that an underestimate is much worse than an
overestimate. The loss for this is a few lines of NumPy.
"""

# %%
# The data are 442 patients of scikit-learn's bundled data on diabetes: ten measurements each, and the progress of the
# disease a year later.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes

import cbackprop as cb
from cbackprop import layers

data = load_diabetes()
x = (data.data / data.data.std(axis=0)).astype("float32")
y = (data.target[:, None] / 100).astype("float32")
order = np.random.default_rng(0).permutation(len(x))
train, test = order[:300], order[300:]

# %%
# The linear-exponential loss of an error e, prediction minus truth, is
#
# .. math:: e^{-ae} + ae - 1.
#
# Near 0 it is like a square. For overestimates it grows like a line, for underestimates exponentially. A loss is a
# class with a method ``call`` that returns the value and its derivative with respect to the predictions:


class LinearExponential(cb.losses.Loss):
    """exp(-a e) + a e - 1 of the error e = y_pred - y_true: with a > 0, underestimates cost more."""

    def __init__(self, a=2.0, **kwargs):
        super().__init__(**kwargs)
        self.a = a

    def call(self, y_true, y_pred):
        scaled = self.a * (y_pred - y_true)
        value = np.exp(-scaled) + scaled - 1
        return value.mean(axis=-1), self.a * (1 - np.exp(-scaled)) / y_pred.shape[-1]


def make_model(loss):
    """A small network with a loss."""
    cb.utils.set_random_seed(0)
    model = cb.Sequential(
        [
            cb.Input((10,)),
            layers.Dense(16, activation="relu", kernel_regularizer=cb.regularizers.L2(0.01)),
            layers.Dense(1),
        ]
    )
    model.compile(cb.optimizers.Adam(3e-3), loss, metrics=["mae"])
    return model


# %%
# A mistake in the derivative would not stop the training, only spoil it. ``check_gradients`` finds it: it compares all
# gradients with finite differences of the loss.

cost = LinearExponential(a=2.0)
model = make_model(cost)
print(f"largest relative error: {model.check_gradients(x[:20], y[:20]).max_relative_error:.1e}")

# %%
# One network is trained with this loss, another one with squared error:

plain = make_model("mse")
options = {"epochs": 80, "validation_split": 0.2, "verbose": 0}
histories = {"own loss": model.fit(x[train], y[train], **options), "mse": plain.fit(x[train], y[train], **options)}
figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
for (name, history), ax in zip(histories.items(), axes):
    history.plot("loss", ax=ax).set(title=name, yscale="log")

# %%
# Both losses, and the errors of both networks on the test patients. The first network predicts higher values, so its
# predictions are seldom much too low.

errors = {
    name: (each.predict(x[test], verbose=0) - y[test])[:, 0] for name, each in (("own loss", model), ("mse", plain))
}
grid = np.linspace(-1.6, 1.6, 200)[:, None]
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
left.plot(100 * grid, cost.call(np.zeros_like(grid), grid)[0], label="own loss")
left.plot(100 * grid, grid**2, label="squared error")
left.set(xlabel="error", ylabel="loss", ylim=(0, 8))
left.legend()
right.hist([100 * each for each in errors.values()], np.arange(-200, 201, 25), label=list(errors))
right.axvline(0, color="0.4", linewidth=0.8)
right.set(xlabel="error", ylabel="patients")
right.legend()

# %%
# The result on the test patients. Each network is better at the loss it was trained with.

for name, each in errors.items():
    loss = cost(np.zeros((len(each), 1)), each[:, None])
    print(f"trained with {name}: linear-exponential loss {float(loss):.2f}")
    print(f"    mean squared error: {np.mean((100 * each) ** 2):.0f}")
    print(f"    too low by more than 50: {np.sum(each < -0.5)} of {len(each)} patients, too high: {np.sum(each > 0.5)}")

# sphinx_gallery_thumbnail_number = 2
