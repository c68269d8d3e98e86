"""The frame of metadata records: every kind round-trips, and what is not known is named."""

from __future__ import annotations

import pytest
from ottla.broker.metadata.metadata_records import RECORD_KINDS, decode_record, encode_record, written_version
from ottla.protocol.errors import ProtocolError
from ottla.protocol.stored import metadata as stored


@pytest.mark.parametrize("kind", RECORD_KINDS.values())
def test_every_kind_round_trips_in_the_version_that_is_written(kind):
    record = kind()
    value = encode_record(record)
    assert value[:2] == bytes((1, kind.api_key))
    assert decode_record(value) == record


def test_the_table_holds_every_stored_kind():
    kinds = {kind for kind in vars(stored).values() if isinstance(kind, type) and getattr(kind, "api_key", -1) >= 0}
    assert set(RECORD_KINDS.values()) == kinds


@pytest.mark.parametrize(
    ("fields", "version"),
    [
        ({"fenced": -1}, 0),
        ({"in_controlled_shutdown": 1}, 1),
        ({"log_dirs": [b"d" * 16]}, 2),
        ({"cordoned_log_dirs": []}, 3),
    ],
)
def test_a_registration_change_takes_the_lowest_version_that_can_say_it(fields, version):
    assert written_version(stored.BrokerRegistrationChangeRecord(**fields)) == version


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (b"", "ends within its frame"),
        (b"\x01", "ends within its frame"),
        (b"\x02\x02\x00", "frame version 2"),
        (b"\x01\x63\x05", "type 99 (version 5)"),
        (b"\x01\x02\x01", "TopicRecord has version 1"),
        (b"\x01\x02\x00\x05ab", "TopicRecord.name claims"),
    ],
)
def test_what_is_not_known_is_named(value, named):
    with pytest.raises(ProtocolError) as caught:
        decode_record(value)
    assert named in str(caught.value)


def test_a_topic_record_is_what_apache_kafka_writes():
    # Taken from a log of Apache Kafka 4.3.1.
    record = stored.TopicRecord(name="t1", topic_id=bytes.fromhex("b0d760f1eeec44c3a4226c6b5a3cd9c6"))
    assert encode_record(record) == bytes.fromhex("010200037431b0d760f1eeec44c3a4226c6b5a3cd9c600")
