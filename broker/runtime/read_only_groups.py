"""The groups of a directory that is read and not changed: what `__consumer_offsets` holds of them, as it stands there.

Members and offsets are shown as the log has them; no session ends, nothing expires, nobody joins.
"""

from __future__ import annotations

import logging

from ..coordinators.group_shard import GroupShard
from ..metadata.topic_names import GROUP_METADATA_TOPIC
from .coordinator_partitions import partition_for
from .group_coordinators import GroupCoordinators, HostedShard
from .group_log import GroupLog

logger = logging.getLogger(__name__)


class ReadOnlyGroups(GroupCoordinators):
    """Group coordinators of the partitions that are there, which may be some of many."""

    def __init__(self, groups: GroupCoordinators) -> None:
        """Take the place of coordinators that were made and never started."""
        vars(self).update(vars(groups))
        self._partition_count = 0
        self._by_partition: dict[int, HostedShard] = {}
        # Without the topic nobody has committed anything, which is an answer.
        self._no_groups = GroupShard(self._settings)

    def start(self) -> None:
        """Bring back every group of the partitions that are held."""
        self._partition_count = self._partitions.count_of(GROUP_METADATA_TOPIC)
        for index in range(self._partition_count):
            partition = self._partitions.get(GROUP_METADATA_TOPIC, index)
            if partition is not None:
                hosted = HostedShard(GroupShard(self._settings), GroupLog(partition, self._commits), {})
                self._by_partition[index] = hosted
                self._hosted.append(hosted)
                count = self._replay(hosted)
                if count:
                    logger.info("%s: %d groups from %d records", partition.name, len(hosted.shard.groups), count)

    def stop(self) -> None:
        """Nothing is under way, and nothing may be written."""

    def hosting(self, group_id: str) -> HostedShard | None:
        """Where a group lives; None when the partition that keeps it is not here."""
        if not self._partition_count:
            return None
        return self._by_partition.get(partition_for(group_id, self._partition_count))

    def shard_of(self, group_id: str) -> GroupShard | None:
        """The shard of a group, to look at it; None when the partition that keeps it is not here."""
        return super().shard_of(group_id) if self._partition_count else self._no_groups
