"""Separable convolutions: what they refuse, and the order of their weights.

Tests that they share with depthwise convolutions are in test_depthwise_convolution.py.
"""

import pytest

import cbackprop as cb
from cbackprop import layers


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.SeparableConv2D(0, 3), "filters"),
        (lambda: layers.SeparableConv2D(2, 3, pointwise_initializer="none"), "pointwise_initializer"),
        (lambda: layers.SeparableConv1D(2, 5)(cb.Input((4, 3))), "larger inputs"),
    ],
)
def test_mistakes(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_weights_of_a_separable_convolution_in_the_order_of_keras():
    layer = layers.SeparableConv2D(5, (2, 3), depth_multiplier=2)
    layer.build((None, 8, 8, 4))
    found = [(weight.name, weight.shape) for weight in layer.weights]
    assert found == [("depthwise_kernel", (2, 3, 4, 2)), ("pointwise_kernel", (1, 1, 8, 5)), ("bias", (5,))]
    assert layers.SeparableConvolution2D is layers.SeparableConv2D
