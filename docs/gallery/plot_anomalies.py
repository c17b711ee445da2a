"""
Finding anomalies with an autoencoder
=====================================

Often there are many normal samples and no examples of anomalies. Then a network can learn what is normal: an
autoencoder describes a sample by a few numbers and reconstructs it from them. A sample with a large reconstruction
error is unlike everything the network has seen. In this example it has seen all digits except 3, and has to find the
threes.
"""

# %%
# The bundled images have 64 pixels from 0 to 1. There are no threes among the training images. Those in the test images
# are the anomalies. Labels are used for nothing else.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import RocCurveDisplay, roc_auc_score

import cbackprop as cb
from cbackprop import layers

ANOMALY = 3
(x_train, y_train), (x_test, y_test) = cb.datasets.digits.load_data()
x_train = x_train[y_train != ANOMALY]
strange = y_test == ANOMALY
print(f"{len(x_train)} images to learn from; in the test {strange.sum()} threes among {len(x_test)} images")

# %%
# The network must pass each image through eight numbers, the code. The loss is the squared reconstruction error.

cb.utils.set_random_seed(0)
model = cb.Sequential(
    [
        cb.Input((64,)),
        layers.Dense(64, activation="relu"),
        layers.Dense(8, name="code"),
        layers.Dense(64, activation="relu"),
        layers.Dense(64, activation="sigmoid"),
    ]
)
model.compile(cb.optimizers.Adam(3e-3), loss="mse")
history = model.fit(x_train, x_train, epochs=60, validation_split=0.15, verbose=0)
history.plot("loss", yscale="log")

# %%
# The score of an image is its squared error. The threshold must be chosen without seeing any anomaly: here it is the
# score below which 95 of 100 training images lie.


def score(images):
    """The mean squared error of each image."""
    return np.mean((model.predict(images, verbose=0) - images) ** 2, axis=1)


scores, threshold = score(x_test), np.quantile(score(x_train), 0.95)
alarms = scores > threshold

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
bins = np.linspace(0, scores.max(), 40)
left.hist([scores[~strange], scores[strange]], bins, stacked=True, label=["other digits", "threes"])
left.axvline(threshold, color="0.4", linestyle=":", label="threshold")
left.set(xlabel="squared error of an image", ylabel="images")
left.legend()
RocCurveDisplay.from_predictions(strange, scores, ax=right, name="autoencoder")

# %%
# The ten images with the highest scores, above, and their reconstructions, below. The network draws a three as the most
# similar digit it knows.

top = np.argsort(scores)[::-1][:10]
figure, axes = plt.subplots(2, 10, figsize=(9, 2.2), layout="constrained")
for index, rebuilt, (above, below) in zip(top, model.predict(x_test[top], verbose=0), axes.T):
    above.imshow(x_test[index].reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
    above.set_title(f"a {y_test[index]}", fontsize=9)
    below.imshow(rebuilt.reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
    above.axis("off")
    below.axis("off")

# %%
# The result. The area under the ROC curve is the probability that a three has a higher score than another digit. Two
# scores that need no network are shown for comparison: the distance from the mean image, and the distance from the
# plane of eight principal components, as many as the code has numbers.

center = x_train.mean(axis=0)
directions = np.linalg.svd(x_train - center, full_matrices=False)[2][:8]
away = x_test - center
outside = away - away @ directions.T @ directions

print(f"threes with an alarm: {alarms[strange].sum()} of {strange.sum()}")
print(f"other digits with an alarm: {alarms[~strange].sum()} of {(~strange).sum()}")
print("area under the ROC curve")
for name, values in {
    "autoencoder": scores,
    "principal components": (outside**2).sum(1),
    "mean": (away**2).sum(1),
}.items():
    print(f"  {name}: {roc_auc_score(strange, values):.3f}")

# sphinx_gallery_thumbnail_number = 3
