"""A partition's folder for tests: open the log in it, append to it, end it cleanly or by a crash, open it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ottla.protocol.record_batch import CorruptBatch, read_headers
from ottla.protocol.records import Record, build_batch, read_records
from ottla.storage.append import AppendOrigin
from ottla.storage.environment import StorageEnvironment
from ottla.storage.files import OS_FILES
from ottla.storage.log_config import LogConfig
from ottla.storage.recovery import OpenedFrom, open_log

if TYPE_CHECKING:
    from pathlib import Path

    from ottla.storage.append import Appended
    from ottla.storage.log import Log

NOW_MS = 1_700_000_000_000


def producer_batch(*values: bytes | None, timestamps: int | list[int] = NOW_MS, key: bytes | None = b"key", **options):
    """A batch of one record a value, as a producer sends it."""
    times = [timestamps] * len(values) if isinstance(timestamps, int) else timestamps
    first = options.pop("base_offset", 0)
    headers = options.pop("headers", ())
    records = [
        Record(first + i, time, key, value, headers) for i, (value, time) in enumerate(zip(values, times, strict=True))
    ]
    return memoryview(build_batch(records, base_offset=first, **options))


def append(log: Log, *values: bytes | None, now_ms=NOW_MS, leader_epoch=0, origin=AppendOrigin.CLIENT, **options):
    """Append one batch and move the high watermark, as the leader of a partition with one replica does."""
    appended = log.append(producer_batch(*values, **options), leader_epoch=leader_epoch, now_ms=now_ms, origin=origin)
    log.high_watermark = log.log_end_offset
    return appended


def append_raw(log: Log, batch: bytearray, *, origin: AppendOrigin, now_ms=NOW_MS, leader_epoch=0) -> Appended:
    """Append bytes that are there already."""
    appended = log.append(memoryview(batch), leader_epoch=leader_epoch, now_ms=now_ms, origin=origin)
    log.high_watermark = log.log_end_offset
    return appended


def whole_batches(data: bytes) -> list[tuple[int, int]]:
    """(base offset, last offset) of the whole batches in what a read returned."""
    found = []
    try:
        for _, header in read_headers(data):
            found.append((header.base_offset, header.last_offset))
    except CorruptBatch:  # a read may end inside a batch
        return found
    return found


def records_in(data: bytes | memoryview) -> list[Record]:
    """All records of whole batches."""
    return [record for position, header in read_headers(data) for record in read_records(data, position, header)]


def records_of(log: Log) -> list[Record]:
    """All records from the log start offset on, read as a consumer reads them."""
    records: list[Record] = []
    offset = log.log_start_offset
    while data := log.read(offset, 1 << 20, up_to_offset=log.log_end_offset, min_one_batch=True):
        found = records_in(data)
        records += [record for record in found if record.offset >= offset]
        offset = found[-1].offset + 1
    return records


def values_of(log: Log) -> dict[int, bytes | None]:
    """The value at each offset."""
    return {record.offset: record.value for record in records_of(log)}


class LogHome:
    """The folder of t-0. One log at a time."""

    def __init__(self, directory: Path, files=OS_FILES, **config) -> None:
        self.directory = directory
        self.environment = StorageEnvironment(files=files)
        self.config = LogConfig(**config)
        self._end: OpenedFrom | None = None
        directory.mkdir(parents=True, exist_ok=True)

    def open(self, known: OpenedFrom = OpenedFrom(), *, now_ms: int = NOW_MS) -> Log:  # noqa: B008 (it is frozen)
        log = open_log(
            str(self.directory),
            topic="t",
            partition=0,
            topic_id=b"i" * 16,
            config=self.config,
            environment=self.environment,
            now_ms=now_ms,
            known=known,
        )
        log.high_watermark = log.log_end_offset
        return log

    def reopen_after_close(self, log: Log) -> Log:
        """A clean stop and a start."""
        log.close()
        return self.open(OpenedFrom(log.log_start_offset, log.log_end_offset, clean_shutdown=True))

    def reopen_after_crash(self, log: Log, *, recovery_point: int | None = None) -> Log:
        """The process is killed; what it wrote is there, what it had in memory is not."""
        log.abandon()
        return self.open(
            OpenedFrom(log.log_start_offset, log.recovery_point if recovery_point is None else recovery_point)
        )

    def names(self, suffix: str = "") -> list[str]:
        return sorted(path.name for path in self.directory.iterdir() if path.name.endswith(suffix))

    def path(self, base_offset: int, suffix: str) -> Path:
        return self.directory / f"{base_offset:020d}{suffix}"
