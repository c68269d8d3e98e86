"""The brokers that the suite asks: Ottla and Apache Kafka as processes of its own, or one that runs already.

A process is started on the loopback on a free port, and keeps port and directory over a restart or a kill.
"""

from __future__ import annotations

import contextlib
import re
import selectors
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, ClassVar

from .wire import Closed, Unreadable, advertised_versions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

# What both brokers are told, so that they start from the same: node 1, small internal topics, and groups that
# form at once.
OPTIONS: dict[str, str] = {
    "node.id": "1",
    "offsets.topic.num.partitions": "5",
    "transaction.state.log.num.partitions": "5",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "group.consumer.assignment.interval.ms": "0",
}
STOP_TIMEOUT_S = 60
_START_TIMEOUT_S = 60
_POLL_S = 0.1
_LISTENING = re.compile(r"listening on \S+:(?P<port>\d+)")


class CannotRun(Exception):
    """This broker cannot do that here; the message is the reason that a skipped case shows."""


class DidNotStart(Exception):
    """The process ended or said nothing in time; the message shows the end of its log."""


class Broker:
    """What every case may rely on. `kind` is ottla, kafka or other."""

    kind: ClassVar[str]

    def __init__(self, bootstrap_servers: str = "") -> None:
        self.bootstrap_servers = bootstrap_servers

    @property
    def port(self) -> int:
        return int(self.bootstrap_servers.rpartition(":")[2])

    def start(self) -> None:
        """Start, or start again where it was. Raises CannotRun, DidNotStart."""
        raise CannotRun("this broker is somebody else's; the suite does not start it")

    def stop(self) -> None:
        raise CannotRun("this broker is somebody else's; the suite does not stop it")

    def kill(self) -> None:
        """End it as a crash would."""
        raise CannotRun("this broker is somebody else's; the suite does not kill it")

    def restart(self) -> None:
        """Stop in good order, and start again on the same port and directory."""
        self.stop()
        self.start()


class RunningBroker(Broker):
    """A broker that somebody else started."""

    kind = "other"


class BrokerProcess(Broker):
    """A broker that is a child of this process, with its log in a file."""

    def __init__(self, home: Path) -> None:
        super().__init__()
        home.mkdir(parents=True, exist_ok=True)
        self.home = home
        self.data_dir = home / "data"
        self.log_path = home / "broker.log"
        self._process: subprocess.Popen[bytes] | None = None

    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def log_tail(self, lines: int = 30) -> str:
        text = self.log_path.read_text(errors="replace") if self.log_path.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def _spawn(
        self, command: Sequence[str], environment: Mapping[str, str] | None = None, *, is_heard: bool = False
    ) -> subprocess.Popen[bytes]:
        """Start it; standard output is read by who asks to hear it, and goes to the log otherwise."""
        with self.log_path.open("ab") as log:
            out = subprocess.PIPE if is_heard else log
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=log, env=environment)
        return self._process

    def _end(self, with_signal: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with process:
            process.send_signal(with_signal)
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


class OttlaProcess(BrokerProcess):
    """`ottla serve`, as its users start it."""

    kind = "ottla"

    def __init__(self, home: Path, environment: Mapping[str, str] | None = None) -> None:
        super().__init__(home)
        self._environment = environment

    def start(self) -> None:
        port = self.port if self.bootstrap_servers else 0
        command = [sys.executable, "-m", "ottla.broker", "serve", "--port", str(port), "--data-dir", str(self.data_dir)]
        for key, value in OPTIONS.items():
            command += ["-o", f"{key}={value}"]
        process = self._spawn(command, self._environment, is_heard=True)
        said = ""
        with contextlib.suppress(TimeoutError):
            said = read_line(process, _START_TIMEOUT_S)
        found = _LISTENING.search(said)
        if found is None:
            self.kill()
            raise DidNotStart(f"Ottla said {said!r}\n{self.log_tail()}")
        self.bootstrap_servers = f"127.0.0.1:{found['port']}"


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that nobody listens on."""
    with contextlib.ExitStack() as stack:
        taken = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in taken:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in taken]


def answers(bootstrap_servers: str, timeout_s: float, is_alive: Callable[[], bool] = lambda: True) -> bool:
    """Wait until a broker answers; False when it ended instead, or said nothing in time."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline and is_alive():
        with contextlib.suppress(OSError, Closed, Unreadable):
            if advertised_versions(bootstrap_servers):
                return True
        time.sleep(_POLL_S)
    return False


def read_line(process: subprocess.Popen[bytes], timeout_s: float) -> str:
    """The first line that a process says; empty when it ended instead. Raises TimeoutError."""
    assert process.stdout is not None
    deadline = time.monotonic() + timeout_s
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        if not selector.select(max(0.0, deadline - time.monotonic())):
            raise TimeoutError(f"not a word in {timeout_s} s")
        return process.stdout.readline().decode(errors="replace")
