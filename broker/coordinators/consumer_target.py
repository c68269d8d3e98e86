"""Working out the target assignment of a consumer group: its members as an assignor sees them, and the answer
(Kafka's `TargetAssignmentBuilder`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .assignors.group_spec import GroupSpec, MemberSpec
from .consumer_settings import ASSIGNORS

if TYPE_CHECKING:
    from ..metadata.image import MetadataImage
    from .assignors.group_spec import Assignment
    from .consumer_group import ConsumerGroup
    from .consumer_member import ConsumerMember


def assign(
    group: ConsumerGroup, joining: ConsumerMember, assignor: str, image: MetadataImage, *, is_homogeneous: bool
) -> dict[str, Assignment]:
    """What every member is to have, with `joining` as it will be in the group."""
    members = dict(group.members)
    members[joining.member_id] = joining
    replaced = group.static_member(joining.instance_id)
    if replaced is not None and replaced.member_id != joining.member_id:
        del members[replaced.member_id]
    readers = _Readers(group, image)
    specs = {
        member_id: MemberSpec(readers.topic_ids(member), group.targets.get(member_id, {}), member.instance_id)
        for member_id, member in members.items()
    }
    if joining.instance_id is not None:
        specs[joining.member_id] = specs[joining.member_id]._replace(assignment=_inherited(group, joining))
    spec = GroupSpec(specs, is_homogeneous, group.target_owners, readers.partition_counts)
    assigned = ASSIGNORS[assignor].assign(spec)
    return {member_id: assigned.get(member_id, {}) for member_id in specs}


def _inherited(group: ConsumerGroup, joining: ConsumerMember) -> Assignment:
    former = group.static_member(joining.instance_id)
    return group.targets.get(joining.member_id if former is None else former.member_id, {})


class _Readers:
    """Topic ids by subscription, each looked up once, and the sizes of the topics."""

    def __init__(self, group: ConsumerGroup, image: MetadataImage) -> None:
        self._subscriptions = group.subscriptions
        self._image = image
        self._known: dict[frozenset[str], tuple[bytes, ...]] = {}
        self.partition_counts: dict[bytes, int] = {}

    def topic_ids(self, member: ConsumerMember) -> tuple[bytes, ...]:
        """The existing topics that a member reads, in the order of their names."""
        names = self._subscriptions.topics_of(member)
        known = self._known.get(names)
        if known is None:
            topics = [self._image.topics_by_name.get(name) for name in sorted(names)]
            existing = [topic for topic in topics if topic is not None]
            self.partition_counts.update({topic.topic_id: len(topic.partitions) for topic in existing})
            known = self._known[names] = tuple(topic.topic_id for topic in existing)
        return known
