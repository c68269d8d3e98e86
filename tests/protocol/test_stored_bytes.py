"""Group records as Apache Kafka 4.3.1 wrote them: read without loss, and written again byte by byte."""

from __future__ import annotations

import pytest
from ottla.protocol.compiler import decode, encode
from ottla.protocol.stored.consumer_groups import (
    ClassicMemberMetadata,
    ClassicProtocol,
    ConsumerGroupCurrentMemberAssignmentValue,
    ConsumerGroupMemberMetadataValue,
    ConsumerGroupMetadataValue,
)

WRITTEN = {
    "a member that uses the consumer protocol": (
        ConsumerGroupMemberMetadataValue,
        "00000872646b61666b610b2f3132372e302e302e3103076f7264657273097061796d656e747301000493e00001000100",
    ),
    "a group": (ConsumerGroupMetadataValue, "00000002010008580a83a7e0b5e62b"),
    "an assignment with its epochs": (
        ConsumerGroupCurrentMemberAssignmentValue,
        "00000002000000000003c0571be951354f2c9b45fcfbdf9d59c80400000000000000010000000201000d0400000002000000020000000"
        "2029752c73512461993fbcb49833a372e0300000000000000010100090300000002000000020100",
    ),
}


@pytest.mark.parametrize(("kind", "text"), WRITTEN.values(), ids=WRITTEN)
def test_what_kafka_wrote_is_written_again(kind, text):
    data = bytes.fromhex(text)
    assert encode(decode(kind, data, 0), 0) == data


def test_a_null_in_a_tag_is_told_from_no_tag():
    member = decode(
        ConsumerGroupMemberMetadataValue, bytes.fromhex(WRITTEN["a member that uses the consumer protocol"][1]), 0
    )
    assert member.subscribed_topic_names == ["orders", "payments"]
    assert member.classic_member_metadata is None
    # Kafka takes a record without the tag for that of a classic member of no protocols.
    untagged = encode(ConsumerGroupMemberMetadataValue(), 0)
    assert untagged.endswith(b"\x00")
    assert decode(ConsumerGroupMemberMetadataValue, untagged, 0).classic_member_metadata == ClassicMemberMetadata()


def test_a_struct_in_a_tag():
    classic = ClassicMemberMetadata(
        session_timeout_ms=9, supported_protocols=[ClassicProtocol(name="range", metadata=b"x")]
    )
    data = encode(ConsumerGroupMemberMetadataValue(classic_member_metadata=classic), 0)
    # One tagged field: tag 0, 16 bytes, the mark of a struct that is there.
    assert data[-19:-15] == bytes([1, 0, 16, 1])
    assert decode(ConsumerGroupMemberMetadataValue, data, 0).classic_member_metadata == classic
