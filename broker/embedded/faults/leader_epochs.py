"""New leader epochs of partitions, and whether the topics that faults speak of are there. Runs on the broker's loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ....protocol.api_keys import ApiKey
from ...metadata.refusal import Refused
from ...metadata.topic_names import is_internal
from ..errors import InvalidOption, RequestRefused

if TYPE_CHECKING:
    from ...runtime.partitions import Partition
    from ...services import Services
    from .fault import Fault

_MAKE_TOPICS: Final = frozenset({ApiKey.CREATE_TOPICS, ApiKey.METADATA})


def check_topic(fault: Fault, services: Services) -> None:
    """Raise InvalidOption for a fault about what is not there, unless it is about requests that make it."""
    if fault.topic is None or fault.apis & _MAKE_TOPICS:
        return
    count = services.partitions.count_of(fault.topic)
    if not count:
        there = ", ".join(sorted(name for name in services.metadata.image.topics_by_name if not is_internal(name)))
        raise InvalidOption(f"topic={fault.topic!r}: there is no such topic; there are: {there or 'none'}")
    if fault.partition is not None and fault.partition >= count:
        raise InvalidOption(f"partition={fault.partition}: {fault.topic} has partitions 0 to {count - 1}")


def move_leader_epoch(services: Services, topic: str, index: int | None) -> None:
    """Elect this broker anew for one partition of a topic, or for all. Raises InvalidOption, RequestRefused."""
    if is_internal(topic):
        raise InvalidOption(f"topic={topic!r}: its epochs are the coordinators'; use coordinator_unavailable")
    count = services.partitions.count_of(topic)
    if not count:
        raise InvalidOption(f"topic={topic!r}: there is no such topic")
    if index is not None and not 0 <= index < count:
        raise InvalidOption(f"partition={index!r}: {topic} has partitions 0 to {count - 1}")
    for each in range(count) if index is None else (index,):
        partition = services.partitions.get(topic, each)
        if partition is not None:
            _begin_epoch(services, partition)


def _begin_epoch(services: Services, partition: Partition) -> None:
    image = services.metadata.image.topics_by_id[partition.topic_id]
    try:
        partition.leader_epoch = services.metadata.begin_leader_epoch(image, partition.index)
    except Refused as refused:
        raise RequestRefused(partition.name, refused.code, refused.message) from refused
    partition.log.leader_epochs.announce(partition.leader_epoch, partition.log.log_end_offset)
    partition.tell_changed()
