"""The groups that `__consumer_offsets` holds: type, members, state, and how far each has read."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar

from ...protocol.stored import classic_groups as classic
from ...protocol.stored import consumer_groups as consumer
from ...protocol.stored import share_groups as share
from ...protocol.stored import share_state
from ...protocol.stored import streams_groups as streams

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...protocol.schema import Message

_STABLE_MEMBER = 0


class GroupType(StrEnum):
    """Kafka's types of groups."""

    CLASSIC = "classic"
    CONSUMER = "consumer"
    SHARE = "share"
    STREAMS = "streams"


@dataclass(slots=True)
class GroupOffset:
    """How far a group has read a partition; `log_end_offset` and `lag` are -1 where the partition is not here."""

    topic: str
    partition: int
    offset: int
    committed_ms: int = -1
    log_end_offset: int = -1
    lag: int = -1


@dataclass(slots=True)
class StoredGroup:
    """A group as its records say. `epoch` is a classic group's generation."""

    group_id: str
    type: GroupType = GroupType.CLASSIC
    protocol_type: str = ""
    protocol: str = ""
    epoch: int = -1
    assignment_epoch: int = -1
    members: set[str] = field(default_factory=set)
    member_epochs: dict[str, tuple[int, int]] = field(default_factory=dict)
    offsets: dict[tuple[str, int], GroupOffset] = field(default_factory=dict)

    @property
    def state(self) -> str:
        """The state that a coordinator would find when it loads the group."""
        if not self.members:
            return "Empty"
        if self.type in (GroupType.CLASSIC, GroupType.SHARE):
            return "Stable"
        if self.epoch > self.assignment_epoch:
            return "Assigning"
        settled = (self.assignment_epoch, _STABLE_MEMBER)
        is_stable = all(self.member_epochs.get(member) == settled for member in self.members)
        return "Stable" if is_stable else "Reconciling"


class StoredGroups:
    """All groups; `replay` takes the records of all partitions, each partition's in order."""

    def __init__(self, topic_names: dict[bytes, str]) -> None:
        self.groups: dict[str, StoredGroup] = {}
        self._topic_names = topic_names

    def replay(self, key: Message, value: Message | None) -> None:
        """Take in one record; one without a value ends what its key names."""
        apply = self._REPLAYS.get(type(key))
        if apply is not None:
            apply(self, key, value)

    def _group(self, group_id: str) -> StoredGroup:
        return self.groups.setdefault(group_id, StoredGroup(group_id))

    def _offset(self, key: Any, value: Any) -> None:
        place = (key.topic, key.partition)
        if value is not None:
            committed = GroupOffset(key.topic, key.partition, value.offset, value.commit_timestamp)
            self._group(key.group).offsets[place] = committed
        elif key.group in self.groups:
            self.groups[key.group].offsets.pop(place, None)

    def _classic(self, key: classic.GroupMetadataKey, value: classic.GroupMetadataValue | None) -> None:
        if value is None:
            self._end(key.group, GroupType.CLASSIC)
            return
        group = self._group(key.group)
        group.type = GroupType.CLASSIC
        group.protocol_type, group.protocol = value.protocol_type, value.protocol or ""
        group.epoch = group.assignment_epoch = value.generation
        group.members = {member.member_id for member in value.members}

    def _epoch(self, key: Any, value: Any, group_type: GroupType) -> None:
        if value is None:
            self._end(key.group_id, group_type)
            return
        group = self._group(key.group_id)
        group.type, group.epoch = group_type, value.epoch

    def _end(self, group_id: str, group_type: GroupType) -> None:
        """A group that changed its type has a tombstone of the old one."""
        group = self.groups.get(group_id)
        if group is not None and group.type is group_type:
            kept = StoredGroup(group_id, offsets=group.offsets)
            self.groups[group_id] = kept

    def _member(self, key: Any, value: Any) -> None:
        members = self._group(key.group_id).members
        if value is None:
            members.discard(key.member_id)
        else:
            members.add(key.member_id)
            self._group(key.group_id).protocol = getattr(value, "server_assignor", "") or ""

    def _target(self, key: Any, value: Any) -> None:
        self._group(key.group_id).assignment_epoch = -1 if value is None else value.assignment_epoch

    def _current(self, key: Any, value: Any) -> None:
        epochs = self._group(key.group_id).member_epochs
        if value is None:
            epochs.pop(key.member_id, None)
        else:
            epochs[key.member_id] = (value.member_epoch, getattr(value, "state", _STABLE_MEMBER))

    def _share_offset(self, key: Any, value: Any) -> None:
        """The offset from which a share group has not yet seen all; -1 in an update keeps what was there."""
        place = (self._topic_names.get(key.topic_id, ""), key.partition)
        if not place[0] or key.group_id not in self.groups:
            return
        offsets = self.groups[key.group_id].offsets
        if value is None:
            offsets.pop(place, None)
        elif value.start_offset >= 0:
            offsets[place] = GroupOffset(*place, value.start_offset, getattr(value, "write_timestamp", -1))

    def _consumer_epoch(self, key: Any, value: Any) -> None:
        self._epoch(key, value, GroupType.CONSUMER)

    def _share_epoch(self, key: Any, value: Any) -> None:
        self._epoch(key, value, GroupType.SHARE)

    def _streams_epoch(self, key: Any, value: Any) -> None:
        self._epoch(key, value, GroupType.STREAMS)

    _REPLAYS: ClassVar[dict[type[Message], Callable[[StoredGroups, Any, Any], None]]] = {
        classic.LegacyOffsetCommitKey: _offset,
        classic.OffsetCommitKey: _offset,
        classic.GroupMetadataKey: _classic,
        consumer.ConsumerGroupMetadataKey: _consumer_epoch,
        consumer.ConsumerGroupMemberMetadataKey: _member,
        consumer.ConsumerGroupTargetAssignmentMetadataKey: _target,
        consumer.ConsumerGroupCurrentMemberAssignmentKey: _current,
        share.ShareGroupMetadataKey: _share_epoch,
        share.ShareGroupMemberMetadataKey: _member,
        share.ShareGroupTargetAssignmentMetadataKey: _target,
        share.ShareGroupCurrentMemberAssignmentKey: _current,
        streams.StreamsGroupMetadataKey: _streams_epoch,
        streams.StreamsGroupMemberMetadataKey: _member,
        streams.StreamsGroupTargetAssignmentMetadataKey: _target,
        streams.StreamsGroupCurrentMemberAssignmentKey: _current,
        share_state.ShareSnapshotKey: _share_offset,
        share_state.ShareUpdateKey: _share_offset,
    }
