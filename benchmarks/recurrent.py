"""Recurrent networks in cbackprop, PyTorch and JAX: training and inference, steps of a stateful LSTM and a stepper.

It measures as compare.py does. The networks are in recurrent_nets.py.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

import compare
import numpy as np
import peers
import recurrent_nets
from report import Report

import cbackprop as cb

SUITE = compare.Suite("recurrent", recurrent_nets.TRAINING, recurrent_nets.INFERENCE, peers.RECURRENT, "µs", 1e6)


def parse(arguments: list[str] | None) -> argparse.Namespace:
    return compare.parse_for(SUITE, __doc__, arguments)


def stateful_step(report: Report, units: int = 64, features: int = 8, calls: int = 2000) -> float:
    """Seconds of a call of a stateful LSTM with one time step of one sample: the least of several means."""
    cb.config.set_num_threads(1)
    model = cb.Sequential(
        [cb.Input((1, features), batch_size=1), cb.layers.LSTM(units, stateful=True), cb.layers.Dense(1)]
    )
    seconds = time_of_call(model.predict_on_batch, np.ones((1, 1, features), np.float32), calls)
    report.say(f"A step of a stateful LSTM of {units} units, one sample: {1e6 * seconds:.1f} µs.")
    return seconds


def step_by_step(report: Report, units: int = 64, features: int = 8, calls: int = 2000) -> float:
    """The same for `Model.stepper`."""
    cb.config.set_num_threads(1)
    model = cb.Sequential([cb.Input((None, features)), cb.layers.LSTM(units), cb.layers.Dense(1)])
    seconds = time_of_call(model.stepper(), np.ones((1, features), np.float32), calls)
    report.say(f"A call of a stepper of the same network: {1e6 * seconds:.1f} µs.")
    return seconds


def time_of_call(call: Callable[[Any], Any], x: np.ndarray, calls: int) -> float:
    """Seconds of processor time: the least of several means."""
    call(x)
    times = []
    for _ in range(7):
        begin = time.process_time()
        for _ in range(calls):
            call(x)
        times.append((time.process_time() - begin) / calls)
    return min(times)


def main(arguments: list[str] | None = None) -> int:
    options = parse(arguments)
    report = compare.compare_all(options)
    report.data["stateful step"] = stateful_step(report)
    report.data["stepper"] = step_by_step(report)
    return compare.finish(options, report)


if __name__ == "__main__":
    sys.exit(main())
