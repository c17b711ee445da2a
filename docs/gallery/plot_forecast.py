"""
Forecasting a seasonal series
=============================

An hourly series rises and falls within each day, and less on weekends; the height of the days changes slowly. The task:
predict the next 24 hours from the last 72. A forecast is only worth something if it beats simple ones. The first is
naive: tomorrow will be like today. The second is a linear model of the same 72 numbers.
"""

# %%
# The series is made by the program. The size of the daily wave depends on the day of the week and on a level that
# wanders slowly, which no linear model of fixed weights can follow.

import matplotlib.pyplot as plt
import numpy as np

import cbackprop as cb
from cbackprop import layers

PAST, FUTURE = 72, 24
rng = np.random.default_rng(0)
hours = np.arange(24 * 7 * 60)
level = np.cumsum(rng.normal(scale=0.03, size=len(hours)))
level -= np.linspace(level[0], level[-1], len(hours))
day = (hours // 24) % 7
height = np.where(day < 5, 1.0, 0.35) * np.exp(0.5 * np.tanh(level))
shape = np.maximum(np.sin(2 * np.pi * (hours % 24 - 7) / 24), -0.3) + 0.3 * np.sin(4 * np.pi * hours / 24)
series = (height * shape + 0.08 * rng.normal(size=len(hours))).astype(np.float32)

figure, ax = plt.subplots(figsize=(9, 2.2), layout="constrained")
ax.plot(hours[: 24 * 14] / 24, series[: 24 * 14], linewidth=0.8)
ax.set(xlabel="day")

# %%
# The network reads the series together with the hour and the day of the week. ``timeseries_dataset_from_array`` makes
# windows of it. They are views of the series, so even a million of them need no additional memory. The last tenth of
# the series is held out: as in a real forecast, it is later than all training data.

angles = 2 * np.pi * np.stack([hours % 24 / 24, day / 7], axis=1)
inputs = np.column_stack([series, np.sin(angles), np.cos(angles), day >= 5]).astype(np.float32)
goals = np.lib.stride_tricks.sliding_window_view(series, FUTURE)[PAST:]  # the hours behind each window
split = len(hours) * 9 // 10


def windows(begin, end, **options):
    """Windows of the hours begin:end, and the hours that follow each of them."""
    return cb.utils.timeseries_dataset_from_array(
        inputs[begin : end - FUTURE], goals[begin : end - PAST - FUTURE + 1], PAST, batch_size=64, **options
    )


train, test = windows(0, split, shuffle=True, seed=1), windows(split, len(hours))

# %%
# The GRU reads 72 hours and predicts 24 at once. Its output is added to the naive forecast "same hour today", so it
# only has to learn how tomorrow differs from today.

cb.utils.set_random_seed(0)
past = cb.Input((PAST, inputs.shape[1]))
summary = layers.GRU(32)(past)
change = layers.Dense(FUTURE)(layers.Dense(48, activation="relu")(summary))
model = cb.Model(past, layers.Add()([past[:, -FUTURE:, 0], change]))
model.compile(cb.optimizers.Adam(3e-3), loss="mse")
history = model.fit(train, epochs=8, verbose=0)

# %%
# Both simple forecasts, on the same windows. The linear model is fitted by least squares to the same training windows.
# It gets the 72 numbers, the hour and the day.


def features(data):
    """The series of each window, the hour and the day at its end, and 1."""
    return np.column_stack([data.windows[:, :, 0], data.windows[:, -1, 1:], np.ones(len(data.windows))]).astype(float)


weights = np.linalg.lstsq(features(train), train.targets, rcond=None)[0]
y_test = test.targets
forecasts = {
    "naive": test.windows[:, -FUTURE:, 0],
    "linear": features(test) @ weights,
    "network": model.predict(test, verbose=0),
}

begin = 40
figure, ax = plt.subplots(figsize=(9, 2.8), layout="constrained")
ax.plot(np.arange(-PAST, 0), test.windows[begin, :, 0], color="0.5")
ax.plot(np.arange(FUTURE), y_test[begin], color="black", label="what came")
for name, forecast in forecasts.items():
    ax.plot(np.arange(FUTURE), forecast[begin], linewidth=1, label=name)
ax.set(xlabel="hours from now")
ax.legend()

# %%
# The result: the mean absolute error of all forecasts of the held-out weeks. The noise of the series, which cannot be
# predicted, has a mean absolute value of 0.064.

for name, forecast in forecasts.items():
    print(f"{name}: mean absolute error {np.abs(forecast - y_test).mean():.3f}")
