"""What the quorum of the metadata looks like from outside: this node leads it and is its one voter."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...protocol.primitives import ZERO_UUID

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...protocol.control_records import VotersRecord


class Endpoint(NamedTuple):
    """Where a voter's controller is to be found."""

    name: str
    host: str
    port: int


class Voter(NamedTuple):
    """A voter. A static quorum, whose voters stand in the configuration, knows no directory ids: 16 zero bytes."""

    node_id: int
    directory_id: bytes
    endpoints: tuple[Endpoint, ...]


class QuorumView(NamedTuple):
    """The quorum now. Offsets are those of the metadata log."""

    leader_id: int
    leader_epoch: int
    high_watermark: int
    log_end_offset: int
    voters: tuple[Voter, ...]


def recorded_voters(record: VotersRecord) -> tuple[Voter, ...]:
    """The voters that the log names (KIP-853)."""
    return tuple(
        Voter(
            voter.voter_id,
            voter.voter_directory_id,
            tuple(Endpoint(each.name, each.host, each.port) for each in voter.endpoints),
        )
        for voter in record.voters
    )


def configured_voters(entries: Sequence[str], listener_name: str) -> tuple[Voter, ...]:
    """The voters of `controller.quorum.voters`, each as ID@HOST:PORT."""
    voters = []
    for entry in entries:
        node_id, _, address = entry.strip().partition("@")
        host, _, port = address.rpartition(":")
        voters.append(Voter(int(node_id), ZERO_UUID, (Endpoint(listener_name, host.strip("[]"), int(port)),)))
    return tuple(voters)
