"""Single kernels against BLAS, NumPy and the machine's limits: products, convolutions, activations, optimizers.

Matrix products are repeated in C, where layers call them. Everything else is called through its Python function, whose
cost (a microsecond or less) is part of the smallest figures.
The limit of a matrix product is the peak of multiply-adds; that of a loop over elements is the bandwidth that a triad
reaches on as many bytes, in whichever cache they fit.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import machine
import numpy as np
import workloads
from convolution_kernels import convolution_rows
from report import Report, number, share
from threadpoolctl import threadpool_limits

import cbackprop as cb
from cbackprop import activations, optimizers
from cbackprop.compiled.kernels import blas as loaded  # noqa: F401 - tells `product` where BLAS is
from cbackprop.compiled.kernels import from_python
from cbackprop.compiled.kernels.activations import Activation
from cbackprop.compiled.optimizers.optimizer import SegmentList
from cbackprop.contract.segment import Segment
from cbackprop.optimizers.full_batch import FullBatchOptimizer
from cbackprop.reference import activations as twins

Run = Callable[[], Any]
SQUARES = (8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
ODD = ((7, 13, 5), (17, 23, 50), (33, 65, 31), (100, 7, 300), (127, 129, 131), (1, 1000, 1000), (1000, 3, 1000))
# Gradients of layers with few units, and a few rows through a large layer.
FEW = (1, 2, 3, 4, 5, 7, 12, 17)
# Whether A and B are transposed.
LAYOUTS = ((False, False), (True, False), (False, True))
# Larger products, which take long, are not chosen at random.
MOST_AT_RANDOM = 300_000_000
# A run repeats its product until it has made this many operations, so that the call from Python costs nothing.
LEAST_OPERATIONS = 2e6
TURNS = 10
CLOCKS = {"wall": time.perf_counter, "cpu": time.thread_time}
# If tiles have less than this share of BLAS's speed, the difference is more than noise.
AHEAD = 0.95
# These would make OpenBLAS different from a user's. It reads both when it is loaded.
UNSET = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
ELEMENTS = (128 * 128, 4_000_000)


@dataclass(frozen=True)
class Loop:
    """Arrays that a kernel walks over, and numbers that it reads and writes for each element."""

    arrays: int
    traffic: int


FORWARD = Loop(arrays=2, traffic=2)  # reads x, writes y
BACKWARD = Loop(arrays=2, traffic=3)  # reads and writes delta, reads y or x
# Variants of optimizers in the registry.
VARIANTS = {
    "SGD, momentum": partial(optimizers.SGD, momentum=0.9),
    "SGD, Nesterov": partial(optimizers.SGD, momentum=0.9, nesterov=True),
    "RMSprop, centered": partial(optimizers.RMSprop, centered=True),
    "Adam, amsgrad": partial(optimizers.Adam, amsgrad=True),
}


def best_times(runs: dict[str, Run], seconds: float, now: Callable[[], float] = time.perf_counter) -> dict[str, float]:
    """The shortest time of each run. They take turns until each has had about this many seconds."""
    best = dict.fromkeys(runs, float("inf"))
    for run in runs.values():
        run()
    counts = {name: max(1, int(seconds / TURNS / max(clock(run, 1, now), 1e-7))) for name, run in runs.items()}
    for _ in range(TURNS):
        for name, run in runs.items():
            best[name] = min(best[name], clock(run, counts[name], now))
    return best


def clock(run: Run, count: int, now: Callable[[], float]) -> float:
    """Seconds of a call: the mean of `count` calls."""
    start = now()
    for _ in range(count):
        run()
    return (now() - start) / count


# Matrix products


def shapes() -> Iterator[tuple[str, int, int, int, bool, bool]]:
    """(where from, m, n, k, transpose a, transpose b) of C (m, n) = op(A) op(B), without repetitions."""
    for size in SQUARES:
        yield "square", size, size, size, False, False
    for network in workloads.TRAINING:
        for index, (inputs, outputs) in enumerate(network.products):
            yield "forward", network.batch, outputs, inputs, False, False
            yield "gradient", inputs, outputs, network.batch, True, False
            if index:
                yield "delta", network.batch, inputs, outputs, False, True
    for m, n, k in ODD:
        for transposed in LAYOUTS:
            yield "odd", m, n, k, *transposed
    for few in FEW:
        for inputs, batch in ((16, 10_000), (64, 128), (100, 300), (300, 64), (784, 32)):
            yield "few columns", inputs, few, batch, True, False
        for inputs, outputs in ((1000, 1000), (784, 512), (300, 500)):
            yield "few rows", few, outputs, inputs, False, False
            yield "few rows", few, inputs, outputs, False, True
    for network in (workloads.TRAINING[4], workloads.TRAINING[5], workloads.TRAINING[1]):
        for inputs, outputs in network.products:
            yield "one row", 1, outputs, inputs, False, False


def random_shapes(count: int) -> Iterator[tuple[str, int, int, int, bool, bool]]:
    """The same of random shapes: logarithms of m, n and k are evenly spread, up to 2000."""
    rng = np.random.default_rng(0)
    while count:
        m, n, k = (int(size) for size in np.exp(rng.uniform(0, np.log(2000), 3)))
        if m * n * k <= MOST_AT_RANDOM:
            yield "random", m, n, k, *LAYOUTS[int(rng.integers(len(LAYOUTS)))]
            count -= 1


def product_runs(
    m: int, n: int, k: int, transpose_a: bool, transpose_b: bool, dtype: str
) -> tuple[dict[str, Run], int]:
    """The same product by tiles and BLAS, called from C as layers do, and by NumPy; and how often a run repeats it."""
    rng = np.random.default_rng(0)
    a = rng.uniform(-1, 1, (k, m) if transpose_a else (m, k)).astype(dtype)
    b = rng.uniform(-1, 1, (n, k) if transpose_b else (k, n)).astype(dtype)
    out = np.empty((m, n), dtype)
    left, right = a.T if transpose_a else a, b.T if transpose_b else b
    repeat = max(1, int(LEAST_OPERATIONS / (2 * m * n * k)))
    operands: tuple[Any, ...] = (a, b, out, transpose_a, transpose_b)
    if m == 1 and transpose_b:  # the delta of a batch of one sample: Dense takes the transpose
        operands = (b, a, out.reshape(n, 1), False, True)
    runs: dict[str, Run] = {
        "tiles": partial(from_python.product, *operands, repeat),
        "BLAS": partial(from_python.product, *operands, repeat, blas_rows=len(operands[2])),
        "NumPy": lambda: [np.matmul(left, right, out=out) for _ in range(repeat)],
    }
    check_products(runs, left @ right, out)
    return runs, repeat


def check_products(runs: dict[str, Run], expected: Any, out: Any) -> None:
    """End the program if a product is wrong."""
    scale = max(float(np.abs(expected).max()), 1e-30)
    for name, run in runs.items():
        out[...] = 0
        run()
        error = float(np.abs(out - expected).max()) / scale
        if not error < 1e-4:
            raise SystemExit(f"{name}'s product of shape {expected.shape} is wrong by {error:.1e}.")


def peak_of(data: dict[str, Any]) -> float:
    """The limit in GF/s. For float64 it is half of that for float32, because vectors hold half as many numbers."""
    return data["machine"]["fma_peak_gflops"] / (2 if data["dtype"] == "float64" else 1)


def say_where_blas_is_ahead(rows: list[dict[str, Any]], report: Report) -> None:
    """The products that ``CBACKPROP_PRODUCTS=auto`` should leave to BLAS; `cbackprop/matrix_products.py` decides."""
    ahead = [row for row in rows if row["tiles_to_blas"] < AHEAD]
    report.say("", f"BLAS is ahead by more than {1 / AHEAD - 1:.0%} in {len(ahead)} of {len(rows)} products.")
    for row in ahead:
        shape = f"{row['layout']} {row['m']} x {row['n']} x {row['k']}"
        report.say(f"- {shape}: tiles at {row['tiles_to_blas']:.2f} of BLAS")


def products(options: argparse.Namespace, report: Report) -> list[dict[str, Any]]:
    peak = peak_of(report.data)
    names = ["tiles", "BLAS", "NumPy"]
    report.table(
        f"Matrix products, {options.dtype}, {options.threads} thread(s): GF/s",
        ["product", *names, "tiles / BLAS", "tiles of peak", "BLAS of peak"],
    )
    rows, seen = [], set()
    for kind, *shape in random_shapes(options.random) if options.random else shapes():
        m, n, k, *transposed = shape
        layout = "tn" if transposed[0] else "nt" if transposed[1] else "nn"
        title = f"{kind} {layout} {m} x {n} x {k}"
        if tuple(shape) in seen or options.only not in title:
            continue
        seen.add(tuple(shape))
        runs, repeat = product_runs(*shape, options.dtype)
        times = best_times(runs, options.seconds, CLOCKS[options.clock])
        rates = {name: 2e-9 * m * n * k * repeat / taken for name, taken in times.items()}
        ratio = rates["tiles"] / rates["BLAS"]
        shares = rates["tiles"] / peak, rates["BLAS"] / peak
        report.row(title, *(number(rates[name]) for name in names), number(ratio), *map(share, shares))
        rows.append({"kind": kind, "layout": layout, "m": m, "n": n, "k": k, "gflops": rates, "tiles_to_blas": ratio})
    say_where_blas_is_ahead(rows, report)
    return rows


# Loops over elements


def element_row(
    title: str, runs: dict[str, Run], size: int, loop: Loop, options: argparse.Namespace, report: Report
) -> dict[str, Any]:
    """A line about kernels that work on `size` elements."""
    times = {name: 1e9 * taken / size for name, taken in best_times(runs, options.seconds).items()}
    itemsize = np.dtype(options.dtype).itemsize
    limit = loop.traffic * itemsize / machine.bandwidth(loop.arrays * itemsize * size)
    report.row(
        title,
        f"{size:,}",
        number(times["cbackprop"]),
        number(times["NumPy"]),
        number(times["NumPy"] / times["cbackprop"]),
        number(limit),
        share(limit / times["cbackprop"]),
    )
    return {"kernel": title, "elements": size, "nanoseconds": times, "limit": limit}


def element_table(title: str, options: argparse.Namespace, report: Report) -> None:
    report.table(
        f"{title}, {options.dtype}: ns an element",
        ["kernel", "elements", "cbackprop", "NumPy", "ratio", "limit", "of limit"],
    )


def activation_runs(name: str, size: int, dtype: str) -> tuple[dict[str, Run], dict[str, Run]]:
    """Forward and backward, compiled and in NumPy, on a matrix of 128 columns."""
    kernel = activations.get(name).kernel()
    x = np.random.default_rng(0).uniform(-6, 6, (size // 128, 128)).astype(dtype)
    y, delta = np.empty_like(x), np.zeros_like(x)
    rows, width, numbers = kernel.layout(x.shape)
    compiled = Activation(kernel.name, numbers)
    delta2, x2, y2 = (array.reshape(rows, width) for array in (delta, x, y))
    forward, backward = twins.pair(kernel.name)
    arguments = kernel.numbers if kernel.axis is None else (kernel.axis,)
    compiled.apply(x2, y2)
    return (
        {"cbackprop": lambda: compiled.apply(x2, y2), "NumPy": lambda: forward(x, *arguments)},
        {
            "cbackprop": lambda: compiled.apply_backward(delta2, x2, y2),
            "NumPy": lambda: backward(delta, x, y, *arguments),
        },
    )


def activation_rows(options: argparse.Namespace, report: Report) -> list[dict[str, Any]]:
    element_table("Activations", options, report)
    rows = []
    names = [name for name, function in activations.registry if not function.kernel().halves]
    for name in (name for name in names if options.only in f"{name} forward backward"):
        runs = activation_runs(name, ELEMENTS[0], options.dtype)
        for direction, loop, pair in zip(("forward", "backward"), (FORWARD, BACKWARD), runs, strict=True):
            rows.append(element_row(f"{name} {direction}", pair, ELEMENTS[0], loop, options, report))
    return rows


def optimizer_runs(spec: Any, size: int, dtype: str) -> tuple[dict[str, Run], Loop]:
    """A step over one flat vector, compiled and in NumPy: reads gradients, reads and writes weights and slots."""
    rng = np.random.default_rng(0)
    values, gradients = (rng.uniform(-1, 1, size).astype(dtype) for _ in range(2))
    slots = [spec.new_slot(name, values, "values") for name in spec.slot_names]
    compiled = spec.compiled_rule(dtype)
    segments = SegmentList(compiled, [Segment(values, gradients, slots, 0.0)])
    twin = spec.implementation_in("reference")(spec)
    twin_segments = [Segment(values.copy(), gradients, [slot.copy() for slot in slots], 0.0)]
    runs = {"cbackprop": lambda: compiled.apply(1, segments), "NumPy": lambda: twin.step(1e-9, 1, twin_segments)}
    return runs, Loop(arrays=2 + len(slots), traffic=3 + 2 * len(slots))


def optimizer_rows(options: argparse.Namespace, report: Report) -> list[dict[str, Any]]:
    element_table("Optimizers", options, report)
    rows = []
    elementwise = {
        name: make
        for name, make in optimizers.registry
        if not make.whole_variables and not issubclass(make, FullBatchOptimizer)
    }
    for name, make in (elementwise | VARIANTS).items():
        for size in ELEMENTS:
            if options.only in name:
                runs, loop = optimizer_runs(make(learning_rate=1e-9), size, options.dtype)
                rows.append(element_row(name, runs, size, loop, options, report))
    return rows


def convolutions(options: argparse.Namespace, report: Report) -> list[dict[str, Any]]:
    return convolution_rows(options, report, best_times, CLOCKS[options.clock], peak_of(report.data))


TABLES = {
    "products": products,
    "convolutions": convolutions,
    "activations": activation_rows,
    "optimizers": optimizer_rows,
}


def draw(data: dict[str, Any], figure: Any) -> None:
    """Square products by size; loops over elements as shares of their limit."""
    squares = [row for row in data.get("products", []) if row["kind"] == "square"]
    loops = data.get("activations", []) + data.get("optimizers", [])
    panels = [(plot, rows) for plot, rows in ((draw_squares, squares), (draw_loops, loops)) if rows]
    figure.set_size_inches(9, 5 * len(panels) or 1)
    for place, (plot, rows) in enumerate(panels, 1):
        plot(figure.add_subplot(len(panels), 1, place), rows, data)


def draw_squares(axis: Any, rows: list[dict[str, Any]], data: dict[str, Any]) -> None:
    for name in ("tiles", "BLAS", "NumPy"):
        points = [(row["m"], row["gflops"][name]) for row in rows if name in row["gflops"]]
        if not points:
            continue
        axis.plot([x for x, _ in points], [y for _, y in points], marker=".", label=name)
    axis.axhline(peak_of(data), color="grey", linewidth=0.8)
    axis.set(xscale="log", xlabel="size of square matrices", ylabel="GF/s")
    axis.legend()


def draw_loops(axis: Any, rows: list[dict[str, Any]], data: dict[str, Any]) -> None:
    names = [f"{row['kernel']}, {row['elements']:,}" for row in rows]
    axis.bar(range(len(rows)), [row["limit"] / row["nanoseconds"]["cbackprop"] for row in rows])
    axis.set_xticks(range(len(rows)), names, rotation=90, fontsize=5)
    axis.set_ylabel("share of the bandwidth of a triad")


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    parser.add_argument("--threads", type=int, default=1, help="of matrix products")
    parser.add_argument(
        "--clock",
        choices=CLOCKS,
        default="wall",
        help="of products and convolutions; cpu where others compute too",
    )
    parser.add_argument("--seconds", type=float, default=0.05, help="for each figure")
    parser.add_argument(
        "--random", type=int, default=0, help="so many products of random shapes, instead of the usual ones"
    )
    parser.add_argument("--only", default="", help="part of a line's first column")
    parser.add_argument("--output", type=Path, help="directory for kernels.md, kernels.json and kernels.png")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    report = Report("kernels")
    cb.config.set_num_threads(options.threads)
    report.data = {"dtype": options.dtype, "machine": machine.describe(options.threads)}
    report.say(machine.headline(report.data["machine"]) + ".")
    with threadpool_limits(options.threads):
        for table in options.tables:
            report.data[table] = TABLES[table](options, report)
    report.write(options.output, lambda figure: draw(report.data, figure))
    return 0


if __name__ == "__main__":
    if any(name in os.environ for name in UNSET):
        kept = {name: value for name, value in os.environ.items() if name not in UNSET}
        os.execve(sys.executable, [sys.executable, *sys.argv], kept)
    sys.exit(main())
