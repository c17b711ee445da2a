"""Layers with inputs whose rows are whole pages long: their gradients take another path through the products."""

import numpy as np
import pytest

import cbackprop as cb


@pytest.mark.usefixtures("every_step_is_shared")
def test_the_number_of_threads_changes_no_bit():
    weights = []
    for threads in (1, 2, 3, 8):
        cb.utils.set_random_seed(3)
        rng = np.random.default_rng(3)
        x, y = rng.normal(size=(450, 1024)).astype(np.float32), rng.normal(size=(450, 5)).astype(np.float32)
        model = cb.Sequential([cb.Input((1024,)), cb.layers.Dense(130, "relu"), cb.layers.Dense(5)])
        model.compile("sgd", "mse")
        with cb.config.num_threads(threads):
            model.fit(x, y, batch_size=150, epochs=1, verbose=0)
        weights.append(model.get_weights())
    for others in weights[1:]:
        for one, other in zip(weights[0], others, strict=True):
            np.testing.assert_array_equal(one, other)
