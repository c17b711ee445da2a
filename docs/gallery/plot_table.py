"""
Classifying rows of a pandas table
==================================

The table has 569 tumors, each described by 30 measurements, and says whether they were malignant. It is a pandas data
frame from scikit-learn, and is passed to the network as it is.
"""

# %%

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import RocCurveDisplay

import cbackprop as cb
from cbackprop import layers

data = load_breast_cancer(as_frame=True)
order = np.random.default_rng(0).permutation(len(data.frame))
train, test = order[:400], order[400:]
x, y = data.data, 1 - data.target.to_numpy()  # 1: malignant
print(x.describe().loc[["mean", "std"]].iloc[:, :4].round(3))

# %%
# The columns differ in size by factors of 100,000. ``Normalization`` learns the mean and variance of each column from
# the training rows. It is a part of the model, so no separate scaler is needed.

cb.utils.set_random_seed(0)
scale = layers.Normalization()
scale.adapt(x.iloc[train].to_numpy())
model = cb.Sequential(
    [
        cb.Input((30,)),
        scale,
        layers.Dense(16, activation="relu", kernel_regularizer=cb.regularizers.L2(1e-3)),
        layers.Dense(1, activation="sigmoid"),
    ]
)
model.compile(cb.optimizers.Adam(3e-3), loss="binary_crossentropy", metrics=["accuracy", "auc"])
history = model.fit(x.iloc[train], y[train], epochs=60, validation_split=0.15, verbose=0)
print(model.evaluate(x.iloc[test], y[test], return_dict=True, verbose=0))

# %%
# Training and validation loss, and the ROC curve of the held-out rows:

figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.4), layout="constrained")
history.plot("loss", ax=left, yscale="log")
RocCurveDisplay.from_predictions(y[test], model.predict(x.iloc[test], verbose=0).ravel(), ax=right, name="network")

# %%
# Permutation importance: shuffle the values of one column. The more the loss rises, the more the column matters.

base = model.evaluate(x.iloc[test], y[test], return_dict=True, verbose=0)["loss"]
rng = np.random.default_rng(1)
rise = {}
for name in x.columns:
    shuffled = x.iloc[test].copy()
    shuffled[name] = rng.permutation(shuffled[name].to_numpy())
    rise[name] = model.evaluate(shuffled, y[test], return_dict=True, verbose=0)["loss"] - base
top = sorted(rise, key=rise.get)[-8:]
figure, ax = plt.subplots(figsize=(6, 3), layout="constrained")
ax.barh(top, [rise[name] for name in top])
ax.set_xlabel("rise of the loss when the column is shuffled")
