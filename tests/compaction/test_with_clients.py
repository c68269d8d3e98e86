"""A running broker compacts while clients use it: they notice nothing but the records that are not there any more."""

from __future__ import annotations

import re
import time

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic
from kafka.structs import OffsetAndMetadata
from ottla.storage.checkpoints import read_offsets

pytestmark = pytest.mark.timeout(600)  # several starts of brokers on a busy machine

TIMEOUT_S = 60
KEYS = 50
OPTIONS = {
    "log.cleaner.backoff.ms": "100",
    "log.cleaner.min.cleanable.ratio": "0.01",
    "offsets.topic.num.partitions": "1",
    "offsets.topic.segment.bytes": str(1 << 20),
}
COMPACT = {"cleanup.policy": "compact", "internal.segment.bytes": "20000", "file.delete.delay.ms": "0"}


@pytest.fixture
def compacting(own_broker):
    return own_broker(OPTIONS)


def wait_for(what, condition, broker):
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline, f"{what}\n{broker.log_tail()}"
        assert broker.alive()
        time.sleep(0.05)


def clean_offset(broker, topic: str) -> int:
    offsets = read_offsets(str(broker.data_dir / "cleaner-offset-checkpoint"))
    return next((offset for key, offset in offsets.items() if key.topic == topic), -1)


def create(broker, topic: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap)
    admin.create_topics([NewTopic(topic, 1, 1, topic_configs=COMPACT)])
    admin.close()


def read_all(broker, topic: str, **options) -> list:
    consumer = KafkaConsumer(bootstrap_servers=broker.bootstrap, auto_offset_reset="earliest", **options)
    partition = TopicPartition(topic, 0)
    consumer.assign([partition])
    end = consumer.end_offsets([partition])[partition]
    records = []
    while consumer.position(partition) < end:
        for found in consumer.poll(timeout_ms=1000).values():
            records += found
    consumer.close()
    return records


def test_records_are_read_and_written_while_the_log_is_compacted(compacting, unique):
    create(compacting, unique)
    producer = KafkaProducer(bootstrap_servers=compacting.bootstrap, enable_idempotence=True, linger_ms=5)
    reader = KafkaConsumer(bootstrap_servers=compacting.bootstrap, auto_offset_reset="earliest", fetch_max_bytes=3000)
    reader.assign([TopicPartition(unique, 0)])
    last, seen, position = {}, {}, -1
    for number in range(6000):
        key = b"key-%d" % (number % KEYS)
        last[key] = None if number % 97 == 0 else b"value-%d" % number * 5
        producer.send(unique, key=key, value=last[key])
        if number % 50 == 0:
            for records in reader.poll(timeout_ms=0).values():
                for record in records:
                    assert record.offset > position
                    position = record.offset
                    seen[record.key] = record.value
    producer.flush()
    producer.close()
    wait_for("nothing was compacted", lambda: clean_offset(compacting, unique) > 5000, compacting)
    while position < 5999:
        for records in reader.poll(timeout_ms=1000).values():
            for record in records:
                assert record.offset > position
                position = record.offset
                seen[record.key] = record.value
    reader.close()
    assert seen == last
    records = read_all(compacting, unique)
    assert len(records) < 2000
    assert {record.key: record.value for record in records} == last
    for restart in (compacting.stop, compacting.kill):
        restart()
        compacting.start()
        assert {record.key: record.value for record in read_all(compacting, unique)} == last
    assert "cannot be compacted" not in compacting.log_text()


def test_groups_keep_their_offsets_when_the_offsets_topic_is_compacted(compacting, unique):
    create(compacting, unique)
    partition = TopicPartition(unique, 0)
    producer = KafkaProducer(bootstrap_servers=compacting.bootstrap)
    producer.send(unique, key=b"k", value=b"v").get(30)
    producer.close()
    groups = [f"{unique}-{number}" for number in range(3)]
    consumers = [KafkaConsumer(bootstrap_servers=compacting.bootstrap, group_id=group) for group in groups]
    for consumer in consumers:
        consumer.assign([partition])
    for number in range(120):
        for consumer in consumers:
            consumer.commit({partition: OffsetAndMetadata(number, text_at(number), -1)})
    for consumer in consumers:
        consumer.close(autocommit=False)
    wait_for("no offsets were compacted", lambda: clean_offset(compacting, "__consumer_offsets") > 200, compacting)
    for restart in (compacting.stop, compacting.kill):
        restart()
        compacting.start()
        for group in groups:
            consumer = KafkaConsumer(bootstrap_servers=compacting.bootstrap, group_id=group)
            consumer.assign([partition])
            assert consumer.committed(partition, metadata=True) == OffsetAndMetadata(119, text_at(119), -1)
            consumer.close(autocommit=False)
    assert re.search(r"__consumer_offsets-0: cleaned offsets 0 to \d+", compacting.log_text())
    assert "cannot be compacted" not in compacting.log_text()


def text_at(number: int) -> str:
    """Large enough for the commits to fill a segment."""
    return f"at {number} ".ljust(4000, ".")
