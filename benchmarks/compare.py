"""Training and inference of cbackprop against NumPy, scikit-learn, PyTorch, JAX and ONNX Runtime.

Every peer runs in a process of its own, starts from the same weights, and is first checked to compute the same as
cbackprop. Then come rounds in which each peer is timed once. Tables show medians over the rounds, and in brackets
the ratio to the best peer: the median over the rounds of a time divided by the best peer's in the same round.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import machine
import peers
import workloads
from report import Report, number, share
from rounds import Plan, Result, measure
from worker import PeerError, Worker


@dataclass(frozen=True)
class Suite:
    """A comparison: the name of its files, the cases, the libraries, and how many units of time are a second.

    Memory is measured for the cases in `memory`, in the libraries in `remembered`.
    """

    name: str
    training: list[Any]
    inference: list[Any]
    peers: tuple[str, ...]
    unit: str
    per_second: float
    memory: Sequence[Any] = ()
    remembered: tuple[str, ...] = ()


DENSE = Suite("compare", workloads.TRAINING, workloads.INFERENCE, peers.NAMES, "µs", 1e6)


def options_of(suite: Suite, description: str | None) -> argparse.ArgumentParser:
    """The options that every comparison has."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.05, help="of each peer in each round, at least one epoch")
    parser.add_argument("--threads", type=int, nargs="+", default=[1], help="one or several numbers of threads")
    parser.add_argument(
        "--clock", choices=("wall", "cpu"), default="wall", help="cpu: the process's own time, for a busy machine"
    )
    parser.add_argument("--only", default="", help="part of a network's name")
    parser.add_argument("--peers", default=",".join(suite.peers), help=f"some of {','.join(suite.peers)}")
    parser.add_argument("--no-check", action="store_true", help="do not compare what the peers compute")
    files = ", ".join(f"{suite.name}.{ending}" for ending in ("md", "json", "png"))
    parser.add_argument("--output", type=Path, help=f"directory for {files}")
    return parser


def parse_for(suite: Suite, description: str | None, arguments: list[str] | None) -> argparse.Namespace:
    """The options of a comparison that has none of its own."""
    parser = options_of(suite, description)
    options = parser.parse_args(arguments)
    complaint = find_fault(options, suite)
    if complaint:
        parser.error(complaint)
    return options


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = options_of(DENSE, __doc__)
    own = parser.add_argument_group("a network of your own, instead of those in workloads.py")
    own.add_argument("--network", help="widths from input to output, such as 17-50-3")
    own.add_argument("--activation", choices=workloads.ACTIVATIONS, default="relu")
    own.add_argument("--loss", choices=workloads.LOSSES, default="ce")
    own.add_argument("--batch", type=int, default=32)
    own.add_argument("--optimizer", choices=workloads.RATES, default="adam")
    options = parser.parse_args(arguments)
    training, inference = DENSE.training, DENSE.inference
    if options.network:
        try:
            network = workloads.given(
                options.network, options.activation, options.loss, options.batch, options.optimizer
            )
        except ValueError as error:
            parser.error(str(error))
        training = [network]
        inference = [case for rows in (1, 10_000) for case in workloads.predictions(network, rows)]
    complaint = find_fault(options, replace(DENSE, training=training, inference=inference))
    if complaint:
        parser.error(complaint)
    return options


def find_fault(options: argparse.Namespace, suite: Suite) -> str:
    """The fault of the options, if there is one. Also sets the options that follow from others."""
    options.suite = suite
    options.peers = options.peers.split(",")
    unknown = [name for name in options.peers if name not in suite.peers]
    if unknown:
        return f"There is no peer {unknown[0]!r}. Choose from: {', '.join(suite.peers)}."
    if not 1 <= min(options.threads) <= max(options.threads) <= len(machine.cpus()):
        return f"There are {len(machine.cpus())} processors for --threads."
    if options.clock == "cpu" and options.threads != [1]:
        return "--clock cpu adds up the time of all threads: it needs --threads 1."
    if options.rounds < 1:
        return "--rounds must be at least 1."
    chosen = {"Training": suite.training, "Inference": suite.inference}
    options.cases = {kind: [case for case in cases if options.only in case.name] for kind, cases in chosen.items()}
    options.memory = [case for case in suite.memory if options.only in case.name]
    return "" if any(options.cases.values()) else f"No network's name contains {options.only!r}."


def start(options: argparse.Namespace, threads: int, report: Report) -> tuple[list[Worker], dict[str, Any]]:
    """Workers of the peers that are there, cbackprop's first, and what each says about itself."""
    names = ["cbackprop", *(name for name in options.peers if name != "cbackprop")]
    found, about = [], {}
    for name in names:
        worker = Worker(name, threads)
        try:
            about[name] = worker("about")
            found.append(worker)
        except PeerError as failure:
            worker.close()
            about[name] = {"title": name, "versions": {}, "kinds": ["Training", "Inference"], "absent": str(failure)}
            report.say(f"{name} is left blank: {failure}  ")
    versions = {package: version for one in about.values() for package, version in one["versions"].items()}
    report.say("Versions: " + ", ".join(f"{package} {version}" for package, version in versions.items()) + ".")
    return found, about


def figures(case: Any, result: Result, peak: float) -> dict[str, Any]:
    """Everything about a case for the JSON file."""
    training = isinstance(case, workloads.Network)
    rows = case.batch if training else case.rows
    operations = case.step_operations() if training else case.network.forward_operations(rows)
    found: dict[str, Any] = {"case": case.name, "operations": operations, "rows": rows, "best": result.best()}
    found["peers"] = {
        peer: {
            "seconds": times,
            "median": result.median(peer),
            "ratio_to_best": result.ratio(peer),
            "gflops": operations / result.median(peer) / 1e9,
            "share_of_peak": operations / result.median(peer) / 1e9 / peak,
            "samples_per_second": rows / result.median(peer),
        }
        for peer, times in result.seconds.items()
    }
    found["blank"] = result.reasons
    return found


def cell(found: dict[str, Any], peer: str, per_second: float) -> str:
    one = found["peers"].get(peer)
    if one is None:
        return "**wrong**" if found["blank"].get(peer, "").startswith("WRONG") else ""
    ratio = one["ratio_to_best"]
    return number(per_second * one["median"]) + ("" if ratio is None else f" ({ratio:.2f})")


def compare(
    kind: str, options: argparse.Namespace, workers: list[Worker], about: Any, peak: float, report: Report
) -> Any:
    """One table: the cases of a kind in the rows, peers in the columns."""
    names = [name for name in about if kind in about[name]["kinds"]]
    suite = options.suite
    unit = "step" if kind == "Training" else "call"
    titles = [about[name]["title"] for name in names]
    report.table(
        f"{kind}: {suite.unit} a {unit} (ratio to the best peer), {workers[0].threads} thread(s)",
        ["network", *titles, "best peer", "cbackprop: GF/s", "of FMA peak", "samples/s"],
    )
    rows = []
    plan = Plan(options.rounds, options.seconds, options.clock, not options.no_check)
    for case in options.cases[kind]:
        able = [worker for worker in workers if worker.name in names]
        found = figures(case, measure(able, kind, case, plan), peak)
        rows.append(found)
        own = found["peers"].get("cbackprop", {})
        best = about[found["best"]]["title"] if found["best"] else ""
        extra = number(own.get("gflops")), share(own.get("share_of_peak")), number(own.get("samples_per_second"))
        report.row(case.name, *(cell(found, name, suite.per_second) for name in names), best, *extra)
    return rows


def explain(rows: list[dict[str, Any]], report: Report) -> bool:
    """Say why cells are blank; whether anything computed something wrong."""
    lines = sorted({f"- {row['case']}: {peer}: {why}" for row in rows for peer, why in row["blank"].items()})
    if lines:
        report.say("", "Blank cells:", "", *lines)
    return any("WRONG" in text for text in lines)


def complain(workers: list[Worker], report: Report) -> dict[str, float]:
    """How many processors each peer had on average; tells if cbackprop's thread did not have one for itself."""
    used = {worker.name: worker("processors") for worker in workers}
    if workers[0].threads == 1 and used["cbackprop"] < 0.95:
        report.say(
            "",
            f"**Disturbed:** other programs had the processor for {share(1 - used['cbackprop'])} of the time. "
            "By the clock on the wall, times are too long by as much; ratios suffer less.",
        )
    return used


def run(options: argparse.Namespace, threads: int, report: Report) -> dict[str, Any]:
    """Both tables for a number of threads."""
    about = machine.describe(threads)
    report.say("", f"# {threads} thread(s)", "", machine.headline(about) + ".  ")
    workers, described = start(options, threads, report)
    found: dict[str, Any] = {"machine": about, "peers": described}
    try:
        for kind in ("Training", "Inference"):
            if options.cases[kind]:
                peak = about["fma_peak_gflops"]
                found[kind] = compare(kind, options, workers, described, peak, report)
        found["processors_used"] = complain(workers, report)
    finally:
        for worker in workers:
            worker.close()
    found["wrong"] = explain([row for kind in ("Training", "Inference") for row in found.get(kind, [])], report)
    return found


def draw(runs: list[dict[str, Any]], figure: Any) -> None:
    """Speed relative to the best peer, a panel for each table: longer is faster."""
    panels = [(run, kind) for run in runs for kind in ("Training", "Inference") if run.get(kind)]
    figure.set_size_inches(10, 1 + sum(0.6 + 0.6 * len(run[kind]) for run, kind in panels))
    heights = [1 + len(run[kind]) for run, kind in panels]
    axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axis, (run, kind) in zip(axes, panels, strict=True):
        draw_panel(axis, run, kind)


def draw_panel(axis: Any, run: dict[str, Any], kind: str) -> None:
    rows, names = run[kind], list(run["peers"])
    for place, name in enumerate(names):
        ratios = [row["peers"].get(name, {}).get("ratio_to_best") for row in rows]
        bars = [(index, 1 / ratio) for index, ratio in enumerate(ratios) if ratio]
        if bars:
            positions = [index + 0.8 * (place + 0.5) / len(names) - 0.4 for index, _ in bars]
            color = f"C{place}" if name != "cbackprop" else "black"
            title = run["peers"][name]["title"]
            axis.barh(positions, [speed for _, speed in bars], 0.8 / len(names), color=color, label=title)
    axis.axvline(1, color="grey", linewidth=0.8)
    axis.set_xscale("log")
    axis.set_yticks(range(len(rows)), [row["case"] for row in rows])
    axis.invert_yaxis()
    axis.set_xlabel(f"{kind}, {run['machine']['threads']} thread(s): speed relative to the best peer")
    axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=len(names), fontsize="small", frameon=False)


def compare_all(options: argparse.Namespace) -> Report:
    """The tables of all numbers of threads, in a report that is not written yet."""
    report = Report(options.suite.name)
    report.say(
        f"Median of {options.rounds} interleaved rounds of about {1000 * options.seconds:.0f} ms for each peer, "
        f"by the {options.clock} clock."
    )
    runs = [run(options, threads, report) for threads in options.threads]
    report.data = {"rounds": options.rounds, "clock": options.clock, "checked": not options.no_check, "runs": runs}
    return report


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
    """The peak memory of an epoch of `options.memory` beyond data and weights, with one thread.

    Each peer runs in a process of its own.
    """
    names = [name for name in options.suite.remembered if name in ("cbackprop", *options.peers)]
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
    explain(rows, report)
    return rows


def finish(options: argparse.Namespace, report: Report) -> int:
    """Write the files; the exit code."""
    runs = report.data["runs"]
    report.write(options.output, lambda figure: draw(runs, figure))
    return int(any(one["wrong"] for one in runs))


def compare_speed_and_memory(options: argparse.Namespace) -> int:
    """All tables of a comparison, and the exit code."""
    report = compare_all(options)
    speed_up(report.data["runs"], report)
    if options.memory:
        report.data["memory"] = memory(options, report)
    return finish(options, report)


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    return finish(options, compare_all(options))


if __name__ == "__main__":
    sys.exit(main())
