"""Every message and stored record, in every version: what is encoded is what comes back."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ottla.protocol.compiler import UnsupportedVersionError, decode_with_end, encode, encode_parts

from .generated_messages import ALL_MESSAGES, random_message, versions_of

if TYPE_CHECKING:
    from ottla.protocol.schema import Message

every_message = pytest.mark.parametrize("kind", ALL_MESSAGES, ids=lambda kind: kind.__name__)


@every_message
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(dice=st.randoms(use_true_random=False))
def test_what_is_encoded_comes_back(kind: type[Message], dice: random.Random) -> None:
    version = dice.choice(versions_of(kind))
    message = random_message(kind, version, dice)
    data = encode(message, version)
    again, end = decode_with_end(kind, data, version)
    assert again == message
    assert end == len(data)
    assert encode(again, version) == data


@every_message
def test_defaults_come_back(kind: type[Message]) -> None:
    for version in versions_of(kind):
        message = kind()
        for spec in kind.fields:
            is_needed = version in spec.versions and version not in spec.nullable and spec.tag is None
            if is_needed and getattr(message, spec.name) is None:
                setattr(message, spec.name, b"" if spec.wire in ("bytes", "records") else "")
        assert decode_with_end(kind, encode(message, version), version)[0] == message


@every_message
def test_a_message_is_found_behind_and_before_other_bytes(kind: type[Message]) -> None:
    seed = random.Random(kind.__name__)
    for version in versions_of(kind):
        message = random_message(kind, version, seed)
        data = encode(message, version)
        again, end = decode_with_end(kind, b"before" + data + b"behind", version, 6)
        assert again == message
        assert end == 6 + len(data)


@every_message
def test_tags_of_later_versions_are_passed_over(kind: type[Message]) -> None:
    seed = random.Random(kind.__name__)
    for version in versions_of(kind):
        if version in kind.flexible:
            message = random_message(kind, version, seed)
            for spec in kind.fields:
                if spec.tag is not None:
                    setattr(message, spec.name, spec.new_default())
            data = encode(message, version)
            assert data[-1] == 0
            two_tags = b"\x02" + b"\x63\x03abc" + b"\xff\x01\x00"
            assert decode_with_end(kind, data[:-1] + two_tags, version) == (message, len(data) - 1 + len(two_tags))


@every_message
def test_other_versions_are_refused(kind: type[Message]) -> None:
    for version in (kind.versions.lowest - 1, kind.versions.highest + 1):
        with pytest.raises(UnsupportedVersionError):
            encode(kind(), version)
        with pytest.raises(UnsupportedVersionError):
            decode_with_end(kind, b"", version)


def test_records_are_not_copied() -> None:
    [produce] = [kind for kind in ALL_MESSAGES if kind.__name__ == "ProduceRequest"]
    message = random_message(produce, 13, random.Random(1))
    pieces = [part for topic in message.topic_data for part in topic.partition_data]
    records = bytes(100)
    for piece in pieces:
        piece.records = records
    assert pieces
    assert any(part is records for part in encode_parts(message, 13))
