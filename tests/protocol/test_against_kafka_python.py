"""Every message and version that kafka-python has, byte by byte in both directions.

Our bytes are decoded by its codecs, compared value by value, and encoded again by them: the bytes must be ours.
"""

from __future__ import annotations

import random
import uuid
import zlib
from typing import Any

import kafka.protocol.admin
import kafka.protocol.consumer
import kafka.protocol.metadata
import kafka.protocol.producer
import kafka.protocol.sasl
import pytest
from kafka.protocol.api_message import ApiMessage
from ottla.protocol.compiler import decode, encode
from ottla.protocol.schema import Struct

from .generated_messages import API_MESSAGES, random_message, versions_of

MESSAGES_PER_VERSION = 15
# kafka-python calls these by another name.
RENAMED = {
    "topic_authorized_operations": "authorized_operations",
    "cluster_authorized_operations": "authorized_operations",
}


def kafka_pythons_messages() -> dict[str, Any]:
    packages = (
        kafka.protocol.admin,
        kafka.protocol.consumer,
        kafka.protocol.metadata,
        kafka.protocol.producer,
        kafka.protocol.sasl,
    )
    names = {name: getattr(package, name) for package in packages for name in dir(package)}
    return {name: kind for name, kind in names.items() if isinstance(kind, type) and issubclass(kind, ApiMessage)}


THEIRS = kafka_pythons_messages()
CASES = [
    pytest.param(kind, version, id=f"{kind.__name__}-{version}")
    for kind in API_MESSAGES
    if kind.__name__ in THEIRS
    for version in versions_of(kind)
    if version <= THEIRS[kind.__name__].max_version
]


def assert_same(where: str, ours: Any, theirs: Any, version: int) -> None:
    """Compare a value of ours with what kafka-python made of its bytes."""
    if isinstance(ours, Struct):
        for spec in ours.fields:
            if version in spec.versions:
                their_name = (
                    RENAMED.get(spec.name, spec.name) if hasattr(theirs, "authorized_operations") else spec.name
                )
                their_value = getattr(theirs, their_name)
                assert_same(f"{where}.{spec.name}", getattr(ours, spec.name), their_value, version)
    elif isinstance(ours, list):
        assert len(ours) == len(theirs), where
        for index, (our_item, their_item) in enumerate(zip(ours, theirs, strict=True)):
            assert_same(f"{where}[{index}]", our_item, their_item, version)
    else:
        assert ours == in_our_terms(theirs, ours), where


def in_our_terms(theirs: Any, ours: Any) -> Any:
    """kafka-python has sets of bits for operations, UUID objects, and None where a default says that there is none."""
    match theirs:
        case set():
            bits = sum(1 << bit for bit in theirs)
            return bits - ((bits & 1 << 31) << 1)
        case uuid.UUID():
            return theirs.bytes
        case memoryview():
            return bytes(theirs)
        case None if ours in (bytes(16), -1 << 31):
            return ours
    return theirs


@pytest.mark.parametrize(("kind", "version"), CASES)
def test_both_speak_the_same(kind: Any, version: int) -> None:
    dice = random.Random(zlib.crc32(f"{kind.__name__} {version}".encode()))
    for _ in range(MESSAGES_PER_VERSION):
        message = random_message(kind, version, dice)
        if kind.__name__ == "ApiVersionsResponse":
            message.error_code = 0  # with any other, kafka-python takes the body for one of version 0 (KIP-511)
        data = encode(message, version)
        theirs = THEIRS[kind.__name__].decode(data, version=version)
        assert_same(kind.__name__, message, theirs, version)
        theirs._header = None  # its own encode expects what only its constructor sets
        again = bytes(theirs.encode())
        assert again == data
        assert decode(kind, again, version) == message


def test_most_apis_are_there_to_compare() -> None:
    assert len({case.values[0] for case in CASES}) > 90
    assert len(CASES) > 450
