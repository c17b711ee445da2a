"""The layers ReLU, LeakyReLU and ELU."""

import numpy as np
import pytest
from activation_kernels import REGISTERED

import cbackprop as cb
from cbackprop.layers.activation import ELU, LeakyReLU, ReLU


@pytest.mark.parametrize(
    ("make", "activation", "config"),
    [
        (lambda: ReLU(), "relu", {"max_value": None, "negative_slope": 0.0, "threshold": 0.0}),
        (lambda: ReLU(6, 0.5, 1.0), "relu", {"max_value": 6.0, "negative_slope": 0.5, "threshold": 1.0}),
        (lambda: LeakyReLU(), "leaky_relu", {"negative_slope": 0.3}),
        (lambda: LeakyReLU(0.5), "leaky_relu", {"negative_slope": 0.5}),
        (lambda: ELU(), "elu", {"alpha": 1.0}),
        (lambda: ELU(-0.5), "elu", {"alpha": -0.5}),
    ],
)
def test_layers(make, activation, config, rng):
    layer = make()
    assert layer.get_config().items() >= config.items()
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    x = rng.normal(size=(4, 3, 2)).astype("float32") * 3
    function = REGISTERED[activation].bind(**config)
    assert layer.function == again.function == function.kernel()
    np.testing.assert_array_equal(layer(x), function(x))
    assert layer(cb.Input((3, 2))).shape == (None, 3, 2)
    assert layer.count_params() == 0


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: ReLU(max_value=-1), ValueError, "max_value must be at least 0, but got -1"),
        (lambda: ReLU(negative_slope=-1), ValueError, "negative_slope must be at least 0, but got -1"),
        (lambda: ReLU(negative_slope=None), TypeError, "negative_slope must be a number, but got None"),
        (lambda: ReLU(threshold=-1), ValueError, "threshold must be at least 0, but got -1"),
        (lambda: LeakyReLU(-0.1), ValueError, "negative_slope must be at least 0, but got -0.1"),
        (lambda: LeakyReLU(None), TypeError, "negative_slope must be a number, but got None"),
        (lambda: ELU("1"), TypeError, "alpha must be a number, but got '1'"),
    ],
)
def test_mistaken_layers(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_old_name_of_the_slope():
    with pytest.warns(DeprecationWarning, match="alpha is now called negative_slope"):
        layer = LeakyReLU(alpha=0.1)
    assert layer.negative_slope == 0.1
