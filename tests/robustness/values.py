"""Values that callers should not give: extreme numbers, odd layouts of arrays, objects that lie about themselves."""

from __future__ import annotations

import numpy as np

DTYPES = ["f4", "f8", "f2", "i1", "u1", "i4", "i8", "u8", "?", "c8", "O", "U3", "M8[s]", "V4", ">f4", ">i8", "S2"]


class LieError(Exception):
    """The exception of the objects below. The library may pass it on unchanged."""


class Lies:
    """An object whose special methods answer at random, differently each time."""

    def __init__(self, rng):
        self.rng = rng

    def answer(self, *choices):
        choice = choices[self.rng.integers(len(choices))]
        if choice is LieError:
            raise LieError("a lie")
        return choice() if callable(choice) else choice

    def __len__(self):
        return self.answer(0, 1, 3, 7, 2**31, 2**62, LieError)

    def __getitem__(self, key):
        return self.answer(1.0, None, [1.0, 2.0], "x", lambda: np.ones((2, 3)), IndexError, LieError, self)

    def __index__(self):
        return self.answer(-1, 0, 2, 2**31, 2**70, LieError)

    def __float__(self):
        return self.answer(0.5, -1.0, float("nan"), 1e308, LieError)

    def __array__(self, dtype=None, copy=None):
        return self.answer(
            lambda: np.ones((4, 3), "f4"),
            lambda: np.ones((5, 3)),
            lambda: np.zeros(0),
            lambda: np.array(["a"]),
            LieError,
        )

    def __iter__(self):
        return self.answer(lambda: iter([1.0, 2.0]), lambda: iter([]), lambda: iter([(np.ones((2, 3)),)]), LieError)

    def __bool__(self):
        return self.answer(True, False, LieError)

    def __eq__(self, other):
        return self.answer(True, False, LieError)

    def __hash__(self):
        return self.answer(1, 2)

    def __call__(self, *args, **kwargs):
        return self.answer(None, 1.0, lambda: np.ones(3), lambda: np.ones((4, 3)), "x", LieError)


class Shaped(Lies):
    """One that looks like an array, too."""

    dtype = np.dtype("f4")

    @property
    def shape(self):
        return self.answer((4, 3), (2**40, 3), (), (-1, 3), "shape", None, LieError)

    @property
    def ndim(self):
        return self.answer(1, 2, 40, LieError)


def odd_number(rng):
    """A number at a limit, or no number at all."""
    numbers = [
        *(0, 1, -1, 2, 3, 7, 0.0, 0.5, -0.5, 1.5, 1e-300, 1e300, float("nan"), float("inf"), True, False),
        *(2**31 - 1, 2**31, 2**32, 2**53 + 1, 2**63 - 1, 2**63, -(2**63) - 1, 2**200, np.int64(3), np.float32(0.25)),
        np.uint8(200), np.bool_(True), np.array(2), np.array([2]), np.array(2.5), 1j,
    ]  # fmt: skip
    return numbers[rng.integers(len(numbers))]


def odd_value(rng):
    """Anything."""
    makers = [
        lambda: odd_number(rng),
        lambda: odd_number(rng),
        lambda: None,
        lambda: ["", "relu", "adam", "mse", "x" * 1000, "\0", "ü", "softmax", "zeros", "NoSuchThing"][rng.integers(10)],
        lambda: [odd_number(rng) for _ in range(rng.integers(4))],
        lambda: tuple(odd_number(rng) for _ in range(rng.integers(4))),
        lambda: {"a": odd_number(rng), 3: None},
        lambda: {"class_name": "Dense", "config": {"units": odd_number(rng)}},
        lambda: odd_array(rng),
        lambda: Lies(rng),
        lambda: Shaped(rng),
        lambda: b"bytes",
        lambda: object(),
        lambda: int,
        lambda: lambda *args: odd_number(rng),
        lambda: ...,
        lambda: iter([1, 2]),
        lambda: nested(50),
    ]
    return makers[rng.integers(len(makers))]()


def nested(depth):
    """A list in a list in a list."""
    value = []
    for _ in range(depth):
        value = [value]
    return value


def shape(rng, samples=None):
    """A shape, seldom a sensible one."""
    ndim = rng.choice([0, 1, 2, 2, 2, 3, 4, 9])
    sizes = [int(rng.choice([0, 1, 2, 3, 3, 4, 5, 17])) for _ in range(ndim)]
    if samples is not None and sizes:
        sizes[0] = samples
    return tuple(sizes if np.prod(sizes, dtype=float) < 1e6 else sizes[:3])


def laid_out(array, rng):
    """The same numbers, somewhere else in memory."""
    way = rng.integers(7)
    if way == 0 and array.ndim:
        return array[::-1]
    if way == 1 and array.ndim:
        return np.repeat(array, 2, axis=-1)[..., ::2]
    if way == 2:
        return np.asfortranarray(array)
    if way == 3 and array.dtype.kind in "fiu" and array.size:
        raw = np.zeros(array.nbytes + 1, "u1")
        moved = raw[1:].view(array.dtype).reshape(array.shape)
        moved[...] = array
        return moved
    if way == 4:
        array = array.copy()
        array.flags.writeable = False
        return array
    if way == 5 and array.ndim:
        return np.broadcast_to(array[:1], array.shape)
    return array


def odd_array(rng, samples=None):
    """An array of any type, shape and layout; some have more numbers than memory has room for."""
    if rng.random() < 0.04:
        size = [2**31 - 1, 2**31, 2**33, 2**40][rng.integers(4)]
        return np.broadcast_to(np.float32(1), [(size, 3), (3, size), (size,)][rng.integers(3)])
    sizes, dtype = shape(rng, samples), DTYPES[rng.integers(len(DTYPES))]
    if rng.random() < 0.6:
        dtype = ["f4", "f8", "i8", "i4"][rng.integers(4)]
    try:
        numbers = rng.normal(scale=[1, 3, 1e30][rng.integers(3)], size=sizes)
        with np.errstate(all="ignore"):
            array = np.asarray(numbers * 3).astype(dtype) if dtype[0] not in "VM" else np.zeros(sizes, dtype)
    except (TypeError, ValueError):
        array = np.zeros(sizes, "f4")
    if array.dtype.kind == "f" and array.size and rng.random() < 0.1:
        array.reshape(-1)[rng.integers(array.size)] = [np.nan, np.inf][rng.integers(2)]
    return laid_out(array, rng)


def data(rng, shape, samples=None, chance=0.35):
    """Samples of this shape, or with some chance something else."""
    if rng.random() < chance:
        return odd_array(rng, samples) if rng.random() < 0.7 else odd_value(rng)
    samples = 6 if samples is None else samples
    return laid_out(rng.normal(size=(samples, *shape)).astype(["f4", "f8"][rng.integers(2)]), rng)
