"""Layers that read a user's array in place read nothing outside of it."""

import layer_cases
import loss_cases
import numpy as np
import pytest
from locked_pages import beside_locked_pages, needs_locked_pages

import cbackprop as cb
from cbackprop import layers

# Layers whose data must be whole numbers.
LOOK_UP = (layers.CategoryEncoding, layers.Embedding)


@needs_locked_pages
@pytest.mark.parametrize("at_end", [False, True], ids=["begin", "end"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("make", "shapes"), layer_cases.EACH)
def test_layer(make, shapes, dtype, at_end, rng):
    cb.config.set_floatx(dtype)
    cb.utils.set_random_seed(1)
    model = layer_cases.around(make, shapes, first=True)
    x, y = loss_cases.data_for(model, 3, rng)
    given = []
    for values in x if isinstance(x, list) else [x]:
        array = beside_locked_pages(values.shape, dtype, at_end)
        array[...] = values
        if any(isinstance(layer, LOOK_UP) for layer in model.layers):
            array[...] = np.abs(np.rint(array)).clip(max=2)
        given.append(array)
    model.compile("sgd", "mse")
    model.predict(given, verbose=0)
    model.fit(given, y.astype(dtype), batch_size=3, shuffle=False, verbose=0)
