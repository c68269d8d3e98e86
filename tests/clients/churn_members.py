"""The processes of a group under churn, and what each says of itself (`members/churn_lines.py`)."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pathlib import Path

LEAVE_TIMEOUT_S = 30


class Event(NamedTuple):
    at_s: float
    """Wall clock, the same for all processes of one machine."""
    kind: str
    partitions: frozenset[int] = frozenset()


class ChurnMember:
    """One member; what it has said is in `events`, `read` and `acknowledged` after each `look`."""

    def __init__(self, name: str, command: list[str], home: Path) -> None:
        self.name = name
        self.events: list[Event] = []
        """Its partitions come and go, and what its test did to it."""
        self.read: set[tuple[int, int]] = set()
        """Partition and offset of each record."""
        self.last_read_s = 0.0
        self.acknowledged: dict[int, int] = {}
        """For each partition the highest offset whose commit was acknowledged."""
        self.owned: frozenset[int] = frozenset()
        """What it reads now, as it says itself."""
        self._rest = ""
        self._out_path = home / f"{name}.out"
        self._err_path = home / f"{name}.err"
        with self._out_path.open("wb") as out, self._err_path.open("wb") as err:
            # In a session of its own, since the kernel continues stopped processes whose session's shell has ended.
            self._process = subprocess.Popen(
                command, stdout=out, stderr=err, stdin=subprocess.DEVNULL, start_new_session=True
            )
        self._out = self._out_path.open()

    def look(self) -> None:
        *lines, self._rest = (self._rest + self._out.read()).split("\n")
        for line in lines:
            self._note(json.loads(line))

    def _note(self, said: dict) -> None:
        event, at_s = said["event"], said["at"]
        if event == "record":
            self.read.add((said["partition"], said["offset"]))
            self.last_read_s = at_s
        elif event == "committed":
            for partition, offset in said["offsets"].items():
                self.acknowledged[int(partition)] = max(offset, self.acknowledged.get(int(partition), 0))
        elif event != "refused":
            self._note_partitions(event, at_s, frozenset(said.get("partitions", ())))

    def _note_partitions(self, event: str, at_s: float, partitions: frozenset[int]) -> None:
        self.events.append(Event(at_s, event, partitions))
        if event == "assigned":
            self.owned |= partitions
        elif event == "leaving":
            self.owned = frozenset()
        else:
            self.owned -= partitions

    def alive(self) -> bool:
        return self._process.poll() is None

    def pause(self) -> None:
        self._do("paused", signal.SIGSTOP)

    def resume(self) -> None:
        self._do("continued", signal.SIGCONT)

    def kill(self) -> None:
        self._do("killed", signal.SIGKILL)
        self._process.wait()
        self.look()

    def leave(self) -> None:
        """In good order: it commits what it has read, and tells the group."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(LEAVE_TIMEOUT_S)
        self.look()

    def _do(self, kind: str, number: signal.Signals) -> None:
        assert self.alive(), f"{self.name} has ended by itself\n{self.complaints()}"
        self.events.append(Event(time.time(), kind))
        self._process.send_signal(number)

    def close(self) -> None:
        with self._out:
            self._process.kill()
            self._process.wait()

    def complaints(self) -> str:
        said = "\n".join(f"{event.at_s:.3f} {event.kind} {sorted(event.partitions)}" for event in self.events)
        errors = self._err_path.read_text(errors="replace")[-1500:]
        return f"--- {self.name}, status {self._process.poll()}:\n{said}\non standard error:\n{errors}"
