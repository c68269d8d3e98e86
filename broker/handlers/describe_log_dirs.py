"""DescribeLogDirs 1-5: what each log directory holds, and how much room its volume has.

There are no future replicas (moves between directories), so the lag is always 0. The metadata log is not a topic.

Version notes: 2 is flexible, 3 has an error for the whole request, 4 tells the volume's bytes (KIP-827), 5 whether new
partitions are kept away from a directory (KIP-1066), which they never are.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ...protocol.errors import ErrorCode
from ...protocol.messages.describe_log_dirs import (
    DescribeLogDirsPartition,
    DescribeLogDirsResponse,
    DescribeLogDirsResult,
    DescribeLogDirsTopic,
)
from ...storage.files import volume_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...protocol.messages.describe_log_dirs import DescribableLogDirTopic, DescribeLogDirsRequest
    from ..request import RequestContext
    from ..runtime.partitions import Partition
    from ..services import Services


def handle(request: DescribeLogDirsRequest, context: RequestContext, services: Services) -> DescribeLogDirsResponse:
    """Describe every directory, with those of the partitions that were asked for."""
    held: dict[str, list[Partition]] = {os.path.abspath(path): [] for path in services.config.log_dirs}
    for partition in _asked(request.topics, services):
        if partition.offline_reason is None:
            held[os.path.dirname(partition.log.directory)].append(partition)
    return DescribeLogDirsResponse(results=[_directory(path, partitions) for path, partitions in held.items()])


def _asked(topics: list[DescribableLogDirTopic] | None, services: Services) -> Iterable[Partition]:
    if topics is None:
        return services.partitions
    names = dict.fromkeys((topic.topic, index) for topic in topics for index in topic.partitions)
    found = (services.partitions.get(topic, index) for topic, index in names)
    return [partition for partition in found if partition is not None]


def _directory(path: str, partitions: list[Partition]) -> DescribeLogDirsResult:
    try:
        total_bytes, usable_bytes = volume_bytes(path)
    except OSError:
        return DescribeLogDirsResult(log_dir=path, error_code=ErrorCode.KAFKA_STORAGE_ERROR)
    topics: dict[str, DescribeLogDirsTopic] = {}
    for partition in partitions:
        topic = topics.setdefault(partition.topic, DescribeLogDirsTopic(name=partition.topic))
        topic.partitions.append(
            DescribeLogDirsPartition(partition_index=partition.index, partition_size=partition.log.size_bytes)
        )
    return DescribeLogDirsResult(
        log_dir=path, topics=list(topics.values()), total_bytes=total_bytes, usable_bytes=usable_bytes
    )
