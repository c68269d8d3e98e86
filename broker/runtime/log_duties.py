"""What logs need from time to time: retention, flushes, checkpoints, forgetting silent producers.

Each duty runs at its own interval of the configuration, some hundred logs at a time, so that the event loop never
stands still for ten thousand of them. A log that fails in a duty goes off line; the others go on.
Kafka: `LogManager`'s scheduled tasks.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..services import Services
    from .log_directories import LogDirectories
    from .partitions import Partition
    from .timers import TimerHandle

logger = logging.getLogger(__name__)

_DELETION_INTERVAL_MS = 1_000
_LOGS_AT_A_TIME = 200
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
            ("checkpoints", config.log_flush_offset_checkpoint_interval_ms, self._write_checkpoints),
            ("producers", config.producer_id_expiration_check_interval_ms, self._expire_producers),
            ("deletions", _DELETION_INTERVAL_MS, self._directories.delete_due),
            ("metadata", config.metadata_look_interval_ms, self._look_after_metadata),
        ]
        if config.log_flush_scheduler_interval_ms < _FLUSH_CHECK_INTERVAL_MS_MAX:
            duties.append(("flushes", config.log_flush_scheduler_interval_ms, self._flush_due))
        for name, interval_ms, duty in duties:
            self._after(config.log_initial_task_delay_ms, name, interval_ms, duty)

    def stop(self) -> None:
        """Run nothing any more."""
        for timer in self._timers.values():
            timer.cancel()

    def _after(self, delay_ms: int, name: str, interval_ms: int, duty: Callable[[], Iterator[None]]) -> None:
        """Do a duty after a delay, and then again at its interval."""

        def go_on(round_: Iterator[None]) -> None:
            if next(round_, self) is self:
                self._after(interval_ms, name, interval_ms, duty)
            else:
                self._schedule(0, name, lambda: go_on(round_))

        self._schedule(delay_ms, name, lambda: go_on(duty()))

    def _schedule(self, delay_ms: int, name: str, callback: Callable[[], None]) -> None:
        deadline_ms = self._services.clock.monotonic_ms() + delay_ms
        self._timers[name] = self._services.timers.schedule(deadline_ms, callback)

    # A duty yields where other work may come between.

    def _for_each(self, act: Callable[[Partition], object]) -> Iterator[None]:
        for number, partition in enumerate(self._services.partitions, 1):
            if partition.offline_reason is None:
                try:
                    act(partition)
                except OSError as error:
                    partition.take_offline(str(error))
            if number % _LOGS_AT_A_TIME == 0:
                yield

    def _apply_retention(self) -> Iterator[None]:
        now_ms = self._services.clock.now_ms()

        def apply(partition: Partition) -> None:
            if partition.log.config.is_compacted:
                return  # the log cleaner does it, between two cleanings
            removed = partition.apply_retention(now_ms)
            if removed:
                logger.info("%s: retention removed %d segments", partition.name, removed)

        return self._for_each(apply)

    def _expire_producers(self) -> Iterator[None]:
        now_ms = self._services.clock.now_ms()
        return self._for_each(lambda partition: partition.log.expire_producers(now_ms))

    def _flush_due(self) -> Iterator[None]:
        now_ms = self._services.clock.now_ms()
        return self._for_each(lambda partition: partition.flush_if_due(now_ms))

    def _write_checkpoints(self) -> Iterator[None]:
        """Try again what a full disk refused when a segment rolled, then write down how far each log is safe."""
        yield from self._for_each(lambda partition: partition.log.sync.request_rolled())
        for topic in dict.fromkeys(self._services.partitions.reopen()):
            self._services.groups.topic_returned(topic)
            self._services.transactions.topic_returned(topic)
        self._directories.checkpoint()

    def _look_after_metadata(self) -> Iterator[None]:
        self._services.metadata.snapshots.look()
        yield
