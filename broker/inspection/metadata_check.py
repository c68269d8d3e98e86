"""The metadata log and its snapshots: whether they can be replayed, and whether `quorum-state` goes with them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from ...protocol.control_records import ControlRecordType, control_record_type
from ...protocol.records import read_records
from ..metadata.metadata_records import decode_record
from ..metadata.quorum_state import FILE_NAME, read_quorum_state
from ..metadata.snapshots import snapshot_batches, snapshots_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...protocol.records import Record
    from .findings import Findings
    from .listing import Listing, PartitionFolder
    from .stored_metadata import StoredMetadata

BOOTSTRAP_FILE: Final = "bootstrap.checkpoint"


def check_metadata(folder: PartitionFolder, stored: StoredMetadata, findings: Findings) -> None:
    """`stored` is what replaying gave. The batches themselves are checked as those of any partition."""
    for path, problem in (text.split(": ", 1) for text in stored.problems):
        findings.error(path, problem)
    _check_snapshots(folder, findings)
    _check_quorum_state(folder, stored, findings)


def _check_snapshots(folder: PartitionFolder, findings: Findings) -> None:
    ids = snapshots_in(folder.path)
    bases = folder.segment_base_offsets
    if bases and bases[0] > 0 and all(snapshot.end_offset < bases[0] for snapshot in ids):
        findings.error(folder.path, f"begins at offset {bases[0]} and no snapshot holds what was before")
    for snapshot in ids:
        path = os.path.join(folder.path, snapshot.file_name)
        kinds = _check_snapshot(path, findings)
        if kinds is not None and (kinds[:1], kinds[-1:]) != (
            [ControlRecordType.SNAPSHOT_HEADER],
            [ControlRecordType.SNAPSHOT_FOOTER],
        ):
            findings.error(path, "does not begin with a SnapshotHeader and end with a SnapshotFooter")


def check_bootstrap(listing: Listing, findings: Findings) -> None:
    """What `kafka-storage format` leaves for the first start; nobody reads it later."""
    if BOOTSTRAP_FILE in listing.sizes:
        _check_snapshot(os.path.join(listing.path, BOOTSTRAP_FILE), findings)


def _check_snapshot(path: str, findings: Findings) -> list[ControlRecordType] | None:
    """Decode all of a snapshot; return the kinds of its control records, None when it cannot be read."""
    kinds = []
    with findings.of(path):
        for record, is_control in _records(path):
            if is_control:
                kinds.append(control_record_type(record))
            else:
                decode_record(record.value or b"")
        return kinds
    return None


def _records(path: str) -> Iterator[tuple[Record, bool]]:
    for batch, header in snapshot_batches(path):
        for record in read_records(batch, 0, header):
            yield record, header.is_control


def _check_quorum_state(folder: PartitionFolder, stored: StoredMetadata, findings: Findings) -> None:
    path = os.path.join(folder.path, FILE_NAME)
    with findings.of(path):
        state = read_quorum_state(folder.path)
        if state is None:
            findings.note(path, "is missing; a start takes the epoch from the log")
        elif state.leader_epoch < stored.leader_epoch:
            findings.error(path, f"is of epoch {state.leader_epoch}, the log is of {stored.leader_epoch}")
