"""What logs need from time to time: retention, flushes, checkpoints, forgetting silent producers.

Each duty runs at its own interval of the configuration. A log that fails in a duty goes off line; the others go on.
Kafka: `LogManager`'s scheduled tasks.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..services import Services
    from .log_directories import LogDirectories
    from .partitions import Partition
    from .timers import TimerHandle

logger = logging.getLogger(__name__)

_DELETION_INTERVAL_MS = 1_000
_FLUSH_CHECK_INTERVAL_MS_MAX = 2**53


class LogDuties:
    """Runs the duties of every partition until it is stopped."""

    def __init__(self, services: Services, directories: LogDirectories) -> None:
        self._services = services
        self._directories = directories
        self._timers: dict[str, TimerHandle] = {}

    def start(self) -> None:
        """Schedule the first round of each."""
        config = self._services.config
        self._every("retention", config.log_retention_check_interval_ms, self._apply_retention)
        self._every("checkpoints", config.log_flush_offset_checkpoint_interval_ms, self._directories.checkpoint)
        self._every("producers", config.producer_id_expiration_check_interval_ms, self._expire_producers)
        self._every("deletions", _DELETION_INTERVAL_MS, self._directories.delete_due)
        if config.log_flush_scheduler_interval_ms < _FLUSH_CHECK_INTERVAL_MS_MAX:
            self._every("flushes", config.log_flush_scheduler_interval_ms, self._flush_due)

    def stop(self) -> None:
        """Run nothing any more."""
        for timer in self._timers.values():
            timer.cancel()

    def _every(self, name: str, interval_ms: int, duty: Callable[[], None]) -> None:
        def run() -> None:
            duty()
            self._every(name, interval_ms, duty)

        deadline_ms = self._services.clock.monotonic_ms() + interval_ms
        self._timers[name] = self._services.timers.schedule(deadline_ms, run)

    def _apply_retention(self) -> None:
        now_ms = self._services.clock.now_ms()
        for partition in self._online():
            try:
                removed = partition.log.apply_retention(now_ms)
            except OSError as error:
                partition.take_offline(str(error))
                continue
            if removed:
                logger.info("%s: retention removed %d segments", partition.name, removed)

    def _expire_producers(self) -> None:
        now_ms = self._services.clock.now_ms()
        for partition in self._online():
            partition.log.expire_producers(now_ms)

    def _flush_due(self) -> None:
        now_ms = self._services.clock.now_ms()
        for partition in self._online():
            try:
                partition.flush_if_due(now_ms)
            except OSError as error:
                partition.take_offline(str(error))

    def _online(self) -> list[Partition]:
        return [partition for partition in self._services.partitions if partition.offline_reason is None]
