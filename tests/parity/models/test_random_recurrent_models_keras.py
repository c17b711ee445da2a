"""Recurrent models drawn at random against Keras with the same weights: predictions, losses, weights after training."""

import keras
import pytest
from keras_recurrent_models import random_data, random_recurrent_model, random_stateful_model
from keras_training import check_training, close

import cbackprop as cb

pytestmark = pytest.mark.usefixtures("both_in_float64")

# Training multiplies rounding; Keras takes some means over positions or time in float32, with PyTorch.
LIMIT = 1e-9
EACH = 10


@pytest.mark.parametrize("first", range(0, 300, EACH))
def test_models(first):
    for seed in range(first, first + EACH):
        theirs, ours = random_recurrent_model(keras, seed), random_recurrent_model(cb, seed)
        x, y = random_data(theirs, seed)
        engine = "reference" if seed % 5 == 4 else "compiled"
        try:
            check_training(theirs, ours, x, y, engine, LIMIT)
        except AssertionError as error:
            raise AssertionError(f"Seed {seed}: {error}") from error


@pytest.mark.parametrize("first", range(0, 50, EACH))
def test_stateful_models(first):
    """Over several batches. Keras's PyTorch often cannot train them: it writes over states that gradients need."""
    for seed in range(first, first + EACH):
        theirs, ours = random_stateful_model(keras, seed), random_stateful_model(cb, seed)
        ours.set_weights(theirs.get_weights())
        ours.compile("sgd", "mse", engine="reference" if seed % 2 else "compiled")
        for part in range(3):
            x, _ = random_data(theirs, 1000 * seed + part, rows=8)
            close(ours.predict(x, 4, verbose=0), theirs.predict(x, 4, verbose=0), LIMIT)
            for mine, other in zip(ours.layers, theirs.layers, strict=True):
                if getattr(mine, "stateful", False):
                    states = keras.tree.flatten(other.states)
                    close([state.numpy() for state in mine.states], [state.numpy() for state in states], LIMIT)
                    if part == 1:
                        mine.reset_state()
                        for state in states:  # its reset_state does not take nested ones
                            state.assign(keras.ops.zeros_like(state))
