"""confluent-kafka (librdkafka), unchanged, against the broker."""

from __future__ import annotations

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from .group_members import python_member
from .group_scenario import PARTITIONS, GroupScenario, key_of


class ConfluentFamily:
    leaves_while_reading = True
    ends_with_the_broker = False

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "linger.ms": 5,
                "enable.idempotence": True,  # the order of a key's records also holds where a request is sent again
                "reconnect.backoff.max.ms": 500,
            }
        )

    def create_topic(self, topic: str, partitions: int) -> None:
        admin = AdminClient({"bootstrap.servers": self._bootstrap})
        admin.create_topics([NewTopic(topic, partitions)])[topic].result(10)

    def produce(self, topic: str, numbers: range) -> None:
        failed = []
        for number in numbers:
            self._producer.produce(
                topic,
                str(number).encode(),
                key_of(number).encode(),
                on_delivery=lambda error, _: failed.append(error) if error else None,
            )
            self._producer.poll(0)
        assert self._producer.flush(30) == 0
        assert not failed

    def member_command(self, group: str, topic: str):
        return python_member("confluent_member.py", self._bootstrap, group, topic), None


def test_group_of_100_000_records(own_broker, unique, tmp_path):
    broker = own_broker()
    family = ConfluentFamily(broker.bootstrap)
    family.create_topic(unique, PARTITIONS)
    GroupScenario(family, broker, unique, tmp_path).run()
