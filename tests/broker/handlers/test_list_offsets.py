"""ListOffsets on real logs; what is answered is what Kafka 4.3.1 answers to the same requests."""

from __future__ import annotations

import errno

import pytest
from ottla.broker.handlers import list_offsets
from ottla.protocol.compression import Compression
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic

from ..data_broker import DataBroker, batch

LATEST, EARLIEST, MAX_TIMESTAMP, EARLIEST_LOCAL, LATEST_TIERED, EARLIEST_PENDING_UPLOAD = range(-1, -7, -1)
NOTHING = ("NONE", -1, -1, -1)


@pytest.fixture
def broker(tmp_path):
    """Five records at 1000 ms and on, five at 5000, five compressed ones at 3000."""
    broker = DataBroker(tmp_path)
    broker.create("t", message_timestamp_before_max_ms=str((1 << 63) - 1))
    broker.produce("t", batch(5, start_ms=1000))
    broker.produce("t", batch(5, start_ms=5000))
    broker.produce("t", batch(5, start_ms=3000, compression=Compression.GZIP))
    return broker


def ask(broker, *timestamps, topic="t", version=11, partition=0, epoch=-1, **fields):
    """(error, timestamp, offset, leader epoch) for each timestamp."""
    wanted = [
        ListOffsetsPartition(partition_index=partition, timestamp=timestamp, current_leader_epoch=epoch)
        for timestamp in timestamps
    ]
    request = ListOffsetsRequest(
        **{"replica_id": -1, **fields}, topics=[ListOffsetsTopic(name=topic, partitions=wanted)]
    )
    answers = broker.ask(list_offsets, request, version).topics[0].partitions
    return [(ErrorCode(a.error_code).name, a.timestamp, a.offset, a.leader_epoch) for a in answers]


@pytest.mark.parametrize(
    ("place", "offset", "since"),
    [
        (LATEST, 15, 1),
        (EARLIEST, 0, 1),
        (EARLIEST_LOCAL, 0, 8),
        (LATEST_TIERED, -1, 9),
        (EARLIEST_PENDING_UPLOAD, -1, 11),
        (-7, None, 99),
    ],
)
def test_places(broker, place, offset, since):
    for version in range(1, 12):
        epoch = 0 if version >= 4 and offset != -1 else -1
        expected = ("NONE", -1, offset, epoch) if version >= since else ("UNSUPPORTED_VERSION", -1, -1, -1)
        assert ask(broker, place, version=version) == [expected]


@pytest.mark.parametrize(
    ("timestamp", "found"),
    [
        (0, (1000, 0)),
        (1003, (1003, 3)),
        (1005, (5000, 5)),
        (3002, (5000, 5)),
        (5004, (5004, 9)),
        (5005, None),
    ],
)
def test_the_first_record_that_is_not_older(broker, timestamp, found):
    assert ask(broker, timestamp) == [("NONE", *found, 0) if found else NOTHING]


def test_a_record_inside_a_compressed_batch(broker):
    broker.create("z", message_timestamp_before_max_ms=str((1 << 63) - 1))
    broker.produce("z", batch(5, start_ms=3000, compression=Compression.GZIP))
    assert ask(broker, 3003, topic="z") == [("NONE", 3003, 3, 0)]


def test_the_largest_timestamp(broker):
    assert ask(broker, MAX_TIMESTAMP) == [("NONE", 5004, 9, 0)]
    assert ask(broker, MAX_TIMESTAMP, version=6) == [("UNSUPPORTED_VERSION", -1, -1, -1)]
    broker.create("u")
    assert ask(broker, MAX_TIMESTAMP, topic="u") == [NOTHING]
    broker.produce("u", batch(start_ms=-1))
    assert ask(broker, MAX_TIMESTAMP, topic="u") == [("NONE", -1, 0, 0)]


def test_the_leader_epoch_is_the_records(broker):
    partition = broker.partitions.get("t", 0)
    partition.leader_epoch = 3
    partition.log.leader_epochs.assign(3, 15)
    broker.produce("t", batch(start_ms=9000))
    assert ask(broker, 1000) == [("NONE", 1000, 0, 0)]
    assert ask(broker, 9000) == [("NONE", 9000, 15, 3)]
    assert ask(broker, LATEST) == [("NONE", -1, 16, 3)]
    assert ask(broker, EARLIEST) == [("NONE", -1, 0, 0)]


def test_the_readers_leader_epoch(broker):
    broker.partitions.get("t", 0).leader_epoch = 3
    codes = [ask(broker, LATEST, epoch=epoch)[0][0] for epoch in (-1, 2, 3, 4, -2)]
    assert codes == ["NONE", "FENCED_LEADER_EPOCH", "NONE", "UNKNOWN_LEADER_EPOCH", "FENCED_LEADER_EPOCH"]


def test_an_isolation_level_that_is_not_there(broker):
    assert ask(broker, LATEST, isolation_level=2) == [("UNKNOWN_SERVER_ERROR", -1, -1, -1)]


def test_read_committed_ends_at_the_stable_offset(broker):
    records = bytearray(batch(start_ms=9000, producer_id=9, producer_epoch=0, base_sequence=0, is_transactional=True))
    broker.partitions.get("t", 0).append(memoryview(records), now_ms=broker.clock.now_ms())
    assert ask(broker, LATEST, isolation_level=1) == [("NONE", -1, 15, 0)]
    assert ask(broker, LATEST, isolation_level=0) == [("NONE", -1, 16, 0)]
    assert ask(broker, 9000, isolation_level=1) == [NOTHING]
    assert ask(broker, 9000, isolation_level=0) == [("NONE", 9000, 15, 0)]


def test_what_is_not_there(broker):
    assert ask(broker, LATEST, topic="unknown") == [("UNKNOWN_TOPIC_OR_PARTITION", -1, -1, -1)]
    assert ask(broker, LATEST, partition=4) == [("UNKNOWN_TOPIC_OR_PARTITION", -1, -1, -1)]


def test_a_partition_named_twice(broker):
    assert {answer[0] for answer in ask(broker, LATEST, EARLIEST)} == {"INVALID_REQUEST"}


def test_records_that_were_deleted_are_not_found(broker):
    broker.partitions.get("t", 0).log.advance_log_start_offset(7)
    assert ask(broker, EARLIEST) == [("NONE", -1, 7, 0)]
    assert ask(broker, 0) == [("NONE", 5002, 7, 0)]


def test_a_disk_that_does_not_read(broker, monkeypatch):
    def fail(*arguments):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(type(broker.partitions.get("t", 0).log), "offset_for_timestamp", fail)
    assert ask(broker, 0) == [("KAFKA_STORAGE_ERROR", -1, -1, -1)]
    assert ask(broker, LATEST) == [("KAFKA_STORAGE_ERROR", -1, -1, -1)]
