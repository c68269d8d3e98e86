"""A whole cleaning of a log within the call, as the broker's cleaner does it in steps; and what a log then holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ottla.protocol.record_batch import check_crc
from ottla.protocol.records import read_records
from ottla.storage.cleanable import log_to_clean
from ottla.storage.cleaner_pace import IoThrottle, Pace
from ottla.storage.compaction import Cleaning, CleaningBuffers, cleaning_task
from ottla.storage.files import OS_FILES

from .log_home import NOW_MS

if TYPE_CHECKING:
    from ottla.protocol.record_batch import BatchHeader
    from ottla.protocol.records import Record
    from ottla.storage.log import Log

UNLIMITED = 1.7976931348623157e308
BUFFERS = CleaningBuffers(offset_map_bytes=1 << 20, load_factor=0.9, io_bytes=4096)


def new_cleaning(log: Log, checkpoint=None, *, now_ms=NOW_MS, buffers=BUFFERS, files=OS_FILES, pace=None) -> Cleaning:
    cleanable = log_to_clean(log, checkpoint, now_ms)
    return Cleaning(cleaning_task(cleanable, now_ms), buffers, files, pace or Pace(IoThrottle(UNLIMITED)))


def clean(log: Log, checkpoint=None, *, now_ms=NOW_MS, buffers=BUFFERS, files=OS_FILES) -> int:
    """Clean as far as one map reaches; return the new checkpoint."""
    cleaning = new_cleaning(log, checkpoint, now_ms=now_ms, buffers=buffers, files=files)
    try:
        cleaning.build_map()
        while (cleaned := cleaning.clean_next()) is not None:
            assert log.replace_segments(cleaned, cleaning.task.truncations, now_ms)
    finally:
        cleaning.close()
    return cleaning.end_offset


def batches_of(log: Log) -> list[tuple[BatchHeader, list[Record]]]:
    """Every batch with its records, each one with a right CRC."""
    found = []
    for data, header in log.batches(0):
        check_crc(data, 0, header)
        found.append((header, list(read_records(data, 0, header))))
    return found


def headers_of(log: Log) -> list[BatchHeader]:
    return [header for header, _ in batches_of(log)]


def kept_of(log: Log) -> dict[int, tuple[bytes | None, bytes | None]]:
    """Key and value at each offset, of data batches."""
    return {
        record.offset: (record.key, record.value)
        for header, records in batches_of(log)
        for record in records
        if not header.is_control
    }
