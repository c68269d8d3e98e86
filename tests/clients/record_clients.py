"""The three Python clients behind one face: send records, read them back, say the broker's error code.

`send` returns an error code for each record, 0 where it was acknowledged. `read` returns the first `count` records
of a topic's one partition.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, NamedTuple

import aiokafka
import aiokafka.errors
import confluent_kafka
import kafka
import kafka.errors

if TYPE_CHECKING:
    from collections.abc import Sequence

LARGEST_REQUEST = 8 * 1024 * 1024
READ_TIMEOUT_S = 20


class Sent(NamedTuple):
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    timestamp_ms: int | None = None


class Got(NamedTuple):
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    timestamp_ms: int
    is_log_append_time: bool


class KafkaPythonClient:
    name = "kafka-python"
    sends_null_in_headers = False

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap

    def send(self, topic: str, records: Sequence[Sent], compression: str | None = None) -> list[int]:
        producer = kafka.KafkaProducer(
            bootstrap_servers=self._bootstrap,
            compression_type=compression,
            max_request_size=LARGEST_REQUEST,
            linger_ms=20,
        )
        with contextlib.closing(producer):
            futures = [
                producer.send(topic, each.value, each.key, list(each.headers), 0, each.timestamp_ms) for each in records
            ]
            return [self._code(future) for future in futures]

    def _code(self, future) -> int:
        try:
            future.get(READ_TIMEOUT_S)
        except kafka.errors.BrokerResponseError as error:
            return error.errno
        return 0

    def read(self, topic: str, count: int) -> list[Got]:
        consumer = kafka.KafkaConsumer(
            topic,
            bootstrap_servers=self._bootstrap,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=LARGEST_REQUEST,
            consumer_timeout_ms=READ_TIMEOUT_S * 1000,
        )
        with contextlib.closing(consumer):
            return [self._got(record) for _, record in zip(range(count), consumer, strict=False)]

    def _got(self, record) -> Got:
        headers = tuple(record.headers)
        return Got(record.offset, record.key, record.value, headers, record.timestamp, record.timestamp_type == 1)


class ConfluentClient:
    name = "confluent-kafka"
    sends_null_in_headers = True

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        # Kept, since librdkafka takes half a second to get a producer id.
        self._producers: dict[str | None, confluent_kafka.Producer] = {}

    def _new_producer(self, compression: str | None) -> confluent_kafka.Producer:
        settings = {
            "bootstrap.servers": self._bootstrap,
            "compression.type": compression or "none",
            "enable.idempotence": True,
            "message.max.bytes": LARGEST_REQUEST,
            "linger.ms": 20,
        }
        self._producers[compression] = confluent_kafka.Producer(settings)
        return self._producers[compression]

    def send(self, topic: str, records: Sequence[Sent], compression: str | None = None) -> list[int]:
        producer = self._producers.get(compression) or self._new_producer(compression)
        codes: list[int] = []
        for each in records:
            producer.produce(
                topic,
                each.value,
                each.key,
                0,
                on_delivery=lambda error, _: codes.append(error.code() if error else 0),
                timestamp=each.timestamp_ms or 0,
                headers=list(each.headers),
            )
        assert producer.flush(READ_TIMEOUT_S) == 0
        return codes

    def read(self, topic: str, count: int) -> list[Got]:
        consumer = confluent_kafka.Consumer(
            {"bootstrap.servers": self._bootstrap, "group.id": "unused", "enable.auto.commit": False}
        )
        with contextlib.closing(consumer):
            consumer.assign([confluent_kafka.TopicPartition(topic, 0, confluent_kafka.OFFSET_BEGINNING)])
            messages: list[confluent_kafka.Message] = []
            while len(messages) < count:
                batch = consumer.consume(count - len(messages), READ_TIMEOUT_S)
                assert batch, f"only {len(messages)} of {count} records"
                messages += batch
        return [self._got(message) for message in messages]

    def _got(self, message: confluent_kafka.Message) -> Got:
        assert message.error() is None, message.error()
        kind, timestamp = message.timestamp()
        is_append_time = kind == confluent_kafka.TIMESTAMP_LOG_APPEND_TIME
        headers = tuple(message.headers() or ())
        return Got(message.offset(), message.key(), message.value(), headers, timestamp, is_append_time)


class AiokafkaClient:
    name = "aiokafka"
    sends_null_in_headers = True

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap

    def send(self, topic: str, records: Sequence[Sent], compression: str | None = None) -> list[int]:
        return asyncio.run(self._send(topic, records, compression))

    async def _send(self, topic: str, records: Sequence[Sent], compression: str | None) -> list[int]:
        producer = aiokafka.AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            compression_type=compression,
            enable_idempotence=True,
            max_request_size=LARGEST_REQUEST,
            linger_ms=20,
        )
        async with producer:
            futures = [
                await producer.send(
                    topic, each.value, each.key, 0, timestamp_ms=each.timestamp_ms, headers=list(each.headers)
                )
                for each in records
            ]
            results = await asyncio.gather(*futures, return_exceptions=True)
        return [self._code(result) for result in results]

    def _code(self, result) -> int:
        if isinstance(result, aiokafka.errors.BrokerResponseError):
            return result.errno
        if isinstance(result, BaseException):
            raise result
        return 0

    def read(self, topic: str, count: int) -> list[Got]:
        return asyncio.run(self._read(topic, count))

    async def _read(self, topic: str, count: int) -> list[Got]:
        consumer = aiokafka.AIOKafkaConsumer(
            topic,
            bootstrap_servers=self._bootstrap,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=LARGEST_REQUEST,
        )
        await consumer.start()
        try:
            records = [await asyncio.wait_for(consumer.getone(), READ_TIMEOUT_S) for _ in range(count)]
        finally:
            await consumer.stop()
        return [self._got(record) for record in records]

    def _got(self, record) -> Got:
        headers = tuple(record.headers)
        return Got(record.offset, record.key, record.value, headers, record.timestamp, record.timestamp_type == 1)


PYTHON_CLIENTS = (KafkaPythonClient, ConfluentClient, AiokafkaClient)
