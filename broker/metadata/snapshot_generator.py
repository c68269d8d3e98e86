"""When a snapshot of the metadata is written, and when older ones go, with the part of the log that they stand for.

A snapshot comes after so many bytes of records, or after so much time in which there were any. Snapshots and log
together may have a size and an age; the newest snapshot always stays. The image is copied on the event loop, which
costs references only; encoding and writing happen in the background.
Kafka: `SnapshotGenerator`, `KafkaRaftLog.maybeClean`.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ...storage.checkpoints import CorruptFile
from .features import METADATA_VERSION
from .snapshots import DELETED_SUFFIX, SnapshotId, last_contained_timestamp, snapshots_in

if TYPE_CHECKING:
    from ..clock import Clock
    from ..config.broker_config import BrokerConfig
    from .image import MetadataImage
    from .metadata_log import MetadataLog

logger = logging.getLogger(__name__)

_DELETE_DELAY_MS: Final = 60_000
"""Kafka: `internal.metadata.delete.delay.millis`, whose default this is."""


@dataclass(frozen=True, slots=True)
class SnapshotSettings:
    """The `metadata.*` keys; an interval of 0 and a negative retention mean never."""

    record_bytes_max: int
    interval_ms: int
    retention_bytes: int
    retention_ms: int

    @classmethod
    def of(cls, config: BrokerConfig) -> SnapshotSettings:
        """The settings of a broker."""
        return cls(
            config.metadata_log_max_record_bytes_between_snapshots,
            config.metadata_log_max_snapshot_interval_ms,
            config.metadata_max_retention_bytes,
            config.metadata_max_retention_ms,
        )


class SnapshotGenerator:
    """Looks after the snapshots of one metadata log."""

    def __init__(self, log: MetadataLog, image: MetadataImage, settings: SnapshotSettings, clock: Clock) -> None:
        self._log = log
        self._image = image
        self._settings = settings
        self._clock = clock
        self._is_writing = False
        self._last_ms = clock.monotonic_ms()
        # (when, path) of snapshots that were given up.
        self._pending_deletions: list[tuple[int, str]] = []

    def appended(self) -> None:
        """Something was decided: write a snapshot if that was enough since the last one."""
        if self._log.bytes_since_snapshot >= self._settings.record_bytes_max:
            self._generate(f"{self._log.bytes_since_snapshot} bytes of records")

    def look(self) -> None:
        """Do what time brings: a snapshot, the end of older ones. A disk that does not take it is told, not raised."""
        waited_ms = self._clock.monotonic_ms() - self._last_ms
        if 0 < self._settings.interval_ms <= waited_ms:
            self._generate(f"{waited_ms // 1000} s")
        try:
            self.clean()
        except (OSError, CorruptFile) as error:
            logger.error("%s: old snapshots cannot be given up: %s", self._log.directory, error)

    # Writing

    def _generate(self, after: str) -> None:
        if self._is_writing or self._log.end_offset <= self._log.newest_snapshot_offset:
            return
        self._log.bytes_since_snapshot = 0
        self._last_ms = self._clock.monotonic_ms()
        image = self._image.copy()
        snapshot, work = self._log.capture_snapshot(image, image.features[METADATA_VERSION])
        self._is_writing = True

        def done(size_bytes: int) -> None:
            self._is_writing = False
            self._log.newest_snapshot_offset = snapshot.end_offset
            logger.info("wrote snapshot %s of %d bytes, after %s", snapshot.file_name, size_bytes, after)

        def failed(error: Exception) -> None:
            self._is_writing = False
            logger.error("snapshot %s cannot be written, a later one is tried: %s", snapshot.file_name, error)

        self._log.background.run(work, done, failed)

    # Giving up

    def clean(self) -> None:
        """Give up the oldest snapshots as long as size or age are breached. Raises OSError, CorruptFile."""
        self._delete_due()
        directory = self._log.directory
        snapshots = snapshots_in(directory)
        sizes = {snapshot: os.path.getsize(self._path(snapshot)) for snapshot in snapshots}
        while len(snapshots) > 1:
            oldest = snapshots.pop(0)
            reason = self._reason_to_give_up(oldest, sum(sizes.values()))
            if reason is None:
                return
            self._log.delete_before(snapshots[0])
            self._give_up(oldest)
            del sizes[oldest]
            logger.info("gave up snapshot %s: %s; the log begins at %d", oldest.file_name, reason, snapshots[0][0])

    def _reason_to_give_up(self, snapshot: SnapshotId, snapshot_bytes: int) -> str | None:
        settings = self._settings
        total = self._log.size_bytes + snapshot_bytes
        if 0 <= settings.retention_bytes < total:
            return f"log and snapshots have {total} bytes, more than metadata.max.retention.bytes"
        if settings.retention_ms >= 0:
            age_ms = self._clock.now_ms() - last_contained_timestamp(self._path(snapshot))
            if age_ms > settings.retention_ms:
                return f"it is {age_ms // 1000} s old, more than metadata.max.retention.ms"
        return None

    def _give_up(self, snapshot: SnapshotId) -> None:
        path = self._path(snapshot)
        self._log.files.rename(path, path + DELETED_SUFFIX)
        self._pending_deletions.append((self._clock.monotonic_ms() + _DELETE_DELAY_MS, path + DELETED_SUFFIX))

    def _delete_due(self) -> None:
        now_ms = self._clock.monotonic_ms()
        for _, path in [entry for entry in self._pending_deletions if entry[0] <= now_ms]:
            self._log.files.unlink(path)
        self._pending_deletions = [entry for entry in self._pending_deletions if entry[0] > now_ms]

    def _path(self, snapshot: SnapshotId) -> str:
        return os.path.join(self._log.directory, snapshot.file_name)
