"""Group records in a real log, with what a Kafka that had transactions left there."""

from __future__ import annotations

import pytest
from ottla.broker.coordinators.group_records import offset_commit_record, offset_tombstone
from ottla.broker.coordinators.transaction_init import ProducerIdAndEpoch
from ottla.broker.runtime.group_log import GroupLog, LoggedMarker
from ottla.protocol.records import Record, build_batch
from ottla.protocol.stored.classic_groups import OffsetCommitValue
from ottla.storage.append import AppendOrigin

from ...harness.markers import end_txn_batch
from ..group_broker import OFFSETS_TOPIC, GroupBroker

NOW_MS = 1_700_000_000_000


@pytest.fixture
def log(tmp_path):
    broker = GroupBroker(tmp_path)
    broker.metadata.ensure_internal_topic(OFFSETS_TOPIC)
    return GroupLog(broker.partitions.get(OFFSETS_TOPIC, 0), broker.commits)


def offset(value, partition=0):
    return offset_commit_record("g", "t", partition, OffsetCommitValue(offset=value))


def read(log):
    """(offset, partition, committed offset, producer id) of each record, (producer id, commit?) of each marker."""
    return [
        tuple(logged)
        if isinstance(logged, LoggedMarker)
        else (
            logged.offset,
            logged.record.key.partition,
            logged.record.value and logged.record.value.offset,
            logged.producer_id,
        )
        for logged in log.read_all()
    ]


def append_bytes(log, batch):
    log.partition.append(memoryview(batch), now_ms=NOW_MS, origin=AppendOrigin.COORDINATOR)


def end_transaction(log, *, commit, producer_id=9):
    end = log.partition.log.log_end_offset
    append_bytes(
        log,
        end_txn_batch(
            commit=commit,
            base_offset=end,
            producer_id=producer_id,
            producer_epoch=0,
            coordinator_epoch=0,
            timestamp_ms=NOW_MS,
        ),
    )


def test_what_is_appended_is_read(log):
    assert log.append([offset(1), offset(2, 1)], NOW_MS) == 0
    assert log.append([offset_tombstone("g", "t", 0)], NOW_MS) == 2
    assert read(log) == [(0, 0, 1, -1), (1, 1, 2, -1), (2, 0, None, -1)]


def test_nothing_is_there_at_first(log):
    assert read(log) == []


def test_offsets_of_a_transaction_are_read_with_their_producer(log):
    log.append([offset(5)], NOW_MS, ProducerIdAndEpoch(9, 0))
    log.append([offset(6)], NOW_MS)
    end_transaction(log, commit=True)
    end_transaction(log, commit=False, producer_id=10)
    assert read(log) == [(0, 0, 5, 9), (1, 0, 6, -1), (9, True), (10, False)]


def test_offsets_of_an_open_transaction_are_beyond_the_last_stable_offset(log):
    log.append([offset(6)], NOW_MS)
    log.append([offset(5)], NOW_MS, ProducerIdAndEpoch(9, 0))
    assert log.partition.log.last_stable_offset == 1
    end_transaction(log, commit=True)
    assert log.partition.log.last_stable_offset == 3


def test_a_record_that_cannot_be_read_is_passed_over(log, caplog):
    end = log.partition.log.log_end_offset
    records = [Record(end, NOW_MS, b"\x00\x01\x00", b""), Record(end + 1, NOW_MS, None, b"keyless")]
    append_bytes(log, build_batch(records, base_offset=end))
    log.append([offset(1)], NOW_MS)
    assert read(log) == [(2, 0, 1, -1)]
    assert "the record at 0 is passed over" in caplog.text
