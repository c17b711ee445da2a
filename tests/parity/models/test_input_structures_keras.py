"""Data in every structure, for models with inputs in every structure, against Keras."""

import warnings

import keras
import numpy as np
import pytest

import cbackprop as cb

A, B, C = (np.full((4, 2), value, "float32") for value in (1, 10, 100))
STRUCTURES = {
    "one": lambda a, b, c: a,
    "list of one": lambda a, b, c: [a],
    "dict of one": lambda a, b, c: {"a": a},
    "list": lambda a, b, c: [a, b, c],
    "tuple": lambda a, b, c: (a, b, c),
    "dict": lambda a, b, c: {"a": a, "b": b, "c": c},
    "dict in another order": lambda a, b, c: {"c": c, "a": a, "b": b},
    "list in list": lambda a, b, c: [a, [b, c]],
    "list in dict": lambda a, b, c: {"p": [a, b], "q": c},
}
DATA = STRUCTURES | {
    "dict with more": lambda a, b, c: {"a": a, "b": b, "c": c, "d": a},
    "dict with less": lambda a, b, c: {"a": a, "b": b},
}
# Keras takes leaves in order there, and warns; here it is refused.
REFUSED = [
    *((structure, "list in list") for structure in ("list", "tuple", "dict", "list in dict")),
    *(("list in dict", data) for data in ("dict", "dict in another order", "dict with more")),
]


def outcomes(library, structure, data):
    """The results of calling and predicting, or the class of the error, and whether there was a warning."""
    tensors = [library.Input((2,), name=name) for name in "abc"]
    alone = "one" in structure

    class Weighed(library.layers.Layer):
        def call(self, x):
            return x * 1.0 if alone else x[0] + 2 * x[1] + 3 * x[2]

        def compute_output_shape(self, input_shape):
            return input_shape if alone else input_shape[0]

    model = library.Model(STRUCTURES[structure](*tensors), Weighed()(tensors[0] if alone else tensors))
    x, found = DATA[data](A, B, C), []
    for run in (model, lambda x: model.predict(x, verbose=0)):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            try:
                result = float(np.asarray(run(x))[0, 0])
            except Exception as error:
                result = type(error)
            found.append((result, any("structure of `inputs`" in str(one.message) for one in told)))
    return found


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("data", DATA)
def test_the_same_inputs_are_found(structure, data):
    pairs = zip(outcomes(cb, structure, data), outcomes(keras, structure, data), strict=True)
    for (ours, _), (theirs, warned) in pairs:
        if (structure, data) in REFUSED:
            assert issubclass(ours, ValueError)
            assert warned
        elif isinstance(theirs, type):
            assert issubclass(ours, ValueError)
        else:
            assert ours == theirs
