"""Objects that export their memory by DLPack, without other libraries; arrays of those are in tests/parity."""

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers
from cbackprop.foreign_arrays import from_foreign


class Exported:
    """An array of another library."""

    def __init__(self, array):
        self.array = array
        self.shape = array.shape

    def __dlpack__(self, **kwargs):
        return self.array.__dlpack__(**kwargs)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


class Elsewhere(Exported):
    """On some other device."""

    def __dlpack__(self, **kwargs):
        raise BufferError("it is on the moon")


def test_memory_is_shared():
    x = np.arange(6.0).reshape(2, 3)
    assert np.shares_memory(from_foreign("x", Exported(x)), x)


@pytest.mark.parametrize("value", [1, 2.0, [1, 2], np.ones(3), "text", None])
def test_other_things_stay_as_they_are(value):
    assert from_foreign("x", value) is value


def test_fit_evaluate_and_predict(rng):
    x, y = rng.normal(size=(20, 3)).astype("float32"), rng.normal(size=(20, 2)).astype("float32")
    results = []
    for a, b in ((x, y), (Exported(x), Exported(y))):
        cb.utils.set_random_seed(1)
        model = cb.Sequential([layers.Dense(2)])
        model.compile("sgd", "mse")
        model.fit(a, b, verbose=0)
        results.append([*model.get_weights(), model.predict(a, verbose=0), model(a), model.evaluate(a, b, verbose=0)])
    for left, right in zip(*results, strict=True):
        np.testing.assert_array_equal(left, right)


def test_what_cannot_be_read_is_refused():
    model = cb.Sequential([cb.Input((3,)), layers.Dense(2)])
    with pytest.raises(TypeError, match=r"x, of type Elsewhere, cannot be read as an array of the CPU: it is on the"):
        model.predict(Elsewhere(np.ones((2, 3))))
