"""A real consumer that waits for a megabyte: answered when it is there, or when its time is up, and not before.

Nothing here depends on how fast the machine is: every bound is seconds away from what it tells apart.
"""

from __future__ import annotations

import contextlib
import threading
import time

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from ottla.protocol.messages.fetch import FetchRequest, FetchResponse

from ..harness.raw_client import FETCH_VERSION, RawClient, fetch_request, request_frame

MEGABYTE = 1024 * 1024
MAX_WAIT_MS = 5000
PIECE = b"x" * 64 * 1024


@pytest.fixture
def producer(broker):
    with contextlib.closing(KafkaProducer(bootstrap_servers=broker.bootstrap)) as client:
        yield client


class Waiting:
    """A fetch of kafka-python that has been sent, and the second at which its records came."""

    def __init__(self, broker, topic: str) -> None:
        self.consumer = KafkaConsumer(
            bootstrap_servers=broker.bootstrap,
            fetch_min_bytes=MEGABYTE,
            fetch_max_wait_ms=MAX_WAIT_MS,
            max_partition_fetch_bytes=4 * MEGABYTE,
            max_poll_records=10_000,
        )
        partition = TopicPartition(topic, 0)
        self.consumer.assign([partition])
        self.consumer.seek(partition, 0)
        self.count = 0
        self.began = self.answered = 0.0
        self.thread = threading.Thread(target=self._wait)

    def _wait(self) -> None:
        self.began = time.monotonic()
        records = self.consumer.poll(timeout_ms=20_000)
        self.answered = time.monotonic()
        self.count = sum(map(len, records.values()))

    def __enter__(self) -> Waiting:
        self.thread.start()
        return self

    def __exit__(self, *exception) -> None:
        self.thread.join()
        self.consumer.close()


def test_it_is_answered_when_the_megabyte_is_there(broker, producer, unique):
    producer.send(unique, PIECE).get(20)
    with Waiting(broker, unique) as waiting:
        time.sleep(1)
        for _ in range(14):
            producer.send(unique, PIECE).get(20)
        assert waiting.answered == 0.0, "15 of 16 pieces are no megabyte"
        time.sleep(0.3)
        assert waiting.answered == 0.0
        producer.send(unique, PIECE).get(20)
        complete = time.monotonic()
        waiting.thread.join(20)
    assert waiting.count == 16
    assert waiting.answered - complete < 2.0
    assert waiting.answered - waiting.began < MAX_WAIT_MS / 1000 - 0.5


def test_it_is_answered_when_its_time_is_up(broker, producer, unique):
    producer.send(unique, PIECE).get(20)
    with Waiting(broker, unique) as waiting:
        waiting.thread.join(20)
    assert waiting.count == 1
    assert MAX_WAIT_MS / 1000 - 0.1 < waiting.answered - waiting.began < MAX_WAIT_MS / 1000 + 5


def test_bytes_count_across_partitions_on_the_wire(broker, producer, unique):
    """Half a megabyte in each of two topics; neither alone would do."""
    topics = [f"{unique}-{letter}" for letter in "ab"]
    for topic in topics:
        producer.send(topic, b"first").get(20)
    request = fetch_request(topics[0], offset=1, max_wait_ms=30_000, min_bytes=MEGABYTE)
    request.topics += fetch_request(topics[1], offset=1).topics
    with RawClient(broker) as client:
        began = time.monotonic()
        client.send(request_frame(request, FETCH_VERSION))
        for topic in topics:
            for _ in range(8):
                producer.send(topic, PIECE).get(20)
        _, response = client.read_response(FetchRequest, FetchResponse, FETCH_VERSION)
        assert time.monotonic() - began < 15
    sizes = [len(topic.partitions[0].records) for topic in response.responses]
    assert sum(sizes) >= MEGABYTE
    assert min(sizes) > 0


def test_without_a_wait_it_is_answered_at_once(broker, producer, unique):
    producer.send(unique, PIECE).get(20)
    with RawClient(broker) as client:
        began = time.monotonic()
        partition = client.fetch(fetch_request(unique, max_wait_ms=0, min_bytes=MEGABYTE))
        assert time.monotonic() - began < 5
    assert len(partition.records) > len(PIECE)
