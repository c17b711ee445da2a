"""Convolutional networks in cbackprop, PyTorch, JAX and ONNX Runtime: training, inference, and peak memory of training.

It measures as compare.py does. PyTorch takes part twice, with channels first and with channels last in memory; its
better time counts, as the best peer's. The networks are in convnets.py.
"""

from __future__ import annotations

import argparse
import sys
from typing import Any

import compare
import convnets
import peers
from report import Report, number
from worker import PeerError, Worker

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


def speed_up(runs: list[dict[str, Any]], report: Report) -> None:
    """How many times as fast each library is with more threads than in the first run."""
    names = ["cbackprop", *(name for name in runs[0]["peers"] if name != "cbackprop")]
    base = runs[0]["machine"]["threads"]
    for other in runs[1:]:
        titles = [runs[0]["peers"][name]["title"] for name in names]
        report.table(f"{other['machine']['threads']} threads: times as fast as {base}", ["network", *titles])
        for kind in ("Training", "Inference"):
            for one, two in zip(runs[0].get(kind, []), other.get(kind, []), strict=True):
                both = [name in one["peers"] and name in two["peers"] for name in names]
                gains = [
                    number(one["peers"][name]["median"] / two["peers"][name]["median"]) if there else ""
                    for name, there in zip(names, both, strict=True)
                ]
                report.row(one["case"], *gains)


def memory(options: argparse.Namespace, report: Report) -> list[dict[str, Any]]:
    """What an epoch takes at its peak beyond data and weights, each in a process of its own, with one thread."""
    names = [name for name in REMEMBERED if name in ("cbackprop", *options.peers)]
    titles = [report.data["runs"][0]["peers"][name]["title"] for name in names]
    report.table("Peak memory of training, beyond the data and the weights: MB, 1 thread", ["network", *titles])
    rows = []
    for case in options.memory:
        row: dict[str, Any] = {"case": case.name, "bytes": {}, "blank": {}}
        for name in names:
            worker = Worker(name, 1)
            try:
                row["bytes"][name] = worker("memory", case)
            except PeerError as failure:
                row["blank"][name] = str(failure)
            finally:
                worker.close()
        found = (row["bytes"].get(name) for name in names)
        report.row(case.name, *(number(None if count is None else count / 1e6) for count in found))
        rows.append(row)
    compare.explain(rows, report)
    return rows


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    report = compare.compare_all(options)
    speed_up(report.data["runs"], report)
    if options.memory:
        report.data["memory"] = memory(options, report)
    return compare.finish(options, report)


if __name__ == "__main__":
    sys.exit(main())
