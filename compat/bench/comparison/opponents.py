"""The brokers that are compared, each a process of its own, all with the same settings, on the same disk.

Apache Kafka runs with the options of its own start script (G1, both compilers, a heap of KAFKA_HEAP or 1g): it is
measured as its users run it. kfake keeps its data in a directory too. One replica; no topic is created by naming it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import sys
import time
from typing import TYPE_CHECKING

from ottla.protocol.messages.metadata import MetadataRequest, MetadataResponse

from ...brokers import BrokerProcess, DidNotStart, free_ports, read_line
from ...kafka_launcher import KafkaProcess, class_path, why_not
from ..broker_process import METADATA_VERSION, Connection
from .workload import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_OPTIONS = {
    "auto.create.topics.enable": "false",
    "offsets.topic.num.partitions": "5",
    "transaction.state.log.num.partitions": "5",
    "group.initial.rebalance.delay.ms": "0",
}
_PROFILED = "compat.bench.profiled_broker"
_START_TIMEOUT_S = 120
_POLL_S = 0.002
_LISTENING = re.compile(r"listening on \S+:(?P<port>\d+)")


class MeasuredBroker(BrokerProcess):
    """What a measured broker adds: when its process began."""

    begun: float

    profile: Path | None = None
    """Where it writes at the end what its loop's thread did while it was measured, if it is sampled."""

    def _begin(self, command: Sequence[str], *, is_heard: bool = False) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self.begun = time.perf_counter()
        self._spawn(command, is_heard=is_heard)

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process is not None
        return self._process.pid

    @property
    def target(self) -> Target:
        """What workloads get."""
        return Target(self.kind, self.port, self.pid, self.home, is_profiled=self.profile is not None)

    def first_answer_s(self) -> float:
        """Wait until Metadata is answered; the seconds since the process began."""
        deadline = self.begun + _START_TIMEOUT_S
        while time.perf_counter() < deadline and self.is_alive():
            with contextlib.suppress(OSError, SystemExit):
                connection = Connection(self.port)
                try:
                    answer = connection.ask(MetadataRequest(topics=[]), MetadataResponse, METADATA_VERSION)
                finally:
                    connection.close()
                # Kafka answers before it leads anything: it is there when it names itself.
                if answer.brokers:
                    return time.perf_counter() - self.begun
            time.sleep(_POLL_S)
        self.kill()
        raise DidNotStart(f"{self.kind} did not answer\n{self.log_tail()}")


class Ottla(MeasuredBroker):
    """`ottla serve`, as its users start it."""

    kind = "ottla"

    arguments: tuple[str, ...] = ()
    """What its command line has besides."""

    def start(self) -> None:
        program = ["ottla.broker"] if self.profile is None else [_PROFILED, str(self.profile)]
        command = [
            sys.executable,
            "-m",
            *program,
            "serve",
            "--port",
            "0",
            "--data-dir",
            str(self.data_dir),
            *self.arguments,
        ]
        for key, value in _OPTIONS.items():
            command += ["-o", f"{key}={value}"]
        self._begin(command, is_heard=True)
        assert self._process is not None
        found = _LISTENING.search(read_line(self._process, _START_TIMEOUT_S))
        if found is None:
            self.kill()
            raise DidNotStart(f"Ottla did not start\n{self.log_tail()}")
        self.bootstrap_servers = f"127.0.0.1:{found['port']}"


class OttlaOnUvloop(Ottla):
    """The same on the other event loop."""

    kind = "ottla-uvloop"
    arguments = ("--uvloop",)


class Kafka(MeasuredBroker, KafkaProcess):
    """One node of Apache Kafka; formatting its directory is not part of its start."""

    kind = "kafka"

    def start(self) -> None:
        jars = class_path()
        self._prepare(jars)
        with self._properties.open("a") as properties:
            properties.writelines(f"{key}={value}\n" for key, value in _OPTIONS.items())
        heap = os.environ.get("KAFKA_HEAP", "1g")
        java = ["java", f"-Xmx{heap}", f"-Xms{heap}", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"]
        java += ["-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent", "-XX:MaxInlineLevel=15"]
        java += ["-Djava.awt.headless=true", f"-Dlog4j2.configurationFile={self.home / 'log4j2.properties'}"]
        self._begin([*java, "-cp", jars, "kafka.Kafka", str(self._properties)])


class Kfake(MeasuredBroker):
    """The lookalike of franz-go, whose binary KFAKE names."""

    kind = "kfake"

    def start(self) -> None:
        (port,) = free_ports(1)
        self.bootstrap_servers = f"127.0.0.1:{port}"
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self._begin([os.environ["KFAKE"], "-port", str(port), "-data", str(self.data_dir)])


def _why_no_uvloop() -> str | None:
    return None if importlib.util.find_spec("uvloop") else "uvloop cannot be imported; pip install 'ottla[uvloop]'"


def _why_no_kfake() -> str | None:
    binary = os.environ.get("KFAKE")
    if not binary:
        return "the variable KFAKE names no binary"
    return None if os.access(binary, os.X_OK) else f"{binary} cannot be run"


_KINDS: dict[str, type[MeasuredBroker]] = {kind.kind: kind for kind in (Ottla, OttlaOnUvloop, Kafka, Kfake)}
_REASONS: dict[str, Callable[[], str | None]] = {
    "ottla": lambda: None,
    "ottla-uvloop": _why_no_uvloop,
    "kafka": why_not,
    "kfake": _why_no_kfake,
}
KINDS = tuple(_KINDS)
KINDS_BY_DEFAULT = tuple(kind for kind in KINDS if kind != OttlaOnUvloop.kind)


def why_absent(kind: str) -> str | None:
    """What keeps a broker from being compared; None when nothing does."""
    return _REASONS[kind]()


def started(kind: str, home: Path, profile: Path | None = None) -> tuple[MeasuredBroker, float]:
    """A new broker on an empty directory, and how long its first answer took in seconds. Raises DidNotStart."""
    broker = _KINDS[kind](home)
    if isinstance(broker, Ottla):
        broker.profile = profile
    broker.start()
    return broker, broker.first_answer_s()
