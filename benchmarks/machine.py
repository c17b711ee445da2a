"""The machine that a benchmark runs on: its name, its processors, and its limits, measured in this process."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from cbackprop import compiled
from cbackprop.compiled.kernels import limits
from cbackprop.threads import blas_description

CACHES = Path("/sys/devices/system/cpu/cpu0/cache")


def processor() -> str:
    """The processor's name as the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":")[1].strip() for line in lines if "model name" in line]
    return names[0] if names else platform.processor() or platform.machine()


def cpus() -> list[int]:
    """Numbers of the processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def largest_cache() -> int:
    """Bytes of the largest cache; 32 MiB where the system does not say."""
    sizes = [path.read_text().strip() for path in CACHES.glob("index*/size")]
    units = {"K": 2**10, "M": 2**20}
    return max((int(size[:-1]) * units[size[-1]] for size in sizes if size[-1:] in units), default=2**25)


def on_threads(measure: Callable[[], float], threads: int) -> float:
    """The sum of what several threads reach at the same time."""
    with ThreadPoolExecutor(threads) as pool:
        return sum(future.result() for future in [pool.submit(measure) for _ in range(threads)])


def fma_peak(threads: int = 1, seconds: float = 0.2) -> float:
    """Float32 multiply-adds in registers, in GF/s."""
    return on_threads(lambda: limits.fma_peak(seconds), threads)


def memory_bandwidth(threads: int = 1, seconds: float = 0.5) -> float:
    """GB/s of a triad over two vectors, each at least twice as large as the largest cache."""
    numbers = max(2 * largest_cache() // 4, 2**24)
    return on_threads(lambda: limits.stream_bandwidth(seconds, numbers), threads)


def bandwidth(nbytes: int, seconds: float = 0.05) -> float:
    """GB/s of one thread's triad over vectors of `nbytes` bytes in all: of the cache that holds them, or of memory."""
    return limits.stream_bandwidth(seconds, max(nbytes // 8, 1))


def describe(threads: int = 1) -> dict[str, Any]:
    """Name, software, and the limits of this many threads."""
    return {
        "processor": processor(),
        "threads": threads,
        "instruction_set": compiled.INSTRUCTION_SET,
        "blas": blas_description(),
        "python": platform.python_version(),
        "fma_peak_gflops": fma_peak(threads),
        "memory_bandwidth_gbytes": memory_bandwidth(threads),
    }


def headline(about: dict[str, Any]) -> str:
    """The same as a sentence."""
    return (
        f"{about['processor']}, {about['threads']} thread(s), instruction set {about['instruction_set']}, "
        f"{about['blas']}; measured limits: {about['fma_peak_gflops']:.0f} GF/s of float32 multiply-adds, "
        f"{about['memory_bandwidth_gbytes']:.1f} GB/s of memory traffic"
    )
