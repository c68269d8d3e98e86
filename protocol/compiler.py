"""From a message class and a version to functions that encode and decode it, compiled on first use.

This is the one door of the codecs: whatever bytes come in, `decode` returns a message or raises ProtocolError.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from .decoder_source import write_decoder
from .encoder_source import write_encoder
from .errors import ProtocolError
from .schema import Message
from .source import Source

if TYPE_CHECKING:
    from collections.abc import Callable

    from .primitives import Buffer

M = TypeVar("M", bound=Message)


class UnsupportedVersionError(ProtocolError):
    """A version that the message does not have."""


class Codec(NamedTuple):
    """The two compiled directions of one message version."""

    encode: Callable[[Any, Callable[[Buffer], object]], None]
    decode: Callable[[memoryview, int, int], tuple[Any, int]]


_codecs: dict[tuple[type[Message], int], Codec] = {}


def codec(kind: type[Message], version: int) -> Codec:
    """The codec of a message version; compiled once a process."""
    found = _codecs.get((kind, version))
    return found if found is not None else _compile(kind, version)


def _compile(kind: type[Message], version: int) -> Codec:
    if version not in kind.versions:
        raise UnsupportedVersionError(f"{kind.__name__} has versions {kind.versions}, not {version}")
    flexible = version in kind.flexible
    source = Source(f"<ottla {kind.__name__} v{version}>")
    encoder = write_encoder(source, kind, version, flexible)
    decoder = write_decoder(source, kind, version, flexible)
    scope = source.execute()
    compiled = Codec(scope[encoder], scope[decoder])
    _codecs[kind, version] = compiled
    return compiled


def decode(kind: type[M], buffer: Buffer, version: int, position: int = 0) -> M:
    """Decode one message that begins at `position`; bytes behind it are ignored, as Kafka ignores them."""
    return decode_with_end(kind, buffer, version, position)[0]


def decode_with_end(kind: type[M], buffer: Buffer, version: int, position: int = 0) -> tuple[M, int]:
    """Decode one message; also return the position behind it."""
    view = buffer if type(buffer) is memoryview else memoryview(buffer)
    found = _codecs.get((kind, version)) or _compile(kind, version)
    try:
        return found.decode(view, position, len(view))
    except (struct.error, IndexError) as error:
        raise ProtocolError(f"{kind.__name__} v{version} ends too early") from error
    except UnicodeDecodeError as error:
        raise ProtocolError(f"{kind.__name__} v{version} holds text that is not UTF-8") from error


def encode(message: Message, version: int) -> bytes:
    """Encode one message."""
    return b"".join(encode_parts(message, version))


def encode_parts(message: Message, version: int) -> list[Buffer]:
    """Encode one message as a list of pieces; records are in it by reference."""
    parts: list[Buffer] = []
    kind = type(message)
    found = _codecs.get((kind, version)) or _compile(kind, version)
    try:
        found.encode(message, parts.append)
    except (struct.error, TypeError, AttributeError, UnicodeEncodeError) as error:
        raise ProtocolError(f"{type(message).__name__} v{version} cannot carry {message!r}: {error}") from error
    return parts
