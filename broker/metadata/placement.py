"""Where the replicas of new partitions go: on which brokers, and in which log directory of this one.

There is one broker, so a replica that nobody placed by hand is on it, and a second one cannot be had.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from ...protocol.errors import ErrorCode
from ...protocol.primitives import ZERO_UUID
from ...protocol.stored.metadata import PartitionRecord
from .refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .image import MetadataImage

UNASSIGNED_DIRECTORY: Final = ZERO_UUID
"""What Kafka writes for a replica whose broker has yet to choose a directory."""


class DirectoryChooser:
    """Gives each new replica on this broker the log directory that holds the fewest, as Kafka's LogManager does."""

    def __init__(self, image: MetadataImage) -> None:
        broker = image.brokers.get(image.node_id)
        self._directories = broker.log_dirs if broker is not None else ()
        self._held: Counter[bytes] = Counter()
        if len(self._directories) > 1:
            self._held.update(
                directory
                for topic in image.topics_by_id.values()
                for partition in topic.partitions
                for directory in partition.directories
            )

    def choose(self) -> bytes:
        """The 16-byte id of a directory; unassigned when the broker has registered none."""
        if not self._directories:
            return UNASSIGNED_DIRECTORY
        directory = min(self._directories, key=self._held.__getitem__)
        self._held[directory] += 1
        return directory


def place_replicas(image: MetadataImage, replication_factor: int) -> tuple[int, ...]:
    """The replicas of one new partition. Refused when there are fewer brokers than replicas."""
    if replication_factor > 1:
        raise Refused(
            ErrorCode.INVALID_REPLICATION_FACTOR,
            f"Unable to replicate the partition {replication_factor} time(s): The target replication factor of "
            f"{replication_factor} cannot be reached because only 1 broker(s) are registered or some brokers have all "
            "their log directories cordoned.",
        )
    return (image.node_id,)


def check_manual_replicas(image: MetadataImage, replicas: Sequence[int], expected_count: int | None) -> None:
    """Refused when a person's assignment for a partition cannot be had; `expected_count` replicas when it is known."""
    problem = _problem_with_replicas(image, replicas, expected_count)
    if problem is not None:
        raise Refused(ErrorCode.INVALID_REPLICA_ASSIGNMENT, f"The manual partition assignment includes {problem}")


def _problem_with_replicas(image: MetadataImage, replicas: Sequence[int], expected_count: int | None) -> str | None:
    if not replicas:
        return "an empty replica list."
    previous = None
    for broker_id in sorted(replicas):
        if broker_id not in image.brokers:
            return f"broker {broker_id}, but no such broker is registered."
        if broker_id == previous:
            return f"the broker {broker_id} more than once."
        previous = broker_id
    if expected_count is not None and len(replicas) != expected_count:
        return (
            f"a partition with {len(replicas)} replica(s), but this is not consistent with previous partitions, "
            f"which have {expected_count} replica(s)."
        )
    return None


def new_partition(
    image: MetadataImage, topic_id: bytes, index: int, replicas: Sequence[int], directories: DirectoryChooser
) -> PartitionRecord:
    """The record of a partition that begins with every live replica in sync and the first of them as leader."""
    isr = [broker_id for broker_id in replicas if is_active(image, broker_id)]
    if not isr:
        raise Refused(
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
            f"All brokers specified in the manual partition assignment for partition {index} are fenced or in "
            "controlled shutdown.",
        )
    own = image.node_id
    return PartitionRecord(
        partition_id=index,
        topic_id=topic_id,
        replicas=list(replicas),
        isr=isr,
        leader=isr[0],
        leader_epoch=0,
        partition_epoch=0,
        directories=[directories.choose() if broker_id == own else UNASSIGNED_DIRECTORY for broker_id in replicas],
    )


def is_active(image: MetadataImage, broker_id: int) -> bool:
    """Whether a broker may hold replicas and lead."""
    broker = image.brokers.get(broker_id)
    return broker is not None and not broker.fenced and not broker.in_controlled_shutdown
