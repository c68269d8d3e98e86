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
        duties = [
            ("retention", config.log_retention_check_interval_ms, self._apply_retention),
            ("checkpoints", config.log_flush_offset_checkpoint_interval_ms, self._directories.checkpoint),
            ("producers", config.producer_id_expiration_check_interval_ms, self._expire_producers),
            ("deletions", _DELETION_INTERVAL_MS, self._directories.delete_due),
        ]
        if config.log_flush_scheduler_interval_ms < _FLUSH_CHECK_INTERVAL_MS_MAX:
            duties.append(("flushes", config.log_flush_scheduler_interval_ms, self._flush_due))
        for name, interval_ms, duty in duties:
            self._after(config.log_initial_task_delay_ms, name, interval_ms, duty)

    def stop(self) -> None:
        """Run nothing any more."""
        for timer in self._timers.values():
            timer.cancel()

    def _after(self, delay_ms: int, name: str, interval_ms: int, duty: Callable[[], None]) -> None:
        """Do a duty after a delay, and then again at its interval."""

        def run() -> None:
            duty()
            self._after(interval_ms, name, interval_ms, duty)

        deadline_ms = self._services.clock.monotonic_ms() + delay_ms
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
