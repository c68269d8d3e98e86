"""Topics as an admin makes them and a reader reads them, in the simulated world."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.create_topics import (
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
    CreateTopicsResponse,
)
from ottla.protocol.messages.fetch import FetchPartition, FetchRequest, FetchResponse, FetchTopic
from ottla.protocol.messages.metadata import MetadataRequest, MetadataRequestTopic, MetadataResponse
from ottla.protocol.record_batch import read_headers
from ottla.protocol.records import read_records

from .network import Client, ConnectionLostError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .world import World

READ_UNCOMMITTED, READ_COMMITTED = 0, 1


class ReadRecord(NamedTuple):
    """A record as a consumer sees it."""

    offset: int
    value: bytes
    producer_id: int


async def insist(world: World, client: Client, request: Any, response: type, version: int) -> Any:
    """The answer to a request that may be repeated, however often the broker goes away meanwhile."""
    while True:
        try:
            return await client.ask(request, response, version)
        except ConnectionLostError:
            await world.soon(0.5)


async def create_topic(
    world: World, client: Client, name: str, partitions: int, configs: Mapping[str, str] | None = None
) -> bytes:
    """Create a topic, or find that an earlier try has; its id."""
    entries = [CreatableTopicConfig(name=key, value=value) for key, value in (configs or {}).items()]
    topic = CreatableTopic(name=name, num_partitions=partitions, replication_factor=1, configs=entries)
    request = CreateTopicsRequest(topics=[topic], timeout_ms=30_000)
    answer = await insist(world, client, request, CreateTopicsResponse, 7)
    code = answer.topics[0].error_code
    assert code in (ErrorCode.NONE, ErrorCode.TOPIC_ALREADY_EXISTS), ErrorCode(code).name
    described = await insist(
        world, client, MetadataRequest(topics=[MetadataRequestTopic(name=name)]), MetadataResponse, 12
    )
    return bytes(described.topics[0].topic_id)


async def read_partition(
    world: World, client: Client, topic: str, index: int, isolation: int = READ_UNCOMMITTED
) -> list[ReadRecord]:
    """Every data record of a partition up to its end, as a consumer of that isolation level sees it."""
    found: list[ReadRecord] = []
    offset = 0
    while True:
        wanted = FetchPartition(partition=index, fetch_offset=offset, partition_max_bytes=1 << 20)
        request = FetchRequest(
            max_wait_ms=0,
            min_bytes=0,
            max_bytes=1 << 20,
            isolation_level=isolation,
            topics=[FetchTopic(topic=topic, partitions=[wanted])],
        )
        answer = await insist(world, client, request, FetchResponse, 12)
        data = answer.responses[0].partitions[0]
        assert data.error_code == 0, ErrorCode(data.error_code).name
        if not data.records:
            return found
        next_offset = _take(found, data, offset, isolation)
        assert next_offset > offset
        offset = next_offset


def _take(found: list[ReadRecord], data: Any, offset: int, isolation: int) -> int:
    """Add what a consumer hands to its application: no markers, and no records of aborted transactions."""
    aborted = sorted((entry.first_offset, entry.producer_id) for entry in data.aborted_transactions or ())
    in_aborted: set[int] = set()
    records = bytes(data.records)
    for position, header in read_headers(records):
        while aborted and aborted[0][0] <= header.last_offset:
            in_aborted.add(aborted.pop(0)[1])
        if header.is_control:
            in_aborted.discard(header.producer_id)
        elif not (isolation == READ_COMMITTED and header.is_transactional and header.producer_id in in_aborted):
            found += [
                ReadRecord(record.offset, bytes(record.value or b""), header.producer_id)
                for record in read_records(records, position, header)
                if record.offset >= offset
            ]
        offset = max(offset, header.next_offset)
    return offset
