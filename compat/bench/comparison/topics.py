"""Topics for workloads: created, filled, counted and deleted over the wire, the same on every broker."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest, CreateTopicsResponse
from ottla.protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicsResponse
from ottla.protocol.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopic,
)

from ..broker_process import Connection
from . import wire
from .workload import NotDone

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .workload import Target

_CREATE_VERSION, _DELETE_VERSION, _LIST_OFFSETS_VERSION = 5, 5, 5
_LATEST = -1
_ADMIN_TIMEOUT_MS = 60_000
_READY_TIMEOUT_S = 60
_FILL_WINDOW = 4


@contextlib.contextmanager
def asking(target: Target) -> Iterator[Connection]:
    """A connection for single questions."""
    connection = Connection(target.port)
    try:
        yield connection
    finally:
        connection.close()


def create(target: Target, *names: str, partitions: int = 1) -> None:
    """Create topics, and wait until each of their partitions is led."""
    wanted = [
        CreatableTopic(name=name, num_partitions=partitions, replication_factor=1, assignments=[], configs=[])
        for name in names
    ]
    with asking(target) as connection:
        request = CreateTopicsRequest(topics=wanted, timeout_ms=_ADMIN_TIMEOUT_MS)
        answer = connection.ask(request, CreateTopicsResponse, _CREATE_VERSION)
    for topic in answer.topics:
        if topic.error_code not in (0, ErrorCode.TOPIC_ALREADY_EXISTS):
            raise NotDone(f"{topic.name} was not created: {topic.error_code} {topic.error_message}")
    deadline = time.monotonic() + _READY_TIMEOUT_S
    for name in names:
        while True:
            with contextlib.suppress(NotDone):
                end_offsets(target, name, partitions)
                break
            if time.monotonic() > deadline:
                raise NotDone(f"the partitions of {name} are not ready")
            time.sleep(0.05)


def delete(target: Target, *names: str) -> None:
    """Delete topics."""
    with asking(target) as connection:
        request = DeleteTopicsRequest(topic_names=list(names), timeout_ms=_ADMIN_TIMEOUT_MS)
        connection.ask(request, DeleteTopicsResponse, _DELETE_VERSION)


def end_offsets(target: Target, name: str, partitions: int = 1) -> list[int]:
    """Where each partition ends. Raises NotDone while one is not led."""
    wanted = [ListOffsetsPartition(partition_index=index, timestamp=_LATEST) for index in range(partitions)]
    request = ListOffsetsRequest(replica_id=-1, topics=[ListOffsetsTopic(name=name, partitions=wanted)])
    with asking(target) as connection:
        answer = connection.ask(request, ListOffsetsResponse, _LIST_OFFSETS_VERSION)
    found = sorted(answer.topics[0].partitions, key=lambda partition: partition.partition_index)
    if any(partition.error_code for partition in found):
        raise NotDone(f"the end of {name} is not known: {[partition.error_code for partition in found]}")
    return [partition.offset for partition in found]


def record_count(target: Target, name: str, partitions: int = 1) -> int:
    """How many records were ever written to a topic; nothing here is deleted from one."""
    return sum(end_offsets(target, name, partitions))


@contextlib.contextmanager
def all_arrived(target: Target, name: str, partitions: int, records: int) -> Iterator[None]:
    """Raise NotDone unless exactly so many records are in the topic afterwards that were not before."""
    before = record_count(target, name, partitions)
    yield
    arrived = record_count(target, name, partitions) - before
    if arrived != records:
        raise NotDone(f"{arrived} of {records} records are in the log")


def fill(target: Target, name: str, partitions: int, records: int, value_bytes: int, batch_records: int) -> None:
    """Write whole batches, in equal shares to all partitions."""
    frames_count, rest = divmod(records, batch_records)
    if rest or frames_count % partitions:
        raise ValueError(f"{records} records are not whole batches of {batch_records} for {partitions} partitions")
    batch = wire.batch_of(value_bytes, batch_records)
    error_at = wire.produce_error_at(name)
    with all_arrived(target, name, partitions, records):
        for partition in range(partitions):
            asked = wire.Asking(wire.always(wire.produce_frame(name, partition, batch)), error_at)
            loop = wire.ClosedLoop(target.port, [asked], _FILL_WINDOW)
            loop.run(frames_count // partitions)
            loop.close()
