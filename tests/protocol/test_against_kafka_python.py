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
from kafka.protocol.schemas.fields.codecs import BitField
from ottla.protocol.compiler import decode, encode
from ottla.protocol.schema import Struct

from .generated_messages import API_MESSAGES, random_message, versions_of

MESSAGES_PER_VERSION = 15


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
                name = f"{where}.{spec.name}"
                assert_same(name, getattr(ours, spec.name), getattr(theirs, spec.name), version)
    elif isinstance(ours, list):
        assert len(ours) == len(theirs), where
        for index, (our_item, their_item) in enumerate(zip(ours, theirs, strict=True)):
            assert_same(f"{where}[{index}]", our_item, their_item, version)
    else:
        assert ours == in_our_terms(theirs, ours), where


def in_our_terms(theirs: Any, ours: Any) -> Any:
    if isinstance(theirs, uuid.UUID):
        return theirs.bytes
    if isinstance(theirs, memoryview):
        return bytes(theirs)
    return theirs


@pytest.mark.parametrize(("kind", "version"), CASES)
def test_both_speak_the_same(kind: Any, version: int) -> None:
    dice = random.Random(zlib.crc32(f"{kind.__name__} {version}".encode()))
    for _ in range(MESSAGES_PER_VERSION):
        message = random_message(kind, version, dice)
        data = encode(message, version)
        theirs = THEIRS[kind.__name__].decode(data, version=version)
        assert_same(kind.__name__, message, theirs, version)
        again = bytes(theirs.encode(version=version))
        assert again == data
        assert decode(kind, again, version) == message
