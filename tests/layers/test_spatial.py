"""Layers over signals, images and volumes: shapes, unknown sizes, configs, single images."""

from __future__ import annotations

import numpy as np
import pytest
from layer_cases import LAYERS

import cbackprop as cb
from cbackprop import layers
from cbackprop.layers.spatial import AxesLayer

CASES = [
    (make, shapes[0])
    for cases in LAYERS.values()
    for make, shapes in cases
    if isinstance(make(), AxesLayer) and not getattr(make().function, "halves", False)  # of an axis of its own
]


@pytest.mark.parametrize(("make", "shape"), CASES)
def test_output_shapes_of_unknown_sizes(make, shape):
    layer = make()
    unknown = tuple(size if axis == layer.channel_axis else None for axis, size in enumerate(shape, 1))
    found = layer.compute_output_shape((None, *unknown))
    assert found == layer(cb.Input(unknown)).shape
    known = layer.compute_output_shape((None, *shape))
    assert len(found) == len(known)
    assert all(size in (None, one) for size, one in zip(found, known, strict=True))


def test_one_unknown_size():
    assert layers.MaxPooling2D(2).compute_output_shape((4, None, 9, 3)) == (4, None, 4, 3)
    assert layers.ZeroPadding2D(1).compute_output_shape((None, 3, 4, None)) == (None, 5, 6, None)
    with pytest.raises(ValueError, match="do not fit"):
        layers.MaxPooling2D(2).compute_output_shape((None, None, 1, 3))


@pytest.mark.parametrize(
    ("make", "arguments"),
    [
        (lambda: layers.AdaptiveMaxPooling1D(2), {"output_size": (2,)}),
        (lambda: layers.AdaptiveAveragePooling2D([2, 3]), {"output_size": (2, 3)}),
        (lambda: layers.MaxPooling2D(2), {"pool_size": (2, 2), "strides": (2, 2)}),
        (lambda: layers.Conv2D(1, 3), {"kernel_size": (3, 3), "dilation_rate": (1, 1)}),
        (lambda: layers.ZeroPadding2D(1), {"padding": ((1, 1), (1, 1))}),
        (lambda: layers.Cropping1D(2), {"cropping": (2, 2)}),
    ],
)
def test_sizes_of_axes_are_tuples_in_configs(make, arguments):
    layer = make()
    config = layer.get_config()
    assert {name: config[name] for name in arguments} == arguments
    assert type(layer).from_config(config).get_config() == config


@pytest.mark.parametrize(
    "make",
    [
        lambda data_format: layers.Resizing(3, 5, data_format=data_format),
        lambda data_format: layers.CenterCrop(2, 3, data_format=data_format),
        lambda data_format: layers.CenterCrop(8, 3, data_format=data_format),
        lambda data_format: layers.RandomCrop(2, 3, data_format=data_format),
    ],
)
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_one_image_without_a_batch_axis(make, data_format, rng):
    layer = make(data_format)
    images = rng.normal(size=(1, 4, 6, 5)).astype(np.float32)
    found = layer(images[0], training=False)
    np.testing.assert_array_equal(found, layer(images, training=False)[0])
    assert layer.compute_output_shape((4, 6, 5)) == found.shape
    with pytest.raises(ValueError, match="needs inputs of 4 axes"):
        layer(cb.Input((6, 5)))
    with pytest.raises(ValueError, match="needs inputs of 4 axes"):
        layer(cb.Input((6, 5), batch_size=4))


def larger(found):
    """Sizes of an output twice as high."""
    sizes, channels = found
    return (2 * sizes[0], *sizes[1:]), channels


# A class, its arguments, a method that the compiled layer calls, and a subclass's wrong result.
LIES = [
    (layers.RandomFlip, (), "spatial_output", larger),
    (layers.RandomRotation, (0.5,), "spatial_output", larger),
    (layers.RandomRotation, (0.5,), "ranges", lambda found: found * 9),
    (layers.RandomCrop, (2, 2), "window_in", lambda found: (9, *found[1:])),
    (layers.RandomCrop, (2, 2), "window_in", lambda found: (-1, *found[1:])),
    (layers.RandomCrop, (6, 2), "moves_in", lambda found: True),
    (layers.Conv2D, (2, 3), "geometry", lambda found: found._replace(image=(1, 99, 99))),
    (layers.Conv2D, (2, 3), "geometry", lambda found: found._replace(kernel=(3, 3, 3))),
    (layers.Conv2DTranspose, (2, 3), "geometry", lambda found: found._replace(maps=(1, 99, 99))),
    (layers.DepthwiseConv2D, (3,), "geometry", lambda found: found._replace(image=(1, 99, 99))),
    (layers.DepthwiseConv2D, (3,), "geometry", lambda found: found._replace(groups=1)),
]


@pytest.mark.parametrize(("base", "arguments", "name", "lie"), LIES)
def test_compiled_layers_check_what_subclasses_say(base, arguments, name, lie):
    asked = getattr(base, name)
    if isinstance(asked, property):
        member = property(lambda self: lie(asked.fget(self)))
    else:
        member = lambda self, *args: lie(asked(self, *args))  # noqa: E731
    layer = type(base.__name__, (base,), {name: member})(*arguments)
    with pytest.raises(ValueError, match=r"image|shape|ranges|convolution|output"):
        layer(np.ones((2, 4, 5, 3)), training=True)
