"""Group members as processes: each prints a line a record, `PARTITION OFFSET KEY VALUE`, into a file of its own.

A file and not a pipe, so that a member is never held up by its reader, and so that what it printed before it was
killed is all there.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

MEMBERS = Path(__file__).with_name("members")

# Java's console writes "Partition:0 Offset:7 k1 42".
LINE = re.compile(r"(?:Partition:)?(\d+) (?:Offset:)?(\d+) (k\d+) (\d+)")


class Seen(NamedTuple):
    partition: int
    offset: int
    key: str
    number: int


def wait_until(condition: Callable[[], object], what: str, timeout_s: float = 40) -> None:
    """Ask until it is so. The limit only ends a test that has failed."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"still not so after {timeout_s} s: {what}"
        time.sleep(0.02)


def python_member(script: str, *arguments: str) -> list[str]:
    return [sys.executable, "-W", "ignore", str(MEMBERS / script), *arguments]


class Member:
    """One consumer process; `seen` is what it has printed so far."""

    def __init__(self, command: list[str], home: Path, name: str, environment: dict[str, str] | None = None) -> None:
        self.name = name
        self.seen: list[Seen] = []
        self._rest = ""
        self._out_path = home / f"{name}.out"
        self.err_path = home / f"{name}.err"
        with self._out_path.open("wb") as out, self.err_path.open("wb") as err:
            self.process = subprocess.Popen(
                command, stdout=out, stderr=err, stdin=subprocess.DEVNULL, env=environment, start_new_session=True
            )
        self._out = self._out_path.open()

    def look(self) -> list[Seen]:
        *lines, self._rest = (self._rest + self._out.read()).split("\n")
        for line in lines:
            match = LINE.fullmatch(line)
            assert match, f"{self.name} printed {line!r}"
            partition, offset, key, number = match.groups()
            self.seen.append(Seen(int(partition), int(offset), key, int(number)))
        return self.seen

    def alive(self) -> bool:
        return self.process.poll() is None

    def leave(self) -> None:
        """In good order: it commits and tells the group. Nothing happens to one that has left already."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self.alive():
            os.killpg(self.process.pid, number)  # the tool's shell and the JVM that it started
        try:
            self.process.wait(20)
        finally:
            if self.alive():
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        wait_until(lambda: not _group_exists(self.process.pid), f"{self.name} has ended")
        self.look()

    def close(self) -> None:
        with self._out:
            self.kill()

    def complaints(self) -> str:
        return f"--- {self.name} on standard error:\n" + self.err_path.read_text(errors="replace")[-2000:]


def _group_exists(process_group: int) -> bool:
    try:
        os.killpg(process_group, 0)
    except ProcessLookupError:
        return False
    return True
