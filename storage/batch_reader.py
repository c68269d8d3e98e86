"""Reads the batches of a `.log` file one after the other, and nothing else: the file is never changed or created.

For those who only look: a `Segment` opens its file for writing, since it owns it. Memory stays at one chunk, or one
batch where that is larger.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..protocol.record_batch import HEADER_BYTES, BatchHeader, CorruptBatch, read_header

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

# Whole batches are read in pieces of this size; for headers alone a little more than an index interval is enough.
CHUNK_BYTES = 1 << 20
HEADER_CHUNK_BYTES = 8192


class BatchReader:
    """One open `.log` file, up to the size that it had when it was opened."""

    def __init__(self, path: str) -> None:
        """Open the file. Raises OSError."""
        self.path = path
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.size = os.fstat(self._descriptor).st_size

    def __enter__(self) -> BatchReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

    def read(self, length: int, position: int) -> bytes:
        """What is there of `length` bytes from `position` on. Raises OSError."""
        return os.pread(self._descriptor, min(length, max(self.size - position, 0)), position)

    def batches(self, position: int = 0) -> Iterator[tuple[int, memoryview, BatchHeader]]:
        """Each batch from a position on, as (position, its bytes, its header). CorruptBatch at one that is not whole.

        No CRC is checked. The view is valid until the next step.
        """
        chunk, start = memoryview(b""), position
        while position < self.size:
            at = position - start
            if len(chunk) - at < HEADER_BYTES:
                chunk, start, at = memoryview(self.read(CHUNK_BYTES, position)), position, 0
            header = read_header(chunk, at)
            self._check_whole(header, position)
            if len(chunk) - at < header.size_bytes:
                wanted = max(header.size_bytes, CHUNK_BYTES)
                chunk, start, at = memoryview(self.read(wanted, position)), position, 0
            yield position, chunk[at : at + header.size_bytes], header
            position += header.size_bytes

    def headers(self, position: int = 0) -> Iterator[tuple[int, BatchHeader]]:
        """Each batch's header from a position on, without its records. CorruptBatch at one that is not whole."""
        chunk, start = b"", position
        while position < self.size:
            at = position - start
            if len(chunk) - at < HEADER_BYTES:
                chunk, start, at = self.read(HEADER_CHUNK_BYTES, position), position, 0
            header = read_header(chunk, at)
            self._check_whole(header, position)
            yield position, header
            position += header.size_bytes

    def _check_whole(self, header: BatchHeader, position: int) -> None:
        if position + header.size_bytes > self.size:
            raise CorruptBatch(f"a batch claims {header.size_bytes} bytes, {self.size - position} are there")
