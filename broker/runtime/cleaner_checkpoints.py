"""`cleaner-offset-checkpoint`, one in each log directory: how far each compacted log is clean.

The offsets are kept here and written in the background, one write of a file at a time; what is set meanwhile goes into
the next one. A file that cannot be read is as good as none: the logs are then cleaned from their start.
Kafka: `LogCleanerManager.updateCheckpoints`, `OffsetCheckpointFile`.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from ...storage.checkpoints import CorruptFile, TopicPartition, read_offsets, write_offsets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ...storage.background import Background
    from ...storage.files import Files

logger = logging.getLogger(__name__)

CLEANER_OFFSETS = "cleaner-offset-checkpoint"


class CleanerCheckpoints:
    """The clean part's end of each log, by directory."""

    def __init__(self, directories: Iterable[str], background: Background, files: Files) -> None:
        self._files = {
            path: _CheckpointFile(os.path.join(path, CLEANER_OFFSETS), background, files) for path in directories
        }

    def load(self, is_known: Callable[[TopicPartition], bool]) -> None:
        """Read the files; entries of partitions that are not there are left out."""
        for file in self._files.values():
            file.load(is_known)

    def get(self, directory: str, partition: TopicPartition) -> int | None:
        """Where the clean part of a log ends; None when it was never cleaned."""
        return self._files[directory].offsets.get(partition)

    def set(self, directory: str, partition: TopicPartition, offset: int) -> None:
        """Take note of a clean part, and write it down."""
        file = self._files[directory]
        file.offsets[partition] = offset
        file.write()

    def remove_topic(self, topic: str) -> None:
        """Forget a topic that was deleted."""
        for file in self._files.values():
            gone = [partition for partition in file.offsets if partition.topic == topic]
            for partition in gone:
                del file.offsets[partition]
            if gone:
                file.write()


class _CheckpointFile:
    def __init__(self, path: str, background: Background, files: Files) -> None:
        self.offsets: dict[TopicPartition, int] = {}
        self._path = path
        self._background = background
        self._files = files
        self._is_writing = False
        self._is_behind = False

    def load(self, is_known: Callable[[TopicPartition], bool]) -> None:
        try:
            offsets = read_offsets(self._path)
        except (CorruptFile, OSError) as error:
            logger.warning("compaction begins anew in this directory: %s", error)
            offsets = {}
        self.offsets = {partition: offset for partition, offset in offsets.items() if is_known(partition)}

    def write(self) -> None:
        if self._is_writing:
            self._is_behind = True
            return
        self._is_writing = True
        offsets = dict(self.offsets)
        self._background.run(lambda: write_offsets(self._files, self._path, offsets), self._written, self._failed)

    def _written(self, _: None) -> None:
        self._is_writing = False
        if self._is_behind:
            self._is_behind = False
            self.write()

    def _failed(self, error: Exception) -> None:
        self._is_writing = self._is_behind = False
        logger.error("%s cannot be written, after a restart logs are cleaned again: %s", self._path, error)
