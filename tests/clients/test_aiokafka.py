"""aiokafka, unchanged, against the broker."""

from __future__ import annotations

import asyncio
import contextlib
import time

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from .group_members import python_member
from .group_scenario import PARTITIONS, GroupScenario, key_of

FIRST_MS = time.time_ns() // 1_000_000 - 60_000  # retention takes what is older than the topic allows


@contextlib.asynccontextmanager
async def administration(bootstrap: str):
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


class AiokafkaFamily:
    leaves_while_reading = True
    ends_with_the_broker = False

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap

    def create_topic(self, topic: str, partitions: int) -> None:
        async def create() -> None:
            async with administration(self._bootstrap) as admin:
                await admin.create_topics([NewTopic(topic, partitions, 1)])

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


def test_topics_and_configs(broker, unique):
    async def run() -> None:
        async with administration(broker.bootstrap) as admin:
            created = await admin.create_topics([NewTopic(unique, 3, 1, topic_configs={"retention.ms": "1000000"})])
            assert created.topic_errors[0][1] == 0
            assert unique in await admin.list_topics()
            (described,) = await admin.describe_topics([unique])
            assert len(described["partitions"]) == 3
            await admin.create_partitions({unique: NewPartitions(total_count=5)})
            (described,) = await admin.describe_topics([unique])
            assert len(described["partitions"]) == 5
            assert await config(admin, "retention.ms") == "1000000"
            resource = ConfigResource(ConfigResourceType.TOPIC, unique, {"max.message.bytes": "5000"})
            await admin.alter_configs([resource])
            assert await config(admin, "max.message.bytes") == "5000"
            assert await config(admin, "retention.ms") == "604800000", "the older AlterConfigs replaces the whole set"
            deleted = await admin.delete_topics([unique])
            assert deleted.topic_error_codes[0][1] == 0
            assert unique not in await admin.list_topics()

    async def config(admin: AIOKafkaAdminClient, key: str) -> str:
        (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, unique)])
        return {entry[0]: entry[1] for entry in answer.resources[0][4]}[key]

    asyncio.run(run())


def test_groups_offsets_and_deleted_records(broker, unique):
    partition = TopicPartition(unique, 0)

    async def run() -> None:
        async with AIOKafkaProducer(bootstrap_servers=broker.bootstrap) as producer:
            for number in range(10):
                await producer.send_and_wait(unique, b"v%d" % number, timestamp_ms=FIRST_MS + number)
        consumer = AIOKafkaConsumer(
            unique, bootstrap_servers=broker.bootstrap, group_id=unique, auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            for number in range(10):
                assert (await asyncio.wait_for(consumer.getone(), 30)).value == b"v%d" % number
            await consumer.commit()
            await look_at_group()
            times = await consumer.offsets_for_times({partition: FIRST_MS + 5})
            assert times[partition].offset == 5
            async with administration(broker.bootstrap) as admin:
                await admin.delete_records({partition: RecordsToDelete(before_offset=4)})
            assert await consumer.beginning_offsets([partition]) == {partition: 4}
            assert await consumer.end_offsets([partition]) == {partition: 10}
        finally:
            await consumer.stop()

    async def look_at_group() -> None:
        async with administration(broker.bootstrap) as admin:
            assert (unique, "consumer") in await admin.list_consumer_groups()
            (described,) = await admin.describe_consumer_groups([unique])
            assert described.groups[0][2] == "Stable"
            assert (await admin.list_consumer_group_offsets(unique))[partition].offset == 10

    asyncio.run(run())
