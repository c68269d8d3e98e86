"""Opens a partition's folder to be read alone: not one byte of it changes, and no file comes to be.

What recovery would cut off, build again or remove is so in memory only: after an unclean stop everything from the
recovery point on is read, whole batches with a right CRC count, and what follows the first other one is not there.
Nothing can be appended. The log ends where its whole batches end, whatever the high watermark was: a copy is opened to
see what it holds.
"""

from __future__ import annotations

import errno
import logging
import os
import re
from typing import TYPE_CHECKING

from ..protocol.errors import ErrorCode, ProtocolError
from ..protocol.record_batch import check_crc
from .append import AppendError, AppendOrigin
from .checkpoints import CorruptFile
from .cleaned_segment import CLEANED_SUFFIX, SWAP_SUFFIX
from .leader_epochs import LEADER_EPOCH_FILE, LeaderEpochs
from .log import Log
from .offset_index import CorruptIndex
from .producer_replay import index_completed, replay_batch, replay_producers
from .producer_snapshots import SUFFIX as SNAPSHOT_SUFFIX
from .producer_snapshots import ProducerSnapshots
from .producer_state import ProducerState
from .recovery import NOTHING_KNOWN, OpenedFrom
from .segment import LOG_SUFFIX, TXN_INDEX_SUFFIX, Segment
from .txn_index import AbortedTxn, TxnIndex

if TYPE_CHECKING:
    from ..protocol.record_batch import BatchHeader
    from .append import Appended
    from .environment import StorageEnvironment
    from .files import Data, Files
    from .log_config import LogConfig
    from .producer_state import EndTxnMarker

_LOG_FILE = re.compile(r"(\d{20})\.log(\.swap)?")
_LOG = logging.getLogger(__name__)


class ReadOnlyFiles:
    """The files of a directory that must not change: every change is refused. Implements `Files`."""

    __slots__ = ()

    def open(self, path: str, flags: int, mode: int = 0, /) -> int:
        """Open a file for reading, whatever was asked for; one that is not there is empty."""
        if flags & (os.O_CREAT | os.O_TRUNC):
            raise _refusal(path)
        try:
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    def pwrite(self, descriptor: int, data: Data, position: int, /) -> int:
        """Refuse."""
        raise _refusal()

    def ftruncate(self, descriptor: int, length: int, /) -> None:
        """Refuse."""
        raise _refusal()

    def fsync(self, descriptor: int, /) -> None:
        """Refuse."""
        raise _refusal()

    def rename(self, source: str, target: str, /) -> None:
        """Refuse."""
        raise _refusal(source)

    def unlink(self, path: str, /) -> None:
        """Refuse."""
        raise _refusal(path)

    def mkdir(self, path: str, /) -> None:
        """Refuse."""
        raise _refusal(path)

    def rmdir(self, path: str, /) -> None:
        """Refuse."""
        raise _refusal(path)


def _refusal(path: str | None = None) -> OSError:
    return OSError(errno.EROFS, "the directory is open for reading only", path)


class ReadOnlyLog(Log):
    """A log that takes nothing and leaves its files as they are."""

    __slots__ = ()

    def append(
        self, records: memoryview, *, leader_epoch: int, now_ms: int, origin: AppendOrigin = AppendOrigin.CLIENT
    ) -> Appended:
        """Refuse, as a policy of the broker."""
        raise AppendError(ErrorCode.POLICY_VIOLATION, f"{self.directory} is open for reading only")

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
        raise AppendError(ErrorCode.POLICY_VIOLATION, f"{self.directory} is open for reading only")

    def flush(self) -> None:
        """Nothing was written."""

    def close(self) -> None:
        """Give the files back as they are."""
        self.abandon()


def open_log_read_only(
    directory: str,
    *,
    topic: str,
    partition: int,
    topic_id: bytes,
    config: LogConfig,
    environment: StorageEnvironment,
    now_ms: int,
    known: OpenedFrom = NOTHING_KNOWN,
) -> ReadOnlyLog:
    """Open the log in `directory`; a folder that is not there is an empty log. Raises OSError."""
    loader = _Loader(directory, f"{topic}-{partition}", config, environment, now_ms, known)
    loader.load()
    log = ReadOnlyLog(
        topic=topic,
        partition=partition,
        topic_id=topic_id,
        directory=directory,
        config=config,
        environment=environment,
        segments=loader.segments,
        leader_epochs=loader.leader_epochs,
        producers=loader.producers,
        snapshots=loader.snapshots,
        log_start_offset=min(max(known.log_start_offset, loader.segments[0].base_offset), loader.end_offset),
        log_end_offset=loader.end_offset,
        recovery_point=loader.end_offset,
    )
    log.high_watermark = loader.end_offset
    return log


class _MemoryTxnIndex(TxnIndex):
    """Aborted transactions that were found by reading the log."""

    def append(self, files: Files, aborted: AbortedTxn) -> None:
        self.entries().append(aborted)

    def _load(self) -> list[AbortedTxn]:
        return []


class _ReadOnlySegment(Segment):
    """A segment whose indexes live in memory when its files do not have them."""

    __slots__ = ()

    def __init__(
        self, directory: str, name: str, size: int, config: LogConfig, environment: StorageEnvironment, now_ms: int
    ) -> None:
        super().__init__(
            directory,
            int(name[:20]),
            index_interval_bytes=config.index_interval_bytes,
            files=environment.files,
            descriptors=environment.descriptors,
            created_ms=now_ms,
            size=size,
        )
        self.log.path = os.path.join(directory, name)

    def save_indexes(self) -> None:
        """What was built stays in memory."""

    def clear_indexes(self) -> None:
        """Begin all indexes anew, in memory."""
        self._start_indexes()
        self._offset_of_max_timestamp = self.base_offset
        self._unindexed_bytes = 0
        self.txn_index = _MemoryTxnIndex(self.stem + TXN_INDEX_SUFFIX)

    def cut(self, position: int) -> None:
        """Look at nothing from `position` on."""
        self.size = position
        self._last_batch_offset = self._reader_offset = -1


class _MemoryLeaderEpochs(LeaderEpochs):
    """Leader epochs that are not written back."""

    __slots__ = ()

    def _save(self) -> None:
        self.saved_epoch = self.latest_epoch


class _ReadOnlySnapshots(ProducerSnapshots):
    """Producer snapshots of which none is written or removed."""

    __slots__ = ()

    def remove(self, offset: int) -> None:
        """Forget one that cannot be used."""
        self.offsets.remove(offset)


class _Loader:
    """The state of one opening; its results are read from the attributes."""

    def __init__(
        self,
        directory: str,
        name: str,
        config: LogConfig,
        environment: StorageEnvironment,
        now_ms: int,
        known: OpenedFrom,
    ) -> None:
        self._directory = directory
        self._name = name
        self._config = config
        self._environment = environment
        self._now_ms = now_ms
        self._known = known
        self.end_offset = 0
        self.segments: list[Segment] = []
        self.producers = ProducerState(name)
        self.leader_epochs = self._leader_epochs()
        names = self._names()
        offsets = [int(n[:20]) for n in names if n[20:] == SNAPSHOT_SUFFIX and n[:20].isdecimal()]
        self.snapshots = _ReadOnlySnapshots(directory, environment.files, offsets)
        self._list_segments(names)

    def _names(self) -> dict[str, int]:
        try:
            with os.scandir(self._directory) as entries:
                return {entry.name: entry.stat().st_size for entry in entries if entry.is_file()}
        except FileNotFoundError:
            return {}

    def _leader_epochs(self) -> LeaderEpochs:
        path = os.path.join(self._directory, LEADER_EPOCH_FILE)
        try:
            return _MemoryLeaderEpochs.load(path, self._environment.files)
        except CorruptFile as error:
            _LOG.warning("leader epochs of %s are read from the log, since %s", self._name, error)
            self._known = OpenedFrom(self._known.log_start_offset)
            return _MemoryLeaderEpochs(path, self._environment.files)

    # ------------------------------------------------------------------ segments

    def _list_segments(self, names: dict[str, int]) -> None:
        """The segments, with those that a finished compaction was about to put in place of others."""
        first_cleaned = min((int(n[:20]) for n in names if n.endswith(CLEANED_SUFFIX)), default=1 << 63)
        plain: dict[int, Segment] = {}
        swapped: dict[int, Segment] = {}
        for name, size in names.items():
            match = _LOG_FILE.fullmatch(name)
            if match is None:
                continue
            base = int(match[1])
            if match[2] is None:
                plain[base] = self._segment(name, size)
            elif base < first_cleaned:
                swapped[base] = self._segment(name, size)
        if swapped:
            end = self._scan_alone(swapped[max(swapped)])
            plain = {base: segment for base, segment in plain.items() if not min(swapped) <= base < end}
        self.segments = [segment for _, segment in sorted((plain | swapped).items())]

    def _segment(self, name: str, size: int) -> _ReadOnlySegment:
        segment = _ReadOnlySegment(self._directory, name, size, self._config, self._environment, self._now_ms)
        if name.endswith(SWAP_SUFFIX):
            segment.clear_indexes()
        return segment

    @staticmethod
    def _scan_alone(segment: Segment) -> int:
        end_offset = segment.base_offset
        for position, _, header in segment.batches():
            segment.see_timestamp(header.max_timestamp, header.last_offset)
            segment.index(header.last_offset, position, header.size_bytes)
            end_offset = header.next_offset
        return end_offset

    def load(self) -> None:
        """Find the end, the producers and the epochs."""
        start = self._known.log_start_offset
        if not self.segments:
            empty = self._segment(f"{start:020d}{LOG_SUFFIX}", 0)
            empty.clear_indexes()
            self.segments = [empty]
        first = self._first_to_scan()
        if first == len(self.segments):
            self._load_producers(self.end_offset)
        else:
            self._load_producers(self.segments[first].base_offset)
            self._scan_from(first)
        self.end_offset = max(self.end_offset, start)
        self.leader_epochs.truncate_from_start(start)

    def _first_to_scan(self) -> int:
        count = len(self.segments)
        if not self._known.clean_shutdown:
            point = self._known.recovery_point
            return max(sum(1 for segment in self.segments if segment.base_offset <= point) - 1, 0)
        last = self.segments[-1]
        try:
            if last.size:
                last.load_indexes()
                last.txn_index.entries()
            else:
                last.clear_indexes()
            self.end_offset = last.read_next_offset()
        except (FileNotFoundError, CorruptIndex, ProtocolError) as error:
            _LOG.warning("%s: the indexes of its last segment are built in memory, since %s", self._name, error)
            return count - 1
        return count

    def _load_producers(self, end_offset: int) -> None:
        start = max(self._known.log_start_offset, self.segments[0].base_offset)
        self.snapshots.remove_outside(self._known.log_start_offset, end_offset)
        expiration_ms = self._environment.producer_id_expiration_ms
        self.snapshots.load_latest(self.producers, start, self._now_ms, expiration_ms)
        replay_producers(self.producers, self.segments, end_offset)

    # ------------------------------------------------------------------ after an unclean stop

    def _scan_from(self, first: int) -> None:
        self.end_offset = self.segments[first].base_offset
        for index, segment in enumerate(self.segments[first:], first):
            self.end_offset = max(self.end_offset, segment.base_offset)
            left_out = self._scan(segment)
            if left_out:
                later = self.segments[index + 1 :]
                left_out += sum(segment.size for segment in later)
                del self.segments[index + 1 :]
                _LOG.warning(
                    "%s in %s: %d bytes behind offset %d are no whole batches and are left out",
                    self._name,
                    self._directory,
                    left_out,
                    self.end_offset,
                )
                break

    def _scan(self, segment: Segment) -> int:
        """Take in each whole batch; return how many bytes are left out."""
        segment.clear_indexes()
        valid_bytes = 0
        try:
            for position, data, header in segment.batches():
                check_crc(data, 0, header)
                if not self.end_offset <= header.base_offset <= header.last_offset:
                    break
                segment.see_timestamp(header.max_timestamp, header.last_offset)
                segment.index(header.last_offset, position, header.size_bytes)
                self.leader_epochs.announce(header.partition_leader_epoch, header.base_offset)
                completed = replay_batch(self.producers, data, header)
                if completed is not None:
                    index_completed(self.producers, segment, completed, self._environment.files)
                self.end_offset = header.next_offset
                valid_bytes = position + header.size_bytes
        except ProtocolError as error:
            _LOG.warning("%s: %s", self._name, error)
        left_out = segment.size - valid_bytes
        if left_out:
            segment.cut(valid_bytes)
        return left_out
