"""The broker's partitions: found by name and id, following the metadata, failing alone."""

from __future__ import annotations

import pytest
from ottla.protocol.errors import ErrorCode
from ottla.storage.append import AppendError

from ..data_broker import DataBroker, batch


@pytest.fixture
def broker(tmp_path):
    broker = DataBroker(tmp_path)
    broker.create("t", 2)
    return broker


def test_found_by_name_and_by_id(broker):
    partitions = broker.partitions
    partition = partitions.get("t", 1)
    assert (partition.topic, partition.index, partition.name) == ("t", 1, "t-1")
    assert partitions.find("", partition.topic_id, 1, by_id=True) is partition
    assert partitions.topic_name(partition.topic_id) == "t"
    for topic, index in (("t", 2), ("t", -1), ("u", 0)):
        assert partitions.get(topic, index) is None
    assert partitions.find("", b"?" * 16, 0, by_id=True) is None
    assert partitions.topic_name(b"?" * 16) is None
    assert [p.name for p in partitions] == ["t-0", "t-1"]


def test_new_partitions_of_a_topic(broker):
    topic = broker.metadata.image.topics_by_name["t"]
    broker.metadata.create_partitions(topic, 4)
    assert broker.partitions.get("t", 3).index == 3
    assert broker.produce("t", partition=3).base_offset == 0


def test_a_deleted_topic_is_gone_under_both_names(broker):
    partition = broker.partitions.get("t", 0)
    broker.metadata.delete_topic(broker.metadata.image.topics_by_name["t"])
    assert broker.partitions.get("t", 0) is None
    assert broker.partitions.find("", partition.topic_id, 0, by_id=True) is None
    assert partition.log not in broker.logs.opened
    with pytest.raises(AppendError) as refusal:
        partition.append(memoryview(bytearray(batch())), now_ms=0)
    assert refusal.value.code is ErrorCode.KAFKA_STORAGE_ERROR


def test_an_append_is_visible_at_once(broker):
    partition = broker.partitions.get("t", 0)
    partition.append(memoryview(bytearray(batch(3))), now_ms=broker.clock.now_ms())
    assert (partition.log.high_watermark, partition.log.log_end_offset) == (3, 3)


def test_a_changed_config_is_in_force_for_the_next_batch(broker):
    large = batch(value=b"v" * 500)
    assert broker.produce("t", large).error_code == 0
    broker.metadata.set_configs(2, "t", {"max.message.bytes": "100"})
    assert broker.produce("t", large).error_code == ErrorCode.MESSAGE_TOO_LARGE
    broker.metadata.set_configs(2, "t", {"max.message.bytes": None})
    assert broker.produce("t", large).error_code == 0


def test_what_was_acknowledged_is_there_after_a_crash(broker):
    broker.produce("t", batch(3))
    broker.crash()
    partition = broker.partitions.get("t", 0)
    assert (partition.log.log_end_offset, partition.log.high_watermark) == (3, 3)
    assert broker.produce("t").base_offset == 3


def test_leader_epochs_of_readers(broker):
    partition = broker.partitions.get("t", 0)
    partition.leader_epoch = 3
    problems = [partition.problem_with_epoch(epoch) for epoch in (-1, 2, 3, 4)]
    assert problems == [None, ErrorCode.FENCED_LEADER_EPOCH, None, ErrorCode.UNKNOWN_LEADER_EPOCH]
    partition.take_offline("the disk is gone")
    assert partition.problem_with_epoch(-1) is ErrorCode.KAFKA_STORAGE_ERROR


def test_flushes_when_the_time_has_come(tmp_path):
    broker = DataBroker(tmp_path)
    broker.create("f", flush_ms="1000")
    partition = broker.partitions.get("f", 0)
    broker.produce("f")
    partition.flush_if_due(now_ms=1000)
    assert partition.log.recovery_point == 1
    broker.produce("f")
    partition.flush_if_due(now_ms=1999)
    assert partition.log.recovery_point == 1
    partition.flush_if_due(now_ms=2000)
    assert partition.log.recovery_point == 2
