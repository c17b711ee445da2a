import gzip
import struct
import tempfile
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbackprop.datasets import read_idx

DTYPES = ["uint8", "int8", "int16", "int32", "float32", "float64"]
SHAPES = [(1,), (7,), (3, 4), (2, 3, 5), (2, 1, 3, 2), (1,) * 31 + (2,)]

# Each example writes and reads a file: how long that takes is the disk's affair.
untimed = settings(deadline=None)


def ramp(dtype, shape):
    """Distinct values that fill every byte of the type, the least and the greatest among them."""
    size = int(np.prod(shape))
    if np.dtype(dtype).kind == "f":
        return (np.arange(size) * np.pi - 1e3).astype(dtype).reshape(shape)
    limits = np.iinfo(dtype)
    return np.linspace(limits.min, limits.max, size).astype(dtype).reshape(shape)


def read_bytes(content):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "file")
        path.write_bytes(content)
        return read_idx(path)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"rank{len(shape)}")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_reads_every_type_in_native_order_and_writeable(tmp_path, write_idx, dtype, shape, suffix):
    expected = ramp(dtype, shape)
    array = read_idx(write_idx(tmp_path / f"file{suffix}", expected))
    assert array.dtype == np.dtype(dtype)
    assert array.dtype.isnative
    np.testing.assert_array_equal(array, expected, strict=True)
    array[...] = 0


def test_bytes_are_those_of_the_format(tmp_path):
    # The same numbers by hand, so that no mistake of the writer in conftest.py hides one of the reader.
    path = tmp_path / "file"
    path.write_bytes(bytes.fromhex("00000b02 00000002 00000001 0102 fffe"))
    np.testing.assert_array_equal(read_idx(path), np.array([[258], [-2]], dtype=np.int16), strict=True)


def test_compression_is_seen_from_the_content_not_the_name(tmp_path, idx_bytes):
    expected = np.arange(5, dtype=np.uint8)
    (tmp_path / "plain.gz").write_bytes(idx_bytes(expected))
    (tmp_path / "compressed").write_bytes(gzip.compress(idx_bytes(expected)))
    np.testing.assert_array_equal(read_idx(tmp_path / "plain.gz"), expected)
    np.testing.assert_array_equal(read_idx(str(tmp_path / "compressed")), expected)


def test_reads_more_than_one_chunk(tmp_path, write_idx):
    expected = np.random.default_rng(0).integers(256, size=(3, 1 << 20), dtype=np.uint8)
    np.testing.assert_array_equal(read_idx(write_idx(tmp_path / "file.gz", expected)), expected)


MALFORMED = {
    "empty": (b"", "two zero bytes"),
    "short magic": (b"\0\0\x08", "two zero bytes"),
    "wrong magic": (b"\x89PNG\r\n\x1a\n", "two zero bytes"),
    "little endian": (b"\x01\x08\0\0\x01\0\0\0\x05", "two zero bytes"),
    "unknown type": (b"\0\0\x0a\x01\0\0\0\x01\x05", "types"),
    "rank 0": (b"\0\0\x08\0\x05", "rank"),
    "rank 33": (b"\0\0\x08\x21" + 33 * b"\0\0\0\x01" + b"\x05", "rank"),
    "sizes cut": (b"\0\0\x08\x02\0\0\0\x01\0\0", "expected 2 sizes"),
    "size 0": (b"\0\0\x08\x02\0\0\0\0\0\0\0\x05", "at least 1"),
    "values cut": (b"\0\0\x08\x01\0\0\0\x03\x01\x02", "announces 3 bytes"),
    "values too many": (b"\0\0\x08\x01\0\0\0\x03\x01\x02\x03\x04", "announces 3 bytes"),
    "half a value": (b"\0\0\x0b\x01\0\0\0\x02\x01\x02\x03", "announces 4 bytes"),
    "huge": (b"\0\0\x0e\x03" + 12 * b"\xff" + bytes(64), "more than the file can hold"),
    "beyond 64 bits": (b"\0\0\x0e\x20" + 128 * b"\xff" + bytes(64), "more than the file can hold"),
}


@pytest.mark.parametrize("name", MALFORMED)
@pytest.mark.parametrize("compress", [bytes, gzip.compress], ids=["plain", "gz"])
def test_malformed_file_is_named_and_explained(tmp_path, name, compress):
    content, message = MALFORMED[name]
    path = tmp_path / "bad-file"
    path.write_bytes(compress(content))
    with pytest.raises(ValueError, match=r"bad-file is not a sound IDX file: ") as caught:
        read_idx(path)
    assert message in str(caught.value)


def damaged_gzips():
    sound = gzip.compress(b"\0\0\x08\x01\0\0\x01\0" + bytes(range(256)))
    yield "only the magic", sound[:2]
    yield "no trailer", sound[:-8]
    yield "cut", sound[:-30]
    yield "wrong checksum", sound[:-8] + bytes(4) + sound[-4:]
    yield "wrong length", sound[:-4] + bytes(4)
    yield "unknown method", sound[:2] + b"\x07" + sound[3:]
    yield "bad deflate block", sound[:10] + b"\x07" + sound[11:]
    yield "garbage after it", sound + b"garbage"


@pytest.mark.parametrize("content", [pytest.param(content, id=name) for name, content in damaged_gzips()])
def test_damaged_gzip(content):
    with pytest.raises(ValueError, match="is not a sound IDX file"):
        read_bytes(content)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"\0\0\x08\x01\x7f\xff\xff\xff" + bytes(64), id="plain"),
        pytest.param(gzip.compress(b"\0\0\x08\x01\x7f\xff\xff\xff" + bytes(64)), id="gz"),
        # Just within the limit for a gzip file of this size, so that only reading it shows that the size is wrong.
        pytest.param(gzip.compress(struct.pack(">4B2I", 0, 0, 8, 2, 1000, 9000) + bytes(8_990_000)), id="gz inflating"),
    ],
)
def test_takes_memory_for_what_is_there_not_for_what_is_announced(content):
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="announces"):
            read_bytes(content)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # The values that are there (9 MB at most), the spare room of a growing bytearray, and one chunk.
    assert peak < 16e6


def test_huge_gzip_header_is_refused_before_anything_is_inflated(monkeypatch):
    # 1 TB announced over 20 MB of zeros: the 20 KB file could not hold that.
    content = gzip.compress(struct.pack(">4B2I", 0, 0, 8, 2, 1 << 20, 1 << 20) + bytes(20_000_000))
    asked = []
    read = gzip.GzipFile.read
    monkeypatch.setattr(gzip.GzipFile, "read", lambda self, size: asked.append(size) or read(self, size))
    with pytest.raises(ValueError, match="more than the file can hold"):
        read_bytes(content)
    assert sum(asked) == 12


@pytest.mark.parametrize("level", [1, 6, 9])
def test_no_honest_gzip_exceeds_the_ratio_that_is_taken_as_the_limit(level):
    values = bytes(10_000_000)
    content = gzip.compress(b"\0\0\x08\x01" + struct.pack(">I", len(values)) + values, level)
    assert read_bytes(content).nbytes == len(values)


@st.composite
def idx_like(draw):
    """Headers and payloads that agree, nearly agree, or do not."""
    code = draw(st.sampled_from([0x08, 0x09, 0x0B, 0x0C, 0x0D, 0x0E]) | st.integers(0, 255))
    sizes = draw(st.lists(st.integers(0, 4) | st.integers(0, 2**32 - 1), max_size=5))
    rank = draw(st.just(len(sizes)) | st.integers(0, 255))
    payload = draw(st.binary(max_size=80))
    return struct.pack(f">4B{len(sizes)}I", 0, 0, code, rank, *sizes) + payload


@untimed
@given(st.binary(max_size=100) | idx_like(), st.booleans())
def test_any_bytes_are_an_array_of_these_bytes_or_a_value_error(idx_bytes, content, compress):
    try:
        array = read_bytes(gzip.compress(content) if compress else content)
    except ValueError as error:
        assert "is not a sound IDX file" in str(error)  # noqa: PT017 -- an array is the other good end
    else:
        assert idx_bytes(array) == content


@untimed
@given(st.binary(max_size=200))
def test_any_bytes_after_the_gzip_magic_end_well(tail):
    with pytest.raises(ValueError, match="is not a sound IDX file"):
        read_bytes(b"\x1f\x8b" + tail)


@untimed
@given(st.data())
def test_any_change_of_length_is_seen(idx_bytes, data):
    dtype = data.draw(st.sampled_from(DTYPES))
    shape = tuple(data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    content = idx_bytes(ramp(dtype, shape))
    cut = data.draw(st.integers(0, len(content) - 1))
    extra = data.draw(st.binary(min_size=1, max_size=20))
    for bad in content[:cut], content + extra:
        for compress in bytes, gzip.compress:
            with pytest.raises(ValueError, match="is not a sound IDX file"):
                read_bytes(compress(bad))


@untimed
@given(st.data())
def test_any_flipped_bit_of_a_gzip_is_seen_or_harmless(idx_bytes, data):
    expected = np.arange(200, dtype=np.int16).reshape(10, 20)
    content = bytearray(gzip.compress(idx_bytes(expected), mtime=0))
    bit = data.draw(st.integers(0, 8 * len(content) - 1))
    content[bit // 8] ^= 1 << bit % 8
    try:
        array = read_bytes(bytes(content))
    except ValueError:
        return
    # Left are the bits that mean nothing to the values: the time and the system in the gzip header.
    np.testing.assert_array_equal(array, expected, strict=True)


@pytest.mark.parametrize("path", [None, 3, 1.5, b"name", ["name"]])
def test_path_of_a_wrong_type(path):
    with pytest.raises(TypeError, match="path must be a string or a path, but got"):
        read_idx(path)


def test_missing_file_and_directory(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_idx(tmp_path / "nowhere")
    with pytest.raises(IsADirectoryError):
        read_idx(tmp_path)


def test_zlib_errors_do_not_escape():
    # A reserved deflate block type makes zlib itself complain, not the gzip module.
    content = gzip.compress(bytes(100))[:10] + b"\x07" + bytes(20)
    with pytest.raises(ValueError, match="Error -3") as caught:
        read_bytes(content)
    assert isinstance(caught.value.__cause__, zlib.error)
