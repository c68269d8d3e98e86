"""A log with everything that compaction has to look at, written by the storage layer and the same for the same seed."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

from ottla.protocol.records import Record, RecordHeader, build_batch
from ottla.storage.append import AppendOrigin
from ottla.storage.environment import StorageEnvironment
from ottla.storage.log_config import LogConfig
from ottla.storage.recovery import OpenedFrom, open_log

from ..harness.markers import end_txn_batch

if TYPE_CHECKING:
    from pathlib import Path

    from ottla.protocol.compression import Compression
    from ottla.storage.log import Log

KEYS = [b"key-%d" % number for number in range(150)]
PRODUCERS = range(100, 104)
TRANSACTIONAL = range(200, 204)
SEGMENT_BYTES = 6000
INDEX_INTERVAL_BYTES = 500


def open_partition(directory: Path, topic: str, topic_id: bytes, **config) -> Log:
    """The log of partition 0 after a clean stop of whoever had it."""
    settings = {"segment_bytes": SEGMENT_BYTES, "index_interval_bytes": INDEX_INTERVAL_BYTES, **config}
    config = LogConfig(**settings, cleanup_policy=frozenset({"compact"}), file_delete_delay_ms=0)
    log = open_log(
        str(directory),
        topic=topic,
        partition=0,
        topic_id=topic_id,
        config=config,
        environment=StorageEnvironment(),
        now_ms=0,
        known=OpenedFrom(clean_shutdown=True),
    )
    log.high_watermark = log.log_end_offset
    return log


class MixedWriter:
    """Writes on and on; a second writer with the same seed writes the same to another log."""

    def __init__(self, seed: int, start_ms: int, codecs: list[Compression]) -> None:
        self._chance = random.Random(seed)
        self._now_ms = start_ms
        self._codecs = codecs
        self._sequences: dict[int, int] = {}
        self._open: set[int] = set()

    def write(self, log: Log, steps: int, *, end_transactions: bool = True) -> None:
        """Append about so many batches, with several segments, and begin an active one."""
        for _ in range(steps):
            self._now_ms += self._chance.randrange(50)
            self._step(log)
            if self._chance.random() < 0.04:
                log.roll(self._now_ms)
        if end_transactions:
            for producer_id in sorted(self._open):
                self._end_transaction(log, producer_id)
        log.roll(self._now_ms)
        self._append(log, self._records(1))

    def write_keys(self, log: Log, numbers: range) -> None:
        """Append a small record for each key, a thousand in a batch, and begin an active segment."""
        for first in numbers[::1000]:
            keys = range(first, min(first + 1000, numbers.stop))
            records = [Record(i, self._now_ms, b"%d" % key, b"v", ()) for i, key in enumerate(keys)]
            self._append(log, records)
        log.roll(self._now_ms)
        self._append(log, self._records(1))

    def _step(self, log: Log) -> None:
        kind = self._chance.random()
        if kind < 0.3:
            self._append(log, self._records(self._chance.randrange(1, 6)))
        elif kind < 0.5:
            self._append(log, self._records(self._chance.randrange(1, 4)), producer_id=self._chance.choice(PRODUCERS))
        elif kind < 0.8:
            producer_id = self._chance.choice(TRANSACTIONAL)
            self._open.add(producer_id)
            self._append(log, self._records(self._chance.randrange(1, 4)), producer_id=producer_id)
        elif kind < 0.95 and self._open:
            self._end_transaction(log, self._chance.choice(sorted(self._open)))
        else:
            self._append_without_keys(log)

    def _records(self, count: int) -> list[Record]:
        return [self._record(offset) for offset in range(count)]

    def _record(self, offset: int) -> Record:
        value = None if self._chance.random() < 0.2 else self._chance.randbytes(self._chance.randrange(60)) * 3
        headers = tuple(
            RecordHeader(f"h{number}", self._chance.choice([None, b"", b"value"]))
            for number in range(self._chance.randrange(3))
        )
        timestamp = self._now_ms + self._chance.randrange(-20, 20)
        return Record(offset, timestamp, self._chance.choice(KEYS), value, headers)

    def _append(self, log: Log, records: list[Record], producer_id: int = -1) -> None:
        options = {}
        if producer_id >= 0:
            sequence = self._sequences.get(producer_id, 0)
            self._sequences[producer_id] = sequence + len(records)
            options = {
                "producer_id": producer_id,
                "producer_epoch": 0,
                "base_sequence": sequence,
                "is_transactional": producer_id in TRANSACTIONAL,
            }
        codec = self._chance.choice(self._codecs)
        self._put(log, build_batch(records, base_offset=0, compression=codec, **options), AppendOrigin.CLIENT)

    def _append_without_keys(self, log: Log) -> None:
        """As it was before the topic became a compacted one."""
        config = log.config
        log.update_config(replace(config, cleanup_policy=frozenset({"delete"})))
        self._append(log, [record._replace(key=None) for record in self._records(2)])
        log.update_config(config)

    def _end_transaction(self, log: Log, producer_id: int) -> None:
        self._open.discard(producer_id)
        batch = end_txn_batch(
            commit=self._chance.random() < 0.5,
            base_offset=0,
            producer_id=producer_id,
            producer_epoch=0,
            coordinator_epoch=0,
            timestamp_ms=self._now_ms,
        )
        self._put(log, batch, AppendOrigin.COORDINATOR)

    def _put(self, log: Log, batch: bytearray, origin: AppendOrigin) -> None:
        log.append(memoryview(batch), leader_epoch=0, now_ms=self._now_ms, origin=origin)
        log.high_watermark = log.log_end_offset
