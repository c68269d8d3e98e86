"""The wire's smallest parts, for what does not fit one `struct` call: variable-length integers and uuids."""

from __future__ import annotations

from base64 import b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from typing import TypeAlias

from .errors import ProtocolError

Buffer: TypeAlias = bytes | bytearray | memoryview

ZERO_UUID = bytes(16)

_UVARINT_BYTES_MAX = 5


def read_uvarint(buffer: Buffer, position: int) -> tuple[int, int]:
    """Read an unsigned 32-bit varint; return it and the position behind it."""
    byte = buffer[position]
    if byte < 0x80:
        return byte, position + 1
    second = buffer[position + 1]
    if second < 0x80:  # as nearly all lengths of batches are
        return byte & 0x7F | second << 7, position + 2
    value = shift = 0
    for _ in range(_UVARINT_BYTES_MAX):
        byte = buffer[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFFFFFF, position
        shift += 7
    raise ProtocolError("a varint is longer than 5 bytes")


def uvarint(value: int) -> bytes:
    """Write an unsigned 32-bit varint."""
    if value < 0x80:
        return SMALL_UVARINTS[value]
    if value < 0x4000:  # as nearly all lengths of batches are
        return bytes((value & 0x7F | 0x80, value >> 7))
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


SMALL_UVARINTS = [bytes((value,)) for value in range(0x80)]


def skip_tagged_fields(buffer: Buffer, position: int) -> int:
    """Pass over a section of tagged fields that this version does not know; return the position behind it."""
    count, position = read_uvarint(buffer, position)
    for _ in range(count):
        _, position = read_uvarint(buffer, position)
        size, position = read_uvarint(buffer, position)
        position += size
        if position > len(buffer):
            raise ProtocolError(f"a tagged field claims {size} bytes, more than there are")
    return position


def uuid_to_text(uuid: bytes) -> str:
    """Kafka's text form of a uuid: unpadded URL-safe base64, 22 characters."""
    return urlsafe_b64encode(uuid).rstrip(b"=").decode("ascii")


def uuid_from_text(text: str) -> bytes:
    """The 16 bytes of a uuid in Kafka's text form; ProtocolError when it is none."""
    try:
        uuid = b64decode(text + "==", altchars=b"-_", validate=True)
    except (Base64Error, ValueError) as error:
        raise ProtocolError(f"not a uuid: {text!r}") from error
    if len(uuid) != 16:
        raise ProtocolError(f"a uuid has 16 bytes, {text!r} has {len(uuid)}")
    return uuid
