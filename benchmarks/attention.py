"""Networks with attention in cbackprop, PyTorch and JAX: training, inference, and peak memory of training.

It measures as compare.py does. The networks are in attention_nets.py.
"""

from __future__ import annotations

import argparse
import sys

import attention_nets
import compare
import peers

SUITE = compare.Suite(
    *("attention", attention_nets.TRAINING, attention_nets.INFERENCE, peers.ATTENTION, "µs", 1e6),
    memory=attention_nets.MEMORY,
    # Not JAX: the memory of its compiler would be counted, too.
    remembered=("cbackprop", "torch_attention", "torch_attention_eager"),
)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    return compare.parse_for(SUITE, __doc__, arguments)


def main(arguments: list[str] | None = None) -> int:
    return compare.compare_speed_and_memory(parse(arguments))


if __name__ == "__main__":
    sys.exit(main())
