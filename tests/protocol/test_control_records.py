from __future__ import annotations

import pytest
from ottla.protocol.compiler import decode
from ottla.protocol.control_records import (
    ControlRecordType,
    EndTxnMarker,
    LeaderChangeMessage,
    control_key,
    control_record_type,
    leader_change_batch,
)
from ottla.protocol.errors import ProtocolError
from ottla.protocol.record_batch import check_crc, read_header
from ottla.protocol.records import Record, read_records

from ..harness.markers import end_txn_batch


def only_record(batch: bytearray) -> Record:
    header = read_header(batch)
    check_crc(batch, 0, header)
    assert header.is_control
    [record] = read_records(batch, 0, header)
    return record


@pytest.mark.parametrize("commit", [False, True])
def test_a_transaction_marker(commit: bool) -> None:
    batch = end_txn_batch(
        commit=commit, base_offset=7, producer_id=9, producer_epoch=1, coordinator_epoch=3, timestamp_ms=5
    )
    assert read_header(batch).is_transactional
    record = only_record(batch)
    assert control_record_type(record) is (ControlRecordType.COMMIT if commit else ControlRecordType.ABORT)
    assert record.value == b"\x00\x00\x00\x00\x00\x03"
    assert decode(EndTxnMarker, record.value, 0, 2).coordinator_epoch == 3


def test_a_leader_change() -> None:
    batch = leader_change_batch(1, [1, 2], base_offset=0, partition_leader_epoch=4, timestamp_ms=5)
    record = only_record(batch)
    assert control_record_type(record) is ControlRecordType.LEADER_CHANGE
    message = decode(LeaderChangeMessage, record.value or b"", 0)
    assert message.leader_id == 1
    assert [voter.voter_id for voter in message.voters] == [1, 2]


@pytest.mark.parametrize("key", [None, b"", b"\x00\x00\x00", b"\x00\x00\x00\x63"])
def test_what_is_no_control_record(key: bytes | None) -> None:
    with pytest.raises(ProtocolError):
        control_record_type(Record(0, 0, key, b""))


def test_keys_are_kafkas() -> None:
    assert control_key(ControlRecordType.LEADER_CHANGE) == b"\x00\x00\x00\x02"
