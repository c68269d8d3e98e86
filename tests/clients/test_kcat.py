"""kcat (librdkafka at the shell), unchanged, against the broker."""

from __future__ import annotations

import json
import subprocess
import time

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from .group_scenario import PARTITIONS, GroupScenario, key_of

GROUP_SETTINGS = {
    "auto.offset.reset": "earliest",
    "auto.commit.interval.ms": "500",
    "session.timeout.ms": "1500",
    "heartbeat.interval.ms": "300",
    "reconnect.backoff.max.ms": "500",
    "fetch.error.backoff.ms": "100",
}


class KcatFamily:
    # It drops the one record that it takes after the signal.
    leaves_while_reading = False
    ends_with_the_broker = True

    def __init__(self, kcat: str, bootstrap: str) -> None:
        self._kcat = kcat
        self._bootstrap = bootstrap

    def run(self, *arguments: str, stdin: str = "") -> str:
        command = [self._kcat, "-b", self._bootstrap, *arguments]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=40)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def create_topic(self, topic: str, partitions: int) -> None:
        """kcat has no admin of its own: people create the topic with another tool."""
        admin = AdminClient({"bootstrap.servers": self._bootstrap})
        admin.create_topics([NewTopic(topic, partitions)])[topic].result(10)

    def produce(self, topic: str, numbers: range) -> None:
        lines = "".join(f"{key_of(number)}:{number}\n" for number in numbers)
        self.run("-P", "-X", "enable.idempotence=true", "-t", topic, "-K", ":", stdin=lines)

    def member_command(self, group: str, topic: str):
        settings = [word for key, value in GROUP_SETTINGS.items() for word in ("-X", f"{key}={value}")]
        command = [self._kcat, "-u", "-b", self._bootstrap, *settings, "-q", "-f", "%p %o %k %s\n", "-G", group, topic]
        return command, None


def test_group_of_100_000_records(own_broker, kcat, unique, tmp_path):
    broker = own_broker()
    family = KcatFamily(kcat, broker.bootstrap)
    family.create_topic(unique, PARTITIONS)
    GroupScenario(family, broker, unique, tmp_path).run()


@pytest.fixture
def shell(kcat, broker):
    return KcatFamily(kcat, broker.bootstrap)


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_it_reads_what_it_wrote_with_every_codec(shell, unique, codec):
    lines = "".join(f"k{number}:{codec} {number}\n" for number in range(200))
    shell.run("-P", "-t", unique, "-K", ":", "-z", codec, stdin=lines)
    assert shell.run("-C", "-q", "-t", unique, "-o", "beginning", "-e", "-f", "%k:%s\n") == lines


def test_headers_and_nulls(shell, unique):
    shell.run("-P", "-t", unique, "-K", ":", "-Z", "-H", "colour=blue", "-H", "empty=", stdin="k:\n:v\n")
    read = shell.run("-C", "-q", "-t", unique, "-o", "beginning", "-e", "-f", "%K %S %h\n")
    assert read == "1 -1 colour=blue,empty=\n-1 1 colour=blue,empty=\n"


def test_metadata(shell, broker, unique):
    shell.create_topic(unique, 6)
    listed = json.loads(shell.run("-L", "-J", "-t", unique))
    assert [each["name"] for each in listed["brokers"]] == [broker.bootstrap]
    (topic,) = listed["topics"]
    assert [each["partition"] for each in topic["partitions"]] == list(range(6))


def test_offsets_by_time_and_reading_from_one(shell, unique):
    shell.create_topic(unique, 1)
    shell.run("-P", "-t", unique, stdin="old\n")
    between_ms = int(shell.run("-C", "-q", "-t", unique, "-o", "beginning", "-e", "-f", "%T")) + 1
    while time.time() * 1000 <= between_ms:
        time.sleep(0.001)
    shell.run("-P", "-t", unique, stdin="new\nnewer\n")
    assert shell.run("-Q", "-t", f"{unique}:0:{between_ms}").split() == [unique, "[0]", "offset", "1"]
    assert shell.run("-C", "-q", "-t", unique, "-o", f"s@{between_ms}", "-e") == "new\nnewer\n"
    assert shell.run("-C", "-q", "-t", unique, "-p", "0", "-o", "-1", "-e") == "newer\n"
