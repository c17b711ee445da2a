"""Machines of a test: network namespaces, joined by a switch that holds each frame for a while.

As a program, it is that switch. Arguments: the prefix of the namespaces' names, how many there are, seconds. It makes
them, and removes them when its input ends. The kernel's own delay, ``tc netem``, is absent from many kernels.
"""

import contextlib
import fcntl
import heapq
import os
import select
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mpi_ranks import launcher

# <linux/if_tun.h>: a network card whose frames a program reads and writes.
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000
# Large frames cost a switch in Python less.
MTU, MOST_BYTES = 60_000, 2**16


class Switch:
    """One network card in each of `count` new namespaces, and what is on the way between them."""

    def __init__(self, prefix, count, delay):
        self.names, self.delay = [f"{prefix}{i}" for i in range(count)], delay
        self.cards = []
        self.held = []  # a heap of (time, number, card, frame)
        self.number = 0

    def make(self):
        for i, name in enumerate(self.names):
            card = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(card, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
            self.cards.append(card)
            ip("netns", "add", name)
            ip("link", "set", name, "netns", name, "mtu", str(MTU), "address", f"02:00:00:00:00:{i:02x}")
            ip("-n", name, "addr", "add", f"{address(i)}/24", "dev", name)
            for card_name in (name, "lo"):
                ip("-n", name, "link", "set", card_name, "up")

    def remove(self):
        for name in self.names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)

    def run(self, end):
        """Pass frames on until there is something to read in the file `end`."""
        while True:
            wait = max(0.0, self.held[0][0] - time.monotonic()) if self.held else None
            ready, _, _ = select.select([*self.cards, end], [], [], wait)
            if end in ready:
                return
            for card in ready:
                self.take(card)
            while self.held and self.held[0][0] <= time.monotonic():
                _, _, card, frame = heapq.heappop(self.held)
                self.give(card, frame)

    def take(self, card):
        with contextlib.suppress(BlockingIOError):
            self.number += 1
            frame = os.read(card, MOST_BYTES)
            heapq.heappush(self.held, (time.monotonic() + self.delay, self.number, card, frame))

    def give(self, sender, frame):
        """Hand a frame to the card whose number its address ends with, or to all others."""
        for i, card in enumerate(self.cards):
            if card != sender and (frame[0] & 1 or frame[5] == i):
                with contextlib.suppress(OSError):  # a card that is full or down loses the frame, as others do
                    os.write(card, frame)


def address(i):
    return f"10.213.77.{i + 1}"


def ip(*arguments):
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def why_not():
    """What is missing here, or an empty text."""
    if launcher() is None:
        return "needs mpi4py and mpiexec: pip install cbackprop[mpi]"
    if missing := [name for name in ("ip", "unshare") if shutil.which(name) is None]:
        return f"needs the programs {missing}"
    version = subprocess.run([launcher()[0], "--version"], capture_output=True, text=True).stdout
    if "Open MPI) 5" not in version:
        return "needs Open MPI 5, which starts ranks by a program of the test's"
    name = f"cbp{os.getpid()}"
    if os.geteuid() or subprocess.run(["ip", "netns", "add", name], capture_output=True).returncode:
        return "needs the right to make network namespaces"
    subprocess.run(["ip", "netns", "del", name], check=True)
    return "" if os.access("/dev/net/tun", os.R_OK | os.W_OK) else "needs /dev/net/tun"


@contextlib.contextmanager
def machines(folder, count, delay):
    """A function of numbers of ranks on each machine: the command that starts a program on so many."""
    if reason := why_not():
        pytest.skip(reason)
    prefix = f"cbp{os.getpid() % 10**6}m"
    program = [sys.executable, __file__, prefix, str(count), str(delay)]
    switch = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=paths())
    try:
        assert switch.stdout.readline() == "ready\n"
        yield lambda ranks: command(Path(folder), prefix, ranks)
    finally:
        switch.communicate(timeout=60)


def paths():
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])}


# What mpiexec calls in place of ssh: an address, and a command to run there. A machine is known by its host's name.
AGENT = """#!/bin/sh
machine=$((${{1##*.}} - 1))
shift
exec ip netns exec {prefix}$machine unshare --uts sh -c "echo {prefix}$machine > /proc/sys/kernel/hostname; $*"
"""


def command(folder, prefix, ranks):
    agent = folder / "agent"
    agent.write_text(AGENT.format(prefix=prefix))
    agent.chmod(0o755)
    hosts = ",".join(f"{address(i)}:{n}" for i, n in enumerate(ranks))
    first = [*launcher(), "--prtemca", "plm_ssh_agent", str(agent), "--host", hosts, "-n", str(sum(ranks))]
    named = ["sh", "-c", f'echo {prefix}0 > /proc/sys/kernel/hostname; exec "$@"', "sh"]
    return ["ip", "netns", "exec", f"{prefix}0", "unshare", "--uts", *named, *first]


def main():
    switch = Switch(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
    try:
        switch.make()
        print("ready", flush=True)
        switch.run(sys.stdin.fileno())
    finally:
        switch.remove()


if __name__ == "__main__":
    main()
