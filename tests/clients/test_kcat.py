"""kcat (librdkafka at the shell), unchanged, against the broker."""

from __future__ import annotations

import subprocess

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
