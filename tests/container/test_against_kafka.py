"""The same variables and the same mounted file, given to the program that the apache/kafka image runs."""

from __future__ import annotations

import subprocess

import pytest
from ottla.broker.config.properties import parse_properties
from ottla.broker.container.variables import container_settings

from ..harness.broker_process import REAL_KAFKA
from ..harness.java_tools import java_environment, why_no_java

WRAPPER = "kafka.docker.KafkaDockerWrapper"
ID = "4L6g3nShT-eMCtK--X86sw"
VARIABLES = {
    "CLUSTER_ID": ID,
    "KAFKA_NODE_ID": "1",
    "KAFKA_PROCESS_ROLES": "broker,controller",
    "KAFKA_LISTENERS": "PLAINTEXT://:9092,CONTROLLER://:9094",
    "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
    "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9094",
    "KAFKA_ABC__DEF___GHI____JKL": "x",
    "KAFKA_KAFKA_METRICS_REPORTERS": "",
    "KAFKA_BROKER_RACK": " \\u0041\\ b\\\\c # d=e:f  ",
    "KAFKA_OPTS": "-Dx=y",
    "KAFKA_HEAP_OPTS": "-Xmx1g",
    "KAFKA_VERSION": "4",
    "KAFKA_JMX_HOSTNAME": "h",
    "KAFKA_LOG4J_ROOT_LOGLEVEL": "WARN",
    "KAFKA_Mixed_Case": "1",
    "NOT_KAFKA_NUM_PARTITIONS": "7",
}
MOUNTED = "num.partitions=3\nbroker.rack=none\nlog.retention.hours : 5\n# a comment\nnode.id = 9"


@pytest.fixture
def image_says(tmp_path):
    """What the image's program makes of variables and a mounted file: every property by name."""
    reason = why_no_java()
    if reason:
        pytest.skip(reason)

    def ask(variables, mounted: str | None) -> dict[str, str]:
        folders = {name: tmp_path / name for name in ("default", "mounted", "final")}
        for folder in folders.values():
            folder.mkdir()
        for name in ("log4j2.yaml", "tools-log4j2.yaml"):
            (folders["default"] / name).write_text("Configuration:\n  Loggers:\n    Root:\n      level: INFO\n")
        if mounted is not None:
            (folders["mounted"] / "server.properties").write_text(mounted)
        environment = {name: value for name, value in java_environment().items() if not name.startswith("KAFKA_")}
        arguments = [f"--{name}-configs-dir={folder}" for name, folder in folders.items()]
        # It formats the log directories next, which those variables are no good for: the file is there by then.
        done = subprocess.run(
            [str(REAL_KAFKA), "tool", WRAPPER, "setup", *arguments],
            env={**environment, **variables, "KAFKA_LOG_DIRS": str(tmp_path / "logs")},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        final = folders["final"] / "server.properties"
        assert final.exists(), done.stdout + done.stderr
        return {entry.key: entry.value for entry in parse_properties(final.read_text(), "server.properties")}

    return ask


@pytest.mark.parametrize("mounted", [None, MOUNTED], ids=["variables", "variables and a file"])
def test_every_property(image_says, tmp_path, mounted):
    theirs = image_says(VARIABLES, mounted)
    given = {**VARIABLES, "KAFKA_LOG_DIRS": str(tmp_path / "logs")}
    ours = {each.key: each.value for each in container_settings(given, mounted).settings if each.origin != "the image"}
    assert ours == theirs
