"""Apache Kafka without Docker: its jars by Maven, one KRaft node on the loopback by the local Java.

The jars are fetched once into a cache that other runs share: `$KAFKA_COMPAT_CACHE`, or `~/.cache/real-kafka`, with
the jars in `libs`. `why_not()` says what is missing where Kafka cannot run.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import ClassVar

from .brokers import OPTIONS, BrokerProcess, CannotRun, DidNotStart, answers, free_ports

KAFKA_VERSION = "4.3.1"
JAVA_LOWEST = 17
_SCALA = "2.13"
_LOG4J_VERSION = "2.25.2"
_COPY_DEPENDENCIES = "org.apache.maven.plugins:maven-dependency-plugin:3.6.0:copy-dependencies"
_CLUSTER_ID = "Y29tcGF0LXN1aXRlLTAwMQ"
_HEAP = os.environ.get("KAFKA_HEAP", "512m")
_FETCH_TIMEOUT_S = 600
_START_TIMEOUT_S = 120
_FORMAT_TIMEOUT_S = 120

_ARTIFACTS = (
    ("org.apache.kafka", f"kafka_{_SCALA}", KAFKA_VERSION),
    ("org.apache.kafka", "kafka-tools", KAFKA_VERSION),
    ("org.apache.logging.log4j", "log4j-slf4j-impl", _LOG4J_VERSION),
)

_LOG4J = """\
status = error
appender.out.type = Console
appender.out.name = out
appender.out.target = SYSTEM_ERR
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d %p %c: %m%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
"""


def cache_directory() -> Path:
    """Where the jars are kept between runs."""
    named = os.environ.get("KAFKA_COMPAT_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "real-kafka"


def why_not() -> str | None:
    """What keeps Apache Kafka from running here; None when nothing does."""
    version = _java_version()
    if version is None:
        return f"Apache Kafka needs Java {JAVA_LOWEST} or later, and there is no java"
    if version < JAVA_LOWEST:
        return f"Apache Kafka needs Java {JAVA_LOWEST} or later, and this is {version}"
    if not _has_jars(cache_directory() / "libs") and shutil.which("mvn") is None:
        return f"Apache Kafka's jars are not in {cache_directory() / 'libs'}, and there is no mvn to fetch them"
    return None


def class_path() -> str:
    """Kafka's jars for `java -cp`; fetches them when they are not there. Raises CannotRun."""
    reason = why_not()
    if reason:
        raise CannotRun(reason)
    libs = cache_directory() / "libs"
    if not _has_jars(libs):
        _fetch(libs)
    return f"{libs}/*"


def _has_jars(libs: Path) -> bool:
    return all((libs / f"{artifact}-{version}.jar").exists() for _, artifact, version in _ARTIFACTS)


def _java_version() -> int | None:
    if shutil.which("java") is None:
        return None
    said = subprocess.run(["java", "-version"], capture_output=True, text=True, timeout=30).stderr
    found = re.search(r'version "(\d+)', said)
    return int(found[1]) if found else None


def _fetch(libs: Path) -> None:
    """Let Maven copy the jars aside, then put them in place, so that a broken fetch leaves nothing behind."""
    libs.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=libs.parent) as directory:
        pom = Path(directory) / "pom.xml"
        pom.write_text(_pom())
        fetched = Path(directory) / "libs"
        command = ["mvn", "-q", "-B", "-f", str(pom), _COPY_DEPENDENCIES, f"-DoutputDirectory={fetched}"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_FETCH_TIMEOUT_S)
        except subprocess.TimeoutExpired as error:
            raise CannotRun(f"Apache Kafka's jars could not be fetched in {_FETCH_TIMEOUT_S} s") from error
        if done.returncode:
            raise CannotRun(f"Apache Kafka's jars could not be fetched: {(done.stdout + done.stderr)[-2000:]}")
        libs.mkdir(exist_ok=True)
        for jar in fetched.iterdir():
            jar.replace(libs / jar.name)


def _pom() -> str:
    wanted = "".join(
        f"<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version>"
        "</dependency>"
        for group, artifact, version in _ARTIFACTS
    )
    return (
        '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        "<groupId>compat</groupId><artifactId>kafka</artifactId><version>1</version>"
        f"<dependencies>{wanted}</dependencies></project>"
    )


class KafkaProcess(BrokerProcess):
    """One node of Apache Kafka, broker and controller in one."""

    kind: ClassVar[str] = "kafka"

    def start(self) -> None:
        jars = class_path()
        if not self.bootstrap_servers:
            self._prepare(jars)
        java = ["java", f"-Xmx{_HEAP}", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        logging = f"-Dlog4j2.configurationFile={self.home / 'log4j2.properties'}"
        self._spawn([*java, logging, "-cp", jars, "kafka.Kafka", str(self._properties)])
        if not answers(self.bootstrap_servers, _START_TIMEOUT_S, self.is_alive):
            self.kill()
            raise DidNotStart(f"Apache Kafka did not open its port\n{self.log_tail()}")

    @property
    def _properties(self) -> Path:
        return self.home / "server.properties"

    def _prepare(self, jars: str) -> None:
        """Choose ports and format the directory, once."""
        port, controller_port = free_ports(2)
        self.bootstrap_servers = f"127.0.0.1:{port}"
        (self.home / "log4j2.properties").write_text(_LOG4J)
        properties = {
            "process.roles": "broker,controller",
            "controller.quorum.bootstrap.servers": f"127.0.0.1:{controller_port}",
            "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": str(self.data_dir),
            **OPTIONS,
        }
        self._properties.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
        tool = ["java", "-XX:TieredStopAtLevel=1", "-cp", jars, "kafka.tools.StorageTool", "format"]
        done = subprocess.run(
            [*tool, "--standalone", "-t", _CLUSTER_ID, "-c", str(self._properties)],
            capture_output=True,
            text=True,
            timeout=_FORMAT_TIMEOUT_S,
        )
        if done.returncode:
            raise DidNotStart(f"the directory could not be formatted: {done.stdout}{done.stderr}")
