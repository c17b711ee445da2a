"""Interleaved rounds: in each, every peer runs once, so that a change of clock speed affects all of them."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from worker import PeerError, Worker
from workloads import Network

STEPS = 3  # of the check: a wrong momentum or bias correction shows from the second one on
WEIGHTS_TOLERANCE, CHANGE_TOLERANCE = 1e-3, 0.03
PAUSE = 0.1  # seconds for the threads of the last peer to stop spinning: those of OpenBLAS do so for up to 0.07


@dataclass(frozen=True)
class Plan:
    """How often and for how long each peer is timed, by which clock ("wall" or "cpu"), and whether it is checked."""

    rounds: int
    seconds: float
    clock: str = "wall"
    checked: bool = True


@dataclass
class Result:
    """Seconds a step or a call of each peer in each round, and why a peer has none."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    wrong: bool = False

    def median(self, peer: str) -> float:
        return statistics.median(self.seconds[peer])

    def best(self) -> str | None:
        """The fastest peer, without cbackprop."""
        others = [peer for peer in self.seconds if peer != "cbackprop"]
        return min(others, key=self.median, default=None)

    def ratio(self, peer: str) -> float | None:
        """Median over the rounds of a peer's time divided by the best peer's in the same round."""
        best = self.best()
        if best is None:
            return None
        pairs = zip(self.seconds[peer], self.seconds[best], strict=True)
        return statistics.median(own / other for own, other in pairs)


def distance(a: list[Any], b: list[Any]) -> float:
    """Norm of the difference of two lists of arrays, relative to that of the second."""
    difference = sum(np.square(x - y, dtype=np.float64).sum() for x, y in zip(a, b, strict=True))
    size = sum(np.square(y, dtype=np.float64).sum() for y in b)
    return float(np.sqrt(difference / max(size, 1e-300)))


def differences(start: list[Any], found: list[Any], expected: list[Any]) -> tuple[float, float]:
    """How far weights are from the expected ones: relative to these, and relative to what training changed."""
    changes = [[new - old for new, old in zip(arrays, start, strict=True)] for arrays in (found, expected)]
    return distance(found, expected), distance(*changes)


def problem(kind: str, case: Any, found: Any, expected: Any) -> str:
    """The difference between a peer's numbers and cbackprop's; nothing if they agree."""
    if kind == "Inference":
        error = distance([found], [expected])
        return f"outputs differ by {error:.1e}" if not error < WEIGHTS_TOLERANCE else ""
    error, of_change = differences(case.weights(), found, expected)
    if error < WEIGHTS_TOLERANCE and of_change < CHANGE_TOLERANCE:
        return ""
    return f"after {STEPS} steps weights differ by {error:.1e}, and by {of_change:.1e} of their change"


def check(workers: list[Worker], kind: str, case: Any, result: Result) -> list[Worker]:
    """The workers that compute the same as the first one, which is cbackprop."""
    question = ("steps", STEPS) if isinstance(case, Network) else ("outputs",)
    expected, right = None, []
    for worker in workers:
        try:
            found = worker(*question)
        except PeerError as failure:
            result.reasons[worker.name] = str(failure)
            continue
        expected = found if expected is None else expected
        trouble = problem(kind, case, found, expected)
        if trouble:
            result.wrong = True
            result.reasons[worker.name] = f"WRONG: {trouble}"
        else:
            right.append(worker)
    return right


def prepare(workers: list[Worker], kind: str, case: Any, result: Result) -> list[Worker]:
    """The workers that can do the case."""
    ready = []
    for worker in workers:
        try:
            worker("prepare", kind, case)
            ready.append(worker)
        except PeerError as failure:
            result.reasons[worker.name] = str(failure)
    return ready


def calibrate(workers: list[Worker], seconds: float, result: Result) -> dict[Worker, int]:
    """How many repetitions each worker makes in about this many seconds."""
    counts = {}
    for worker in workers:
        try:
            counts[worker] = worker("calibrate", seconds)
        except PeerError as failure:
            result.reasons[worker.name] = str(failure)
    return counts


def measure(workers: list[Worker], kind: str, case: Any, plan: Plan) -> Result:
    """Time a case in rounds, after calibrating runs to warm up."""
    result = Result()
    ready = prepare(workers, kind, case, result)
    if plan.checked:
        ready = check(ready, kind, case, result)
    counts = calibrate(ready, plan.seconds, result)
    steps = case.steps if isinstance(case, Network) else 1
    for _ in range(plan.rounds):
        for worker, count in list(counts.items()):
            time.sleep(PAUSE)
            try:
                taken = worker("seconds", count, plan.clock)
                result.seconds.setdefault(worker.name, []).append(taken / (count * steps))
            except PeerError as failure:
                result.reasons[worker.name] = str(failure)
                result.seconds.pop(worker.name, None)
                del counts[worker]
    return result
