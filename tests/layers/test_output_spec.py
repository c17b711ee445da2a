"""Layers in Python that describe their outputs by `compute_output_spec`, as in Keras."""

import numpy as np
import pytest

import cbackprop as cb
from cbackprop import layers


class Canary(layers.Layer):
    """Must be called in training only."""

    def call(self, x, training=False):
        assert training
        return x

    def compute_output_spec(self, x, training=False):
        return cb.KerasTensor(x.shape, dtype=x.dtype)


@pytest.mark.parametrize("batch_size", [None, 2])
def test_no_call_is_needed(batch_size):
    inputs = cb.Input((3,), batch_size=batch_size)
    model = cb.Model(inputs, Canary()(inputs))
    assert model.output_shape == (batch_size, 3)
    x = np.ones((2, 3), "float32")
    np.testing.assert_array_equal(model(x, training=True), x)
    with pytest.raises(AssertionError):
        model(x, training=False)


def test_several_outputs_and_sizes_that_are_open():
    class Halves(layers.Layer):
        def call(self, x, scale=1.0):
            return {"low": x[..., :1] * scale, "high": x[..., 1:]}

        def compute_output_spec(self, x, scale=1.0):
            return {name: cb.KerasTensor((*x.shape[:-1], 1)) for name in ("low", "high")}

    inputs = cb.Input((None, 2))
    outputs = Halves()(inputs, scale=2.0)
    assert {name: tensor.shape for name, tensor in outputs.items()} == dict.fromkeys(("low", "high"), (None, None, 1))
    x = np.ones((2, 3, 2), "float32")
    np.testing.assert_array_equal(cb.Model(inputs, outputs)(x)["low"], 2 * x[..., :1])


def test_a_layer_that_does_not_know():
    class Unknowing(layers.Layer):
        def call(self, x):
            return x[:, :2]

        def compute_output_spec(self, *args, **kwargs):
            raise NotImplementedError

    assert Unknowing()(cb.Input((3,))).shape == (None, 2)
    assert cb.Sequential([Unknowing()])(np.ones((2, 3))).shape == (2, 2)


def test_what_it_must_return():
    class Wrong(layers.Layer):
        def call(self, x):
            return x

        def compute_output_spec(self, x):
            return "wide"

    with pytest.raises(TypeError, match=r"compute_output_spec of Wrong 'w' must return symbolic .*, but returned str"):
        Wrong(name="w")(cb.Input((3,)))
