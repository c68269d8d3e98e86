"""Group records against bytes that Apache Kafka 4.3.1 wrote."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ottla.broker.coordinators.group_records import (
    CACHED_CHARS_MAX,
    GroupRecord,
    cached_offset_key,
    decode_record,
    encode_record,
    group_metadata_record,
    group_tombstone,
    new_group_record,
    offset_commit_record,
    offset_tombstone,
)
from ottla.protocol.compiler import encode
from ottla.protocol.errors import ProtocolError
from ottla.protocol.primitives import ZERO_UUID
from ottla.protocol.stored.classic_groups import (
    GroupMetadataKey,
    GroupMetadataValue,
    MemberMetadata,
    OffsetCommitKey,
    OffsetCommitValue,
)

LONGS = st.integers(-(2**63), 2**63 - 1)
OFFSET_KEY = b"\x00\x01\x00\x01b\x00\x01t\x00\x00\x00\x00"
TOPIC_ID = b"(\xfb\x8e;\x1f5L\xe5\x8f\xac\xf3u\xe9P\x82\x8e"
OFFSET_V4 = (
    b"\x00\x04\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x03\x05meta\x00\x00\x01\xa1\xfb\xc4c0\x01\x00\x10" + TOPIC_ID
)
OFFSET_V1 = (
    b"\x00\x01\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x00\x01\xa1\xfb\xc4cP\x00\x00\x01\xa1\xfb\xc5\xe9\xf0"
)
NEW_GROUP = b"\x00\x03\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff\x00\x00\x01\xa1\xfb\xc4a\x19\x00\x00\x00\x00"
STABLE_GROUP = (
    b"\x00\x03\x00\x08consumer\x00\x00\x00\x01\x00\x05range\x00\x03m-1\x00\x00\x01\xa1\xfb\xc4a\x8e\x00\x00\x00\x01"
    b"\x00\x03m-1\xff\xff\x00\x05probe\x00\n/127.0.0.1\x00\x00'\x10\x00\x00'\x10"
    b"\x00\x00\x00\r\x00\x00\x00\x00\x00\x01\x00\x01t\xff\xff\xff\xff\x00\x00\x00\x03AAA"
)


def test_an_offset():
    value = OffsetCommitValue(
        offset=5, leader_epoch=3, metadata="meta", commit_timestamp=0x1A1FBC46330, topic_id=TOPIC_ID
    )
    record = offset_commit_record("b", "t", 0, value)
    assert encode_record(record) == (OFFSET_KEY, OFFSET_V4)
    assert decode_record(OFFSET_KEY, OFFSET_V4) == record


@given(
    st.builds(
        OffsetCommitValue,
        offset=LONGS,
        leader_epoch=st.integers(-1, 2**31 - 1),
        metadata=st.text(st.characters(codec="utf-8")) | st.sampled_from([126, 127, 128, 4096]).map("m".__mul__),
        commit_timestamp=LONGS,
        topic_id=st.sampled_from([ZERO_UUID, TOPIC_ID]),
    )
)
def test_an_offset_is_what_the_codec_writes(value):
    key, encoded = encode_record(offset_commit_record("b", "t", 0, value))
    assert (key, encoded) == (OFFSET_KEY, b"\0\4" + encode(value, 4))
    assert decode_record(key, encoded).value == value


def test_names_that_clients_made_long_are_not_kept():
    kept_before = cached_offset_key.cache_info().currsize
    for number in range(50):
        for group, topic in ((f"{number:0300}", "t"), ("b", f"{number:0300}")):
            key = OffsetCommitKey(group=group, topic=topic, partition=1)
            assert encode_record(GroupRecord(key, None)) == (b"\0\1" + encode(key, 0), None)
    assert cached_offset_key.cache_info().currsize == kept_before
    encode_record(offset_tombstone("g" * CACHED_CHARS_MAX, "t" * CACHED_CHARS_MAX, 1))
    assert cached_offset_key.cache_info().currsize == kept_before + 1


def test_an_offset_that_expires_has_the_version_that_can():
    value = OffsetCommitValue(offset=5, commit_timestamp=0x1A1FBC46350, expire_timestamp=0x1A1FBC5E9F0)
    record = offset_commit_record("b", "t", 0, value)
    assert encode_record(record) == (OFFSET_KEY, OFFSET_V1)
    assert decode_record(OFFSET_KEY, OFFSET_V1) == record


def test_a_new_group():
    record = new_group_record("v4", 0x1A1FBC46119)
    assert encode_record(record) == (b"\x00\x02\x00\x02v4", NEW_GROUP)
    assert decode_record(b"\x00\x02\x00\x02v4", NEW_GROUP) == record


def test_a_group_with_a_member():
    member = MemberMetadata(
        member_id="m-1",
        client_id="probe",
        client_host="/127.0.0.1",
        rebalance_timeout=10_000,
        session_timeout=10_000,
        subscription=b"\x00\x00\x00\x00\x00\x01\x00\x01t\xff\xff\xff\xff",
        assignment=b"AAA",
    )
    value = GroupMetadataValue(
        protocol_type="consumer",
        generation=1,
        protocol="range",
        leader="m-1",
        current_state_timestamp=0x1A1FBC4618E,
        members=[member],
    )
    record = group_metadata_record("b", value)
    assert encode_record(record) == (b"\x00\x02\x00\x01b", STABLE_GROUP)
    assert decode_record(b"\x00\x02\x00\x01b", memoryview(STABLE_GROUP)) == record


def test_tombstones():
    assert encode_record(group_tombstone("b")) == (b"\x00\x02\x00\x01b", None)
    assert encode_record(offset_tombstone("b", "t", 0)) == (OFFSET_KEY, None)
    assert decode_record(OFFSET_KEY, None) == GroupRecord(OffsetCommitKey(group="b", topic="t", partition=0), None)
    assert decode_record(b"\x00\x02\x00\x01b", None) == GroupRecord(GroupMetadataKey(group="b"), None)


def test_the_oldest_offsets_are_read_as_any_other():
    key = b"\x00\x00" + OFFSET_KEY[2:]
    record = decode_record(key, b"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x05\x00\x01m\x00\x00\x00\x00\x00\x00\x00\x07")
    assert record.key == OffsetCommitKey(group="b", topic="t", partition=0)
    assert (record.value.offset, record.value.metadata, record.value.commit_timestamp) == (5, "m", 7)
    assert decode_record(key, None).value is None
    assert decode_record(key, OFFSET_V1).value.offset == 5


def test_records_of_other_group_types_are_left_alone():
    assert decode_record(b"\x00\x0a\x00\x01g", b"\x00\x00\x00\x00\x00\x01") is None


@pytest.mark.parametrize("key", [b"", b"\x00", b"\x00\x01", b"\x00\x02\x00\x05b"])
def test_a_broken_key(key):
    with pytest.raises(ProtocolError):
        decode_record(key, None)


@pytest.mark.parametrize("value", [b"", b"\x00", b"\x00\x04", b"\x00\x09" + OFFSET_V4[2:], OFFSET_V4[:9]])
def test_a_broken_value(value):
    with pytest.raises(ProtocolError):
        decode_record(OFFSET_KEY, value)
