"""Whatever bytes a decoder is fed, it returns a message or raises ProtocolError: nothing else, and at no great cost."""

from __future__ import annotations

import contextlib
import random
import tracemalloc
import zlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ottla.protocol.compiler import decode, encode
from ottla.protocol.errors import ProtocolError
from ottla.protocol.headers import read_request_head

from .generated_messages import ALL_MESSAGES, random_message, versions_of

if TYPE_CHECKING:
    from ottla.protocol.schema import Message

PREFIXES_MAX = 150
MUTATIONS = 60
TWO_BILLION = (2**31 - 1).to_bytes(4, "big")
TWO_BILLION_COMPACT = b"\xff\xff\xff\xff\x07"
FOUR_BILLION_COMPACT = b"\xff\xff\xff\xff\x0f"
ENDLESS_VARINT = b"\xff" * 12
ALLOCATED_BYTES_MAX = 1_000_000

every_message = pytest.mark.parametrize("kind", ALL_MESSAGES, ids=lambda kind: kind.__name__)


def seeded(kind: type[Message]) -> random.Random:
    return random.Random(zlib.crc32(kind.__name__.encode()))


def feed(kind: type[Message], version: int, data: bytes) -> bool:
    """Decode `data`; whether it was taken for a message."""
    try:
        message = decode(kind, data, version)
    except ProtocolError:
        return False
    assert type(message) is kind
    return True


@every_message
def test_every_prefix_is_refused(kind: type[Message]) -> None:
    dice = seeded(kind)
    for version in versions_of(kind):
        data = encode(random_message(kind, version, dice), version)
        lengths = range(len(data)) if len(data) <= PREFIXES_MAX else dice.sample(range(len(data)), PREFIXES_MAX)
        assert not any(feed(kind, version, data[:length]) for length in lengths)


def mutated(data: bytes, dice: random.Random) -> bytes:
    """Flip, overwrite, cut out, insert or repeat something somewhere."""
    changed = bytearray(data)
    for _ in range(dice.randrange(1, 4)):
        at = dice.randrange(len(changed) + 1)
        match dice.randrange(5):
            case 0 if at < len(changed):
                changed[at] ^= 1 << dice.randrange(8)
            case 1:
                changed[at : at + 1] = bytes([dice.randrange(256)])
            case 2:
                del changed[at : at + dice.randrange(1, 9)]
            case 3:
                changed[at:at] = dice.randbytes(dice.randrange(1, 9))
            case _:
                changed[at:at] = changed[max(0, at - 8) : at]
    return bytes(changed)


@every_message
def test_mutated_messages(kind: type[Message]) -> None:
    dice = seeded(kind)
    for version in versions_of(kind):
        data = encode(random_message(kind, version, dice), version)
        for _ in range(MUTATIONS):
            feed(kind, version, mutated(data, dice))


@every_message
def test_random_bytes(kind: type[Message]) -> None:
    dice = seeded(kind)
    for version in versions_of(kind):
        for _ in range(MUTATIONS):
            data = dice.randbytes(dice.randrange(80))
            # Small numbers get further than noise: they are lengths that fit.
            feed(kind, version, data)
            feed(kind, version, bytes(byte & 3 for byte in data))


@every_message
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.binary(max_size=300), choice=st.integers(0, 100))
def test_any_bytes(kind: type[Message], data: bytes, choice: int) -> None:
    versions = versions_of(kind)
    feed(kind, versions[choice % len(versions)], data)


@every_message
def test_a_length_that_lies_allocates_nothing(kind: type[Message]) -> None:
    dice = seeded(kind)
    for version in {kind.versions.lowest, kind.versions.highest}:
        data = encode(random_message(kind, version, dice), version)[:1000]
        feed(kind, version, data)  # the codec is compiled outside of what is measured
        tracemalloc.start()
        try:
            for at in dice.sample(range(len(data)), min(len(data), 40)):
                for lie in (TWO_BILLION, TWO_BILLION_COMPACT, FOUR_BILLION_COMPACT, ENDLESS_VARINT):
                    feed(kind, version, data[:at] + lie + data[at + len(lie) :])
                    feed(kind, version, data[:at] + lie + data[at + 1 :] + bytes(100))
            assert tracemalloc.get_traced_memory()[1] < ALLOCATED_BYTES_MAX
        finally:
            tracemalloc.stop()


@given(st.binary(max_size=60), st.integers(0, 100), st.integers(0, 13))
def test_request_heads(data: bytes, api_key: int, version: int) -> None:
    for frame in (data, api_key.to_bytes(2, "big") + version.to_bytes(2, "big") + data):
        with contextlib.suppress(ProtocolError):
            head = read_request_head(memoryview(frame), {key: key % 5 for key in range(80)})
            assert 10 <= head[-1] <= len(frame)


@every_message
def test_much_of_one_byte_ends_soon(kind: type[Message]) -> None:
    version = kind.versions.highest
    for byte in (0, 1, 2, 0x7F, 0x80, 0xFF):
        feed(kind, version, bytes([byte]) * 100_000)
