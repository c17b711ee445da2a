"""Convolutional networks in cbackprop, PyTorch, JAX and ONNX Runtime: training, inference, and peak memory of training.

It measures as compare.py does. PyTorch takes part twice, with channels first and with channels last in memory; its
better time counts, as the best peer's. The networks are in convnets.py.
"""

from __future__ import annotations

import argparse
import sys

import compare
import convnets
import peers

SUITE = compare.Suite(
    *("convolution", convnets.TRAINING, convnets.INFERENCE, peers.IMAGES, "ms", 1e3),
    memory=convnets.MEMORY,
    # Not JAX: the memory of its compiler would be counted, too.
    remembered=("cbackprop", "torch_images", "torch_channels_last"),
)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    return compare.parse_for(SUITE, __doc__, arguments)


def main(arguments: list[str] | None = None) -> int:
    return compare.compare_speed_and_memory(parse(arguments))


if __name__ == "__main__":
    sys.exit(main())
