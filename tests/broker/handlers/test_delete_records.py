"""DeleteRecords on real logs; what is answered is what Kafka 4.3.1 answers to the same requests."""

from __future__ import annotations

import errno

import pytest
from ottla.broker.handlers import delete_records
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.delete_records import DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic

from ..data_broker import DataBroker, batch, told


@pytest.fixture
def broker(tmp_path):
    broker = DataBroker(tmp_path)
    broker.create("t")
    broker.produce("t", batch(5))
    broker.produce("t", batch(5))
    return broker


def delete(broker, offset, *, topic="t", partition=0, version=2):
    wanted = DeleteRecordsPartition(partition_index=partition, offset=offset)
    request = DeleteRecordsRequest(topics=[DeleteRecordsTopic(name=topic, partitions=[wanted])], timeout_ms=1000)
    answer = broker.ask(delete_records, request, version).topics[0].partitions[0]
    return ErrorCode(answer.error_code).name, answer.low_watermark


@pytest.mark.parametrize("version", [0, 1, 2])
def test_the_start_moves_and_never_back(broker, version):
    assert delete(broker, 3, version=version) == ("NONE", 3)
    assert delete(broker, 2, version=version) == ("NONE", 3)
    assert delete(broker, 0, version=version) == ("NONE", 3)
    assert broker.partitions.get("t", 0).log.log_start_offset == 3
    assert told(broker.fetch(("t", [{"fetch_offset": 2}]))) == [(0, ErrorCode.OFFSET_OUT_OF_RANGE, 0)]
    assert told(broker.fetch(("t", [{"fetch_offset": 3}])))[0][1] == 0


def test_minus_one_is_the_high_watermark(broker):
    assert delete(broker, -1) == ("NONE", 10)
    assert broker.produce("t").base_offset == 10
    broker.create("empty")
    assert delete(broker, -1, topic="empty") == ("NONE", 0)


def test_the_answer_waits_until_the_start_is_kept(broker):
    delete(broker, 3)
    delete(broker, 11)
    assert broker.logs.kept_starts == [("t", 3)]


@pytest.mark.parametrize("offset", [11, -2])
def test_what_is_out_of_range(broker, offset):
    assert delete(broker, offset) == ("OFFSET_OUT_OF_RANGE", -1)


def test_the_last_wish_for_a_partition_counts(broker):
    wishes = [DeleteRecordsPartition(partition_index=0, offset=offset) for offset in (1, 4)]
    topics = [DeleteRecordsTopic(name="t", partitions=wishes), DeleteRecordsTopic(name="t", partitions=wishes[:1])]
    answer = broker.ask(delete_records, DeleteRecordsRequest(topics=topics, timeout_ms=1000), 2)
    [topic] = answer.topics
    assert [(partition.partition_index, partition.low_watermark) for partition in topic.partitions] == [(0, 1)]


def test_what_is_not_there(broker):
    assert delete(broker, 0, topic="unknown") == ("UNKNOWN_TOPIC_OR_PARTITION", -1)
    assert delete(broker, 0, partition=4) == ("UNKNOWN_TOPIC_OR_PARTITION", -1)


@pytest.mark.parametrize(("policy", "code"), [("compact", "POLICY_VIOLATION"), ("compact,delete", "NONE")])
def test_only_logs_that_delete(broker, policy, code):
    broker.create("c", cleanup_policy=policy)
    broker.produce("c", batch(3))
    assert delete(broker, 1, topic="c")[0] == code


def test_not_the_brokers_own(broker):
    broker.metadata.ensure_internal_topic("__consumer_offsets")
    assert delete(broker, 0, topic="__consumer_offsets") == ("INVALID_TOPIC_EXCEPTION", -1)


def test_a_disk_that_fails(broker, monkeypatch):
    def fail(*arguments):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(type(broker.partitions.get("t", 0).log), "advance_log_start_offset", fail)
    assert delete(broker, 1) == ("KAFKA_STORAGE_ERROR", -1)
    assert delete(broker, 1) == ("KAFKA_STORAGE_ERROR", -1)
