"""Attack the public API: random calls that no caller should make, each repeatable by its seed.

    python tests/robustness 3000                 three thousand cases
    python tests/robustness 1 --first 1234 -v    the case of seed 1234, and what it raised

Each case must end well, or in an exception that the library means: of a class that callers expect, with a message. A
process that dies, one that does not come back, and an exception such as a bare IndexError are failures. Cases run in
processes whose memory is limited, and which are started again when they die.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

WORKER = Path(__file__).parent / "worker.py"


class Lane:
    """One process at a time, which runs every `step`-th case."""

    def __init__(self, first: int, count: int, step: int, seconds: float) -> None:
        self.next, self.left, self.step, self.seconds = first, count, step, seconds
        self.results: list[dict] = []

    def run(self) -> None:
        """All cases."""
        while self.left > 0:
            self._run_process()

    def _run_process(self) -> None:
        """Cases until there are none, or the process dies or hangs."""
        command = [sys.executable, str(WORKER), str(self.next), str(self.left), str(self.step)]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, errors="replace"
        )
        lines: queue.Queue[str | None] = queue.Queue()
        errors: list[str] = []
        reader = threading.Thread(target=self._read, args=(process.stdout, lines), daemon=True)
        other = threading.Thread(target=lambda: errors.extend(process.stderr), daemon=True)
        reader.start()
        other.start()
        ended, begun = "died", self.next
        while True:
            try:
                line = lines.get(timeout=self.seconds)
            except queue.Empty:
                ended = "hangs"
                break
            if line is None:
                break
            found = json.loads(line)
            if "ended" in found:
                self._add(found)
            begun = found["seed"]
        process.kill()
        process.wait()
        other.join(5)
        if self.left > 0:
            where = "".join(errors[-60:])
            wrong = f"{ended}, exit status {process.returncode}"
            self._add({"seed": begun, "attack": "?", "ended": ended, "wrong": wrong, "where": where})

    def _add(self, found: dict) -> None:
        self.results.append(found)
        if found["wrong"]:  # at once: a long run may be ended before its time
            print(told(found), flush=True)
        self.next, self.left = found["seed"] + self.step, self.left - 1

    @staticmethod
    def _read(stream, lines) -> None:
        for line in stream:
            lines.put(line)
        lines.put(None)


def told(failure: dict) -> str:
    """The facts about a failure, and how to repeat it."""
    return (
        f"\nseed {failure['seed']} ({failure['attack']}): {failure['wrong']}\n{failure['where']}\n"
        f"again: python {Path(__file__).parent} 1 --first {failure['seed']} -v"
    )


def main() -> int:
    """Run, and say in one line how it went."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=int, nargs="?", default=3000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes at the same time")
    parser.add_argument("--seconds", type=float, default=120, help="after which a case counts as hanging")
    parser.add_argument("-v", "--verbose", action="store_true", help="how each attack ended")
    options = parser.parse_args()
    start, jobs = time.monotonic(), max(1, min(options.jobs, options.cases))
    lanes = [Lane(options.first + k, len(range(k, options.cases, jobs)), jobs, options.seconds) for k in range(jobs)]
    threads = [threading.Thread(target=lane.run) for lane in lanes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results = sorted((result for lane in lanes for result in lane.results), key=lambda result: result["seed"])
    if options.verbose:
        for (attack, ended), count in sorted(Counter((r["attack"], r["ended"]) for r in results).items()):
            print(f"{attack:26} {ended:24} {count}")
    failures = [result for result in results if result["wrong"]]
    ends = Counter(result["ended"] for result in failures)
    crashes, hangs = ends.pop("died", 0), ends.pop("hangs", 0)
    print(
        f"{len(results)} cases from seed {options.first}: {crashes} crashes, {hangs} hangs, "
        f"{sum(ends.values())} exceptions that say nothing; {time.monotonic() - start:.0f} s"
    )
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
