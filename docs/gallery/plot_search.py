"""
Searching for good hyperparameters
==================================

Learning rate, size and regularization are chosen before training, and which values are good depends on the data. Trying
random values is simple and works well, because often only some of the settings matter. This example tries 64 settings
at the same time, and spends most of the time on the promising ones.
"""

# %%
# The bundled images of digits. A fifth of the training images is held out to compare settings. The test images are not
# used for the choice.

import matplotlib.pyplot as plt
import numpy as np

import cbackprop as cb
from cbackprop import layers

(x, y), (x_test, y_test) = cb.datasets.digits.load_data()
x_valid, y_valid, x_train, y_train = x[::5], y[::5], np.delete(x, np.s_[::5], 0), np.delete(y, np.s_[::5])

# %%
# Settings are drawn from ranges that are wide enough to contain bad values, too. Learning rates and penalties are drawn
# on a logarithmic scale: the range from 0.001 to 0.01 is as likely as that from 0.01 to 0.1.

rng = np.random.default_rng(0)


def draw():
    """A random setting."""
    return {
        "learning rate": float(10 ** rng.uniform(-4, -0.5)),
        "units": int(2 ** rng.uniform(2, 7)),
        "L2 penalty": float(10 ** rng.uniform(-6, -1.5)),
        "dropout": float(rng.uniform(0, 0.6)),
    }


def make_model(setting):
    """A compiled network with a setting."""
    penalty = cb.regularizers.L2(setting["L2 penalty"])
    model = cb.Sequential(
        [
            cb.Input((64,)),
            layers.Dense(setting["units"], activation="relu", kernel_regularizer=penalty),
            layers.Dropout(setting["dropout"]),
            layers.Dense(10, activation="softmax", kernel_regularizer=penalty),
        ]
    )
    rate = cb.optimizers.Adam(setting["learning rate"])
    model.compile(rate, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


# %%
# All settings are trained for three epochs. Then the better half is trained for as many epochs again as it has had, and
# so on, until four are left. `fit_many` trains several networks at once, each with the same numbers as by its own
# `fit`.

cb.utils.set_random_seed(0)
settings = [draw() for _ in range(64)]
models = [make_model(setting) for setting in settings]
curves = [[] for _ in models]
left, done, epochs = list(range(len(models))), 0, 3
while True:
    histories = cb.fit_many(
        [models[i] for i in left],
        x_train,
        y_train,
        initial_epoch=done,
        epochs=epochs,
        validation_data=(x_valid, y_valid),
        verbose=0,
    )
    for i, history in zip(left, histories):
        curves[i] += history.history["val_accuracy"]
    left.sort(key=lambda i: -curves[i][-1])
    if len(left) <= 4:
        break
    left, done, epochs = left[: len(left) // 2], epochs, 2 * epochs
best = left[0]

figure, ax = plt.subplots(figsize=(6.5, 3.6), layout="constrained")
for curve in curves:
    ax.plot(range(1, len(curve) + 1), curve, color="C0" if len(curve) == epochs else "0.7", linewidth=0.8)
ax.plot(range(1, epochs + 1), curves[best], color="C3", label="the best one")
ax.set(xscale="log", xlabel="epoch", ylabel="accuracy of held-out images", ylim=(0.5, 1))
ax.legend()

# %%
# Which settings matter: the accuracy after three epochs against each of the four values. Learning rate and units matter
# most. For the other two, nearly any value will do.

figure, axes = plt.subplots(1, 4, figsize=(9, 2.6), sharey=True, layout="constrained")
for name, ax in zip(settings[0], axes):
    ax.plot([setting[name] for setting in settings], [curve[2] for curve in curves], ".")
    ax.plot(settings[best][name], curves[best][2], "o", color="C3")
    ax.set(xlabel=name, xscale="linear" if name == "dropout" else "log")
axes[0].set_ylabel("accuracy after 3 epochs")

# %%
# The result: the test accuracy of the chosen setting, and of usual values without a search, trained for the same number
# of epochs.

usual = make_model({"learning rate": 0.001, "units": 32, "L2 penalty": 0.0, "dropout": 0.0})
usual.fit(x_train, y_train, epochs=epochs, verbose=0)
print("chosen: " + ", ".join(f"{name} {value:.3g}" for name, value in settings[best].items()))
for name, model in {"chosen": models[best], "without a search": usual}.items():
    print(f"{name}: accuracy {model.evaluate(x_test, y_test, return_dict=True, verbose=0)['accuracy']:.3f}")
