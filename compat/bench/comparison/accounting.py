"""What the operating system counts of a process: CPU of all its threads and children, and resident memory.

The CPU clock of a process counts nanoseconds over all its threads, those that have ended too; `/proc/PID/stat` gives
the same in hundredths of a second, and is what children that have ended are read from.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_SCHEDULED_CPU = 2
_KERNEL, _ENDED_CHILDREN, _ENDED_CHILDREN_KERNEL = 12, slice(13, 15), 14
_KIB_PER_MIB = 1024
_BYTES_PER_MB = 1e6
_LOOK_S = 0.2


class Accounts:
    """The accounts of a running process and of everything below it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    @property
    def cpu_s(self) -> float:
        """CPU time so far: of the process, of its children that run, and of those that have ended."""
        total = 0.0
        for pid in _with_descendants(self.pid):
            with contextlib.suppress(OSError):
                total += time.clock_gettime(_cpu_clock(pid)) + _ended_children_s(pid)
        return total

    @property
    def kernel_s(self) -> float:
        """The part of `cpu_s` that was spent in the kernel, in hundredths of a second."""
        total = 0
        for pid in _with_descendants(self.pid):
            with contextlib.suppress(OSError):
                fields = _fields(pid)
                total += int(fields[_KERNEL]) + int(fields[_ENDED_CHILDREN_KERNEL])
        return total / _TICKS_PER_S

    @property
    def resident_mb(self) -> float:
        """Resident memory now, of the process and its children that run."""
        return sum(_memory_kib(pid, "VmRSS") for pid in _with_descendants(self.pid)) / _KIB_PER_MIB

    @property
    def disk_read_mb(self) -> float | None:
        """What was brought in from the disk for it so far, and not from the page cache; None where it may not be known.

        Pages that it reads with sendfile count too, and what the kernel reads ahead for it.
        """
        try:
            return sum(map(_disk_read_bytes, _with_descendants(self.pid))) / _BYTES_PER_MB
        except OSError:
            return None

    def come_to_rest(self, cpu_part: float, timeout_s: float) -> bool:
        """Wait until it takes less than this part of one CPU; False when it still takes more in the end."""
        deadline = time.monotonic() + timeout_s
        time.sleep(_LOOK_S)
        while time.monotonic() < deadline:
            before_s = self.cpu_s
            time.sleep(_LOOK_S)
            if self.cpu_s - before_s < _LOOK_S * cpu_part:
                return True
        return False

    @property
    def is_running(self) -> bool:
        """Whether there is such a process, and it has not ended."""
        try:
            return _fields(self.pid)[0] != "Z"
        except OSError:
            return False


def _cpu_clock(pid: int) -> int:
    """The number of a process's CPU clock, as clock_getcpuclockid makes it."""
    return (~pid << 3) | _SCHEDULED_CPU


def _ended_children_s(pid: int) -> float:
    return sum(map(int, _fields(pid)[_ENDED_CHILDREN])) / _TICKS_PER_S


def _fields(pid: int) -> list[str]:
    """Of /proc/PID/stat, from the state on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _with_descendants(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        with contextlib.suppress(OSError):
            for thread in os.listdir(f"/proc/{parent}/task"):
                found += map(int, Path(f"/proc/{parent}/task/{thread}/children").read_text().split())
    return found


def _disk_read_bytes(pid: int) -> int:
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("read_bytes:"))


def _memory_kib(pid: int, field: str) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1])
    return 0
