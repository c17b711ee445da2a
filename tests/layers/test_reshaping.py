"""Flatten, Reshape, Identity, Permute, RepeatVector."""

import itertools
import json

import numpy as np
import pytest
from layer_cases import around
from layer_checks import assert_backward, assert_forward

import cbackprop as cb
from cbackprop import layers
from cbackprop.plan.plan import Plan

PERMUTATIONS = [dims for n in (1, 2, 3) for dims in itertools.permutations(range(1, n + 1))] + [(3, 1, 4, 2)]


def inputs_of(shape, rng, dtype="float32"):
    return [rng.normal(size=(5, *shape)).astype(dtype)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(6,), (2, 3), (2, 3, 4), (1,), ()])
def test_flatten(shape, dtype, rng):
    (x,) = inputs_of(shape, rng, dtype)
    assert_forward(layers.Flatten(dtype=dtype), [x], x.reshape(5, -1))


@pytest.mark.parametrize("shape", [(6,), (2, 3), (2, 3, 4), (2, 1, 4, 3), ()])
def test_flatten_moves_channels_to_the_end(shape, rng):
    (x,) = inputs_of(shape, rng)
    moved = np.moveaxis(x, 1, -1) if len(shape) > 1 else x
    assert_forward(layers.Flatten("channels_first"), [x], moved.reshape(5, -1))


@pytest.mark.parametrize(
    ("shape", "target", "expected"),
    [
        ((6,), (2, 3), (2, 3)),
        ((2, 3), [3, 2], (3, 2)),
        ((2, 6), (-1,), (12,)),
        ((2, 6), (3, -1, 2), (3, 2, 2)),
        ((6,), (6, -1), (6, 1)),
        ((1,), (), ()),
        ((), (1, 1), (1, 1)),
    ],
)
def test_reshape(shape, target, expected, rng):
    (x,) = inputs_of(shape, rng)
    assert layers.Reshape(target)(cb.Input(shape)).shape == (None, *expected)
    assert_forward(layers.Reshape(target), [x], x.reshape(5, *expected))


def test_identity(rng):
    (x,) = inputs_of((2, 3), rng)
    assert_forward(layers.Identity(), [x], x)


def test_views_have_no_step():
    x = cb.Input((2, 3))
    y = layers.Flatten()(layers.Reshape((3, 2))(layers.Identity()(x)))
    plan = Plan([x], [layers.Dense(1)(y)])
    assert len(plan.steps) == 1
    assert plan.steps[0].input_shapes == ((6,),)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("dims", PERMUTATIONS)
def test_permute(dims, dtype, rng):
    (x,) = inputs_of((2, 3, 4, 5)[: len(dims)], rng, dtype)
    assert_forward(layers.Permute(dims, dtype=dtype), [x], x.transpose(0, *dims))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [1, 2, 7])
def test_repeat_vector(n, dtype, rng):
    (x,) = inputs_of((4,), rng, dtype)
    assert_forward(layers.RepeatVector(n, dtype=dtype), [x], np.stack([x] * n, axis=1))


MAKERS = [
    (lambda: layers.Flatten(), (2, 3)),
    (lambda: layers.Flatten("channels_first"), (3,)),
    (lambda: layers.Flatten("channels_first"), (3, 2, 2)),
    (lambda: layers.Reshape((3, -1)), (2, 6)),
    (lambda: layers.Identity(), (3,)),
    (lambda: layers.Permute((2, 3, 1)), (2, 3, 4)),
    (lambda: layers.RepeatVector(3), (4,)),
    (lambda: layers.RepeatVector(1), (4,)),
]


@pytest.mark.parametrize(("make", "shape"), MAKERS)
def test_backward(make, shape):
    assert_backward(lambda: around(make, [shape]))


def test_fan_out_and_a_layer_used_twice():
    def make():
        x, z = cb.Input((3,)), cb.Input((3,))
        h = layers.Dense(3, activation="tanh")(x)
        repeat, permute = layers.RepeatVector(2), layers.Permute((2, 1))
        merged = layers.Add()([repeat(h), repeat(layers.Identity()(h)), repeat(layers.Dense(3)(z))])
        turned = layers.Add()([permute(merged), permute(repeat(h)), layers.Reshape((3, 2))(merged)])
        return cb.Model([x, z], layers.Dense(2)(layers.Concatenate()([layers.Flatten()(turned), h])))

    assert_backward(make)


def test_a_view_may_be_the_output(rng):
    x = rng.normal(size=(4, 6)).astype("float32")
    tensor = cb.Input((6,))
    h = layers.Dense(4)(tensor)
    model = cb.Model(tensor, [layers.Reshape((2, 2))(h), h, layers.Reshape((3, 2))(tensor)])
    square, flat, raw = model.predict(x, verbose=0)
    np.testing.assert_array_equal(square.reshape(4, 4), flat)
    np.testing.assert_array_equal(raw.reshape(4, 6), x)


@pytest.mark.parametrize(("make", "shape"), MAKERS)
def test_config_round_trip(make, shape):
    layer = make()
    again = type(layer).from_config(json.loads(json.dumps(layer.get_config())))
    assert again.get_config() == layer.get_config()
    for name in type(layer).argument_names():
        assert getattr(again, name) == getattr(layer, name), name
    assert again(cb.Input(shape)).shape == layer(cb.Input(shape)).shape


def test_flatten_refuses():
    with pytest.raises(ValueError, match="data_format must be 'channels_last' or 'channels_first', but got 'last'"):
        layers.Flatten("last")
    assert layers.Flatten("Channels_Last").data_format == "channels_last"


def test_reshape_refuses():
    with pytest.raises(TypeError, match="target_shape must be a tuple of integers"):
        layers.Reshape(6)
    with pytest.raises(TypeError, match="every element of target_shape must be an integer"):
        layers.Reshape((2.0, 3))
    for target in [(-1, -1), (0, 2), (-2, 3)]:
        with pytest.raises(ValueError, match="positive dimensions, and at most one -1"):
            layers.Reshape(target)
    for target in [(4,), (4, -1), (12,), (-1, 12), ()]:
        with pytest.raises(ValueError, match="which have 6 elements each"):
            layers.Reshape(target)(cb.Input((2, 3)))


def test_permute_refuses():
    with pytest.raises(TypeError, match="dims must be a tuple of integers"):
        layers.Permute(2)
    for dims in [(), (0, 1), (1, 1), (1, 3), (2,)]:
        with pytest.raises(ValueError, match=r"dims must hold each of 1, 2, \.\.\. once"):
            layers.Permute(dims)
    for shape in [(3,), (2, 3, 4)]:
        with pytest.raises(ValueError, match="orders 2 axes, but got inputs of shape"):
            layers.Permute((2, 1))(cb.Input(shape))


def test_repeat_vector_refuses():
    with pytest.raises(TypeError, match="n must be an integer"):
        layers.RepeatVector(2.0)
    with pytest.raises(ValueError, match="n must be at least 1, but got 0"):
        layers.RepeatVector(0)
    for shape in [(), (2, 3)]:
        with pytest.raises(ValueError, match=r"needs inputs \(batch, width\)"):
            layers.RepeatVector(2)(cb.Input(shape))
