"""aiokafka, unchanged, against the broker."""

from __future__ import annotations

import asyncio

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from .group_members import python_member
from .group_scenario import PARTITIONS, GroupScenario, key_of


class AiokafkaFamily:
    leaves_while_reading = True
    ends_with_the_broker = False

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap

    def create_topic(self, topic: str, partitions: int) -> None:
        async def create() -> None:
            admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap)
            await admin.start()
            try:
                await admin.create_topics([NewTopic(topic, partitions, 1)])
            finally:
                await admin.close()

        asyncio.run(create())

    def produce(self, topic: str, numbers: range) -> None:
        async def send_all() -> None:
            async with AIOKafkaProducer(
                bootstrap_servers=self._bootstrap, linger_ms=5, enable_idempotence=True
            ) as producer:
                sent = [await producer.send(topic, str(number).encode(), key_of(number).encode()) for number in numbers]
                await asyncio.gather(*sent)

        asyncio.run(send_all())

    def member_command(self, group: str, topic: str):
        return python_member("aiokafka_member.py", self._bootstrap, group, topic), None


def test_group_of_100_000_records(own_broker, unique, tmp_path):
    broker = own_broker()
    family = AiokafkaFamily(broker.bootstrap)
    family.create_topic(unique, PARTITIONS)
    GroupScenario(family, broker, unique, tmp_path).run()
