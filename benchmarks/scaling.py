"""How cbackprop's time depends on threads, on batch, width and depth, and on models that train at the same time."""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import machine
import workloads
from peers.cbackprop import Training, set_threads
from report import Report, number, share
from worker import Worker
from workloads import Network

BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
WIDTHS = (8, 16, 32, 64, 128, 256, 512, 1024)
DEPTHS = (1, 2, 3, 4, 6, 8, 12, 16)
PARTS = ("threads", "size", "models")
# Networks that several Python threads train at once. The small ones would show the cost of the GIL, the large one that
# of memory.
SMALL = (workloads.TRAINING[1], workloads.TRAINING[2], workloads.TRAINING[4])


def base(batch: int = 64, width: int = 128, depth: int = 2) -> Network:
    """The network of which one size at a time is changed. It has 64 inputs and 10 classes."""
    return workloads.given("-".join(map(str, (64, *[width] * depth, 10))), "relu", "ce", batch, "adam")


def medians(runs: dict[Any, tuple[Callable[[int], float], int]], rounds: int) -> dict[Any, float]:
    """Median seconds of each function's epochs, in interleaved rounds."""
    times: dict[Any, list[float]] = {key: [] for key in runs}
    for _ in range(rounds):
        for key, (run, count) in runs.items():
            times[key].append(run(count) / count)
    return {key: statistics.median(found) for key, found in times.items()}


# Threads


def thread_row(
    network: Network, workers: dict[int | str, Worker], options: argparse.Namespace
) -> dict[int | str, float]:
    """Seconds a step by number of threads."""
    runs = {}
    for threads, worker in workers.items():
        worker("prepare", "Training", network)
        count = worker("calibrate", options.seconds)
        runs[threads] = (lambda epochs, worker=worker: worker("seconds", epochs)), count
    return {threads: taken / network.steps for threads, taken in medians(runs, options.rounds).items()}


def threads_table(options: argparse.Namespace, report: Report) -> list[dict[str, Any]]:
    counts = range(1, len(machine.cpus()) + 1)
    workers: dict[int | str, Worker] = {threads: Worker("cbackprop", threads) for threads in counts}
    workers["auto"] = Worker("cbackprop", len(machine.cpus()), auto=True)
    titles = [*(f"{n} thread(s)" for n in counts), "auto", "auto: of the best's speed", "best of FMA peak"]
    report.table("Threads: µs a step (speed-up)", ["network", *titles])
    rows = []
    peaks = {threads: machine.fma_peak(threads) for threads in counts}
    try:
        for network in workloads.TRAINING:
            if options.only not in network.name:
                continue
            times = thread_row(network, workers, options)
            cells = [f"{number(1e6 * taken)} ({times[1] / taken:.2f})" for taken in times.values()]
            best = min(counts, key=times.__getitem__)
            part = network.step_operations() / times[best] / 1e9 / peaks[best]
            report.row(network.name, *cells, share(times[best] / times["auto"]), share(part))
            rows.append({"network": network.name, "seconds": times, "share_of_peak": part})
    finally:
        for worker in workers.values():
            worker.close()
    return rows


# Batch, width, depth


def size_table(options: argparse.Namespace, report: Report) -> list[dict[str, Any]]:
    report.table(
        f"Size: {base().name}, with one number changed; one thread",
        ["changed", "µs a step", "µs a sample", "GF/s", "of FMA peak"],
    )
    rows = []
    peak = report.data["machine"]["fma_peak_gflops"]
    for axis, values in (("batch", BATCHES), ("width", WIDTHS), ("depth", DEPTHS)):
        for value in values:
            title = f"{axis} {value}"
            if options.only not in title:
                continue
            network = base(**{axis: value})
            taken = step_seconds(network, options)
            rate = network.step_operations() / taken / 1e9
            cells = map(number, (1e6 * taken, 1e6 * taken / network.batch, rate))
            report.row(title, *cells, share(rate / peak))
            rows.append({"axis": axis, "value": value, "seconds": taken, "gflops": rate})
    return rows


def step_seconds(network: Network, options: argparse.Namespace) -> float:
    """Median seconds a step in this process."""
    training = Training(network)
    training.run(1)
    epochs = max(1, round(options.seconds / timed(training.run, 1)))
    return statistics.median(timed(training.run, epochs) for _ in range(options.rounds)) / epochs / network.steps


def timed(run: Callable[[int], Any], count: int) -> float:
    start = time.perf_counter()
    run(count)
    return time.perf_counter() - start


# Models


def models_table(options: argparse.Namespace, report: Report) -> list[dict[str, Any]]:
    """The speed-up: how many times as much n threads train in the same time as one."""
    counts = options.models or sorted({1, 2, len(machine.cpus()), 2 * len(machine.cpus())})
    report.table(
        f"Models, each trained by a Python thread of its own, on {len(machine.cpus())} processor(s): speed-up",
        ["network", *(f"{n} model(s)" for n in counts)],
    )
    rows = []
    for network in SMALL:
        if options.only in network.name:
            found = models_row(network, counts, options)
            report.row(network.name, *(number(speed) for speed in found.values()))
            rows.append({"network": network.name, "speed_up": found})
    return rows


def models_row(network: Network, counts: list[int], options: argparse.Namespace) -> dict[int, float]:
    trainings = [Training(network) for _ in range(max(*counts, 1))]
    for training in trainings:
        training.run(1)
    epochs = max(1, round(options.seconds / timed(trainings[0].run, 1)))
    with ThreadPoolExecutor(len(trainings)) as pool:

        def together(n: int) -> Callable[[int], float]:
            return lambda count: timed(lambda c: list(pool.map(lambda one: one.run(c), trainings[:n])), count)

        taken = medians({n: (together(n), epochs) for n in {1, *counts}}, options.rounds)
    return {n: n * taken[1] / taken[n] for n in counts}


TABLES = {"threads": threads_table, "size": size_table, "models": models_table}


def draw(data: dict[str, Any], figure: Any) -> None:
    """A panel for each table."""
    plots = {"threads": draw_threads, "size": draw_size, "models": draw_models}
    parts = [part for part in plots if data.get(part)]
    figure.set_size_inches(10, 4 * len(parts) or 1)
    for place, part in enumerate(parts, 1):
        axis = figure.add_subplot(len(parts), 1, place)
        plots[part](axis, data[part])
        axis.set_ylim(bottom=0)
        axis.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize="x-small", frameon=False)


def draw_threads(axis: Any, rows: list[dict[str, Any]]) -> None:
    for row in rows:
        speed = {n: row["seconds"][1] / taken for n, taken in row["seconds"].items()}
        axis.plot(list(speed), list(speed.values()), marker=".", label=row["network"])
    axis.set(xlabel="threads", ylabel="speed-up")


def draw_size(axis: Any, rows: list[dict[str, Any]]) -> None:
    for name in ("batch", "width", "depth"):
        points = [(row["value"], row["gflops"]) for row in rows if row["axis"] == name]
        axis.plot([x for x, _ in points], [y for _, y in points], marker=".", label=name)
    axis.set(xscale="log", xlabel="batch, width or depth", ylabel="GF/s")


def draw_models(axis: Any, rows: list[dict[str, Any]]) -> None:
    for row in rows:
        axis.plot(list(row["speed_up"]), list(row["speed_up"].values()), marker=".", label=row["network"])
    axis.set(xlabel="models trained at the same time", ylabel="speed-up")


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--models", type=int, nargs="+", help="numbers of models trained at the same time")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.05, help="of each figure in each round")
    parser.add_argument("--only", default="", help="part of a line's first column")
    parser.add_argument("--output", type=Path, help="directory for scaling.md, scaling.json and scaling.png")
    options = parser.parse_args(arguments)
    if options.rounds < 1 or min(options.models or [1]) < 1:
        parser.error("--rounds and --models must be at least 1.")
    return options


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    report = Report("scaling")
    set_threads(1)
    report.data = {"rounds": options.rounds, "machine": machine.describe()}
    report.say(machine.headline(report.data["machine"]) + f"; median of {options.rounds} rounds.")
    for part in options.parts:
        report.data[part] = TABLES[part](options, report)
    report.write(options.output, lambda figure: draw(report.data, figure))
    return 0


if __name__ == "__main__":
    sys.exit(main())
