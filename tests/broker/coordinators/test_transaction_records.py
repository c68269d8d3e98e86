"""Transactional ids as bytes, in both versions of the record."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ottla.broker.coordinators.transaction_metadata import TransactionMetadata
from ottla.broker.coordinators.transaction_records import (
    TransactionRecord,
    decode_record,
    encode_record,
    record_of,
    usual_batch,
    usual_form,
)
from ottla.broker.coordinators.transaction_state import TransactionState
from ottla.protocol.compiler import encode
from ottla.protocol.errors import ProtocolError
from ottla.protocol.plain_batch import build_plain_batch
from ottla.protocol.stored.transactions import PartitionsSchema, TransactionLogKey, TransactionLogValue

LONGS = st.integers(-(2**63), 2**63 - 1)
SHORTS = st.integers(-(2**15), 2**15 - 1)
METADATA = st.builds(
    TransactionMetadata,
    transactional_id=st.text(st.characters(codec="utf-8"), max_size=20),
    producer_id=LONGS,
    producer_epoch=SHORTS,
    timeout_ms=st.integers(-(2**31), 2**31 - 1),
    state=st.sampled_from([state for state in TransactionState if state is not TransactionState.EMPTY]),
    partitions=st.frozensets(st.tuples(st.sampled_from("abc"), st.integers(0, 9))),
    start_timestamp_ms=LONGS,
    last_update_timestamp_ms=LONGS,
    previous_producer_id=LONGS,
    next_producer_id=LONGS,
    last_producer_epoch=st.just(-1),  # which no record keeps
    client_transaction_version=SHORTS,
)


@given(METADATA)
def test_a_flexible_record_keeps_everything(metadata):
    assert decode_record(*encode_record(record_of(metadata), 2)) == record_of(metadata)


@given(METADATA)
def test_an_old_record_keeps_all_but_what_came_later(metadata):
    found = decode_record(*encode_record(record_of(metadata), 0))
    assert found.metadata == TransactionMetadata(
        metadata.transactional_id,
        metadata.producer_id,
        metadata.producer_epoch,
        metadata.timeout_ms,
        metadata.state,
        metadata.partitions,
        metadata.start_timestamp_ms,
        metadata.last_update_timestamp_ms,
    )


@given(METADATA, st.sampled_from([-1, 0, 7]), st.sampled_from(TransactionState))
def test_a_flexible_record_is_what_the_codec_writes(metadata, usual, state):
    # Ids and versions that are not said take no room, and an empty transaction has no partitions.
    metadata = metadata._replace(next_producer_id=usual, client_transaction_version=max(usual, 0), state=state)
    indexes = {}
    for topic, index in sorted(metadata.partitions):
        indexes.setdefault(topic, []).append(index)
    partitions = [PartitionsSchema(topic=topic, partition_ids=found) for topic, found in indexes.items()]
    value = TransactionLogValue(
        producer_id=metadata.producer_id,
        producer_epoch=metadata.producer_epoch,
        transaction_timeout_ms=metadata.timeout_ms,
        transaction_status=metadata.state,
        transaction_partitions=None if metadata.state is TransactionState.EMPTY else partitions,
        transaction_last_update_timestamp_ms=metadata.last_update_timestamp_ms,
        transaction_start_timestamp_ms=metadata.start_timestamp_ms,
        previous_producer_id=metadata.previous_producer_id,
        next_producer_id=metadata.next_producer_id,
        client_transaction_version=metadata.client_transaction_version,
    )
    key = TransactionLogKey(transactional_id=metadata.transactional_id)
    assert encode_record(record_of(metadata), 2) == (b"\0\0" + encode(key, 0), b"\0\1" + encode(value, 1))


def test_many_partitions_are_not_kept():
    usual_form.cache_clear()
    of = TransactionMetadata("x", 1, state=TransactionState.ONGOING, previous_producer_id=1)
    for count in (9, 1000):
        metadata = of._replace(partitions=frozenset(("topic", index) for index in range(count)))
        assert decode_record(*encode_record(record_of(metadata), 2)).metadata == metadata
        assert usual_batch(metadata, 1) is None
    assert usual_form.cache_info().currsize == 0
    assert usual_batch(of._replace(partitions=frozenset({("topic", 1)})), 1)
    assert usual_form.cache_info().currsize == 1


@pytest.mark.parametrize(("server_version", "version"), [(0, 0), (1, 1), (2, 1)])
def test_the_cluster_decides_on_the_version(server_version, version):
    _, value = encode_record(record_of(TransactionMetadata("x", 1)), server_version)
    assert value[:2] == bytes((0, version))


def test_a_tombstone_has_no_value():
    key, value = encode_record(TransactionRecord("x", None), 2)
    assert (key, value) == (b"\0\0\0\x01x", None)
    assert decode_record(key, value) == TransactionRecord("x", None)


def test_records_from_the_future_are_passed_over():
    key, value = encode_record(record_of(TransactionMetadata("x", 1)), 2)
    assert decode_record(b"\0\x01" + key[2:], value) is None
    assert decode_record(key, b"\0\x02" + value[2:]) is None


def test_a_state_that_does_not_exist_is_an_error():
    key, value = encode_record(record_of(TransactionMetadata("x", 1)), 0)
    assert value[16] == 0
    with pytest.raises(ProtocolError, match="x has state 9"):
        decode_record(key, value[:16] + b"\x09" + value[17:])


@pytest.mark.parametrize("key", [b"", b"\0"])
def test_a_record_without_a_type_is_an_error(key):
    with pytest.raises(ProtocolError):
        decode_record(key, b"")


def is_usual(metadata):
    return metadata.previous_producer_id != -1 and metadata.next_producer_id == -1


@given(METADATA, st.sampled_from([0, 1, 2]), st.sampled_from([-1, 7]), st.sampled_from(["", "x", "ü" * 40, "x" * 300]))
def test_a_usual_record_is_what_all_others_are(metadata, version, following, name):
    metadata = metadata._replace(transactional_id=name, next_producer_id=following, client_transaction_version=version)
    built = usual_batch(metadata, 77)
    assert (built is not None) == (is_usual(metadata) and len(name) < 300 and len(metadata.partitions) <= 8)
    assert built in (None, build_plain_batch([encode_record(record_of(metadata), 2)], 77))


def test_an_empty_transaction_is_not_usual():
    began = TransactionMetadata("x", 1, state=TransactionState.EMPTY, previous_producer_id=1)
    assert usual_batch(began, 1) is None
    assert usual_batch(began._replace(state=TransactionState.COMPLETE_COMMIT), 1) is not None
