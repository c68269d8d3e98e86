"""Processes that consume, transform and produce in transactions (`members/transformer.py`), and their accidents."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from .churn import PARTITIONS, Feeder
from .churn_watch import GroupWatch, check_not_gone_back
from .group_members import python_member, wait_until

if TYPE_CHECKING:
    from pathlib import Path

TIMEOUT_S = 90
NAMES = ("left", "right")
# Where a transaction is open, whoever takes over must wait for it: long enough for one that would not.
TAKE_OVER_S = 0.5
# Every way to end that the program draws by itself.
ENDS = {"commit", "abort-before-offsets", "abort-after-offsets"}


class Transformer:
    """One life of a process; `ended` counts how its transactions ended."""

    def __init__(self, command: list[str], home: Path, life: str) -> None:
        self.ended: Counter[str] = Counter()
        self.failed: list[str] = []
        """The errors for which transactions could not be committed."""
        self._standing = False
        self._rest = ""
        self._out_path, self._err_path = home / f"{life}.out", home / f"{life}.err"
        with self._out_path.open("wb") as out, self._err_path.open("wb") as err:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=out, stderr=err, start_new_session=True
            )
        self._out = self._out_path.open()

    def look(self) -> None:
        *lines, self._rest = (self._rest + self._out.read()).split("\n")
        for line in lines:
            said = json.loads(line)
            if said["event"] == "ended":
                self.ended[said["how"]] += 1
            elif said["event"] == "failed":
                self.failed.append(said["error"])
            else:
                self._standing = True

    def stands(self) -> bool:
        self.look()
        return self._standing

    def has_ended_all_ways(self) -> bool:
        self.look()
        return self.ended.keys() >= ENDS

    def order(self, line: str) -> None:
        self._standing = False
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.look()

    def close(self) -> None:
        with self._out, self.process:
            self.process.kill()

    def complaints(self) -> str:
        status = self.process.poll()
        return f"--- status {status}, {dict(self.ended)}, {self.failed}:\n{self._err_path.read_text()[-2000:]}"


class Transformers:
    """Two of them share the input; each accident happens to one, or to the broker, amid its transaction."""

    def __init__(self, broker: Any, source: str, sink: str, protocol: str, home: Path) -> None:
        self._broker = broker
        self._group = f"{source}-group"
        self._topics = (source, sink)
        self._protocol = protocol
        self._home = home
        self._lives: list[Transformer] = []
        self._now: dict[str, Transformer] = {}
        self._watch = GroupWatch(broker, self._group, protocol)
        self.feeder = Feeder(broker.bootstrap, source)
        for name in NAMES:
            self._begin(name)

    def _begin(self, name: str) -> None:
        number = str(len(self._lives))
        arguments = (self._broker.bootstrap, self._group, *self._topics, name, self._protocol, number)
        self._now[name] = Transformer(python_member("transformer.py", *arguments), self._home, f"life-{number}")
        self._lives.append(self._now[name])

    def happen(self, accident: str, name: str, place: str) -> None:
        self._wait(lambda: all(each.has_ended_all_ways() for each in self._now.values()), "all commit and abort")
        victim = self._now[name]
        victim.order(f"stand {place}")
        self._wait(victim.stands, f"{name} stands {place}")
        {"kill": self._kill, "pause": self._pause, "broker": self._kill_broker}[accident](name)
        for each in self._now.values():
            each.look()
            each.ended.clear()

    def _kill(self, name: str) -> None:
        self._now[name].kill()
        self._begin(name)

    def _pause(self, name: str) -> None:
        """Past the session; the other one takes over."""
        victim = self._now[name]
        victim.process.send_signal(signal.SIGSTOP)
        self._wait(lambda: self._is_without(name), f"{name} is out of the group and the other one has everything")
        time.sleep(TAKE_OVER_S)
        victim.process.send_signal(signal.SIGCONT)
        victim.order("go on")

    def _is_without(self, name: str) -> bool:
        members = self._watch.last.members
        return name not in members and sum(len(each.partitions) for each in members.values()) == PARTITIONS

    def _kill_broker(self, name: str) -> None:
        self._watch.close()
        committed = self._watch.last.committed
        self._broker.kill()
        self._broker.start()
        self._watch = GroupWatch(self._broker, self._group, self._protocol)
        check_not_gone_back(committed, self._watch.last.committed)
        self._now[name].order("go on")

    def finish(self) -> list[str]:
        """Wait until all input is done; returns the errors for which transactions could not be committed."""
        self._wait(lambda: all(each.has_ended_all_ways() for each in self._now.values()), "all go on")
        self.feeder.stop()
        ends = self.feeder.log_ends()
        self._wait(lambda: self._watch.last.committed == ends, "all input is committed")
        return [error for each in self._lives for error in each.failed]

    def _wait(self, condition: Any, what: str) -> None:
        def so_or_hopeless() -> bool:
            for each in self._now.values():
                assert each.process.poll() is None, f"a process ended while waiting until {what}"
            return condition()

        wait_until(so_or_hopeless, what, TIMEOUT_S)

    def close(self) -> None:
        for each in self._lives:
            each.close()
        self.feeder.stop()
        self._watch.close()

    def complaints(self) -> str:
        return "\n".join(each.complaints() for each in self._lives)
