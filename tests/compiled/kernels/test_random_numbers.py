"""The counter-based random numbers, compiled and in NumPy."""

from collections import Counter

import numpy as np
import pytest
from scipy import stats

from cbackprop.compiled.kernels import random as kernels
from cbackprop.reference import random as twins

# "philox4x32 10" in the file kat_vectors of Random123 1.14: counter, key, result.
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((2**32 - 1,) * 4, (2**32 - 1,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "result"), KNOWN)
def test_known_answers(counter, key, result):
    block, iteration = (counter[i] + (counter[i + 1] << 32) for i in (0, 2))
    for module in (kernels, twins):
        np.testing.assert_array_equal(module.bits(4, iteration, *key, block=block), np.uint32(result))
    np.testing.assert_array_equal(twins.philox([counter], key), [result])


@pytest.mark.parametrize("n", [0, 1, 3, 4, 255, 256, 257, 1000])
@pytest.mark.parametrize("block", [0, 1, 2**32 - 3, 2**40])
def test_kernel_and_twin_agree(n, block):
    key = (12345, 7)
    bits = kernels.bits(n, 2**33 + 5, *key, block=block)
    np.testing.assert_array_equal(bits, twins.bits(n, 2**33 + 5, *key, block=block), strict=True)
    assert len(bits) == n


@pytest.mark.parametrize("probability", [0.0, 2.0**-32, 0.25, 0.8, 1 - 2.0**-32, 1.0])
def test_masks_agree(probability):
    key = (2**32 - 1, 3)
    mask = kernels.mask(10_001, probability, 17, *key)
    np.testing.assert_array_equal(mask, twins.mask(10_001, probability, 17, *key))
    for first in (1, 2, 3, 4, 255, 256, 1001):
        np.testing.assert_array_equal(kernels.mask(700, probability, 17, *key, first=first), mask[first : first + 700])
        np.testing.assert_array_equal(twins.mask(700, probability, 17, *key, first=first), mask[first : first + 700])
    # Five standard deviations of a binomial share.
    assert mask.mean() == pytest.approx(probability, abs=5 * np.sqrt(probability * (1 - probability) / 10_001) + 1e-12)


def test_position_is_all_that_matters():
    """Whoever computes a part of the numbers gets the same ones."""
    whole = kernels.bits(1000, 5, 1, 2)
    np.testing.assert_array_equal(kernels.bits(400, 5, 1, 2, block=150), whole[600:])
    np.testing.assert_array_equal(kernels.bits(10, 5, 1, 2), whole[:10])


def test_every_part_of_counter_and_key_matters():
    base = {"iteration": 5, "stream": 6, "node": 7, "block": 8}
    seen = {kernels.bits(4, **base).tobytes()}
    for name in base:
        for shift in (0, 31, *((32, 63) if name in ("iteration", "block") else ())):
            seen.add(kernels.bits(4, **(base | {name: base[name] ^ 1 << shift})).tobytes())
    assert len(seen) == 1 + 2 * 4 + 2 * 2


def test_distribution():
    bits = kernels.bits(1_000_000, 1, 2, 3)
    assert stats.kstest(bits / 2**32, "uniform").pvalue > 1e-3
    for neighbours in (1, 2, 3, 4, 256):
        correlation = np.corrcoef(bits[:-neighbours], bits[neighbours:])[0, 1]
        assert abs(correlation) < 5 / np.sqrt(len(bits))
    ones = np.unpackbits(bits.view(np.uint8)).reshape(-1, 32).mean(axis=0)
    assert np.abs(ones - 0.5).max() < 5 * 0.5 / np.sqrt(len(bits))


@pytest.mark.parametrize("n", [0, 1, 2, 3, 255, 256, 257, 5000])
def test_permutation_has_every_number_once(n):
    order = kernels.permutation(n, 1, 2)
    assert order.dtype == np.int64
    np.testing.assert_array_equal(np.sort(order), np.arange(n))
    np.testing.assert_array_equal(order, kernels.permutation(n, 1, 2))
    assert n < 255 or (order != kernels.permutation(n, 1, 3)).any()


def test_permutations_are_equally_likely():
    found = Counter(tuple(kernels.permutation(4, stream, 7).tolist()) for stream in range(24_000))
    assert len(found) == 24
    assert stats.chisquare(list(found.values())).pvalue > 1e-4


@pytest.mark.parametrize("n", [-1, 2**32])
def test_permutation_of_no_such_size(n):
    with pytest.raises(ValueError, match="order"):
        kernels.permutation(n, 1, 2)


@pytest.mark.parametrize("first", [0, 3, 2**34 - 5])
@pytest.mark.parametrize("n", [0, 1, 5, 256, 1000])
def test_uniform(n, first):
    """Bits as numbers from [0, 1), the same from both, wherever they begin."""
    found = [module.uniform(n, 3, 4, 5, first) for module in (kernels, twins)]
    np.testing.assert_array_equal(*found, strict=True)
    expected = twins.bits(first % 4 + n, 3, 4, 5, first // 4)[first % 4 :] / 2**32
    np.testing.assert_array_equal(found[0], expected, strict=True)
