"""Convolutions of random shapes, against sums over patches in NumPy: maps, and the derivatives by image and kernel."""

import math
import tracemalloc

import numpy as np
import pytest
from locked_pages import beside_locked_pages, needs_locked_pages

from cbackprop.compiled.kernels import from_python
from cbackprop.compiled.kernels.convolution_geometry import Convolution

TOLERANCES = {"float32": 2e-6, "float64": 4e-15}
SLACK = 32  # numbers that kernels and maps have more, which may be read


class Case:
    """A convolution, its arrays, and where each position of the maps reads."""

    def __init__(self, rng, deep):
        rank = rng.integers(1, 4)
        draw = lambda low, high: tuple([1] * (3 - rank) + [int(n) for n in rng.integers(low, high, rank)])  # noqa: E731
        self.kernel = draw(1, 6) if rank < 3 else draw(1, 4)
        self.stride, self.dilation = draw(1, 4), draw(1, 3) if rng.random() < 0.3 else (1, 1, 1)
        reach = [(k - 1) * d + 1 for k, d in zip(self.kernel, self.dilation, strict=True)]
        self.before = tuple(int(rng.integers(0, n)) for n in reach)
        self.maps = draw(1, 20 if rank == 1 else 9)
        self.image = tuple(  # positions at the end may read zeros
            max((m - 1) * s + n - b - int(rng.integers(0, n)), 1)
            for m, s, n, b in zip(self.maps, self.stride, reach, self.before, strict=True)
        )
        sizes = [1, 2, 3, 5, 6, 8, 12, 16, 17, 24, 33, 48, 70]
        self.groups = int(rng.choice([1, 1, 2, 3]))
        if deep:
            self.groups = self.channels = int(rng.choice(sizes))
            self.filters = self.channels * int(rng.choice([1, 1, 2, 3]))
        else:
            self.channels, self.filters = (self.groups * int(rng.choice(sizes)) for _ in range(2))
        self.run = from_python.depthwise_convolution if deep else from_python.convolution
        self.samples = int(rng.choice([1, 2, 2, 7]))

    def reads(self):
        """Where in the image each position reads by each tap, and whether that is inside: (positions, taps) each."""
        places = [
            np.add.outer(np.arange(m) * s - b, np.arange(k) * d)
            for m, s, b, k, d in zip(self.maps, self.stride, self.before, self.kernel, self.dilation, strict=True)
        ]
        z, y, x = places
        index = np.broadcast_arrays(
            z[:, None, None, :, None, None], y[None, :, None, None, :, None], x[None, None, :, None, None, :]
        )
        inside = np.logical_and.reduce([(i >= 0) & (i < n) for i, n in zip(index, self.image, strict=True)])
        flat = np.ravel_multi_index([np.where(inside, i, 0) for i in index], self.image)
        shape = (math.prod(self.maps), math.prod(self.kernel))
        return flat.reshape(shape), inside.reshape(shape)

    def __repr__(self):
        return str({name: value for name, value in vars(self).items() if name != "run"})


def expected(case, what, image, kernel, maps):
    """The expected product, in float64, and the sum of its absolute values."""
    flat, inside = case.reads()
    g = case.groups
    weights = kernel.reshape(-1, case.channels // g, g, case.filters // g)  # (taps, channels, groups, filters)
    maps = maps.reshape(case.samples, len(flat), g, -1)
    image = image.reshape(case.samples, -1, g, case.channels // g)
    if what == "image":
        spread = np.einsum("spgf,tcgf->sptgc", maps, weights) * inside[None, :, :, None, None]
        out = np.zeros_like(image)
        np.add.at(out, (slice(None), flat), spread)
        return out
    patches = image[:, flat] * inside[None, :, :, None, None]
    if what == "maps":
        return np.einsum("sptgc,tcgf->spgf", patches, weights)
    return np.einsum("sptgc,spgf->tcgf", patches, maps)


def convolution_of(case):
    return Convolution(
        *(case.image, case.maps, case.kernel, case.stride, case.dilation, case.before),
        *(case.channels, case.filters, case.groups, case.run is from_python.convolution),
    )


def check(case, dtype, rng, array=np.empty):
    conv = convolution_of(case)
    counts = {
        "image": case.samples * math.prod(case.image) * case.channels,
        "kernel": math.prod(case.kernel) * case.channels // case.groups * case.filters,
        "maps": case.samples * math.prod(case.maps) * case.filters,
    }
    for what in counts:
        for add in (False, True) if what != "maps" or case.run is from_python.convolution else (False,):
            arrays = {name: array(n + (SLACK if name != "image" else 0), dtype) for name, n in counts.items()}
            for values in arrays.values():
                values[...] = rng.normal(size=values.size)
            given = {name: arrays[name][:n].astype("f8") for name, n in counts.items()}
            case.run(conv, what, *arrays.values(), add=add)
            wanted = expected(case, what, *given.values()).ravel() + (given[what] if add else 0)
            scale = expected(case, what, *(np.abs(values) for values in given.values())).ravel() + 1
            error = np.abs(arrays[what][: counts[what]] - wanted)
            assert (error <= TOLERANCES[dtype] * scale).all(), (what, add, case)


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("deep", [False, True], ids=["all channels", "depthwise"])
@pytest.mark.parametrize("seed", range(40))
def test_random_shapes(seed, deep, dtype):
    rng = np.random.default_rng(seed)
    for _ in range(5):
        check(Case(rng, deep), dtype, rng)


def test_few_channels_and_many_filters():
    """Back, positions of the maps are spread over rows of the image, in vectors that channels do not fill."""
    rng = np.random.default_rng(0)
    for seed in range(20):
        case = Case(np.random.default_rng(seed), False)
        case.channels, case.filters, case.groups = 1 + seed % 7, 16 + seed, 1
        check(case, "float32", rng)


def three_by_three(rng, height, width, channels, filters):
    """A convolution that may be computed in tiles of 2 x 2 positions."""
    case = Case(rng, False)
    case.kernel, case.stride, case.dilation, case.groups = (1, 3, 3), (1, 1, 1), (1, 1, 1), 1
    case.maps, case.before = (1, height, width), (0, int(rng.integers(0, 3)), int(rng.integers(0, 3)))
    case.image = (1, height + 2 - case.before[1], width + 2 - case.before[2])
    case.channels, case.filters = channels, filters
    return case


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("seed", range(20))
def test_three_by_three(seed, dtype):
    rng = np.random.default_rng(seed)
    for _ in range(3):
        sizes = (int(n) for n in (*rng.integers(3, 20, 2), *rng.integers(14, 70, 2)))
        check(three_by_three(rng, *sizes), dtype, rng)


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("seed", range(20))
def test_few_filters_or_channels(seed, dtype):
    """Vectors run along positions if vectors of channels would be nearly empty."""
    rng = np.random.default_rng(seed)
    for _ in range(3):
        case = Case(rng, False)
        case.stride, case.groups = (*case.stride[:2], int(rng.choice([1, 1, 2]))), 1
        case.maps = (*case.maps[:2], int(rng.integers(8, 50)))
        case.image = (*case.image[:2], case.maps[2] * case.stride[2] + int(rng.integers(0, 3)))
        case.channels, case.filters = (int(n) for n in rng.permutation([rng.integers(1, 9), rng.integers(1, 40)]))
        check(case, dtype, rng)


def few_channels_and_filters(rng):
    """A convolution over many rows, of images that are worth stretching."""
    case = Case(rng, False)
    planes, dilation = (1 if rng.random() < 0.7 else 2), int(rng.choice([1, 1, 1, 2]))
    case.kernel = (planes, *(int(n) for n in rng.integers(2, 10, 2)))
    case.stride, case.dilation = (1, *(int(n) for n in rng.choice([1, 1, 1, 2, 3], 2))), (1, dilation, dilation)
    reach = [(k - 1) * d + 1 for k, d in zip(case.kernel, case.dilation, strict=True)]
    case.before = tuple(int(rng.integers(0, n)) for n in reach)
    case.maps = (planes, *(int(n) for n in rng.integers(1, 40, 2)))
    case.image = tuple(
        max((m - 1) * s + n - b - int(rng.integers(0, n)), 1)
        for m, s, n, b in zip(case.maps, case.stride, reach, case.before, strict=True)
    )
    case.channels, case.filters, case.groups = int(rng.choice([1, 1, 2, 3])), int(rng.integers(1, 16)), 1
    return case


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("seed", range(10))
def test_few_channels_and_filters(seed, dtype):
    """The image is stretched, so that vectors hold all filters of several positions."""
    rng = np.random.default_rng(seed)
    for _ in range(2):
        check(few_channels_and_filters(rng), dtype, rng)


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("seed", range(10))
def test_positions_that_do_not_overlap(seed, dtype):
    """With a stride as long as the kernel, backwards each position writes a part of a row by itself."""
    rng = np.random.default_rng(seed)
    for _ in range(3):
        case = Case(rng, False)
        case.stride, case.dilation, case.before, case.groups = case.kernel, (1, 1, 1), (0, 0, 0), 1
        case.image = tuple(m * s for m, s in zip(case.maps, case.stride, strict=True))
        check(case, dtype, rng)


def lines(rng):
    """A convolution along one axis of more samples than are computed together."""
    case = Case(rng, False)
    while case.image[1] * case.maps[1] * case.kernel[1] > 1:
        case = Case(rng, False)
    case.samples = int(rng.integers(2, 40))
    return case


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("seed", range(20))
def test_samples_of_one_line(seed, dtype):
    """Several are computed together, as lines of one image."""
    rng = np.random.default_rng(seed)
    for _ in range(3):
        check(lines(rng), dtype, rng)


@pytest.mark.parametrize("dtype", TOLERANCES)
@pytest.mark.parametrize("seed", range(20))
def test_samples_of_one_line_have_the_bits_that_they_have_alone(seed, dtype):
    rng = np.random.default_rng(seed)
    for case in (lines(rng) for _ in range(3)):
        conv = convolution_of(case)
        image, maps = math.prod(case.image) * case.channels, math.prod(case.maps) * case.filters
        taps = math.prod(case.kernel) * case.channels // case.groups * case.filters
        draw = lambda n: rng.normal(size=n + SLACK).astype(dtype)  # noqa: E731
        images, kernel, outputs = draw(case.samples * image)[:-SLACK], draw(taps), draw(case.samples * maps)
        for what in ("maps", "image"):
            alone = images.copy(), outputs.copy()
            case.run(conv, what, images, kernel, outputs)
            for i in range(case.samples):
                one = alone[0][i * image : (i + 1) * image], alone[1][i * maps : (i + 1) * maps + SLACK].copy()
                case.run(conv, what, one[0], kernel, one[1])
                alone[1][i * maps : (i + 1) * maps] = one[1][:maps]
            np.testing.assert_array_equal(alone[0], images, strict=True)
            np.testing.assert_array_equal(alone[1][:-SLACK], outputs[:-SLACK], strict=True)


@pytest.mark.parametrize("sizes", [(5, 300, 16, 48), (33, 17, 128, 64), (3, 401, 40, 200)])
def test_rows_too_long_for_the_tiles_of_one_turn(sizes):
    rng = np.random.default_rng(1)
    check(three_by_three(rng, *sizes), "float32", rng)


@pytest.mark.parametrize(
    ("image", "maps", "kernel", "stride", "before"),
    [(1, 1, 3, 1, 1), (2, 1, 2, 2, 0), (2, 1, 1, 2, 0), (4, 2, 3, 3, 1), (1, 1, 2, 1, 0), (3, 3, 1, 1, 0)],
)
def test_three_by_three_in_volumes(image, maps, kernel, stride, before):
    """Tiles are for images: of a volume, some planes have one position and one tap, but not as their only one."""
    rng = np.random.default_rng(2)
    case = three_by_three(rng, 12, 11, 32, 40)
    for name, along in (("image", image), ("maps", maps), ("kernel", kernel), ("stride", stride), ("before", before)):
        setattr(case, name, (along, *getattr(case, name)[1:]))
    check(case, "float32", rng)


def test_gaps_between_taps_take_no_memory():
    """Positions of the image that no tap reaches are only filled, however large the stride is."""
    sizes = (1, 1, 200_000), (1, 1, 2), (1, 1, 3), (1, 1, 100_000), (1, 1, 1), (0, 0, 0)
    tracemalloc.start()
    conv = Convolution(*sizes, 2, 1, 1)
    assert tracemalloc.get_traced_memory()[1] < 100_000
    tracemalloc.stop()
    image, kernel, maps = np.ones(400_000), np.ones(6 + SLACK), np.ones(2 + SLACK)
    from_python.convolution(conv, "image", image, kernel, maps)
    assert np.flatnonzero(image).tolist() == [*range(6), *range(200_000, 200_006)]


@needs_locked_pages
@pytest.mark.parametrize("deep", [False, True], ids=["all channels", "depthwise"])
@pytest.mark.parametrize("at_end", [False, True], ids=["begin", "end"])
def test_nothing_outside_of_the_arrays_is_read(at_end, deep):
    rng = np.random.default_rng(5)
    cases = [Case(rng, deep) for _ in range(20)]
    if not deep:
        cases += [three_by_three(rng, size, size + 1, 16 + size, 20) for size in range(6, 12)]
        cases += [three_by_three(rng, 4, size, 9, size % 5 + 1) for size in range(20, 26)]
        cases += [few_channels_and_filters(rng) for _ in range(20)]
        cases += [lines(rng) for _ in range(20)]
    for case in cases:
        check(case, "float32", rng, lambda n, dtype: beside_locked_pages((n,), dtype, at_end))


@pytest.mark.parametrize("run", [from_python.convolution, from_python.depthwise_convolution])
def test_arrays_of_another_size_are_refused(run):
    conv = Convolution((1, 4, 4), (1, 3, 3), (1, 2, 2), (1, 1, 1), (1, 1, 1), (0, 0, 0), 2, 2, 2, False)
    image, kernel, maps = np.ones(32), np.ones(8 + SLACK), np.ones(18 + SLACK)
    run(conv, "maps", image, kernel, maps)
    for wrong in ((image[1:], kernel, maps), (image, kernel[1:], maps), (image, kernel, maps[1:])):
        with pytest.raises(ValueError, match="do not fit"):
            run(conv, "maps", *wrong)
    with pytest.raises(ValueError, match="do not fit"):
        run(conv, "nothing", image, kernel, maps)
