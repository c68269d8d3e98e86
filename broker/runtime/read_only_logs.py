"""The logs of directories that are read and not changed. Implements `PartitionLogs`."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ...storage.checkpoints import CorruptFile

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ...storage.log import Log
    from ...storage.log_config import LogConfig
    from ...storage.log_directory import LogDirectory, PartitionFolder
    from ..clock import Clock
    from .commit_barrier import Told
    from .log_directories import LogDirectories

logger = logging.getLogger(__name__)


class ReadOnlyLogs:
    """Opens what is there; gives up nothing."""

    def __init__(self, directories: LogDirectories, clock: Clock) -> None:
        self._directories = directories
        self._clock = clock
        self._opened: list[Log] = []

    def holds(self, topic: str, index: int, topic_id: bytes) -> bool:
        """Whether one of the directories has this very partition."""
        return self._holder(topic, index, topic_id) is not None

    def folders(self) -> list[PartitionFolder]:
        """The partitions that folders speak of. Raises OSError, CorruptFile."""
        return self._directories.partition_folders()

    def open(self, topic: str, index: int, topic_id: bytes, config: LogConfig, directory_id: bytes) -> Log:
        """The log of a partition that is held. Raises OSError, LookupError."""
        directory = self._holder(topic, index, topic_id)
        if directory is None:
            raise LookupError(f"{topic}-{index} is not here")
        log = directory.open_log_read_only(topic, index, topic_id, config, self._clock.now_ms())
        self._opened.append(log)
        return log

    def discard(self, log: Log) -> None:
        """Nothing is ever deleted."""
        raise RuntimeError(f"{log.name} is only read and cannot be deleted")

    def keep_starts(self, logs: Sequence[Log]) -> list[Callable[[Told], None]]:
        """No log begins anywhere else than it did."""
        raise RuntimeError("logs that are only read keep their starts")

    def close(self) -> None:
        """Give the files back, and the directories."""
        for log in self._opened:
            log.close()
        self._directories.unlock()

    def _holder(self, topic: str, index: int, topic_id: bytes) -> LogDirectory | None:
        for directory in self._directories.directories:
            try:
                if directory.holds(topic, index, topic_id):
                    return directory
            except CorruptFile as error:
                logger.warning("%s-%d is not served: %s", topic, index, error)
        return None
