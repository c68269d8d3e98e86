"""kafka-python, unchanged, against the broker."""

from __future__ import annotations

import pytest
from kafka import KafkaAdminClient, KafkaProducer

from .group_members import python_member
from .group_scenario import PARTITIONS, GroupScenario, key_of


class KafkaPythonFamily:
    leaves_while_reading = True
    ends_with_the_broker = False

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._producer = KafkaProducer(bootstrap_servers=bootstrap, linger_ms=5, reconnect_backoff_max_ms=500)

    def close(self) -> None:
        self._producer.close()

    def create_topic(self, topic: str, partitions: int) -> None:
        with KafkaAdminClient(bootstrap_servers=self._bootstrap) as admin:
            admin.create_topics({topic: {"num_partitions": partitions}})

    def produce(self, topic: str, numbers: range) -> None:
        sent = [self._producer.send(topic, str(number).encode(), key_of(number).encode()) for number in numbers]
        self._producer.flush(30)
        assert all(future.succeeded() for future in sent)

    def member_command(self, group: str, topic: str):
        return python_member("kafka_python_member.py", self._bootstrap, group, topic), None


@pytest.fixture
def family(own_broker):
    broker = own_broker()
    family = KafkaPythonFamily(broker.bootstrap)
    yield family, broker
    family.close()


def test_group_of_100_000_records(family, unique, tmp_path):
    client, broker = family
    client.create_topic(unique, PARTITIONS)
    GroupScenario(client, broker, unique, tmp_path).run()
