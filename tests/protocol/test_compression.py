from __future__ import annotations

import contextlib
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ottla.protocol import compression
from ottla.protocol.compression import Compression, DecompressionError, MissingCodec, compress, decompress
from ottla.protocol.errors import ProtocolError

CODECS = [codec for codec in Compression if codec is not Compression.NONE]
codecs = pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)


@codecs
@given(st.binary(max_size=100_000))
def test_blocks_come_back(codec: Compression, plain: bytes) -> None:
    assert bytes(decompress(codec, compress(codec, plain))) == plain


@codecs
def test_a_bomb_is_stopped_at_the_limit(codec: Compression) -> None:
    bomb = compress(codec, bytes(10_000_000))
    with pytest.raises(DecompressionError, match="beyond 1000000 bytes"):
        decompress(codec, bomb, 1_000_000)
    assert len(decompress(codec, bomb, 10_000_000)) == 10_000_000


@codecs
@given(st.binary(max_size=200))
def test_what_is_not_a_block(codec: Compression, data: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        decompress(codec, data)


@codecs
def test_a_truncated_block(codec: Compression) -> None:
    block = compress(codec, bytes(range(256)) * 100)
    with pytest.raises(ProtocolError):
        decompress(codec, block[: len(block) // 2])


def test_raw_snappy_is_read_too() -> None:
    import cramjam

    raw = bytes(cramjam.snappy.compress_raw(b"raw" * 100))
    assert bytes(decompress(Compression.SNAPPY, raw)) == b"raw" * 100


def test_gzip_members_in_a_row_are_one_block() -> None:
    block = compress(Compression.GZIP, b"one") + compress(Compression.GZIP, b"two")
    assert bytes(decompress(Compression.GZIP, block)) == b"onetwo"


def test_a_missing_library_is_named_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    block = compress(Compression.ZSTD, b"x")
    monkeypatch.setitem(sys.modules, "cramjam", None)
    compression._cramjam.cache_clear()
    with pytest.raises(MissingCodec, match=r"ottla\[codecs\]"):
        decompress(Compression.ZSTD, block)
    compression._cramjam.cache_clear()
