"""The same model in Keras and in this library: predictions, and weights after some steps of training."""

import keras
import numpy as np

import cbackprop as cb

# In float64: sums of some hundred terms in another order, over three steps of training.
LIMIT = 1e-11


def close(ours, theirs, limit=LIMIT):
    """Arrays, or lists of arrays."""
    ours, theirs = (list(each) if isinstance(each, (list, tuple)) else [each] for each in (ours, theirs))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=limit, atol=limit)


def check_training(theirs, ours, x, y, engine, limit=LIMIT, batch_size=None):
    """Ours gets Keras's weights. Predictions, and after three steps of SGD losses, weights and predictions."""
    ours.set_weights(theirs.get_weights())
    options = {"verbose": 0, "batch_size": batch_size}
    theirs.compile(keras.optimizers.SGD(0.1), "mse")
    ours.compile(cb.optimizers.SGD(0.1), "mse", engine=engine)
    close(ours.predict(x, **options), theirs.predict(x, **options), limit)
    losses = [[np.ravel(model.train_on_batch(x, y))[0] for _ in range(3)] for model in (theirs, ours)]
    np.testing.assert_allclose(*losses, rtol=1e-6)  # Keras reports them in float32
    close(ours.get_weights(), theirs.get_weights(), limit)
    close(ours.predict(x, **options), theirs.predict(x, **options), limit)
