"""Find out how many processors this process may use."""

from __future__ import annotations

import math
import os
from pathlib import Path
from time import monotonic

__all__ = ["allowed", "usable"]

# Environment variables that limit the threads of numerical libraries. joblib sets the second in its workers, and obeys
# the third.
VARIABLES = ("CBACKPROP_NUM_THREADS", "OMP_NUM_THREADS", "LOKY_MAX_CPU_COUNT")
CGROUPS, OWN_GROUP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
# Results are cached for this many seconds: the quota of a container may change while a program runs.
STAYS_TRUE = 1.0

_answer, _answered = 0, -math.inf


def usable() -> int:
    """The number of processors that this process may use, at least 1.

    It is limited by the processors that the system lets it run on (affinity), by the quota of its container (cgroups),
    and by the environment variables in `VARIABLES`.
    """
    global _answer, _answered
    if monotonic() - _answered > STAYS_TRUE:
        limits = [_allowed(), _quota(), *map(_variable, VARIABLES)]
        _answer = max(min(limit for limit in limits if limit is not None), 1)
        _answered = monotonic()
    return _answer


def allowed() -> frozenset[int]:
    """The processors that the system lets this process run on."""
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))


def _allowed() -> int:
    return len(allowed())


def _quota() -> int | None:
    """The quota of this process's container, in processors; ``None`` if there is no limit.

    References
    ----------
    "CPU" in https://docs.kernel.org/admin-guide/cgroup-v2.html, and "CFS Bandwidth Control" for version 1.
    """
    # In version 2 the own group and all groups around it may have quotas. In a container, the own group is the root.
    own = next((line[3:] for line in _read(OWN_GROUP).splitlines() if line.startswith("0::")), "/").strip("/")
    groups = [CGROUPS / own, *(CGROUPS / own).parents]
    texts = [_read(group / "cpu.max") for group in groups if group.is_relative_to(CGROUPS)]
    texts.append(" ".join(_read(CGROUPS / "cpu" / f"cpu.cfs_{name}_us") for name in ("quota", "period")))  # version 1
    quotas = [text.split() for text in texts]
    known = [quota for quota in quotas if len(quota) == 2 and all(map(str.isdecimal, quota)) and int(quota[1])]
    return min((math.ceil(int(time) / int(period)) for time, period in known), default=None)


def _read(path: Path) -> str:
    """The text of a system file; empty if it does not exist."""
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return ""


def _variable(name: str) -> int | None:
    """The number in an environment variable; the first if it is a list, as OpenMP's may be for nested regions."""
    first = os.environ.get(name, "").partition(",")[0].strip()
    return max(int(first), 1) if first.isdecimal() else None
