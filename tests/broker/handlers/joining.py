"""A broker with the topics of groups, and a JoinGroup that it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ottla.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol

from ..group_broker import OFFSETS_TOPIC, GroupBroker

if TYPE_CHECKING:
    from pathlib import Path

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
