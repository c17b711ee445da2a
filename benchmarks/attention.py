"""Networks with attention in cbackprop, PyTorch and JAX: training and inference.

It measures as compare.py does. The networks are in attention_nets.py.
"""

from __future__ import annotations

import argparse
import sys

import attention_nets
import compare
import peers

SUITE = compare.Suite("attention", attention_nets.TRAINING, attention_nets.INFERENCE, peers.ATTENTION, "µs", 1e6)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = compare.options_of(SUITE, __doc__)
    options = parser.parse_args(arguments)
    complaint = compare.find_fault(options, SUITE)
    if complaint:
        parser.error(complaint)
    return options


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    return compare.finish(options, compare.compare_all(options))


if __name__ == "__main__":
    sys.exit(main())
