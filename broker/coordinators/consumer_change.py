"""What one request changes in a consumer group, worked out before anything is written.

The steps are those of every request that joins or keeps a member, in either protocol: what the member asks for, the
group's epoch, the target assignment, the member's next step towards it. Each adds its records
(Kafka's `GroupMetadataManager.consumerGroupHeartbeat`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .consumer_reconciliation import Reconciliation, Target
from .consumer_records import (
    current_record,
    epoch_record,
    member_record,
    member_tombstones,
    subscription_metadata_tombstone,
    target_epoch_record,
    target_record,
)
from .consumer_regexes import RegexChange, change_regex
from .consumer_target import assign

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .consumer_group import ConsumerGroup
    from .consumer_member import ConsumerMember
    from .consumer_reconciliation import TopicPartitions
    from .consumer_subscriptions import Subscriptions
    from .group_context import GroupContext
    from .group_effects import Moment
    from .group_records import GroupRecord


class ConsumerChange:
    """The records of one request so far. The group itself stays as it is until they are replayed."""

    def __init__(self, context: GroupContext, group: ConsumerGroup, now: Moment) -> None:
        self.context = context
        self.group = group
        self.now = now
        self.records: list[GroupRecord] = []
        self.epoch = group.epoch
        self.subscription_changed = False
        self.has_new_hash = False
        """The hash of the topics was taken anew, and may be trusted until one changes."""
        self.regexes_to_resolve: frozenset[str] = frozenset()

    # ---- static members

    def replace(self, old: ConsumerMember, new: ConsumerMember) -> None:
        """Let `new` take the place of a static member."""
        group_id = self.group.group_id
        self.records += member_tombstones(group_id, old.member_id)
        self.records.append(member_record(group_id, new))
        self.records.append(target_record(group_id, new.member_id, self.group.targets.get(old.member_id, {})))
        self.records.append(current_record(group_id, new))

    # ---- 1. what the member asks for, and the epoch of the group

    def subscribe(self, old: ConsumerMember, new: ConsumerMember, *, waits_for_regex: bool) -> None:
        """Note what the member asks for; when that changes what it reads, begin a new epoch.

        With `waits_for_regex` an expression that is not resolved yet begins no epoch: its resolution will.
        """
        if new != old:
            self.records.append(member_record(self.group.group_id, new))
        names_changed = new.topic_names != old.topic_names
        regex = change_regex(self.context, self.group, old, new, self.now)
        self.records += regex.records
        self.regexes_to_resolve = regex.to_resolve
        self.subscription_changed = names_changed or regex.change is not RegexChange.NONE
        bump = self.subscription_changed
        if waits_for_regex and regex.change is RegexChange.UNRESOLVED:
            bump = names_changed
        if bump or self.context.is_out_of_date(self.group):
            self._renew_epoch(old, new, bump=bump)

    def _renew_epoch(self, old: ConsumerMember, new: ConsumerMember, *, bump: bool) -> None:
        group = self.group
        metadata_hash = self.context.topics.hash_of(_updated(group.subscriptions, old, new).topics)
        if bump or metadata_hash != group.metadata_hash:
            self.epoch += 1
            self.records.append(epoch_record(group.group_id, self.epoch, metadata_hash))
        self.has_new_hash = True
        if group.has_old_metadata_record:
            self.records.append(subscription_metadata_tombstone(group.group_id))

    # ---- 2. what everybody is to have

    def target(self, old: ConsumerMember, new: ConsumerMember) -> Target:
        """What the member is to have; worked out anew for all when the group has a newer epoch. Raises GroupRefusal."""
        group = self.group
        if group.assignment_epoch >= self.epoch or not self._may_assign():
            return Target(group.assignment_epoch, group.target_of(new))
        name = group.preferred_assignor(old, new) or self.context.consumer_settings.assignors[0]
        is_known = new.member_id in group.members or new.instance_id in group.static_member_ids
        member_count = len(group.members) + (not is_known)
        is_homogeneous = _updated(group.subscriptions, old, new).is_homogeneous(member_count)
        targets = assign(group, new, name, self.context.image, is_homogeneous=is_homogeneous)
        for member_id, assignment in targets.items():
            if group.targets.get(member_id) != assignment:
                self.records.append(target_record(group.group_id, member_id, assignment))
        self.records.append(target_epoch_record(group.group_id, self.epoch, self.now.wall_ms))
        return Target(self.epoch, targets[new.member_id])

    def _may_assign(self) -> bool:
        """Whether the last assignment is long enough ago (KIP-1263): members that come together share one."""
        interval_ms = self.context.intervals_of(self.group.group_id).assignment_interval_ms
        assigned_ms = self.group.assigned_ms
        return assigned_ms == 0 or interval_ms == 0 or self.now.wall_ms >= assigned_ms + interval_ms

    # ---- 3. what the member has

    def reconcile(
        self, member: ConsumerMember, target: Target, owned: Sequence[TopicPartitions] | None, *, force: bool
    ) -> ConsumerMember:
        """The member after its next step; `force` when it may have to give up what it reads no more."""
        if not force and member.is_reconciled_to(target.epoch):
            return member
        topics_by_name = self.context.image.topics_by_name
        names = self.group.subscriptions.topics_of(member)
        readable = {topics_by_name[name].topic_id for name in names if name in topics_by_name}
        step = Reconciliation(
            member, target, readable_topic_ids=readable, epoch_of=self.group.epoch_of, owned=owned
        ).next_step(subscription_changed=force)
        if step != member:
            self.records.append(current_record(self.group.group_id, step))
        return step


def _updated(subscriptions: Subscriptions, old: ConsumerMember, new: ConsumerMember) -> Subscriptions:
    """The counts as they will be; an expression that nobody is left for stands for nothing."""
    updated = subscriptions.copy()
    updated.replace(old, new)
    if old.topic_regex and old.topic_regex not in updated.members_by_regex:
        resolved = updated.resolved.get(old.topic_regex)
        updated.count_regex_topics(resolved.topics if resolved else (), -1)
    return updated
