"""One data directory and one port, where Ottla and Apache Kafka take turns.

Clients keep their address across a hand-over, so a producer or a group member of the one goes on with the other. What
each stay wrote to its own log is kept beside the directory.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from ..harness.broker_process import KafkaBroker, OttlaBroker

if TYPE_CHECKING:
    from ..harness.java_tools import JavaTools

CLEAN_SHUTDOWN = ".kafka_cleanshutdown"
CLUSTER_ID = "MkU3OEVBNTcwNTJENDM2Qk"
STANDALONE = "--standalone"
STORAGE_TOOL = "kafka.tools.StorageTool"

# Few partitions, so that a run of Kafka's tools over all files stays short. Both use what the topics have, so that
# the one that comes second may have other numbers in its configuration.
OPTIONS = {
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "2",
    "share.coordinator.state.topic.num.partitions": "2",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "log.cleaner.backoff.ms": "300",
    "metadata.log.max.snapshot.interval.ms": "1500",
    "group.consumer.session.timeout.ms": "300000",
    "group.consumer.max.session.timeout.ms": "300000",
    "group.share.session.timeout.ms": "300000",
    "group.share.max.session.timeout.ms": "300000",
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
}
ONLY_KAFKA = {
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": "User:ANONYMOUS",
    # After a crash a broker must wait until its own earlier registration counts as gone.
    "broker.session.timeout.ms": "6000",
    "broker.heartbeat.interval.ms": "1000",
}


class Place:
    """Start a broker, end it, start another. `close` ends whatever still runs."""

    def __init__(self, home: Path, directories: int = 1) -> None:
        self.home = home
        self.data_dirs = [home / f"data-{number}" for number in range(directories)]
        self.port = _free_port_pair()
        self.broker: OttlaBroker | KafkaBroker | None = None
        self._numbers = itertools.count()
        self._quorum: dict[str, str] = {}

    @property
    def log_dirs(self) -> str:
        return ",".join(map(str, self.data_dirs))

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    def format(self, tools: JavaTools, *arguments: str) -> None:
        """As `kafka-storage format` does; with `--standalone` the voters are records of the metadata log (KIP-853)."""
        controller = f"127.0.0.1:{self.port + 1}"
        if STANDALONE in arguments:
            self._quorum = {"controller.quorum.voters": "", "controller.quorum.bootstrap.servers": controller}
        else:
            self._quorum = {"controller.quorum.voters": f"1@{controller}"}
        properties = {
            "process.roles": "broker,controller",
            "node.id": "1",
            "listeners": f"PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://{controller}",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": self.log_dirs,
            **self._quorum,
        }
        path = self.home / "format.properties"
        path.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
        tools.succeed(STORAGE_TOOL, "format", *arguments, "-t", CLUSTER_ID, "-c", str(path))

    def start(self, kind: str) -> None:
        """Open the directory with a broker of this kind, `ottla` or `kafka`."""
        home = self.home / f"{next(self._numbers)}-{kind}"
        broker: OttlaBroker | KafkaBroker
        if kind == "ottla":
            broker = OttlaBroker(home, OPTIONS)
            broker.data_dir = Path(self.log_dirs)  # the value of log.dirs, be it one or several
        else:
            broker = KafkaBroker(home, {**OPTIONS, **ONLY_KAFKA, **self._quorum, "log.dirs": self.log_dirs})
            broker.data_dir = self.data_dirs[0]
        broker.port = self.port
        self.broker = broker
        broker.start()

    def stop(self) -> None:
        """In good order, and so that the next one finds it so."""
        broker = self._running()
        assert broker.stop() == 0, broker.log_tail()
        assert self._is_clean(), f"it did not stop in good order\n{broker.log_tail()}"

    def kill(self) -> None:
        self._running().kill()
        assert not self._is_clean()

    def close(self) -> None:
        if self.broker is not None:
            self.broker.kill()

    def _is_clean(self) -> bool:
        return all((directory / CLEAN_SHUTDOWN).exists() for directory in self.data_dirs)

    def log_text(self) -> str:
        """What the broker that runs, or ran last, has said of itself."""
        return self.broker.log_text() if self.broker is not None else ""

    def log_tail(self) -> str:
        return self.broker.log_tail() if self.broker is not None else ""

    def _running(self) -> OttlaBroker | KafkaBroker:
        assert self.broker is not None
        assert self.broker.alive(), f"the broker ended by itself\n{self.broker.log_tail()}"
        return self.broker


def _free_port_pair() -> int:
    """A port whose successor is free too, for Kafka's controller; below those that connections take by themselves."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as first, socket.socket() as second, contextlib.suppress(OSError):
            first.bind(("127.0.0.1", port))
            second.bind(("127.0.0.1", port + 1))
            return port
