"""Attacks on layers of signals and images: sizes, shapes and hooks that lie."""

from __future__ import annotations

import numpy as np
from attacks import attack, pick, twisted
from layer_cases import LAYERS
from values import data, laid_out, odd_value

import cbackprop as cb
from cbackprop import layers
from cbackprop.layers.spatial import AxesLayer

SPATIAL = [case for cases in LAYERS.values() for case in cases if isinstance(case[0](), AxesLayer)]
# Compiled layers read these from layers over signals and images.
HOOKS_OF_AXES = [
    "factors", "geometry", "kernel_shape", "operation_on", "output_sizes", "paddings", "ranges", "resampling_of",
    "sides", "sides_for", "spatial_output", "windows",
]  # fmt: skip


def changed(rng, value):
    """A value in which some numbers are others."""
    if isinstance(value, np.ndarray):
        return value + rng.integers(-1, 2, value.shape)
    if isinstance(value, (tuple, list)):
        parts = [changed(rng, part) for part in value]
        return value._make(parts) if hasattr(value, "_make") else type(value)(parts)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or rng.random() < 0.6:
        return odd_value(rng) if rng.random() < 0.03 else value
    return pick(
        rng, [value + 1, value + 1, value - 1, value * 2, value * 100, 0, -1, 2**31, 2**40, -value, float("nan")]
    )


@attack
def images_of_many_sizes(rng):
    """Sizes that only the data tell, of any type and layout."""
    make, (shape,) = pick(rng, SPATIAL)
    layer = make()
    layer = twisted(rng, layer) if rng.random() < 0.3 else layer
    channels = layer.channel_axis - 1
    known = rng.random(len(shape)) < 0.2
    inputs = cb.Input(tuple(n if known[i] or i == channels else None for i, n in enumerate(shape)))
    tensor = layer(inputs)
    if rng.random() < 0.5 and layer.data_format == "channels_last" and len(tensor.shape) == len(inputs.shape):
        tensor = getattr(layers, f"GlobalAveragePooling{layer.rank}D")()(tensor)
    model = cb.Model(inputs, tensor)
    model.compile("sgd", "mse", engine=pick(rng, ["compiled", "compiled", "reference"]))
    for _ in range(4):
        most = (60, 12, 6)[layer.rank - 1]
        sizes = [n if i == channels and rng.random() < 0.9 else int(rng.integers(most)) for i, n in enumerate(shape)]
        x = data(rng, sizes, int(rng.integers(1, 4)), 0.1)
        if isinstance(x, np.ndarray) and rng.random() < 0.3:
            with np.errstate(all="ignore"):
                x = laid_out((x * 50).astype(pick(rng, ["u1", "i1", "i4", "f2", "?", ">f4", "O"])), rng)
        found = model.predict(x, verbose=0)
        if rng.random() < 0.5:
            model.train_on_batch(x, np.zeros_like(found))
        layer(x, training=bool(rng.integers(2)))


@attack
def shapes_of_images(rng):
    make, (shape,) = pick(rng, SPATIAL)
    layer = make()
    sizes = [None, None, 0, 1, 3, 2**15, 2**31, 2**47, 2**62, -1, 1.5, "3", True]
    asked = [None, *(pick(rng, sizes) if rng.random() < 0.5 else n for n in shape)]
    asked = asked[: rng.integers(len(asked) + 1)] if rng.random() < 0.2 else asked
    layer.compute_output_shape(tuple(asked))
    if rng.random() < 0.5:
        layer.build(tuple(asked))
    layer(cb.Input(tuple(asked[1:])))


@attack
def layers_of_images_that_lie(rng):
    """Subclasses whose answers to compiled layers are wrong, and layers that are changed when they are built."""
    make, (shape,) = pick(rng, SPATIAL)
    example = make()
    hooks = [name for name in HOOKS_OF_AXES if hasattr(example, name)]
    lying = {name for name in hooks if rng.random() < 0.3}
    seed = int(rng.integers(2**31))

    def lie(name, value):
        # The same each time, or not: a layer that is asked twice may answer otherwise.
        return changed(np.random.default_rng([seed, hooks.index(name)]) if seed % 2 else rng, value)

    members = {}
    for name in lying:
        inherited = getattr(type(example), name)
        if isinstance(inherited, property):
            members[name] = property(lambda self, name=name, get=inherited.fget: lie(name, get(self)))
        elif callable(inherited):
            members[name] = lambda self, *args, name=name, get=inherited: lie(name, get(self, *args))
    cls = type("Lying", (type(example),), members)
    layer = cls(**{name: value for name, value in example.get_config().items() if name != "name"})
    inputs = cb.Input(shape)
    tensor = layer(inputs)
    for name in layer.argument_names():
        if name not in ("name", "dtype") and rng.random() < 0.1:
            setattr(layer, name, changed(rng, vars(layer).get(name)))
    model = cb.Model(inputs, tensor)
    model.compile("sgd", "mse", engine=pick(rng, ["compiled", "compiled", "reference"]))
    x = np.ones((4, *shape))
    model.fit(x, np.zeros((4, *model.plan.output_shapes[0])), verbose=0)
    model.predict(x, verbose=0)
