"""One segment: its log batch by batch, and the files beside it against that log, in one pass."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ...protocol.compression import MissingCodec
from ...protocol.errors import ProtocolError
from ...protocol.records import read_records
from ...storage.batch_reader import BatchReader
from ...storage.offset_index import MAX_RELATIVE_OFFSET, CorruptIndex, OffsetIndex
from ...storage.segment import INDEX_SUFFIX, LOG_SUFFIX, TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX
from ...storage.time_index import TimeIndex
from ...storage.txn_index import TxnIndex
from .findings import Severity
from .index_checks import OffsetIndexCheck, TimeIndexCheck
from .internal_records import decode_internal, kinds_of_topic
from .log_walk import Hole, WholeBatch, walk
from .transaction_checks import OpenTransactions, TxnIndexCheck

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...protocol.record_batch import BatchHeader
    from ...storage.leader_epochs import LeaderEpochs
    from .findings import Findings
    from .listing import PartitionFolder
    from .progress import Progress

NO_OFFSET: Final = -1


@dataclass(slots=True)
class Totals:
    """What was read; `not_decoded` are batches by codec that is not installed: their CRC was checked, no more."""

    segments: int = 0
    bytes: int = 0
    batches: int = 0
    records: int = 0
    not_decoded: dict[str, int] = field(default_factory=dict)

    def add(self, other: Totals) -> None:
        """Count what was read elsewhere as well."""
        self.segments += other.segments
        self.bytes += other.bytes
        self.batches += other.batches
        self.records += other.records
        for codec, count in other.not_decoded.items():
            self.not_decoded[codec] = self.not_decoded.get(codec, 0) + count


@dataclass(slots=True)
class PartitionWalk:
    """What the walk through a partition carries from one segment to the next."""

    folder: PartitionFolder
    findings: Findings
    progress: Progress
    totals: Totals
    log_start_offset: int
    leader_epochs: LeaderEpochs | None
    with_records: bool
    rebuilt_from: int | None
    """A start reads every segment from this base offset on and builds its indexes again; None: it need not."""
    next_offset: int = 0
    latest_epoch: int = -1
    wrong_epochs: int = 0
    first_wrong_epoch: str = ""
    open_transactions: OpenTransactions = field(default_factory=OpenTransactions)
    torn: list[Hole] = field(default_factory=list)
    """The hole at the end of the last segment, once that was walked."""

    def index_severity(self, base_offset: int) -> Severity:
        """Whether what is wrong with an index is put right by the next start anyway."""
        is_rebuilt = self.rebuilt_from is not None and base_offset >= self.rebuilt_from
        return Severity.NOTE if is_rebuilt else Severity.ERROR


class SegmentCheck:
    """The check of one segment; `run` does it."""

    def __init__(self, base_offset: int, following: int | None, partition: PartitionWalk) -> None:
        self._base_offset = base_offset
        self._following = following
        self._partition = partition
        folder = partition.folder
        self._path = folder.file(base_offset, LOG_SUFFIX)
        self._severity = partition.index_severity(base_offset)
        self._kinds = dict(kinds_of_topic(folder.topic))
        self._offset_check = self._checked_offset_index()
        self._time_check = self._checked_time_index()
        self._txn_check = self._checked_txn_index()

    def run(self) -> None:
        """Walk the log. Raises OSError."""
        partition = self._partition
        partition.progress.begin(self._path)
        partition.totals.segments += 1
        partition.torn = []
        with BatchReader(self._path) as reader:
            for piece in walk(reader):
                if isinstance(piece, WholeBatch):
                    self._see_batch(piece)
                else:
                    self._see_hole(piece)
            log_bytes = reader.size
        if self._offset_check is not None:
            self._offset_check.finish(log_bytes)
        if self._time_check is not None:
            self._time_check.finish()
        if self._txn_check is not None:
            self._txn_check.finish()

    # The log

    def _see_batch(self, batch: WholeBatch) -> None:
        position, data, header = batch
        partition = self._partition
        self._report_torn_hole()
        self._check_place(position, header)
        self._check_epoch(position, header)
        if partition.with_records:
            self._check_records(position, data, header)
        self._see_beside(position, data, header)
        partition.next_offset = max(partition.next_offset, header.next_offset)
        partition.totals.batches += 1
        partition.totals.records += max(header.record_count, 0)
        self._count_bytes(header.size_bytes)

    def _see_hole(self, hole: Hole) -> None:
        """It is told of when something follows it; else the partition decides what the end of its log is."""
        self._report_torn_hole()
        self._partition.torn = [hole]
        self._partition.open_transactions.forget()
        if self._offset_check is not None:
            self._offset_check.pass_hole(hole.position + hole.size)
        if self._time_check is not None:
            self._time_check.pass_hole()
        self._count_bytes(hole.size)

    def _report_torn_hole(self) -> None:
        for hole in self._partition.torn:
            self._error(hole.position, f"{hole.problem}; {hole.size} bytes up to the next batch cannot be read")
        self._partition.torn = []

    def _count_bytes(self, count: int) -> None:
        self._partition.totals.bytes += count
        self._partition.progress.advance(count)

    def _check_place(self, position: int, header: BatchHeader) -> None:
        first, last = header.base_offset, header.last_offset
        expected = self._partition.next_offset
        if first < expected:
            self._error(position, f"a batch begins at offset {first}, the one before it ends at {expected - 1}")
        if last < first or not 0 <= header.record_count <= header.last_offset_delta + 1:
            self._error(position, f"a batch of offsets {first} to {last} claims {header.record_count} records")
        if first < self._base_offset or last - self._base_offset > MAX_RELATIVE_OFFSET:
            self._error(position, f"offsets {first} to {last} do not belong into a segment from {self._base_offset} on")
        if self._following is not None and last >= self._following:
            self._error(position, f"offset {last} belongs into the next segment, which begins at {self._following}")

    def _check_epoch(self, position: int, header: BatchHeader) -> None:
        partition = self._partition
        epoch = header.partition_leader_epoch
        if epoch < partition.latest_epoch:
            self._error(position, f"the leader epoch goes back from {partition.latest_epoch} to {epoch}")
        partition.latest_epoch = epoch
        known = partition.leader_epochs
        if known is None or epoch < 0 or header.base_offset < partition.log_start_offset:
            return
        expected = known.epoch_for_offset(header.base_offset)
        if expected != epoch:
            partition.wrong_epochs += 1
            partition.first_wrong_epoch = partition.first_wrong_epoch or (
                f"the batch at offset {header.base_offset} is of leader epoch {epoch}, the file says {expected}"
            )

    def _check_records(self, position: int, data: memoryview, header: BatchHeader) -> None:
        previous, last = header.base_offset - 1, header.last_offset
        kinds = {} if header.is_control else self._kinds
        try:
            for record in read_records(data, 0, header):
                offset = record[0]
                if not previous < offset <= last:
                    self._error(position, f"record {offset} is out of place after {previous}")
                previous = offset
                if kinds:
                    decode_internal(kinds, record)
        except MissingCodec:
            codec = header.compression.name.lower()
            not_decoded = self._partition.totals.not_decoded
            not_decoded[codec] = not_decoded.get(codec, 0) + 1
        except ProtocolError as error:
            self._error(position, f"the batch at offset {header.base_offset}: {error}")

    def _error(self, position: int, problem: str) -> None:
        self._partition.findings.error(self._path, problem, position)

    # The files beside it

    def _see_beside(self, position: int, data: memoryview, header: BatchHeader) -> None:
        if self._offset_check is not None:
            self._offset_check.see(position, header)
        if self._time_check is not None:
            self._time_check.see(header)
        aborted = self._partition.open_transactions.see(data, header)
        if aborted is not None and self._txn_check is not None:
            self._txn_check.see_abort(header.base_offset, *aborted)

    def _checked_offset_index(self) -> OffsetIndexCheck | None:
        path = self._partition.folder.file(self._base_offset, INDEX_SUFFIX)
        index = OffsetIndex(path, self._base_offset)
        return OffsetIndexCheck(index, self._reporter(path)) if self._loads(path, index.load) else None

    def _checked_time_index(self) -> TimeIndexCheck | None:
        path = self._partition.folder.file(self._base_offset, TIME_INDEX_SUFFIX)
        index = TimeIndex(path, self._base_offset)
        return TimeIndexCheck(index, self._reporter(path)) if self._loads(path, index.load) else None

    def _checked_txn_index(self) -> TxnIndexCheck | None:
        path = self._partition.folder.file(self._base_offset, TXN_INDEX_SUFFIX)
        index = TxnIndex(path)
        if not self._loads(path, index.entries):
            return None
        return TxnIndexCheck(index.entries(), self._reporter(path))

    def _loads(self, path: str, load: Callable[[], object]) -> bool:
        """Whether an index can be read at all; a segment without batches need not have one."""
        try:
            load()
        except FileNotFoundError:
            # While a segment is written its indexes may be in memory alone.
            has_batches = self._partition.folder.sizes.get(os.path.basename(self._path))
            if has_batches and self._severity is Severity.ERROR:
                self._partition.findings.note(path, "is missing; a start builds it again")
            return False
        except CorruptIndex as error:
            problem = str(error).removeprefix(f"{path}: ")
            self._partition.findings.add(self._severity, path, problem)
            return False
        return True

    def _reporter(self, path: str) -> Callable[[int | None, str], None]:
        def report(position: int | None, problem: str) -> None:
            self._partition.findings.add(self._severity, path, problem, position)

        return report
