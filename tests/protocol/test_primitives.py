from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ottla.protocol.errors import ProtocolError
from ottla.protocol.primitives import (
    ZERO_UUID,
    read_uvarint,
    skip_tagged_fields,
    uuid_from_text,
    uuid_to_text,
    uvarint,
)


@given(st.integers(0, 2**32 - 1), st.binary(max_size=3))
def test_varints_come_back(value: int, rest: bytes) -> None:
    wire = uvarint(value)
    assert read_uvarint(b"!" + wire + rest, 1) == (value, 1 + len(wire))


def test_known_varints() -> None:
    assert [uvarint(value) for value in (0, 127, 128, 300)] == [b"\x00", b"\x7f", b"\x80\x01", b"\xac\x02"]


def test_a_varint_has_at_most_five_bytes() -> None:
    with pytest.raises(ProtocolError):
        read_uvarint(b"\xff" * 6, 0)


def test_tagged_fields_are_skipped() -> None:
    assert skip_tagged_fields(b"\x02\x00\x01a\x05\x02bc!", 0) == 8


def test_a_tagged_field_longer_than_the_message() -> None:
    with pytest.raises(ProtocolError, match="claims 100 bytes"):
        skip_tagged_fields(b"\x01\x00\x64a", 0)


@given(st.binary(min_size=16, max_size=16))
def test_uuids_come_back(uuid: bytes) -> None:
    assert uuid_from_text(uuid_to_text(uuid)) == uuid
    assert len(uuid_to_text(uuid)) == 22


def test_known_uuids() -> None:
    assert uuid_to_text(ZERO_UUID) == "AAAAAAAAAAAAAAAAAAAAAA"
    assert uuid_from_text("AAAAAAAAAAAAAAAAAAAAAQ") == bytes(15) + b"\x01"


@pytest.mark.parametrize("text", ["", "short", "AAAAAAAAAAAAAAAAAAAAAAAAAA", "ä" * 22, "A", "?AAAAAAAAAAAAAAAAAAAAAQ"])
def test_what_is_no_uuid(text: str) -> None:
    with pytest.raises(ProtocolError):
        uuid_from_text(text)
