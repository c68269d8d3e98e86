"""One partition's folder: all of its segments in a row, and the files that speak of all of them."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ...storage.checkpoints import read_partition_metadata
from ...storage.files import OS_FILES
from ...storage.leader_epochs import LEADER_EPOCH_FILE, LeaderEpochs
from ...storage.producer_snapshots import SUFFIX as SNAPSHOT_SUFFIX
from ...storage.producer_snapshots import read_snapshot
from ...storage.segment import LOG_SUFFIX, SUFFIXES
from .findings import Severity
from .segment_check import PartitionWalk, SegmentCheck, Totals

if TYPE_CHECKING:
    from .findings import Findings
    from .listing import PartitionFolder
    from .progress import Progress

_PARTITION_METADATA: Final = "partition.metadata"
_SEGMENT_FILE: Final = re.compile(r"(\d{20})(\.[a-z]+)")
_KNOWN_FILE: Final = re.compile(
    r"\d{20}(\.(log|index|timeindex|txnindex|snapshot)|-\d{10}\.checkpoint)|leader-epoch-checkpoint|partition\.metadata"
    r"|quorum-state|remote_log_snapshot|.*\.(deleted|swap|cleaned|tmp|part)"
)


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the rest of the directory says of a partition before its folder is read."""

    topic_id: bytes | None
    log_start_offset: int
    recovery_point: int
    is_clean: bool
    is_live: bool


def check_partition(
    folder: PartitionFolder,
    expected: Expectation,
    findings: Findings,
    progress: Progress,
    totals: Totals,
    *,
    with_records: bool,
) -> int:
    """Check a folder; return the offset at which its log ends."""
    bases = folder.segment_base_offsets
    epochs = _leader_epochs(folder, findings)
    walk = PartitionWalk(
        folder=folder,
        findings=findings,
        progress=progress,
        totals=totals,
        log_start_offset=max(expected.log_start_offset, bases[0] if bases else 0),
        leader_epochs=epochs,
        with_records=with_records,
        rebuilt_from=_rebuilt_from(bases, expected),
        next_offset=bases[0] if bases else expected.log_start_offset,
    )
    _check_topic_id(folder, expected, findings)
    _check_names(folder, bases, findings)
    for base_offset, following in zip(bases, [*bases[1:], None], strict=False):
        walk.next_offset = max(walk.next_offset, base_offset)
        _check_segment(base_offset, following, walk, expected)
    _report_epochs(walk)
    _check_snapshots(folder, walk.next_offset, findings)
    return walk.next_offset


def _rebuilt_from(bases: list[int], expected: Expectation) -> int | None:
    """Where a start begins to read: at the segment of the recovery point, unless the last stop was a clean one."""
    if expected.is_live:
        return bases[-1] if bases else None
    if expected.is_clean:
        return None
    return max((base for base in bases if base <= expected.recovery_point), default=0)


def _check_segment(base_offset: int, following: int | None, walk: PartitionWalk, expected: Expectation) -> None:
    path = walk.folder.file(base_offset, LOG_SUFFIX)
    try:
        SegmentCheck(base_offset, following, walk).run()
    except OSError as error:
        walk.findings.unreadable(error.filename or path, error)
    for hole in walk.torn:
        severity = Severity.ERROR
        what = "zeros" if hole.is_zeros else "bytes that are no batch"
        told = f"ends with {hole.size} {what}: {hole.problem}"
        if following is None and expected.is_live:
            severity, told = Severity.NOTE, f"{told}; it may be written just now"
        elif following is None and not expected.is_clean:
            severity, told = Severity.NOTE, f"{told}; a start cuts them off"
        walk.findings.add(severity, path, told, hole.position)
    walk.torn = []


def _leader_epochs(folder: PartitionFolder, findings: Findings) -> LeaderEpochs | None:
    path = os.path.join(folder.path, LEADER_EPOCH_FILE)
    with findings.of(path):
        epochs = LeaderEpochs.load(path, OS_FILES)
        if epochs.entries() or not folder.size_bytes:
            return epochs
        findings.note(path, "holds no leader epoch")
    return None


def _report_epochs(walk: PartitionWalk) -> None:
    if walk.wrong_epochs:
        more = f" (and {walk.wrong_epochs - 1} more)" if walk.wrong_epochs > 1 else ""
        path = os.path.join(walk.folder.path, LEADER_EPOCH_FILE)
        walk.findings.add(walk.index_severity(walk.next_offset), path, walk.first_wrong_epoch + more)


def _check_topic_id(folder: PartitionFolder, expected: Expectation, findings: Findings) -> None:
    path = os.path.join(folder.path, _PARTITION_METADATA)
    with findings.of(path):
        topic_id = read_partition_metadata(folder.path)
        if topic_id is None:
            findings.note(path, "is missing; a start writes it again")
        elif expected.topic_id is not None and topic_id != expected.topic_id:
            findings.error(path, "names another topic id than the metadata; a start sets the folder aside")


def _check_names(folder: PartitionFolder, bases: list[int], findings: Findings) -> None:
    for name in sorted(folder.sizes):
        path = os.path.join(folder.path, name)
        match = _SEGMENT_FILE.fullmatch(name)
        if match is not None and match[2] in SUFFIXES and int(match[1]) not in bases:
            findings.note(path, "there is no log that it belongs to; a start removes it")
        elif _KNOWN_FILE.fullmatch(name) is None:
            findings.note(path, "is not a file of a log")


def _check_snapshots(folder: PartitionFolder, log_end_offset: int, findings: Findings) -> None:
    for name in sorted(folder.sizes):
        if name[20:] != SNAPSHOT_SUFFIX or not name[:20].isdecimal():
            continue
        path = os.path.join(folder.path, name)
        with findings.of(path):
            entries = read_snapshot(path)
            if int(name[:20]) > log_end_offset:
                findings.note(path, f"is of an offset beyond the end of the log, {log_end_offset}; a start removes it")
            for entry in entries:
                last_offset = max((batch.last_offset for batch in entry.batches), default=-1)
                if max(last_offset, entry.txn_first_offset) >= int(name[:20]):
                    findings.error(path, f"producer {entry.producer_id} has written offsets that come after it")
