"""Opens a partition's folder, whatever state the last process left it in.

After a clean stop the indexes are believed when they fit their logs, and nothing is read but the tail. After any
other end everything from the recovery point on is read (`recovery_start` says from where exactly): whole batches with
a right CRC stay, the rest is cut, and indexes, transaction indexes, leader epochs and producers are built again from
what stayed. One line says what was done.
Kafka: `LogLoader`, `LogSegment.recover`.
"""

from __future__ import annotations

import itertools
import logging
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..protocol.errors import ProtocolError
from ..protocol.record_batch import HEADER_BYTES, check_crc
from .checkpoints import CorruptFile
from .cleaned_segment import SWAP_SUFFIX
from .files import remove_if_present
from .leader_epochs import LEADER_EPOCH_FILE, LeaderEpochs
from .leftover_files import LeftoverFiles
from .log import Log
from .log_config import MAX_LONG
from .offset_index import MAX_RELATIVE_OFFSET, CorruptIndex
from .producer_replay import index_completed, replay_batch, replay_producers
from .producer_snapshots import SUFFIX as SNAPSHOT_SUFFIX
from .producer_snapshots import ProducerSnapshots
from .producer_state import ProducerState
from .recovery_start import TrustedStart, trusted_start
from .segment import (
    INDEX_SUFFIX,
    LOG_SUFFIX,
    SUFFIXES,
    TIME_INDEX_SUFFIX,
    TXN_INDEX_SUFFIX,
    Segment,
    file_stem,
)

if TYPE_CHECKING:
    from ..protocol.record_batch import BatchHeader
    from .environment import StorageEnvironment
    from .log_config import LogConfig

# Files whose size says nothing: half of what a folder holds need not be asked for it.
_OF_ANY_SIZE = (SNAPSHOT_SUFFIX, LEADER_EPOCH_FILE, "partition.metadata")
_NUMBERED = frozenset((*SUFFIXES, SNAPSHOT_SUFFIX))
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OpenedFrom:
    """What the checkpoints know of a partition before its folder is read."""

    log_start_offset: int = 0
    recovery_point: int = 0
    clean_shutdown: bool = False


NOTHING_KNOWN = OpenedFrom()


def open_log(
    directory: str,
    *,
    topic: str,
    partition: int,
    topic_id: bytes,
    config: LogConfig,
    environment: StorageEnvironment,
    now_ms: int,
    known: OpenedFrom = NOTHING_KNOWN,
) -> Log:
    """Open the log in `directory`, which exists; an empty folder becomes an empty log.

    Raises OSError, CorruptFile.
    """
    loader = _Loader(directory, f"{topic}-{partition}", config, environment, now_ms, known)
    loader.load()
    return Log(
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
        log_start_offset=max(known.log_start_offset, loader.segments[0].base_offset),
        log_end_offset=loader.log_end_offset,
        recovery_point=loader.log_end_offset
        if known.clean_shutdown
        else min(known.recovery_point, loader.log_end_offset),
    )


@dataclass(slots=True)
class _Report:
    """What recovery did, for its one line."""

    batches: int = 0
    cut_bytes: int = 0
    notes: list[str] = field(default_factory=list)


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
        self._files = environment.files
        self._now_ms = now_ms
        self._known = known
        self._report = _Report()
        self._sizes: dict[str, int] = {}
        self.segments: list[Segment] = []
        self.leader_epochs = LeaderEpochs(os.path.join(directory, LEADER_EPOCH_FILE), environment.files)
        self.producers = ProducerState(name)
        self.snapshots = ProducerSnapshots(directory, environment.files)
        self.log_end_offset = 0
        self._snapshot_offsets: frozenset[int] = frozenset()

    def load(self) -> None:
        self._list_files()
        leftovers = LeftoverFiles(self._directory, self._sizes, self._files)
        leftovers.settle(self._swapped_end)
        self._report.notes += leftovers.notes
        self._load_leader_epochs()
        self._list_segments()
        self._distrust_epochs_that_begin_late()
        self._read_segments()
        self._start_again_if_behind()
        self.leader_epochs.truncate_from_end(self.log_end_offset)
        self.leader_epochs.truncate_from_start(max(self._known.log_start_offset, self.segments[0].base_offset))
        self._say_what_was_done()

    # ------------------------------------------------------------------ files

    def _list_files(self) -> None:
        with os.scandir(self._directory) as entries:
            self._sizes = {
                entry.name: 0 if entry.name.endswith(_OF_ANY_SIZE) else entry.stat().st_size
                for entry in entries
                if entry.is_file()
            }

    def _remove(self, name: str) -> None:
        remove_if_present(self._files, os.path.join(self._directory, name))
        self._sizes.pop(name, None)

    def _swapped_end(self, name: str) -> int:
        segment = self._segment(int(name[:20]), self._sizes[name])
        segment.log.path += SWAP_SUFFIX
        segment.clear_indexes()
        try:
            return segment.read_next_offset()
        finally:
            segment.log.close()

    def _load_leader_epochs(self) -> None:
        path = os.path.join(self._directory, LEADER_EPOCH_FILE)
        try:
            self.leader_epochs = LeaderEpochs.load(path, self._files)
        except CorruptFile as error:
            self._read_epochs_from_log(str(error))

    def _read_epochs_from_log(self, problem: str) -> None:
        self._report.notes.append(f"leader epochs read from the log, since {problem}")
        self.leader_epochs = LeaderEpochs(os.path.join(self._directory, LEADER_EPOCH_FILE), self._files)
        self._known = OpenedFrom(self._known.log_start_offset)

    def _distrust_epochs_that_begin_late(self) -> None:
        """A file that knows nothing of the first readable batch has been emptied, unless that batch has no epoch."""
        entries = self.leader_epochs.entries()
        start = max([self._known.log_start_offset, *(segment.base_offset for segment in self.segments[:1])])
        if (entries and entries[0].start_offset <= start) or not any(segment.size for segment in self.segments):
            return
        headers = (header for segment in self.segments for _, _, header in segment.batches())
        try:
            # Nothing need be known of what lies before the start; Kafka empties the file of a log that has no more.
            header = next((header for header in headers if header.next_offset > start), None)
        except ProtocolError:
            return  # recovery meets it as well
        if header is not None and header.partition_leader_epoch >= 0:
            self._read_epochs_from_log(f"{self.leader_epochs.path} does not reach back to {start}")

    # ------------------------------------------------------------------ segments

    def _list_segments(self) -> None:
        found = [
            (int(name[:20]), name[20:]) for name in self._sizes if name[20:] in _NUMBERED and name[:20].isdecimal()
        ]
        bases = {number for number, suffix in found if suffix == LOG_SUFFIX}
        self.segments = [self._segment(base, self._sizes[f"{base:020d}{LOG_SUFFIX}"]) for base in sorted(bases)]
        for base, suffix in sorted(found):
            if suffix != SNAPSHOT_SUFFIX and base not in bases:
                self._remove(f"{base:020d}{suffix}")
                self._report.notes.append(f"{base:020d}{suffix} removed, which had no log")
        snapshots = [number for number, suffix in found if suffix == SNAPSHOT_SUFFIX]
        self.snapshots = ProducerSnapshots(self._directory, self._files, snapshots)
        self._snapshot_offsets = frozenset(self.snapshots.offsets)
        self.snapshots.remove_strays(bases)
        self._note_emptied_segments()

    def _note_emptied_segments(self) -> None:
        """A segment is rolled because it is full: one that is empty has lost its records, unless they were cleaned."""
        if self._config.is_compacted:
            return
        for segment, following in itertools.pairwise(self.segments):
            if not segment.size:
                lost = f"offsets {segment.base_offset} to {following.base_offset - 1} are missing"
                self._report.notes.append(f"{segment.log.path} is empty: {lost}")

    def _segment(self, base_offset: int, size: int) -> Segment:
        return Segment(
            self._directory,
            base_offset,
            index_interval_bytes=self._config.index_interval_bytes,
            files=self._files,
            descriptors=self._environment.descriptors,
            created_ms=self._now_ms,
            size=size,
        )

    def _create_segment(self, base_offset: int) -> Segment:
        return Segment.create(
            self._directory,
            base_offset,
            index_interval_bytes=self._config.index_interval_bytes,
            files=self._files,
            descriptors=self._environment.descriptors,
            created_ms=self._now_ms,
        )

    def _read_segments(self) -> None:
        if not self.segments:
            start = self._known.log_start_offset
            self.segments = [self._create_segment(start)]
            self.log_end_offset = start
            self.producers.clear(start)
            return
        first = self._first_to_recover()
        if first < len(self.segments):
            self._recover_from(first)
        else:
            self._load_producers(self.log_end_offset)

    def _first_to_recover(self) -> int:
        """The index of the first segment that must be read; beyond the last one when all can be believed.

        Sets the log end offset in that case.
        """
        count = len(self.segments)
        first = count
        if not self._known.clean_shutdown:
            bases = [segment.base_offset for segment in self.segments]
            first = max(sum(1 for base in bases if base <= self._known.recovery_point) - 1, 0)
        for index, segment in enumerate(self.segments[: min(first, count - 1)]):
            if not self._has_sane_indexes(segment):
                return index
        if first == count and not self._load_active(self.segments[-1]):
            return count - 1
        return first

    def _has_sane_indexes(self, segment: Segment) -> bool:
        """Only what a directory listing tells: a segment that is not written any more is read when it is needed."""
        stem = f"{segment.base_offset:020d}"
        index_bytes = self._sizes.get(stem + INDEX_SUFFIX, -1)
        time_index_bytes = self._sizes.get(stem + TIME_INDEX_SUFFIX, -1)
        txn_index_bytes = self._sizes.get(stem + TXN_INDEX_SUFFIX, 0)
        are_there = index_bytes >= 0 and time_index_bytes >= 0
        if are_there and not (index_bytes % 8 or time_index_bytes % 12 or txn_index_bytes % 34):
            return True
        self._report.notes.append(f"indexes of {stem}{LOG_SUFFIX} missing or not of whole entries")
        return False

    def _load_active(self, segment: Segment) -> bool:
        """Find where the log ends, by its last batches; they are all that is read."""
        if not segment.size:
            segment.clear_indexes()
            self.log_end_offset = segment.base_offset
            return True
        if not self._has_sane_indexes(segment):
            return False
        try:
            if self._sizes.get(f"{segment.base_offset:020d}{TXN_INDEX_SUFFIX}"):
                segment.txn_index.entries()
            self.log_end_offset = segment.read_next_offset()
        except (CorruptIndex, ProtocolError) as error:
            self._report.notes.append(str(error))
            return False
        return True

    def _load_producers(self, end_offset: int) -> None:
        """Producer state up to `end_offset`, from the latest snapshot that is not beyond it."""
        if self._known.clean_shutdown and not self.snapshots.offsets:
            # A clean stop leaves a snapshot where there was anything to write: nothing to read the log for.
            self.producers.clear(end_offset)
            return
        self.snapshots.remove_outside(self._known.log_start_offset, end_offset)
        start = max(self._known.log_start_offset, self.segments[0].base_offset)
        expiration_ms = self._environment.producer_id_expiration_ms
        problem = self.snapshots.load_latest(self.producers, start, self._now_ms, expiration_ms)
        if problem:
            self._report.notes.append(f"producers read from the log, since {problem}")
        replay_producers(self.producers, self.segments, end_offset)

    # ------------------------------------------------------------------ recovery

    def _recover_from(self, first: int) -> None:
        """Read all segments from `first` on; a torn or broken batch ends the log there."""
        start = self._start_within(first)
        self._load_producers(start.producers_offset)
        self.log_end_offset = start.offset
        for index in range(first, len(self.segments)):
            segment = self.segments[index]
            if self._has_lost_what_was_before(segment):
                self._drop_segments_after(index - 1)
                break
            self.log_end_offset = max(self.log_end_offset, segment.base_offset)
            cut_bytes = self._recover_segment(segment, start if index == first else _whole(segment))
            if cut_bytes:
                self._drop_segments_after(index)
                break
            if index + 1 < len(self.segments):
                segment.retire()
                # A truncation into the next segment then needs not read the log from its start.
                self.snapshots.take(self.producers)

    def _has_lost_what_was_before(self, segment: Segment) -> bool:
        """Whether offsets are missing before a segment because the one before it never came to the disk whole.

        A machine that loses its power may keep a segment and lose the end of the one before. Compaction leaves gaps
        too; but a producer snapshot at the segment's base came to the disk only after all that was before it.
        """
        is_lost = (
            segment.base_offset > self.log_end_offset
            and segment.base_offset > self._known.recovery_point
            and segment.base_offset not in self._snapshot_offsets
            and not self._config.is_compacted
        )
        if is_lost:
            self._report.notes.append(f"offsets {self.log_end_offset} to {segment.base_offset - 1} are missing")
        return is_lost

    def _start_within(self, first: int) -> TrustedStart:
        """Where reading begins: in the segment that holds the recovery point perhaps not at its start."""
        segment = self.segments[first]
        following = self.segments[first + 1].base_offset if first + 1 < len(self.segments) else MAX_LONG
        recovery_point = self._known.recovery_point
        start = None
        if not self._known.clean_shutdown and segment.base_offset <= recovery_point < following:
            start = trusted_start(segment, recovery_point, self.snapshots, self.leader_epochs)
        return start or _whole(segment)

    def _recover_segment(self, segment: Segment, start: TrustedStart) -> int:
        """Keep each whole batch from a place on, build the indexes; return how many bytes were cut."""
        if not start.position:
            segment.clear_indexes()
        valid_bytes = start.position
        try:
            for position, data, header in segment.batches(start.position):
                check_crc(data, 0, header)
                if not self._belongs(segment, header.base_offset, header.last_offset):
                    break
                segment.see_timestamp(header.max_timestamp, header.last_offset)
                segment.index(header.last_offset, position, header.size_bytes)
                self._count(segment, data, header.partition_leader_epoch, header.base_offset)
                if header.base_offset >= start.producers_offset:
                    self._replay(segment, data, header)
                self.log_end_offset = header.next_offset
                valid_bytes = position + header.size_bytes
        except ProtocolError as error:
            if self._is_unused(segment, valid_bytes):
                segment.cut(valid_bytes)
            else:
                self._report.notes.append(str(error))
        cut_bytes = segment.size - valid_bytes
        if cut_bytes:
            segment.cut(valid_bytes)
            self._report.cut_bytes += cut_bytes
        segment.save_indexes()
        return cut_bytes

    def _is_unused(self, segment: Segment, position: int) -> bool:
        """Whether a file ends here that Kafka made as long as a segment may become, and did not come to shorten."""
        return self._config.preallocate and not any(os.pread(segment.log.open(), HEADER_BYTES, position))

    def _replay(self, segment: Segment, data: memoryview, header: BatchHeader) -> None:
        completed = replay_batch(self.producers, data, header)
        if completed is not None:
            index_completed(self.producers, segment, completed, self._files)

    def _belongs(self, segment: Segment, first_offset: int, last_offset: int) -> bool:
        """A batch whose offsets go back is not one that an append has written. Raises CorruptFile for an overflow."""
        if not self.log_end_offset <= first_offset <= last_offset:
            return False
        if last_offset - segment.base_offset > MAX_RELATIVE_OFFSET:
            # Kafka splits such a segment, which only versions before 2.0 wrote.
            raise CorruptFile(
                segment.log.path, f"holds offset {last_offset}, too far from its base; only Apache Kafka can split it"
            )
        return True

    def _count(self, segment: Segment, data: memoryview, leader_epoch: int, base_offset: int) -> None:
        self._report.batches += 1
        if leader_epoch > self.leader_epochs.latest_epoch:
            self.leader_epochs.assign(leader_epoch, base_offset)

    def _drop_segments_after(self, index: int) -> None:
        for segment in self.segments[index + 1 :]:
            self._report.cut_bytes += segment.size
            segment.delete_now()
        del self.segments[index + 1 :]

    def _start_again_if_behind(self) -> None:
        """A log that ends before its start offset has lost its files; nothing below the start may come back."""
        start = self._known.log_start_offset
        if self.log_end_offset >= start:
            return
        self._report.notes.append(f"all segments removed, they end at {self.log_end_offset}, before the start {start}")
        for segment in self.segments:
            segment.delete_now()
        self.segments = [self._create_segment(start)]
        self.log_end_offset = start
        self.producers.clear(start)

    def _say_what_was_done(self) -> None:
        report = self._report
        if not report.batches and not report.cut_bytes and not report.notes:
            return
        level = logging.WARNING if report.cut_bytes or report.notes else logging.INFO
        _LOG.log(
            level,
            "Recovered %s in %s: read %d batches from offset %d, cut %d bytes, ends at offset %d%s",
            self._name,
            self._directory,
            report.batches,
            self._known.recovery_point,
            report.cut_bytes,
            self.log_end_offset,
            "".join(f"; {note}" for note in report.notes),
        )


def _whole(segment: Segment) -> TrustedStart:
    """Reading begins with the segment."""
    return TrustedStart(segment.base_offset, 0, segment.base_offset)


def segment_paths(directory: str, base_offset: int) -> list[str]:
    """The paths of a segment's four files, whether they are there or not."""
    stem = file_stem(directory, base_offset)
    return [stem + suffix for suffix in SUFFIXES]
