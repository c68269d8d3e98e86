"""The codecs of record batches, with a bound on what a compressed block may become.

gzip comes with Python; snappy, lz4 and zstd come with the extra `codecs` and are loaded when first needed. A broker
needs them only where it must look at a record inside a compressed batch.
"""

from __future__ import annotations

import zlib
from enum import IntEnum
from functools import cache
from typing import TYPE_CHECKING, Any

from .errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable

    from .primitives import Buffer

DECOMPRESSED_BYTES_MAX = 256 * 1024 * 1024

_GZIP_WINDOW = 31
_GZIP_PIECE_BYTES = 16 * 1024
_XERIAL_MAGIC = b"\x82SNAPPY\x00"
_XERIAL_HEADER = _XERIAL_MAGIC + b"\x00\x00\x00\x01\x00\x00\x00\x01"
_XERIAL_BLOCK_BYTES = 32 * 1024
# Magic; version 1 with independent blocks and no checksums; blocks of up to 64 KiB; the header's checksum.
_LZ4_FRAME_HEADER = b"\x04\x22\x4d\x18\x60\x40\x82"
_LZ4_BLOCK_BYTES = 64 * 1024
_LZ4_STORED = 1 << 31
_LZ4_END = bytes(4)
_LZ4_LEVEL_DEFAULT = 9
_FIRST_ROOM_BYTES = 64 * 1024
_ROOM_TOO_SMALL = "failed to write whole buffer"


class Compression(IntEnum):
    """How the records of a batch are compressed: the lowest three bits of its attributes."""

    NONE = 0
    GZIP = 1
    SNAPPY = 2
    LZ4 = 3
    ZSTD = 4


class MissingCodec(ProtocolError):
    """A codec whose library is not installed."""


class DecompressionError(ProtocolError):
    """A block that cannot be decompressed, or that grows beyond its limit."""


def decompress(codec: Compression, block: Buffer, limit_bytes: int = DECOMPRESSED_BYTES_MAX) -> bytes | memoryview:
    """The bytes that were compressed; DecompressionError when they are broken or more than `limit_bytes`."""
    if codec is Compression.NONE:
        return memoryview(block)
    try:
        plain = _DECOMPRESSORS[codec](block, limit_bytes)
    except ProtocolError:
        raise
    except Exception as error:
        # zlib and cramjam raise what they like for broken bytes; here it all means the same.
        raise DecompressionError(f"a {codec.name.lower()} block cannot be read: {error}") from error
    if len(plain) > limit_bytes:
        raise _too_large(limit_bytes)
    return plain


def compress(codec: Compression, plain: Buffer, level: int | None = None) -> bytes:
    """Compress a block of records; `level` is the codec's own, None its default."""
    return _COMPRESSORS[codec](plain, level)


def _too_large(limit_bytes: int) -> DecompressionError:
    return DecompressionError(f"a compressed block grows beyond {limit_bytes} bytes")


@cache
def _cramjam() -> Any:
    try:
        import cramjam
    except ImportError as error:
        raise MissingCodec(
            "snappy, lz4 and zstd batches can only be looked into with the extra: pip install 'ottla[codecs]'"
        ) from error
    return cramjam


def _gunzip(block: Buffer, limit_bytes: int) -> bytes:
    view = memoryview(block)
    plain = bytearray()
    position = 0
    while position < len(view):
        position = _gunzip_member(view, position, plain, limit_bytes)
    return bytes(plain)


def _gunzip_member(view: memoryview, position: int, plain: bytearray, limit_bytes: int) -> int:
    """Append what one member holds to `plain`; return where the next one begins.

    Fed in pieces, because zlib copies what follows a member: a block of many tiny members would take quadratic time.
    """
    reader = zlib.decompressobj(wbits=_GZIP_WINDOW)
    while not reader.eof:
        piece = view[position : position + _GZIP_PIECE_BYTES]
        if not piece:
            raise DecompressionError("a gzip block ends too early")
        plain += reader.decompress(piece, limit_bytes - len(plain) + 1)
        if len(plain) > limit_bytes:
            raise _too_large(limit_bytes)
        position += len(piece)
    return position - len(reader.unused_data)


def _gzip(plain: Buffer, level: int | None) -> bytes:
    writer = zlib.compressobj(-1 if level is None else level, wbits=_GZIP_WINDOW)
    return writer.compress(plain) + writer.flush()


def _read_snappy(block: Buffer, limit_bytes: int) -> bytes:
    view = memoryview(block)
    if bytes(view[:8]) != _XERIAL_MAGIC:
        return _read_raw_snappy(view, limit_bytes)
    plain = bytearray()
    position = len(_XERIAL_HEADER)
    while position < len(view):
        size = int.from_bytes(view[position : position + 4], "big")
        position += 4
        if position + size > len(view):
            raise DecompressionError("a snappy block ends too early")
        piece = view[position : position + size]
        if len(plain) + _snappy_length(piece) > limit_bytes:
            raise _too_large(limit_bytes)
        plain += _read_raw_snappy(piece, limit_bytes)
        position += size
    return bytes(plain)


def _read_raw_snappy(block: memoryview, limit_bytes: int) -> bytes:
    if _snappy_length(block) > limit_bytes:
        raise _too_large(limit_bytes)
    return bytes(_cramjam().snappy.decompress_raw(bytes(block)))


def _snappy_length(block: memoryview) -> int:
    """The uncompressed length that stands before a raw snappy block."""
    length = shift = 0
    for byte in block[:5]:
        length |= (byte & 0x7F) << shift
        if byte < 0x80:
            return length
        shift += 7
    raise DecompressionError("a snappy block has no length")


def _write_snappy(plain: Buffer, _level: int | None) -> bytes:
    view = memoryview(plain)
    out = bytearray(_XERIAL_HEADER)
    for start in range(0, len(view), _XERIAL_BLOCK_BYTES):
        piece = bytes(_cramjam().snappy.compress_raw(bytes(view[start : start + _XERIAL_BLOCK_BYTES])))
        out += len(piece).to_bytes(4, "big") + piece
    return bytes(out)


def _read_lz4(block: Buffer, limit_bytes: int) -> bytes:
    return _grow(_cramjam().lz4.decompress_into, block, limit_bytes)


def _read_zstd(block: Buffer, limit_bytes: int) -> bytes:
    return _grow(_cramjam().zstd.decompress_into, block, limit_bytes)


def _grow(decompress_into: Callable[[bytes, bytearray], int], block: Buffer, limit_bytes: int) -> bytes:
    """Decompress into rooms of growing size: the block itself does not reliably say how large it becomes."""
    source = bytes(block)
    room_bytes = max(4 * len(source), _FIRST_ROOM_BYTES)
    while True:
        room = bytearray(min(room_bytes, limit_bytes))
        try:
            return bytes(memoryview(room)[: decompress_into(source, room)])
        except _cramjam().DecompressionError as error:
            if _ROOM_TOO_SMALL not in str(error):
                raise
            if len(room) == limit_bytes:
                raise _too_large(limit_bytes) from error
            room_bytes *= 4


def _write_lz4(plain: Buffer, level: int | None) -> bytes:
    """One frame of blocks that do not refer to each other: Kafka's Java clients read no other kind.

    cramjam's own frames have linked blocks, so it compresses the blocks alone. As in Kafka, the fast compressor stands
    for the default level, and frames carry no checksum but the header's: the batch has its CRC.
    """
    high = {} if level is None or level == _LZ4_LEVEL_DEFAULT else {"mode": "high_compression", "compression": level}
    view = memoryview(plain)
    out = bytearray(_LZ4_FRAME_HEADER)
    for start in range(0, len(view), _LZ4_BLOCK_BYTES):
        block = bytes(view[start : start + _LZ4_BLOCK_BYTES])
        piece = bytes(_cramjam().lz4.compress_block(block, store_size=False, **high))
        if len(piece) < len(block):
            out += len(piece).to_bytes(4, "little") + piece
        else:
            out += (len(block) | _LZ4_STORED).to_bytes(4, "little") + block
    return bytes(out + _LZ4_END)


def _write_zstd(plain: Buffer, level: int | None) -> bytes:
    return bytes(_cramjam().zstd.compress(bytes(plain), level))


_DECOMPRESSORS: dict[Compression, Callable[[Buffer, int], bytes]] = {
    Compression.GZIP: _gunzip,
    Compression.SNAPPY: _read_snappy,
    Compression.LZ4: _read_lz4,
    Compression.ZSTD: _read_zstd,
}
_COMPRESSORS: dict[Compression, Callable[[Buffer, int | None], bytes]] = {
    Compression.NONE: lambda plain, _level: bytes(plain),
    Compression.GZIP: _gzip,
    Compression.SNAPPY: _write_snappy,
    Compression.LZ4: _write_lz4,
    Compression.ZSTD: _write_zstd,
}
