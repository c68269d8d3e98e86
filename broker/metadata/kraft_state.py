"""What the control records of the metadata log say of its quorum: `kraft.version` and the voters (KIP-853).

At version 0 the voters are those of `controller.quorum.voters`, and the log does not name them. At version 1 they are
records: `kafka-storage format` leaves the first ones in the snapshot at offset 0, and the first leader repeats them in
the log. Kafka: `KRaftControlRecordStateMachine`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ...protocol.compiler import decode
from ...protocol.control_records import ControlRecordType, KRaftVersionRecord, VotersRecord, control_record_type
from ...protocol.errors import ProtocolError

if TYPE_CHECKING:
    from ...protocol.records import Record
    from ...protocol.schema import Message

KRAFT_VERSION: Final = "kraft.version"
"""A feature whose level is a control record, not a FEATURE_LEVEL one."""
KRAFT_VERSION_HIGHEST: Final = 1

_KNOWN = frozenset(
    {
        ControlRecordType.LEADER_CHANGE,
        ControlRecordType.SNAPSHOT_HEADER,
        ControlRecordType.SNAPSHOT_FOOTER,
        ControlRecordType.KRAFT_VERSION,
        ControlRecordType.KRAFT_VOTERS,
    }
)
"""Control records that may stand in the log or a snapshot."""


@dataclass(slots=True)
class KRaftState:
    """The newest control records; `voters` is None where the log names none."""

    version: int = 0
    voters: VotersRecord | None = None
    is_logged: bool = False
    """Whether the voters stand in the log or in a snapshot of it, and not only in what formatting left."""

    def replay(self, record: Record, *, is_logged: bool) -> None:
        """Follow one control record. ProtocolError when it does not belong into a metadata log, or is too new."""
        kind = control_record_type(record)
        if kind not in _KNOWN:
            raise ProtocolError(f"control record {kind!r} does not belong into a metadata log")
        if kind is ControlRecordType.KRAFT_VERSION:
            self.version = decode(KRaftVersionRecord, record.value or b"", 0).k_raft_version
            if self.version > KRAFT_VERSION_HIGHEST:
                raise ProtocolError(f"feature kraft.version is at {self.version}, known up to {KRAFT_VERSION_HIGHEST}")
        elif kind is ControlRecordType.KRAFT_VOTERS:
            self.voters = decode(VotersRecord, record.value or b"", 0)
            self.is_logged = is_logged

    def messages(self) -> list[Message]:
        """The control records that state this, for a snapshot or a first epoch; none at version 0."""
        if not self.version:
            return []
        version = KRaftVersionRecord(k_raft_version=self.version)
        return [version] if self.voters is None else [version, self.voters]

    def voter_keys(self) -> list[tuple[int, bytes]] | None:
        """(node id, directory id) of each voter; None where the log names none."""
        if self.voters is None:
            return None
        return [(voter.voter_id, voter.voter_directory_id) for voter in self.voters.voters]
