"""Write event files for TensorBoard.

A file is a sequence of TFRecords (length, checksum, content, checksum), each with one protocol buffer ``Event``.
Only scalars and histograms are needed, so these few lines replace a dependency on TensorBoard and protobuf.

References
----------
``tensorflow/core/util/event.proto``, ``tensorflow/core/framework/summary.proto``, and the page "TFRecord and
tf.train.Example" of TensorFlow's guide. Wire format: protobuf.dev, "Encoding".
"""

from __future__ import annotations

import os
import socket
import struct
import time
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cbackprop.distribution.setting import writes_files

__all__ = ["EventFile"]

_numbers = count()


class EventFile:
    """A new event file in a folder, which is made if it does not exist.

    Parameters
    ----------
    folder : str
    """

    def __init__(self, folder: str) -> None:
        path = os.devnull
        name = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}.{next(_numbers)}.v2"
        if writes_files():
            os.makedirs(folder, exist_ok=True)
            path = os.path.join(folder, name)
        self._file = open(path, "wb")  # noqa: SIM115
        self._write(_text(3, b"brain.Event:2"), 0)

    def scalar(self, tag: str, value: float, step: int) -> None:
        """Write one number."""
        self._summary(_text(1, tag.encode()) + _key(2, 5) + struct.pack("<f", float(np.float32(value))), step)

    def histogram(self, tag: str, values: NDArray[Any], step: int) -> None:
        """Write a histogram with 30 bins of equal width; NaN and infinity are ignored."""
        flat = values.astype(np.float64).ravel()
        flat = flat[np.isfinite(flat)].clip(-1e150, 1e150)  # so that the sum of squares does not overflow
        if not flat.size:
            return
        low, high = float(flat.min()), float(flat.max())
        least = 1e3 * np.spacing(max(abs(low), abs(high)))  # if all values are equal, bins still need a width
        counts, edges = np.histogram(flat, 30, None if high - low > least else (low - least, high + least))
        content = b"".join(
            _double(number, value)
            for number, value in enumerate([flat.min(), flat.max(), flat.size, flat.sum(), (flat**2).sum()], 1)
        )
        content += _text(6, edges[1:].astype("<f8").tobytes()) + _text(7, counts.astype("<f8").tobytes())
        self._summary(_text(1, tag.encode()) + _text(5, content), step)

    def _summary(self, value: bytes, step: int) -> None:
        self._write(_text(5, _text(1, value)), step)

    def _write(self, content: bytes, step: int) -> None:
        event = _double(1, time.time()) + _key(2, 0) + _varint(step) + content
        length = struct.pack("<Q", len(event))
        self._file.write(length + _checksum(length) + event + _checksum(event))

    def flush(self) -> None:
        """Flush the file so that readers see everything written so far."""
        self._file.flush()

    def close(self) -> None:
        """Write everything and close the file."""
        self._file.close()


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def _key(field: int, kind: int) -> bytes:
    return _varint(field << 3 | kind)


def _text(field: int, content: bytes) -> bytes:
    return _key(field, 2) + _varint(len(content)) + content


def _double(field: int, value: float) -> bytes:
    return _key(field, 1) + struct.pack("<d", value)


def _table() -> list[int]:
    """The table of CRC-32C (Castagnoli) for one byte at a time."""
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_TABLE = _table()


def _checksum(content: bytes) -> bytes:
    crc = 0xFFFFFFFF
    for byte in content:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 255]
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
