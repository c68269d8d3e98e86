"""The log of a partition whose files cannot be opened: nothing can be read from it or written to it.

It stands where the log would be, so that its partition can say what is wrong while all others are served. Its files
stay as they are.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, NoReturn

from ..protocol.errors import ErrorCode
from .append import Appended, AppendError, AppendOrigin
from .leader_epochs import LeaderEpochs
from .log import Log
from .producer_snapshots import ProducerSnapshots
from .producer_state import ProducerState
from .segment import Segment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..protocol.record_batch import BatchHeader
    from .environment import StorageEnvironment
    from .log_config import LogConfig
    from .producer_state import EndTxnMarker

_PASSING = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE})


class UnavailableLog(Log):
    """A log that has offsets from 0 to 0 and takes nothing; `problem` is why, in a sentence for people."""

    __slots__ = ("may_pass", "problem")

    def __init__(
        self,
        directory: str,
        *,
        topic: str,
        partition: int,
        topic_id: bytes,
        config: LogConfig,
        environment: StorageEnvironment,
        problem: Exception,
    ) -> None:
        segment = Segment(
            directory,
            0,
            index_interval_bytes=config.index_interval_bytes,
            files=environment.files,
            descriptors=environment.descriptors,
            created_ms=0,
        )
        super().__init__(
            topic=topic,
            partition=partition,
            topic_id=topic_id,
            directory=directory,
            config=config,
            environment=environment,
            segments=[segment],
            leader_epochs=LeaderEpochs(directory, environment.files),
            producers=ProducerState(f"{topic}-{partition}"),
            snapshots=ProducerSnapshots(directory, environment.files),
            log_start_offset=0,
            log_end_offset=0,
            recovery_point=0,
        )
        self.problem = _explain(problem)
        self.may_pass = isinstance(problem, OSError) and problem.errno in _PASSING
        """Whether opening it again may succeed without anybody looking at the disk."""

    def append(
        self, records: memoryview, *, leader_epoch: int, now_ms: int, origin: AppendOrigin = AppendOrigin.CLIENT
    ) -> Appended:
        """Refuse: KAFKA_STORAGE_ERROR."""
        raise AppendError(ErrorCode.KAFKA_STORAGE_ERROR, self.problem)

    def append_built(
        self,
        batch: bytearray,
        header: BatchHeader,
        *,
        leader_epoch: int,
        now_ms: int,
        marker: EndTxnMarker | None = None,
    ) -> Appended:
        """Refuse in the same way."""
        raise AppendError(ErrorCode.KAFKA_STORAGE_ERROR, self.problem)

    def read(self, offset: int, max_bytes: int, *, up_to_offset: int, min_one_batch: bool) -> NoReturn:
        """Raise OSError."""
        raise OSError(errno.EIO, self.problem, self.directory)

    def batches(self, start_offset: int) -> Iterator[tuple[memoryview, BatchHeader]]:
        """Raise OSError: whoever replays it must not take it for an empty one."""
        raise OSError(errno.EIO, self.problem, self.directory)

    def flush(self) -> None:
        """Nothing was written."""

    def close(self) -> None:
        """Leave the files as they are."""
        self.abandon()


def _explain(problem: Exception) -> str:
    if isinstance(problem, OSError) and problem.strerror:
        return f"{problem.filename}: {problem.strerror}" if problem.filename else problem.strerror
    return str(problem)
