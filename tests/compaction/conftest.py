"""Ottla and Apache Kafka on copies of one data directory, each started, left to compact, and stopped."""

from __future__ import annotations

import contextlib
import shutil
import time
from typing import TYPE_CHECKING

import pytest
from kafka.admin import KafkaAdminClient, NewTopic
from ottla.protocol.record_batch import check_crc, read_headers
from ottla.protocol.records import read_records
from ottla.storage.checkpoints import read_offsets, read_partition_metadata, write_offsets
from ottla.storage.files import OS_FILES
from ottla.storage.txn_index import TxnIndex

from ..harness.broker_process import KafkaBroker, OttlaBroker
from ..harness.java_tools import why_no_java
from .mixed_log import INDEX_INTERVAL_BYTES, SEGMENT_BYTES, MixedWriter, open_partition

if TYPE_CHECKING:
    from pathlib import Path

TOPIC = "mixed"
CLEANING_TIMEOUT_S = 60
MAP_BYTES = (1 << 20) + 24  # the least that Kafka takes; it holds 39321 keys
OPTIONS = {"log.cleaner.backoff.ms": "100", "log.cleaner.dedupe.buffer.size": str(MAP_BYTES)}


class Compacted:
    """One data directory, of which one kind of broker is the owner."""

    def __init__(self, home: Path, kind: str, seed: int, start_ms: int, codecs: list, log_config: dict) -> None:
        self.kind = kind
        self.log_config = log_config
        self.home = home
        self.data_dir = home / "logs"
        self.writer = MixedWriter(seed, start_ms, codecs)
        self.folder = self.data_dir / f"{TOPIC}-0"
        self._starts = 0
        self.first_compaction_log = ""

    def create_topic(self, config: dict[str, str]) -> None:
        broker = self._start(OttlaBroker, {"log.cleaner.enable": "false"})
        admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap)
        admin.create_topics([NewTopic(TOPIC, 1, 1, topic_configs=config)])
        admin.close()
        broker.stop()

    def copy_from(self, other: Compacted) -> None:
        shutil.copytree(other.data_dir, self.data_dir)

    def write(self, steps: int, *, end_transactions: bool = True) -> None:
        with self._partition() as log:
            self.writer.write(log, steps, end_transactions=end_transactions)

    def write_keys(self, numbers: range) -> None:
        with self._partition() as log:
            self.writer.write_keys(log, numbers)

    @contextlib.contextmanager
    def _partition(self):
        log = open_partition(self.folder, TOPIC, read_partition_metadata(str(self.folder)), **self.log_config)
        yield log
        stable = min(log.last_stable_offset, log.active_base_offset)
        self.clean_to = max(base for base in log.segment_base_offsets if base <= stable)
        log.close()
        # Else Kafka begins with an old high watermark, and cleans once below it and once more when it has moved.
        path = str(self.data_dir / "replication-offset-checkpoint")
        write_offsets(OS_FILES, path, {**read_offsets(path), (TOPIC, 0): log.log_end_offset})

    def compact(self, clean_to: int) -> None:
        """Start the broker, wait until the log is clean up to there, stop the broker."""
        broker = self._start(KafkaBroker if self.kind == "kafka" else OttlaBroker, OPTIONS)
        deadline = time.monotonic() + CLEANING_TIMEOUT_S
        while self.checkpoint() != clean_to:
            assert time.monotonic() < deadline, f"clean up to {self.checkpoint()}, not {clean_to}\n{broker.log_tail()}"
            assert broker.alive(), broker.log_tail()
            time.sleep(0.1)
        assert broker.stop() == 0
        assert "cannot be compacted" not in broker.log_text()
        self.first_compaction_log = self.first_compaction_log or broker.log_text()

    def checkpoint(self) -> int | None:
        offsets = read_offsets(str(self.data_dir / "cleaner-offset-checkpoint"))
        return next((offset for key, offset in offsets.items() if key.topic == TOPIC), None)

    def _start(self, kind, options: dict[str, str]):
        self._starts += 1
        home = self.home / f"start-{self._starts}"
        broker = kind(home, options)
        broker.data_dir = self.data_dir
        broker.start()
        return broker

    # ------------------------------------------------------------------ what is in the files

    def batches(self) -> list:
        """(segment, header without what may differ, records) of every batch."""
        found = []
        for path in self.files(".log"):
            data = path.read_bytes()
            for position, header in read_headers(data):
                check_crc(data, position, header)
                found.append((path.name, comparable(header), list(read_records(data, position, header))))
        return found

    def horizons(self) -> list[int]:
        return [
            header.base_timestamp
            for path in self.files(".log")
            for _, header in read_headers(path.read_bytes())
            if header.has_delete_horizon
        ]

    def aborted(self) -> list:
        return [(path.name, TxnIndex(str(path)).entries()) for path in self.files(".txnindex")]

    def files(self, suffix: str) -> list[Path]:
        return sorted(self.folder.glob(f"*{suffix}"))


def comparable(header):
    """Two implementations of a codec give different bytes, and two cleanings happen at different times."""
    changes = {"crc": 0}
    if header.compression:
        changes["batch_length"] = 0
    if header.has_delete_horizon:
        changes["base_timestamp"] = 0
        changes["batch_length"] = 0
    return header._replace(**changes)


@pytest.fixture
def compacted_pair(tmp_path):
    """A function: (Ottla's directory, Kafka's directory), with the same log in both, not yet compacted."""
    reason = why_no_java()
    if reason:
        pytest.skip(reason)

    def make(seed: int, codecs: list, config: dict[str, str], **log_config) -> tuple[Compacted, Compacted]:
        start_ms = int(time.time() * 1000) - 600_000
        ottla, kafka = (
            Compacted(tmp_path / kind, kind, seed, start_ms, codecs, log_config) for kind in ("ottla", "kafka")
        )
        ottla.create_topic(
            {
                "cleanup.policy": "compact",
                "min.cleanable.dirty.ratio": "0.01",
                "index.interval.bytes": str(INDEX_INTERVAL_BYTES),
                "internal.segment.bytes": str(SEGMENT_BYTES),
                "file.delete.delay.ms": "0",
                **config,
            }
        )
        kafka.copy_from(ottla)
        return ottla, kafka

    return make
