"""A broker with the topics of groups, a JoinGroup that it takes, and who has joined."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ottla.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from ottla.protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment

from ..group_broker import OFFSETS_TOPIC, GroupBroker

if TYPE_CHECKING:
    from pathlib import Path

    from .two_ways import TwoWays

SUBSCRIPTION = b"\x00\x00\x00\x00\x00\x01\x00\x01t\xff\xff\xff\xff"


def broker_for_groups(folder: Path) -> GroupBroker:
    """With the topic `t` of two partitions, and coordinators that have their log."""
    broker = GroupBroker(folder)
    broker.create("t", 2)
    broker.metadata.ensure_internal_topic(OFFSETS_TOPIC)
    return broker


def joining(**changes: Any) -> JoinGroupRequest:
    """The first join of a consumer of `t`, unless something else is said."""
    fields = {
        "group_id": "g",
        "session_timeout_ms": 10_000,
        "rebalance_timeout_ms": 60_000,
        "protocol_type": "consumer",
        "protocols": [JoinGroupRequestProtocol(name="range", metadata=SUBSCRIPTION)],
        **changes,
    }
    return JoinGroupRequest(**fields)


def joined(ways: TwoWays[GroupBroker], instance: str | None = None) -> tuple[str, int] | None:
    """Join and hand out the assignment, in both brokers: member id and generation, or None where that is refused."""
    parked_before = len(ways.parked)
    ways.both(joining(group_instance_id=instance), 5 if instance else 3)
    ways.advance(0)
    answers = [known.response for _, known in ways.parked[parked_before:] if known.response is not None]
    if not answers or answers[0].error_code:
        return None
    member_id, generation = answers[0].member_id, answers[0].generation_id
    request = SyncGroupRequest(
        group_id="g",
        generation_id=generation,
        member_id=member_id,
        group_instance_id=instance,
        assignments=[SyncGroupRequestAssignment(member_id=member_id, assignment=b"A")],
    )
    ways.both(request, 3)
    return member_id, generation
