"""Networks with attention in cbackprop, PyTorch and JAX: training, inference, and peak memory of training.

It measures as compare.py does. The networks are in attention_nets.py.
"""

from __future__ import annotations

import argparse
import sys

import attention_nets
import compare
import peers

# JAX is left out: what its compiler needs would be counted.
REMEMBERED = ("cbackprop", "torch_attention", "torch_attention_eager")
SUITE = compare.Suite("attention", attention_nets.TRAINING, attention_nets.INFERENCE, peers.ATTENTION, "µs", 1e6)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = compare.options_of(SUITE, __doc__)
    options = parser.parse_args(arguments)
    complaint = compare.find_fault(options, SUITE)
    options.memory = [case for case in attention_nets.MEMORY if options.only in case.name]
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
