"""The offset checkpoints of a log directory: where each log begins, and how far it is on the disk.

They are lines of topic and partition, so they outlive a topic and would be taken for those of the next one with its
name: a start offset of yesterday's topic would remove today's records after a crash. Before a folder is made under a
name that the files may hold, they are written without it, and what was still to be written is not.
Kafka: `LogManager.asyncDelete`, `OffsetCheckpointFile`.
"""

from __future__ import annotations

import os
import threading
from functools import partial
from typing import TYPE_CHECKING, Final

from .checkpoints import TopicPartition, read_offsets, write_offsets
from .recovery import OpenedFrom

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .files import Files
    from .log import Log

RECOVERY_POINTS: Final = "recovery-point-offset-checkpoint"
LOG_START_OFFSETS: Final = "log-start-offset-checkpoint"
HIGH_WATERMARKS: Final = "replication-offset-checkpoint"
METADATA_TOPIC: Final = "__cluster_metadata"

_Content = dict[str, dict[TopicPartition, int]]


class OffsetCheckpoints:
    """The three files. What `snapshot` hands out may be called in another thread; all else belongs to the logs' own."""

    def __init__(self, path: str, files: Files) -> None:
        self._path = path
        self._files = files
        self._is_clean = False
        self._unclaimed: _Content = {RECOVERY_POINTS: {}, LOG_START_OFFSETS: {}}
        self._claimed: dict[TopicPartition, OpenedFrom] = {}
        self._kept: _Content = {RECOVERY_POINTS: {}, LOG_START_OFFSETS: {}}
        self._maybe_written: set[TopicPartition] = set()
        self._snapshots = 0
        self._lock = threading.Lock()
        self._newest: dict[str, int] = {}

    def load(self, *, is_clean: bool) -> None:
        """Read what the last process left. Raises OSError, CorruptFile."""
        self._is_clean = is_clean
        for name, found in self._unclaimed.items():
            found.update(read_offsets(os.path.join(self._path, name)))
            self._maybe_written |= found.keys()
        # With one replica the log itself says how far consumers may read; but what is broken is not to be written over.
        read_offsets(os.path.join(self._path, HIGH_WATERMARKS))

    def claim(self, key: TopicPartition) -> OpenedFrom:
        """What was known of a partition whose folder is opened; from now on its log knows better."""
        known = self.known(key)
        self._drop(key)
        self._claimed[key] = known
        return known

    def give_back(self, key: TopicPartition) -> None:
        """Keep what was known of a partition that was claimed and could not be opened."""
        known = self._claimed.get(key)
        if known is not None:
            self._kept[RECOVERY_POINTS][key] = self._unclaimed[RECOVERY_POINTS][key] = known.recovery_point
            self._kept[LOG_START_OFFSETS][key] = self._unclaimed[LOG_START_OFFSETS][key] = known.log_start_offset

    def known(self, key: TopicPartition) -> OpenedFrom:
        """What is known of a partition whose folder is only read; it can be claimed afterwards."""
        return OpenedFrom(
            log_start_offset=self._unclaimed[LOG_START_OFFSETS].get(key, 0),
            recovery_point=self._unclaimed[RECOVERY_POINTS].get(key, 0),
            clean_shutdown=self._is_clean,
        )

    def forget(self, key: TopicPartition, logs: Mapping[TopicPartition, Log]) -> None:
        """See that the files say nothing of a partition whose folder is about to be made. Raises OSError."""
        self._drop(key)
        if key not in self._maybe_written:
            return
        content = _content(logs)
        for name, unclaimed in self._unclaimed.items():
            content[name] = unclaimed | content[name]
        self._maybe_written = set()
        self._later(content)()

    def _drop(self, key: TopicPartition) -> None:
        self._claimed.pop(key, None)
        for unclaimed in self._unclaimed.values():
            unclaimed.pop(key, None)

    def snapshot(self, logs: Mapping[TopicPartition, Log]) -> Callable[[], None]:
        """What there is to write down now; to be called, anywhere, to be written. The call raises OSError."""
        return self._later(self._with_kept(_content(logs)))

    def snapshot_log_starts(self, logs: Mapping[TopicPartition, Log]) -> Callable[[], None]:
        """As `snapshot`, of the one file that says where logs begin."""
        return self._later(self._with_kept({LOG_START_OFFSETS: _log_starts(logs)}))

    def _with_kept(self, content: _Content) -> _Content:
        """Add what is known of partitions that could not be opened; where a log is, it knows better."""
        for name, kept in self._kept.items():
            if kept and name in content:
                content[name] = kept | content[name]
        return content

    def _later(self, content: _Content) -> Callable[[], None]:
        self._maybe_written = self._maybe_written.union(*content.values())
        self._snapshots += 1
        return partial(self._write, self._snapshots, content)

    def _write(self, number: int, content: _Content) -> None:
        """Write each file, unless a newer snapshot of it has been written."""
        with self._lock:
            for name, offsets in content.items():
                if number > self._newest.get(name, 0):
                    write_offsets(self._files, os.path.join(self._path, name), offsets)
                    self._newest[name] = number


def _content(logs: Mapping[TopicPartition, Log]) -> _Content:
    return {
        RECOVERY_POINTS: {key: log.sync.checkpoint for key, log in logs.items()},
        LOG_START_OFFSETS: _log_starts(logs),
        HIGH_WATERMARKS: {key: log.high_watermark for key, log in logs.items() if key.topic != METADATA_TOPIC},
    }


def _log_starts(logs: Mapping[TopicPartition, Log]) -> dict[TopicPartition, int]:
    """Those that the names of the files do not tell."""
    return {key: log.log_start_offset for key, log in logs.items() if log.log_start_offset > log.first_base_offset}
