"""Topics and the records in them, read from their logs. Runs on the broker's loop."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ...protocol.control_records import ControlRecordType
from ...protocol.errors import ErrorCode
from ...protocol.primitives import uuid_to_text
from ...protocol.records import read_records
from ..metadata.image import ResourceType
from ..metadata.refusal import UNKNOWN_TOPIC_OR_PARTITION_MESSAGE
from ..metadata.topic_names import is_internal
from .errors import RequestRefused
from .views import PartitionView, RecordView, TopicView

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...protocol.record_batch import BatchHeader
    from ..metadata.partition_image import TopicImage
    from ..runtime.partitions import Partition
    from ..services import Services

_ENDINGS = {ControlRecordType.ABORT: "aborted", ControlRecordType.COMMIT: "committed"}


def topics(services: Services, *, with_internal: bool) -> dict[str, TopicView]:
    """Every topic by name, in the order of names."""
    image = services.metadata.image
    return {
        name: _topic(image.topics_by_name[name], services)
        for name in sorted(image.topics_by_name)
        if with_internal or not is_internal(name)
    }


def _topic(topic: TopicImage, services: Services) -> TopicView:
    partitions = [services.partitions.get(topic.name, image.index) for image in topic.partitions]
    return TopicView(
        topic.name,
        uuid_to_text(topic.topic_id),
        tuple(_partition(partition) for partition in partitions if partition is not None),
        dict(services.metadata.image.configs_of(ResourceType.TOPIC, topic.name)),
    )


def _partition(partition: Partition) -> PartitionView:
    log = partition.log
    return PartitionView(
        partition.index,
        log.log_start_offset,
        log.high_watermark,
        log.last_stable_offset,
        partition.leader_epoch,
        log.size_bytes,
        partition.offline_reason,
    )


def records(services: Services, topic: str, index: int | None, last: int | None = None) -> list[RecordView]:
    """The records of one partition, or of all of them one after the other. Raises RequestRefused, MissingCodec.

    With `last`, only those at the last so many offsets of each partition.
    """
    found = []
    for partition in _partitions(services, topic, index):
        log = partition.log
        first = log.log_start_offset if last is None else max(log.log_start_offset, log.high_watermark - last)
        found += _records(partition, first)
    return found


def end_offsets(services: Services, topic: str) -> dict[int, int]:
    """The high watermark of each partition; none of a topic that is not there."""
    if services.partitions.count_of(topic) == 0:
        return {}
    return {partition.index: partition.log.high_watermark for partition in _partitions(services, topic, None)}


def _partitions(services: Services, topic: str, index: int | None) -> list[Partition]:
    count = services.partitions.count_of(topic)
    found = [services.partitions.get(topic, each) for each in (range(count) if index is None else (index,))]
    partitions = [partition for partition in found if partition is not None]
    if not partitions:
        name = topic if index is None else f"{topic}-{index}"
        raise RequestRefused(name, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, UNKNOWN_TOPIC_OR_PARTITION_MESSAGE)
    return partitions


def _records(partition: Partition, first_offset: int) -> list[RecordView]:
    """Each record from an offset on; one of a transaction gets its ending where the log has the marker."""
    found: list[RecordView] = []
    open_at: dict[int, list[int]] = {}
    log = partition.log
    for batch, header in log.batches(first_offset):
        if header.base_offset >= log.high_watermark:
            break
        if header.is_control:
            ending = _ending(batch, header)
            for at in open_at.pop(header.producer_id, ()):
                found[at] = replace(found[at], transaction=ending)
            continue
        for record in _views(partition, batch, header):
            if record.offset >= first_offset:
                if header.is_transactional:
                    open_at.setdefault(header.producer_id, []).append(len(found))
                found.append(record)
    return found


def _ending(batch: memoryview, header: BatchHeader) -> str:
    marker = next(read_records(batch, 0, header))
    assert marker.key is not None
    return _ENDINGS[ControlRecordType(int.from_bytes(marker.key[2:4], "big"))]


def _views(partition: Partition, batch: memoryview, header: BatchHeader) -> Iterator[RecordView]:
    for record in read_records(batch, 0, header):
        yield RecordView(
            partition.topic,
            partition.index,
            record.offset,
            record.timestamp,
            record.key,
            record.value,
            tuple((name, value) for name, value in record.headers),
            "open" if header.is_transactional else None,
            header.producer_id if header.has_producer_id else None,
        )
