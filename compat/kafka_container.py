"""Apache Kafka in its own image, where there is Docker: for machines that have no Java.

The image is told by variables what `kafka_launcher.KafkaProcess` writes into a file. Its port is published on the
loopback under the number that it advertises, chosen before it starts, and stays over a restart.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any, ClassVar

from .brokers import OPTIONS, Broker, CannotRun, DidNotStart, answers, free_ports
from .kafka_launcher import KAFKA_VERSION

if TYPE_CHECKING:
    from pathlib import Path

IMAGE = f"apache/kafka:{KAFKA_VERSION}"
_PORT_INSIDE = 9092
_CONTROLLER_PORT_INSIDE = 9093
_START_TIMEOUT_S = 120


def why_not() -> str | None:
    """What keeps a container from running here; None when nothing does."""
    if shutil.which("docker") is None:
        return "there is no docker"
    import docker

    try:
        docker.from_env().ping()
    except docker.errors.DockerException as error:
        return f"docker does not answer: {error}"
    return None


def variables(port: int) -> dict[str, str]:
    """What the image is told, so that clients on the loopback reach it at `port`."""
    listeners = f"PLAINTEXT://:{_PORT_INSIDE},CONTROLLER://:{_CONTROLLER_PORT_INSIDE}"
    settings = {
        "process.roles": "broker,controller",
        "controller.quorum.voters": f"1@localhost:{_CONTROLLER_PORT_INSIDE}",
        "listeners": listeners,
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        **OPTIONS,
    }
    return {f"KAFKA_{key.replace('.', '_').upper()}": value for key, value in settings.items()}


class KafkaContainer(Broker):
    """One node of Apache Kafka, broker and controller in one."""

    kind: ClassVar[str] = "kafka"

    def __init__(self, home: Path) -> None:
        """`home` is not used: what it keeps is in the container."""
        super().__init__()
        self._container: Any = None

    def start(self) -> None:
        if self._container is None:
            self._create()
        else:
            self._container.get_wrapped_container().start()
        if not answers(self.bootstrap_servers, _START_TIMEOUT_S):
            said = b"".join(self._container.get_logs()).decode(errors="replace")
            raise DidNotStart(f"Apache Kafka did not open its port\n{said[-4000:]}")

    def stop(self) -> None:
        self._container.get_wrapped_container().stop()

    def kill(self) -> None:
        self._container.get_wrapped_container().kill()

    def _create(self) -> None:
        reason = why_not()
        if reason:
            raise CannotRun(reason)
        from testcontainers.core.container import DockerContainer

        (port,) = free_ports(1)
        self.bootstrap_servers = f"127.0.0.1:{port}"
        container = DockerContainer(IMAGE).with_envs(**variables(port))
        self._container = container.with_bind_ports(_PORT_INSIDE, port)
        self._container.start()
