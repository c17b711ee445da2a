"""A rare class that counts more, with the metrics of such problems."""

import keras
import numpy as np
from keras import layers

rng = np.random.default_rng(5)
x = rng.normal(size=(400, 7)).astype("float32")
y = (x[:, 0] + 0.5 * x[:, 1] > 1.6).astype("float32")[:, None]
rare, common = y.sum(), len(y) - y.sum()

METRICS = [
    keras.metrics.BinaryCrossentropy(name="cross entropy"),
    keras.metrics.TruePositives(name="tp"),
    keras.metrics.FalsePositives(name="fp"),
    keras.metrics.TrueNegatives(name="tn"),
    keras.metrics.FalseNegatives(name="fn"),
    keras.metrics.BinaryAccuracy(name="accuracy"),
    keras.metrics.Precision(name="precision"),
    keras.metrics.Recall(name="recall"),
    keras.metrics.AUC(name="auc"),
    keras.metrics.AUC(name="prc", curve="PR"),
]
model = keras.Sequential(
    [
        keras.Input((7,)),
        layers.Dense(16, activation="relu"),
        layers.Dense(
            1, activation="sigmoid", bias_initializer=keras.initializers.Constant(float(np.log(rare / common)))
        ),
    ]
)
model.compile(keras.optimizers.Adam(learning_rate=1e-2), keras.losses.BinaryCrossentropy(), metrics=METRICS)
history = model.fit(
    x,
    y,
    batch_size=50,
    epochs=5,
    shuffle=False,
    verbose=0,
    class_weight={0: len(y) / (2 * common), 1: len(y) / (2 * rare)},
)
results = model.evaluate(x, y, verbose=0, return_dict=True)
predictions = model.predict(x, verbose=0)
