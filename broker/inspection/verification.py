"""All of `ottla storage verify`: every file of a directory is read and held against the others, none is changed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ...protocol.primitives import ZERO_UUID
from ...storage.checkpoints import TopicPartition
from ...storage.offset_checkpoints import LOG_START_OFFSETS, RECOVERY_POINTS
from .directory_check import check_checkpoints, check_identity, check_presence, read_checkpoints
from .findings import Findings
from .identity import Identity, State, read_identity
from .listing import METADATA_TOPIC, Listing, by_folder, list_directory, listed_again
from .metadata_check import check_bootstrap, check_metadata
from .partition_check import Expectation, check_partition
from .segment_check import Totals
from .stored_metadata import StoredMetadata, read_metadata
from .text_table import count_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from .listing import PartitionFolder
    from .progress import Progress

_LOOKS_AT_LIVE: Final = 3
_METADATA_TOPIC_ID: Final = bytes(15) + b"\x01"


@dataclass(slots=True)
class TopicVerdict:
    """What was read of a topic, and how much is wrong with it."""

    partitions: int = 0
    errors: int = 0
    notes: int = 0
    totals: Totals = field(default_factory=Totals)


@dataclass(slots=True)
class Verification:
    """The outcome."""

    identity: Identity
    findings: Findings
    topics: dict[str, TopicVerdict]

    def total(self) -> Totals:
        """What was read of all topics."""
        total = Totals()
        for topic in self.topics.values():
            total.add(topic.totals)
        return total


def verify_directory(path: str, progress_for: Callable[[int], Progress], *, with_records: bool = True) -> Verification:
    """Check a directory; `progress_for` takes the bytes of all logs. NotADataDirectory, OSError when it cannot."""
    listing = list_directory(path)
    progress = progress_for(sum(folder.size_bytes for folder in listing.partitions))
    try:
        return _Run(listing, progress, with_records=with_records).verification()
    finally:
        progress.end()


class _Run:
    def __init__(self, listing: Listing, progress: Progress, *, with_records: bool) -> None:
        self._listing = listing
        self._progress = progress
        self._with_records = with_records
        self._identity = read_identity(listing)
        self._findings = Findings(listing.path, is_live=self._identity.state is State.LIVE)
        self._metadata = self._read_metadata()
        self._topics: dict[str, TopicVerdict] = {}

    def verification(self) -> Verification:
        listing, findings = self._listing, self._findings
        check_identity(listing, self._identity, findings)
        checkpoints = read_checkpoints(listing, findings)
        for path, why in listing.unreadable:
            findings.error(path, why)
        for left in by_folder(listing):
            findings.note(left.path, f"{count_text(left.files, 'file')}: {left.what}")
        if self._metadata is None or self._metadata.end_offset == 0:
            check_bootstrap(listing, findings)
        if self._metadata is not None:
            check_presence(listing, self._identity, self._metadata, checkpoints, findings)
        starts, recovery_points = checkpoints[LOG_START_OFFSETS], checkpoints[RECOVERY_POINTS]
        ends = {
            (key := TopicPartition(folder.topic, folder.partition)): self._check(
                folder, starts.get(key, 0), recovery_points.get(key, 0)
            )
            for folder in listing.partitions
        }
        check_checkpoints(listing, checkpoints, ends, findings)
        return Verification(self._identity, findings, self._topics)

    def _read_metadata(self) -> StoredMetadata | None:
        folder = self._listing.partition(METADATA_TOPIC, 0)
        if folder is None:
            return None
        node_id = self._identity.node_id or ""
        return read_metadata(folder, self._identity.cluster_id or "", int(node_id) if node_id.isdecimal() else -1)

    def _check(self, folder: PartitionFolder, log_start_offset: int, recovery_point: int) -> int:
        is_live = self._identity.state is State.LIVE
        expected = Expectation(
            topic_id=self._topic_id(folder.topic),
            log_start_offset=log_start_offset,
            recovery_point=recovery_point,
            is_clean=self._identity.state is State.CLEAN,
            is_live=is_live,
        )
        found, totals, end_offset = self._check_folder(folder, expected)
        for _ in range(_LOOKS_AT_LIVE - 1):
            if not (is_live and found.errors):
                break
            # A running broker puts compacted segments in place of others while they are read.
            again = listed_again(folder)
            if again is None:
                return end_offset
            found, totals, end_offset = self._check_folder(again, expected)
        self._findings.take(found)
        topic = self._topics.setdefault(folder.topic, TopicVerdict())
        topic.partitions += 1
        topic.errors += found.errors
        topic.notes += found.notes
        topic.totals.add(totals)
        return end_offset

    def _check_folder(self, folder: PartitionFolder, expected: Expectation) -> tuple[Findings, Totals, int]:
        found, totals = Findings(self._listing.path, is_live=expected.is_live), Totals()
        end_offset = check_partition(folder, expected, found, self._progress, totals, with_records=self._with_records)
        if folder.topic == METADATA_TOPIC and self._metadata is not None:
            check_metadata(folder, self._metadata, found)
        return found, totals, end_offset

    def _topic_id(self, topic: str) -> bytes | None:
        if topic == METADATA_TOPIC:
            return _METADATA_TOPIC_ID
        image = self._metadata.image.topics_by_name.get(topic) if self._metadata is not None else None
        return None if image is None or image.topic_id == ZERO_UUID else image.topic_id
