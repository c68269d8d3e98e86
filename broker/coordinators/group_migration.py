"""A group that changes its protocol while its members live: classic to consumer and back (KIP-848).

Upgrade: the first consumer member that joins a classic group of consumers makes it a consumer group, in which the
classic members go on as before. Downgrade: when the last consumer member is gone, the rest are a classic group again.
Either is one batch of records, tombstones of the old group first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ...protocol.errors import ErrorCode, ProtocolError
from ...protocol.stored.classic_groups import GroupMetadataValue
from ...protocol.stored.consumer_groups import ClassicMemberMetadata, ClassicProtocol
from .classic_group import ClassicGroup
from .classic_group_state import ClassicGroupState
from .classic_member import ClassicMember, MemberProtocol, select_protocol
from .consumer_group import ConsumerGroup
from .consumer_member import ConsumerMember
from .consumer_records import (
    consumer_group_tombstones,
    current_record,
    epoch_record,
    member_record,
    target_epoch_record,
    target_record,
)
from .consumer_replay import apply
from .group_records import group_metadata_record, group_tombstone
from .group_refusal import GroupRefusal
from .subscription import (
    CONSUMER_PROTOCOL_TYPE,
    consumer_version,
    read_assignment,
    read_subscription,
    write_assignment,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .assignors.group_spec import Assignment
    from .group_context import GroupContext
    from .group_effects import Effect, Moment
    from .group_records import GroupRecord

_UNKNOWN_TIME_MS = 0
_CUSTOM_ASSIGNOR = (
    "an unsupported custom assignor is in use. "
    "Please refer to the documentation or switch to a default assignor before re-attempting the upgrade"
)


class _CustomAssignorError(Exception):
    """An assignment has data of its own, which a consumer group has no room for."""


class Found(NamedTuple):
    """The consumer group that a request means, which may not be written yet."""

    group: ConsumerGroup
    records: tuple[GroupRecord, ...] = ()
    """What makes it, or makes it out of a classic group."""
    begin: Callable[[], list[Effect]] = list
    """To be done once the records are written."""


class Conversion(NamedTuple):
    """Records that must be written, and what follows."""

    records: tuple[GroupRecord, ...]
    written: Callable[[], list[Effect]]


def find_or_convert(context: GroupContext, group_id: str, now: Moment, *, create: bool) -> Found:
    """The consumer group of that id; with `create` made if it is not there or is a classic one. Raises GroupRefusal."""
    group = context.groups.get(group_id)
    if group is None:
        if not create:
            raise GroupRefusal(ErrorCode.GROUP_ID_NOT_FOUND, f"Consumer group {group_id} not found.")
        return Found(ConsumerGroup(group_id))
    if isinstance(group, ConsumerGroup):
        return Found(group)
    if not create:
        raise GroupRefusal(ErrorCode.GROUP_ID_NOT_FOUND, f"Group {group_id} is not a consumer group.")
    if group.state is ClassicGroupState.EMPTY:
        return Found(ConsumerGroup(group_id), (group_tombstone(group_id),))
    return _upgrade(context, group, now)


# ---- classic to consumer


def _upgrade(context: GroupContext, group: ClassicGroup, now: Moment) -> Found:
    _check_upgrade(context, group)
    protocol = group.protocol_name or select_protocol(group.members)
    try:
        members = [_to_consumer(context, member, protocol, group.generation) for member in group.members]
    except _CustomAssignorError as error:
        raise _no_upgrade(group, _CUSTOM_ASSIGNOR) from error
    except ProtocolError as error:
        raise _no_upgrade(group, "the embedded consumer protocol is malformed") from error
    converted = ConsumerGroup(group.group_id)
    records = _consumer_records(context, converted, members, group.generation)
    for record in records:
        apply(converted, record.key, record.value)  # type: ignore[arg-type]
    return Found(converted, (group_tombstone(group.group_id), *records), lambda: _begin_upgraded(context, group, now))


def _check_upgrade(context: GroupContext, group: ClassicGroup) -> None:
    if not context.consumer_settings.can_upgrade:
        raise _no_upgrade(group, "online upgrade is disabled")
    if not group.uses_consumer_protocol:
        raise _no_upgrade(group, "the group does not use the consumer embedded protocol")
    if len(group.members) > context.consumer_settings.size_max:
        raise _no_upgrade(group, "the group size exceeds the consumer group maximum size")


def _no_upgrade(group: ClassicGroup, reason: str) -> GroupRefusal:
    return GroupRefusal(
        ErrorCode.GROUP_ID_NOT_FOUND,
        f"Cannot upgrade classic group {group.group_id} to consumer group because {reason}.",
    )


def _to_consumer(context: GroupContext, member: ClassicMember, protocol: str, generation: int) -> ConsumerMember:
    """The member in the consumer group: stable, with what its last assignment gave it. Raises ProtocolError."""
    assignment = read_assignment(member.assignment)
    if assignment.user_data:
        raise _CustomAssignorError
    subscription = read_subscription(member.metadata(protocol))
    topics = context.image.topics_by_name
    assigned = {
        topics[given.topic].topic_id: dict.fromkeys(given.partitions, generation)
        for given in assignment.assigned_partitions
        if given.topic in topics
    }
    return ConsumerMember(
        member.member_id,
        epoch=generation,
        previous_epoch=generation,
        instance_id=member.group_instance_id,
        rack_id=subscription.rack_id or None,
        rebalance_timeout_ms=member.rebalance_timeout_ms,
        client_id=member.client_id,
        client_host=member.client_host,
        topic_names=frozenset(subscription.topics),
        assigned=assigned,
        classic=classic_metadata(member.session_timeout_ms, member.protocols),
    )


def classic_metadata(session_timeout_ms: int, protocols: Iterable[MemberProtocol]) -> ClassicMemberMetadata:
    """What a consumer group keeps of a classic member."""
    return ClassicMemberMetadata(
        session_timeout_ms=session_timeout_ms,
        supported_protocols=[ClassicProtocol(name=name, metadata=metadata) for name, metadata in protocols],
    )


def _consumer_records(
    context: GroupContext, group: ConsumerGroup, members: list[ConsumerMember], generation: int
) -> list[GroupRecord]:
    group_id = group.group_id
    metadata_hash = context.topics.hash_of(frozenset[str]().union(*(member.topic_names for member in members)))
    records = [member_record(group_id, member) for member in members]
    records.append(epoch_record(group_id, generation, metadata_hash))
    records += [target_record(group_id, member.member_id, _had(member)) for member in members]
    records.append(target_epoch_record(group_id, generation, _UNKNOWN_TIME_MS))
    records += [current_record(group_id, member) for member in members]
    return records


def _had(member: ConsumerMember) -> Assignment:
    return {topic_id: frozenset(epochs) for topic_id, epochs in member.assigned.items()}


def _begin_upgraded(context: GroupContext, former: ClassicGroup, now: Moment) -> list[Effect]:
    """Start the sessions, and tell those who wait for the old group to join the new one."""
    group = context.groups.get(former.group_id)
    if isinstance(group, ConsumerGroup):
        for member in group.members.values():
            if member.classic is not None:
                group.deadlines.extend_session(member.member_id, now.monotonic_ms + member.classic.session_timeout_ms)
    effects: list[Effect] = []
    for waiting in former.members:
        effects += former.answer_parked(waiting, waiting.member_id, ErrorCode.REBALANCE_IN_PROGRESS)
    return effects


# ---- consumer to classic


def may_downgrade_without(context: GroupContext, group: ConsumerGroup, leaving: Sequence[ConsumerMember]) -> bool:
    """Whether those who stay when these members leave are, and may be, a classic group."""
    staying = len(group.members) - len(leaving)
    staying_classic = group.classic_member_count - sum(member.is_classic for member in leaving)
    return staying_classic == staying > 0 and _may_downgrade(context, staying)


def may_downgrade_replacing(context: GroupContext, group: ConsumerGroup, replaced: ConsumerMember | None) -> bool:
    """Whether the group may be a classic one when a classic member takes the place of this static one."""
    if replaced is None or replaced.is_classic or group.classic_member_count != len(group.members) - 1:
        return False
    return _may_downgrade(context, len(group.members))


def _may_downgrade(context: GroupContext, size: int) -> bool:
    return context.consumer_settings.can_downgrade and size <= context.settings.group_size_max


def downgrade_without(
    context: GroupContext, group: ConsumerGroup, leaving: Sequence[ConsumerMember], now: Moment
) -> Conversion:
    """Make the group a classic one of all but these members; it rebalances at once."""
    staying = [member for member in group.members.values() if member not in leaving]
    return _downgrade(context, group, list(group.members), [(member, member.member_id) for member in staying], now)


def downgrade_replacing(
    context: GroupContext,
    group: ConsumerGroup,
    replaced: ConsumerMember,
    successor: ConsumerMember,
    now: Moment,
    *,
    rebalance: bool,
) -> Conversion:
    """Make the group a classic one in which `successor` has the place of a static member, whose end is written."""
    staying = [
        (member, member.member_id) for member in group.members.values() if member.instance_id != successor.instance_id
    ]
    ending = [successor.member_id if known == replaced.member_id else known for known in group.members]
    members = [*staying, (successor, replaced.member_id)]
    return _downgrade(context, group, ending, members, now, rebalance=rebalance)


def _downgrade(
    context: GroupContext,
    group: ConsumerGroup,
    ending: list[str],
    members: list[tuple[ConsumerMember, str]],
    now: Moment,
    *,
    rebalance: bool = True,
) -> Conversion:
    """`members` come with the id under which the group has their targets."""
    classic = {member.member_id: _to_classic(member) for member, _ in members}
    protocol = select_protocol(classic.values())
    for member, target_id in members:
        adopted = classic[member.member_id]
        adopted.assignment = _assignment_bytes(context, group.targets.get(target_id, {}), adopted.metadata(protocol))
    value = GroupMetadataValue(
        protocol_type=CONSUMER_PROTOCOL_TYPE,
        generation=group.epoch,
        protocol=protocol,
        leader=next(iter(classic)),
        current_state_timestamp=now.wall_ms,
        members=[member.to_record(protocol, member.assignment) for member in classic.values()],
    )
    tombstones = consumer_group_tombstones(group.group_id, ending, group.subscriptions.resolved)
    return Conversion(
        (*tombstones, group_metadata_record(group.group_id, value)),
        lambda: _begin_downgraded(context, group.group_id, classic, now, rebalance=rebalance),
    )


def _to_classic(member: ConsumerMember) -> ClassicMember:
    metadata = member.classic or ClassicMemberMetadata()
    return ClassicMember(
        member_id=member.member_id,
        group_instance_id=member.instance_id,
        client_id=member.client_id,
        client_host=member.client_host,
        rebalance_timeout_ms=member.rebalance_timeout_ms,
        session_timeout_ms=metadata.session_timeout_ms,
        protocol_type=CONSUMER_PROTOCOL_TYPE,
        protocols=tuple(MemberProtocol(one.name, one.metadata) for one in metadata.supported_protocols),
    )


def _assignment_bytes(context: GroupContext, target: Assignment, metadata: bytes) -> bytes:
    topics = context.image.topics_by_id
    named = {topics[topic_id].name: partitions for topic_id, partitions in target.items() if topic_id in topics}
    return write_assignment(named, consumer_version(metadata))


def _begin_downgraded(
    context: GroupContext, group_id: str, classic: dict[str, ClassicMember], now: Moment, *, rebalance: bool
) -> list[Effect]:
    """Give the members back what no record holds, and start their sessions."""
    group = context.groups[group_id]
    if not isinstance(group, ClassicGroup):
        return []
    for member in group.members:
        group.members.change_protocols(member, classic[member.member_id].protocols)
        group.extend_session(member, now)
    return group.prepare_rebalance(now) if rebalance else []
