"""What the groups of one partition of `__consumer_offsets` share: each other, settings, the cluster's topics."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from ...protocol.errors import ErrorCode
from .classic_group import ClassicGroup
from .classic_group_state import ClassicGroupState
from .consumer_group import ConsumerGroup
from .group_refusal import GroupRefusal

if TYPE_CHECKING:
    from ..metadata.image import MetadataImage
    from .consumer_settings import ConsumerGroupConfigs, ConsumerGroupSettings, GroupIntervals
    from .group_settings import GroupSettings
    from .group_topics import GroupTopics

Group: TypeAlias = ClassicGroup | ConsumerGroup


class GroupContext:
    """Shared state of a shard."""

    __slots__ = ("configs", "groups", "settings", "topics")

    def __init__(self, settings: GroupSettings, configs: ConsumerGroupConfigs, topics: GroupTopics) -> None:
        self.groups: dict[str, Group] = {}
        self.settings = settings
        self.configs = configs
        self.topics = topics

    @property
    def image(self) -> MetadataImage:
        """The cluster's metadata."""
        return self.topics.image

    def is_out_of_date(self, group: ConsumerGroup) -> bool:
        """Whether topics that the group reads may have changed since it took their hash."""
        topics = self.topics
        if group.topics_seen == topics.changes:
            return False
        if topics.have_changed(group.subscriptions.topics, group.topics_seen):
            return True
        group.topics_seen = topics.changes
        return False

    def intervals_of(self, group_id: str) -> GroupIntervals:
        """The intervals that hold for a group."""
        return self.configs.intervals_of(group_id)

    @property
    def consumer_settings(self) -> ConsumerGroupSettings:
        """The settings of consumer groups that are in force now."""
        return self.configs.settings

    def find(self, group_id: str) -> Group | None:
        """The group, unless it is gone."""
        group = self.groups.get(group_id)
        if isinstance(group, ClassicGroup) and group.state is ClassicGroupState.DEAD:
            return None
        return group

    def consumer_group(self, group_id: str) -> ConsumerGroup:
        """The consumer group of that id. Raises GroupRefusal."""
        group = self.groups.get(group_id)
        if group is None:
            raise GroupRefusal(ErrorCode.GROUP_ID_NOT_FOUND, f"Group {group_id} not found.")
        if not isinstance(group, ConsumerGroup):
            raise GroupRefusal(ErrorCode.GROUP_ID_NOT_FOUND, f"Group {group_id} is not a consumer group.")
        return group
