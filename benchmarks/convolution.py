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

SUITE = compare.Suite("convolution", convnets.TRAINING, convnets.INFERENCE, peers.IMAGES, "ms", 1e3)
# JAX is left out: what its compiler needs would be counted.
REMEMBERED = ("cbackprop", "torch_images", "torch_channels_last")


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = compare.options_of(SUITE, __doc__)
    options = parser.parse_args(arguments)
    complaint = compare.find_fault(options, SUITE)
    options.memory = [case for case in convnets.MEMORY if options.only in case.name]
    if complaint:
        parser.error(complaint)
    return options


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    report = compare.compare_all(options)
    compare.speed_up(report.data["runs"], report)
    if options.memory:
        report.data["memory"] = compare.memory(options, report, REMEMBERED)
    return compare.finish(options, report)


if __name__ == "__main__":
    sys.exit(main())
