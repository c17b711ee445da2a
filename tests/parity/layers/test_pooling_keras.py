"""Pooling against Keras: outputs and gradients over windows, strides, padding and odd sizes; configs and arguments."""

from __future__ import annotations

import inspect
import itertools
import json
from typing import Any

import keras
import numpy as np
import pytest
import torch

import cbackprop as cb

SIZES = {1: [(7,), (8,), (1,)], 2: [(7, 5), (4, 8), (1, 3)], 3: [(5, 3, 4), (2, 4, 1)]}
POOLS = {1: [1, 2, 3, 5], 2: [2, 3, (3, 1), (2, 4)], 3: [2, (1, 3, 2), (3, 2, 1)]}
STRIDES = {1: [None, 1, 2, 3], 2: [None, 1, (2, 1), 3], 3: [None, 1, (1, 2, 3)]}
WINDOWS = [
    pytest.param(f"{kind}Pooling{rank}D", sizes, channels, {"pool_size": pool, "strides": step, "padding": padding})
    for kind in ("Max", "Average")
    for rank in (1, 2, 3)
    for (sizes, pool, step, padding), channels in zip(
        itertools.product(SIZES[rank], POOLS[rank], STRIDES[rank], ("valid", "same")), itertools.cycle((1, 3, 9, 16))
    )
]
ADAPTIVE = [
    pytest.param(f"Adaptive{kind}Pooling{rank}D", sizes, 3, {"output_size": out if rank > 1 else out[0]})
    for kind in ("Max", "Average")
    for rank in (1, 2, 3)
    for sizes in SIZES[rank]
    for out in ((1, 1, 1)[:rank], (2, 3, 1)[:rank], (3, 5, 2)[:rank])
]
GLOBAL = [
    pytest.param(f"Global{kind}Pooling{rank}D", sizes, channels, {"keepdims": keepdims})
    for kind in ("Max", "Average")
    for rank in (1, 2, 3)
    for sizes in SIZES[rank]
    for channels, keepdims in ((1, False), (5, True), (20, False))
]
NAMES = sorted({each.values[0] for each in (*WINDOWS, *ADAPTIVE, *GLOBAL)})


def fits(sizes: tuple[int, ...], arguments: dict[str, Any]) -> bool:
    if arguments.get("padding") != "valid":
        return True
    pool = np.broadcast_to(arguments["pool_size"], len(sizes))
    return bool((pool <= sizes).all())


def keras_result(name: str, arguments: dict[str, Any], x: Any, factor: Any) -> tuple[Any, Any]:
    """Keras's output, and the gradient of its product with `factor`."""
    given = torch.tensor(x, requires_grad=True)
    layer = getattr(keras.layers, name)(**arguments)
    if name.startswith("AveragePooling") and arguments.get("padding") == "same":
        y = means_without_padding(layer, given)
    else:
        y = layer(given)
    (y * torch.tensor(factor)).sum().backward()
    return y.detach().cpu().numpy(), given.grad.numpy()


def means_without_padding(layer: Any, x: Any) -> Any:
    """Means of what is padded with zeros, divided by those of ones that are padded in the same way.

    Keras on PyTorch pads oddly with copies of the outermost elements, which on other backends it does not, and refuses
    windows that are longer than what is padded.
    """
    widths = []
    for size, pool, step in zip(x.shape[1:-1], layer.pool_size, layer.strides, strict=True):
        padding = max((-(-size // step) - 1) * step + pool - size, 0)
        widths = [padding // 2, padding - padding // 2, *widths]
    valid = type(layer)(layer.pool_size, layer.strides, "valid", dtype="float64")
    padded = [torch.nn.functional.pad(part, (0, 0, *widths)) for part in (x, torch.ones_like(x))]
    return valid(padded[0]) / valid(padded[1])


def our_result(name: str, arguments: dict[str, Any], x: Any, factor: Any) -> tuple[Any, Any]:
    """The same here: the gradient is found as that of factors of 1 for each element."""
    layer = getattr(cb.layers, name)(**arguments)
    inputs = cb.Input(x.shape[1:])
    scales = cb.layers.PReLU("ones")
    model = cb.Model(inputs, layer(scales(inputs)))
    y = model.predict(x, verbose=0)
    model.compile(cb.optimizers.SGD(1.0), "mse")
    model.train_on_batch(x, (y - factor * (y.size / 2)).astype(x.dtype))
    return y, (1 - scales.alpha.numpy())[None] / x


@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize(("name", "sizes", "channels", "arguments"), [*WINDOWS, *ADAPTIVE, *GLOBAL])
def test_output_and_gradient(name, sizes, channels, arguments, data_format):
    rng = np.random.default_rng(len(name) + channels)
    cb.config.set_floatx("float64")
    x = -rng.uniform(0.1, 1, (1, *sizes, channels))  # so that the factors get a gradient
    if not fits(sizes, arguments):
        for library in (cb, keras):
            layer = getattr(library.layers, name)(**arguments)
            with pytest.raises(ValueError, match="output size would be zero or negative"):
                layer(library.Input(x.shape[1:]))
        return
    shape = getattr(cb.layers, name)(**arguments)(x).shape
    factor = rng.normal(size=shape)
    y, dx = keras_result(name, arguments | {"dtype": "float64"}, x, factor)
    if data_format == "channels_last":
        ours, our_dx = our_result(name, arguments, x, factor)
    else:
        first, first_factor = (np.ascontiguousarray(np.moveaxis(a, -1, 1)) for a in (x, factor))
        ours, our_dx = our_result(name, arguments | {"data_format": data_format}, first, first_factor)
        ours, our_dx = (np.moveaxis(a, 1, -1) for a in (ours, our_dx))
    limit = 1e-6 if name.startswith("GlobalAverage") else 1e-10  # Keras on PyTorch takes means of all in float32
    np.testing.assert_allclose(ours, y, rtol=0, atol=limit)
    np.testing.assert_allclose(our_dx, dx, rtol=0, atol=limit)


def needed_by(name: str) -> dict[str, Any]:
    """Arguments without defaults."""
    return {"output_size": 3} if name.startswith("Adaptive") else {"pool_size": 2} if name.startswith("Ave") else {}


@pytest.mark.parametrize("name", NAMES)
def test_arguments_and_config(name):
    ours, theirs = (getattr(library.layers, name) for library in (cb, keras))
    skipped = ("self", "kwargs")
    signatures = [
        {p.name: p.default for p in inspect.signature(cls.__init__).parameters.values() if p.name not in skipped}
        for cls in (ours, theirs)
    ]
    assert signatures[0] == signatures[1]
    needed = needed_by(name)
    config = theirs(**needed).get_config()
    mine = ours(**needed).get_config()
    left_out = ("name", "dtype", "trainable")
    plain = [json.loads(json.dumps({k: v for k, v in c.items() if k not in left_out})) for c in (mine, config)]
    assert plain[0] == plain[1]
    del config["dtype"]
    assert ours.from_config(config).get_config()["name"] == config["name"]


@pytest.mark.parametrize("name", NAMES)
def test_output_shapes(name):
    rank = int(name[-2])
    needed = needed_by(name)
    for data_format in ("channels_last", "channels_first"):
        ours, theirs = (getattr(library.layers, name)(data_format=data_format, **needed) for library in (cb, keras))
        shape = (None, 6, 7, 8, 9)[: rank + 2]
        assert ours.compute_output_shape(shape) == theirs.compute_output_shape(shape)


@pytest.mark.parametrize("keepdims", [False, True])
def test_mask(keepdims):
    x = np.random.default_rng(0).normal(size=(3, 4, 2)).astype("float32")
    mask = np.array([[1, 1, 0, 1], [0, 1, 0, 0], [1, 1, 1, 1]], bool)
    ours, theirs = (library.layers.GlobalAveragePooling1D(keepdims=keepdims) for library in (cb, keras))
    expected = theirs(x, mask=torch.tensor(mask)).cpu().numpy()
    np.testing.assert_allclose(ours(x, mask=mask), expected, rtol=1e-6)


@pytest.mark.parametrize("name", ["MaxPooling2D", "AdaptiveMaxPooling2D", "GlobalMaxPooling2D"])
def test_gradient_of_ties(name):
    arguments = {"output_size": 3} if name.startswith("Adaptive") else {}
    cb.config.set_floatx("float64")
    x = -np.random.default_rng(0).integers(1, 3, (1, 6, 6, 9)).astype("float64")
    factor = np.random.default_rng(1).normal(size=getattr(cb.layers, name)(**arguments)(x).shape)
    y, dx = keras_result(name, arguments | {"dtype": "float64"}, x, factor)
    ours, our_dx = our_result(name, arguments, x, factor)
    np.testing.assert_array_equal(ours, y)
    np.testing.assert_allclose(our_dx, dx, atol=1e-10)
