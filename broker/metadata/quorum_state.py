"""`quorum-state`: who leads the metadata log, and in which epoch (`QuorumStateData`, written as JSON).

Version 0 is that of a static quorum (`controller.quorum.voters`) and lists the voters; version 1 is that of a dynamic
one (KIP-853), whose voters are records in the log.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from typing import Any, Final

from ...protocol.primitives import ZERO_UUID, uuid_to_text
from ...storage.checkpoints import CorruptFile
from ...storage.files import Files, write_file

FILE_NAME: Final = "quorum-state"
_WAY_OUT: Final = "restore it from a copy, or remove it: the epoch is then taken from the log"
STATIC: Final = 0
DYNAMIC: Final = 1


@dataclass(frozen=True, slots=True)
class QuorumState:
    """The state of the quorum, as its one voter here knows it; -1 where there is no leader or no epoch yet."""

    version: int = STATIC
    leader_id: int = -1
    leader_epoch: int = -1
    voter_ids: tuple[int, ...] = ()
    voted_directory_id: str = uuid_to_text(ZERO_UUID)

    def led_by(self, node_id: int, leader_epoch: int, kraft_version: int) -> QuorumState:
        """The state in which `node_id` leads; the file's version is that of `kraft.version`, as in Kafka."""
        voter_ids = (node_id,) if kraft_version == STATIC else ()
        return replace(self, version=kraft_version, leader_id=node_id, leader_epoch=leader_epoch, voter_ids=voter_ids)

    def to_json(self) -> str:
        """The file's text, its fields in Kafka's order."""
        fields: dict[str, Any] = {"leaderId": self.leader_id, "leaderEpoch": self.leader_epoch, "votedId": -1}
        if self.version == STATIC:
            voters = [{"voterId": voter} for voter in self.voter_ids]
            fields = {"clusterId": "", **fields, "appliedOffset": 0, "currentVoters": voters}
        else:
            fields["votedDirectoryId"] = self.voted_directory_id
        return json.dumps({**fields, "data_version": self.version}, separators=(",", ":"))


def read_quorum_state(directory: str) -> QuorumState | None:
    """The state in `directory`, None where there is no file. CorruptFile when it is of no known form."""
    path = os.path.join(directory, FILE_NAME)
    try:
        with open(path, encoding="utf-8") as file:
            return _parse(json.load(file))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptFile(path, f"is not a quorum state: {error}; {_WAY_OUT}") from error


def write_quorum_state(files: Files, directory: str, state: QuorumState) -> None:
    """Replace the file, through to the disk: an epoch must never be led twice."""
    write_file(files, os.path.join(directory, FILE_NAME), state.to_json().encode(), sync=True)


def _parse(fields: dict[str, Any]) -> QuorumState:
    version = fields["data_version"]
    if version not in (STATIC, DYNAMIC):
        raise ValueError(f"data_version {version} is not known")
    return QuorumState(
        version=version,
        leader_id=int(fields["leaderId"]),
        leader_epoch=int(fields["leaderEpoch"]),
        voter_ids=tuple(int(voter["voterId"]) for voter in fields.get("currentVoters") or ()),
        voted_directory_id=fields.get("votedDirectoryId", uuid_to_text(ZERO_UUID)),
    )
