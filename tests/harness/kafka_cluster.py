"""Nodes of Apache Kafka in one JVM, on directories that a test keeps."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from .broker_process import REAL_KAFKA, BrokerDidNotStart, read_line
from .java_tools import java_environment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RUNNER = Path(__file__).with_name("KafkaCluster.java")
CLUSTER_ID = "MkU3OEVBNTcwNTJENDM2Qk"
START_TIMEOUT_S = 180
STOP_TIMEOUT_S = 60


class KafkaNodes:
    """Apache Kafka on some server.properties of ours, all in one JVM."""

    def __init__(self, home: Path, properties: Sequence[Path]) -> None:
        self.home = home
        self._files = properties
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.home / "kafka.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(REAL_KAFKA), "tool", str(RUNNER), *map(str, self._files)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**java_environment(), "KAFKA_HEAP": "512m"},
                start_new_session=True,
            )
        said = ""
        with contextlib.suppress(TimeoutError):
            said = read_line(self._process.stdout, START_TIMEOUT_S)
        if "started" not in said:
            self.kill()
            raise BrokerDidNotStart(f"{said}\n{(self.home / 'kafka.log').read_text()[-4000:]}")

    def stop(self) -> None:
        """As a person would: every node in good order."""
        with self._process as process:
            process.stdin.close()
            process.wait(STOP_TIMEOUT_S)
        self._process = None

    def kill(self) -> None:
        """As a loss of all machines would."""
        process, self._process = self._process, None
        if process is not None:
            with process:
                # The script that started the JVM is only its parent.
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(STOP_TIMEOUT_S)


class KafkaCluster(KafkaNodes):
    """Node 1 is broker and controller, the others are brokers. `directory(n)` is a node's log directory."""

    def __init__(self, home: Path, nodes: int, options: dict[str, str]) -> None:
        self.nodes = range(1, nodes + 1)
        ports = free_ports(nodes + 1)
        self._controller = ports.pop()
        self._ports = dict(zip(self.nodes, ports, strict=True))
        self._options = options
        super().__init__(home, [home / f"node{node}.properties" for node in self.nodes])

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self._ports[1]}"

    def directory(self, node: int) -> Path:
        return self.home / f"node{node}"

    def start(self) -> None:
        for node, properties in zip(self.nodes, self._files, strict=True):
            write_properties(properties, self._settings(node))
            format_directory(properties, self.home / "format.log")
        super().start()

    def _settings(self, node: int) -> dict[str, object]:
        listener = f"PLAINTEXT://127.0.0.1:{self._ports[node]}"
        return {
            "process.roles": "broker,controller" if node == 1 else "broker",
            "node.id": node,
            "listeners": listener + (f",CONTROLLER://127.0.0.1:{self._controller}" if node == 1 else ""),
            "advertised.listeners": listener,
            "controller.listener.names": "CONTROLLER",
            "controller.quorum.voters": f"1@127.0.0.1:{self._controller}",
            "log.dirs": self.directory(node),
            # Three times the default does not fit into the heap.
            "log.cleaner.dedupe.buffer.size": 2 << 20,
            "group.initial.rebalance.delay.ms": 0,
            **self._options,
        }


def write_properties(path: Path, settings: Mapping[str, object]) -> None:
    """A server.properties."""
    path.write_text("".join(f"{key}={value}\n" for key, value in settings.items()))


def format_directory(properties: Path, log: Path, *arguments: str) -> None:
    """`kafka-storage format`, with what it says in `log`."""
    command = [str(REAL_KAFKA), "tool", "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(properties)]
    with log.open("ab") as out:
        subprocess.run(
            [*command, *arguments], stdout=out, stderr=out, env=java_environment(), check=True, timeout=STOP_TIMEOUT_S
        )


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that are free now, each another one."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
