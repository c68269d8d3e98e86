"""Kafka's own command-line tools, by the `real-kafka` script: one JVM that runs many of them, and one JVM each for
the consoles that a test wants to kill."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from pathlib import Path
from typing import NamedTuple

from .broker_process import REAL_KAFKA

RUNNER = Path(__file__).with_name("ToolRunner.java")

TOPICS = "org.apache.kafka.tools.TopicCommand"
GROUPS = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
CONFIGS = "kafka.admin.ConfigCommand"
CONSOLE_PRODUCER = "org.apache.kafka.tools.ConsoleProducer"
CONSOLE_CONSUMER = "org.apache.kafka.tools.consumer.ConsoleConsumer"
GET_OFFSETS = "org.apache.kafka.tools.GetOffsetShell"
DELETE_RECORDS = "org.apache.kafka.tools.DeleteRecordsCommand"


def why_no_java() -> str:
    """Why Java's clients cannot run here; empty where they can."""
    if not REAL_KAFKA.exists():
        return "the real-kafka script is not beside the repository"
    if shutil.which("java") is None or shutil.which("javac") is None:
        return "there is no JDK"
    libs = Path.home() / ".cache" / "real-kafka" / "libs"
    if not any(libs.glob("kafka_2.13-*.jar")):
        return "Kafka's jars are not there: `real-kafka install` fetches them"
    return ""


def java_environment() -> dict[str, str]:
    """A short-lived JVM is not worth optimising, and its log must not end up among the records on standard output."""
    log_to_stderr = "-Dlog4j2.loggerContextFactory=org.apache.logging.log4j.simple.SimpleLoggerContextFactory"
    options = f"-XX:TieredStopAtLevel=1 -Xshare:auto {log_to_stderr}"
    return {**os.environ, "JDK_JAVA_OPTIONS": options, "KAFKA_HEAP": "256m"}


class Done(NamedTuple):
    status: int
    out: str
    err: str


class JavaTools:
    """`run(TOPICS, "--list", ...)` is one run of a tool's main method, unchanged."""

    def __init__(self, directory: Path) -> None:
        self._log = (directory / "java.log").open("wb")
        self._process = subprocess.Popen(
            [str(REAL_KAFKA), "tool", str(RUNNER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=java_environment(),
            cwd=directory,
        )

    def run(self, tool: str, *arguments: str, stdin: bytes = b"") -> Done:
        strings = [tool.encode(), *(argument.encode() for argument in arguments)]
        request = struct.pack(">i", len(strings)) + b"".join(_prefixed(text) for text in [*strings, stdin])
        self._process.stdin.write(request)
        self._process.stdin.flush()
        status = struct.unpack(">i", self._read(4))[0]
        return Done(status, self._read_text(), self._read_text())

    def succeed(self, tool: str, *arguments: str, stdin: bytes = b"") -> str:
        """The tool's standard output; an AssertionError with both outputs when its exit status is not 0."""
        done = self.run(tool, *arguments, stdin=stdin)
        assert done.status == 0, f"{tool} {' '.join(arguments)}: status {done.status}\n{done.out}\n{done.err}"
        return done.out

    def close(self) -> None:
        with self._process:
            self._process.stdin.close()
        self._log.close()

    def _read_text(self) -> str:
        return self._read(struct.unpack(">i", self._read(4))[0]).decode()

    def _read(self, size: int) -> bytes:
        data = self._process.stdout.read(size)
        assert len(data) == size, f"the JVM ended; its words are in {self._log.name}"
        return data


def _prefixed(data: bytes) -> bytes:
    return struct.pack(">i", len(data)) + data
