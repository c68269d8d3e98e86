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


def test_gzip_members_take_linear_time() -> None:
    # 50,000 members: copying all the rest for each would move 25 GB.
    assert decompress(Compression.GZIP, compress(Compression.GZIP, b"") * 50_000) == b""


def test_lz4_blocks_do_not_refer_to_each_other() -> None:
    noise = bytes(index * index % 251 for index in range(70_000))
    block = compress(Compression.LZ4, noise + bytes(70_000))
    assert block[:7] == bytes.fromhex("04224d18604082")
    assert bytes(decompress(Compression.LZ4, block)) == noise + bytes(70_000)


@pytest.mark.parametrize(
    ("codec", "levels"),
    [(Compression.GZIP, (-1, 1, 9)), (Compression.LZ4, (1, 9, 17)), (Compression.ZSTD, (-131072, 1, 22))],
    ids=lambda value: value.name if isinstance(value, Compression) else "",
)
def test_kafkas_levels(codec: Compression, levels: tuple[int, ...]) -> None:
    plain = bytes(range(256)) * 500
    for level in levels:
        assert bytes(decompress(codec, compress(codec, plain, level))) == plain


def test_a_missing_library_is_named_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    block = compress(Compression.ZSTD, b"x")
    monkeypatch.setitem(sys.modules, "cramjam", None)
    compression._cramjam.cache_clear()
    with pytest.raises(MissingCodec, match=r"ottla\[codecs\]"):
        decompress(Compression.ZSTD, block)
    compression._cramjam.cache_clear()
