"""Groups with their members and offsets, and transactional ids, as their coordinators have them. On the loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...protocol.errors import ProtocolError
from ..coordinators.consumer_group import ConsumerGroup
from ..coordinators.group_lifetime import is_gone
from ..coordinators.subscription import read_assignment
from .views import GroupView, MemberView, OffsetView, TopicPartition, TransactionView

if TYPE_CHECKING:
    from ..coordinators.classic_group import ClassicGroup
    from ..coordinators.classic_member import ClassicMember
    from ..coordinators.consumer_member import ConsumerMember
    from ..coordinators.group_context import Group
    from ..metadata.image import MetadataImage
    from ..services import Services


def groups(services: Services) -> dict[str, GroupView]:
    """Every group by its id, in the order of ids."""
    found = [group for group in services.groups.groups() if not is_gone(group)]
    return {group.group_id: _group(group, services) for group in sorted(found, key=lambda group: group.group_id)}


def transactions(services: Services) -> dict[str, TransactionView]:
    """Every transactional id."""
    views = {}
    for transaction in services.transactions.transactions():
        stored = transaction.metadata
        partitions = frozenset(TopicPartition(*partition) for partition in stored.partitions)
        views[stored.transactional_id] = TransactionView(
            stored.transactional_id, stored.state.label, stored.producer_id, stored.producer_epoch, partitions
        )
    return dict(sorted(views.items()))


def _group(group: Group, services: Services) -> GroupView:
    offsets = _offsets(group.group_id, services)
    if isinstance(group, ConsumerGroup):
        members = [_consumer_member(member, services.metadata.image) for member in group.members.values()]
        assignor = group.preferred_assignor(None, None) or services.config.group_consumer_assignors[0]
        return GroupView(group.group_id, "consumer", group.state.value, group.epoch, assignor, tuple(members), offsets)
    return _classic_group(group, offsets)


def _classic_group(group: ClassicGroup, offsets: dict[TopicPartition, OffsetView]) -> GroupView:
    members = [_classic_member(member) for member in group.members]
    return GroupView(
        group.group_id, "classic", group.state.value, group.generation, group.protocol_name, tuple(members), offsets
    )


def _classic_member(member: ClassicMember) -> MemberView:
    try:
        topics = read_assignment(member.assignment).assigned_partitions
    except ProtocolError:
        topics = []  # a group of something else than consumers
    assignment = frozenset(TopicPartition(topic.topic, index) for topic in topics for index in topic.partitions)
    return MemberView(member.member_id, member.client_id, member.client_host, member.group_instance_id, assignment)


def _consumer_member(member: ConsumerMember, image: MetadataImage) -> MemberView:
    assignment = frozenset(
        TopicPartition(image.topics_by_id[topic_id].name, index)
        for partitions in (member.assigned, member.revoking)
        for topic_id, indexes in partitions.items()
        if topic_id in image.topics_by_id
        for index in indexes
    )
    return MemberView(member.member_id, member.client_id, member.client_host, member.instance_id, assignment)


def _offsets(group_id: str, services: Services) -> dict[TopicPartition, OffsetView]:
    shard = services.groups.shard_of(group_id)
    views = {}
    for topic, partitions in ({} if shard is None else shard.offsets.topics(group_id)).items():
        for index, committed in partitions.items():
            partition = services.partitions.get(topic, index)
            lag = None if partition is None else max(partition.log.high_watermark - committed.offset, 0)
            views[TopicPartition(topic, index)] = OffsetView(
                committed.offset, lag, committed.metadata, committed.commit_timestamp_ms
            )
    return dict(sorted(views.items()))
