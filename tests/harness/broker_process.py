"""A broker as a child process: Ottla as its users start it, or Apache Kafka as the reference.

A broker here can be started, stopped, killed and started again on the port and the directory it had. Whatever it
says on standard error is kept in a file beside its data.
"""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
REAL_KAFKA = REPOSITORY.parent / "shared" / "real-kafka" / "real-kafka"
OTTLA = Path(sys.executable).with_name("ottla")

START_TIMEOUT_S = 30
STOP_TIMEOUT_S = 30

# The one line on standard output: "Ottla 0.1.0 is listening on 127.0.0.1:40001, data in /tmp/x".
LISTENING = re.compile(r"listening on (?P<host>\S+):(?P<port>\d+)")

# Groups form at once and notice a dead member soon. Kafka would take a session of 6 s at least.
FAST_GROUPS = {"group.min.session.timeout.ms": "1000", "group.initial.rebalance.delay.ms": "0"}


class BrokerDidNotStart(AssertionError):
    """The process ended, or said nothing in time; the message holds what it wrote to standard error."""


def read_line(stream, timeout_s: float) -> str:
    """The first line of a pipe; empty when the other side closed it. Raises TimeoutError."""
    deadline = time.monotonic() + timeout_s
    line = b""
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while not line.endswith(b"\n"):
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise TimeoutError(f"no whole line in {timeout_s} s, only {line!r}")
            byte = os.read(stream.fileno(), 1)
            if not byte:
                break
            line += byte
    return line.decode()


class OttlaBroker:
    """`ottla serve` on the loopback."""

    def __init__(self, home: Path, options: dict[str, str], arguments: tuple[str, ...] = ()) -> None:
        home.mkdir(parents=True, exist_ok=True)
        self.data_dir = home / "data"
        self.log_path = home / "stderr.log"
        self.options = options
        self.arguments = arguments
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def command(self) -> list[str]:
        command = [str(OTTLA), "serve", "--port", str(self.port), "--data-dir", str(self.data_dir)]
        for key, value in self.options.items():
            command += ["-o", f"{key}={value}"]
        return [*command, *self.arguments]

    def start(self) -> None:
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=subprocess.PIPE, stderr=log)
        said = ""
        with contextlib.suppress(TimeoutError):
            said = read_line(self.process.stdout, START_TIMEOUT_S)
        match = LISTENING.search(said)
        if match is None:
            self.kill()
            raise BrokerDidNotStart(f"on standard output: {said!r}\n{self.log_tail()}")
        self.port = int(match["port"])

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """As a crash would."""
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """As a person would; returns the exit status."""
        return self._end(signal.SIGTERM)

    def _end(self, with_signal: signal.Signals) -> int:
        process = self.process
        if process is None:
            return 0
        self.process = None
        with process:
            process.send_signal(with_signal)
            try:
                return process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                raise

    def log_text(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def log_tail(self, lines: int = 40) -> str:
        return "\n".join(self.log_text().splitlines()[-lines:])


class KafkaBroker:
    """Apache Kafka by the `real-kafka` script: a suite that the reference fails is wrong."""

    def __init__(self, home: Path, options: dict[str, str], arguments: tuple[str, ...] = ()) -> None:
        assert not arguments, "Kafka knows nothing of Ottla's command line"
        home.mkdir(parents=True, exist_ok=True)
        (home / "libs").symlink_to(Path.home() / ".cache" / "real-kafka" / "libs")
        self.home = home
        self.data_dir = home / "logs"
        self.options = options
        self.port = _free_port_pair()
        self.pid = 0

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        options = [f"{key}={value}" for key, value in self.options.items()]
        done = self._script("start", str(self.port), *options)
        if done.returncode:
            raise BrokerDidNotStart(done.stdout + done.stderr)
        self.pid = int((self.home / "pid").read_text())

    def alive(self) -> bool:
        return bool(self.pid) and Path(f"/proc/{self.pid}").exists()

    def kill(self) -> None:
        self._script("kill9")
        self.pid = 0

    def stop(self) -> int:
        self.pid = 0
        return self._script("stop").returncode

    def _script(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "KAFKA_HOME_DIR": str(self.home),
            "KAFKA_DATA": str(self.data_dir),
            "KAFKA_HEAP": "512m",
        }
        out = self.home / "script.log"
        with out.open("w") as log:  # a pipe would stay open in the broker's hands
            done = subprocess.run([str(REAL_KAFKA), *arguments], env=environment, stdout=log, stderr=log, timeout=90)
        return subprocess.CompletedProcess(done.args, done.returncode, out.read_text(), "")

    def log_text(self) -> str:
        path = self.home / "server.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def log_tail(self, lines: int = 40) -> str:
        return "\n".join(self.log_text().splitlines()[-lines:])


class RunningBroker:
    """A broker that somebody else started: clients may use it, nobody here may end it."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self.port = int(bootstrap.rpartition(":")[2])

    def alive(self) -> bool:
        with contextlib.closing(socket.socket()) as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> int:
        return 0

    def log_tail(self, lines: int = 40) -> str:
        return ""


def _free_port_pair() -> int:
    """A free port whose successor is free as well: Kafka's controller takes that."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            with contextlib.suppress(OSError, OverflowError):
                second.bind(("127.0.0.1", port + 1))
                return port
