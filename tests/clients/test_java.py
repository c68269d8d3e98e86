"""Java's own command-line clients, unchanged, against the broker."""

from __future__ import annotations

import pytest

from ..harness.broker_process import REAL_KAFKA
from ..harness.java_tools import CONSOLE_CONSUMER, CONSOLE_PRODUCER, TOPICS, java_environment
from .group_scenario import PARTITIONS, GroupScenario, key_of

GROUP_SETTINGS = {
    "auto.commit.interval.ms": "500",
    "session.timeout.ms": "1500",
    "heartbeat.interval.ms": "300",
}


class JavaFamily:
    leaves_while_reading = True
    ends_with_the_broker = False

    group_settings = GROUP_SETTINGS

    def __init__(self, java_tools, bootstrap: str) -> None:
        self._java_tools = java_tools
        self._bootstrap = bootstrap

    def run(self, tool: str, *arguments: str, stdin: str = "") -> str:
        return self._java_tools.succeed(tool, "--bootstrap-server", self._bootstrap, *arguments, stdin=stdin.encode())

    def create_topic(self, topic: str, partitions: int) -> None:
        self.run(TOPICS, "--create", "--topic", topic, "--partitions", str(partitions))

    def produce(self, topic: str, numbers: range) -> None:
        lines = "".join(f"{key_of(number)}:{number}\n" for number in numbers)
        keyed = ("--reader-property", "parse.key=true", "--reader-property", "key.separator=:")
        self.run(CONSOLE_PRODUCER, "--topic", topic, "--timeout", "5", *keyed, stdin=lines)

    def member_command(self, group: str, topic: str):
        given = self.group_settings.items()
        settings = [word for key, value in given for word in ("--command-property", f"{key}={value}")]
        shown = {"print.partition": "true", "print.offset": "true", "print.key": "true", "key.separator": " "}
        formatting = [word for key, value in shown.items() for word in ("--formatter-property", f"{key}={value}")]
        command = [str(REAL_KAFKA), "tool", CONSOLE_CONSUMER, "--bootstrap-server", self._bootstrap, "--from-beginning"]
        return [*command, "--topic", topic, "--group", group, *settings, *formatting], java_environment()


def test_group_of_100_000_records(own_broker, java_tools, unique, tmp_path):
    broker = own_broker()
    family = JavaFamily(java_tools, broker.bootstrap)
    family.create_topic(unique, PARTITIONS)
    GroupScenario(family, broker, unique, tmp_path).run()


@pytest.fixture
def consoles(java_tools, broker):
    return JavaFamily(java_tools, broker.bootstrap)


def read(consoles: JavaFamily, topic: str, count: int, *shown: str) -> list[str]:
    formatting = [word for key in shown for word in ("--formatter-property", f"{key}=true")]
    limits = ("--max-messages", str(count), "--timeout-ms", "20000")
    return consoles.run(CONSOLE_CONSUMER, "--topic", topic, "--from-beginning", *limits, *formatting).splitlines()


CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


def test_consoles_with_every_codec(consoles, unique):
    lines = []
    for codec in CODECS:
        lines += [f"{codec} {number}" for number in range(50)]
        written = "".join(f"{line}\n" for line in lines[-50:])
        consoles.run(CONSOLE_PRODUCER, "--topic", unique, "--compression-codec", codec, "--timeout", "5", stdin=written)
    found = read(consoles, unique, len(lines))
    # Each console closes its producer when the process ends, so the next one's lines may come first.
    assert [line for codec in CODECS for line in found if line.startswith(f"{codec} ")] == lines


def test_consoles_with_headers_and_nulls(consoles, unique):
    parsing = {"parse.key": "true", "parse.headers": "true", "null.marker": "NULL"}
    properties = [word for key, value in parsing.items() for word in ("--reader-property", f"{key}={value}")]
    written = "colour:blue,size:1\tk\tv\nNULL\tNULL\tv\nNULL\tk\tNULL\n"
    consoles.run(CONSOLE_PRODUCER, "--topic", unique, *properties, stdin=written)
    assert read(consoles, unique, 3, "print.headers", "print.key") == [
        "colour:blue,size:1\tk\tv",
        "NO_HEADERS\tnull\tv",
        "NO_HEADERS\tk\tnull",
    ]


def test_consoles_without_idempotence_and_with_acks_0_and_1(consoles, unique):
    consoles.create_topic(unique, 1)
    for acks in ("0", "1"):
        settings = ("--command-property", f"acks={acks}", "--command-property", "enable.idempotence=false")
        consoles.run(CONSOLE_PRODUCER, "--topic", unique, *settings, stdin=f"acks {acks}\n")
    assert read(consoles, unique, 2) == ["acks 0", "acks 1"]


def test_a_record_that_is_too_large_is_refused(consoles, java_tools, broker, unique):
    consoles.run(TOPICS, "--create", "--topic", unique, "--config", "max.message.bytes=1000")
    arguments = ("--bootstrap-server", broker.bootstrap, "--topic", unique, "--sync")
    done = java_tools.run(CONSOLE_PRODUCER, *arguments, stdin=b"x" * 2000 + b"\n")
    assert "RecordTooLargeException" in done.out + done.err
