"""The hot functions, each as a call without arguments, on a broker that stands in this process without clients.

What a call needs is made before it. Frames are given to a connection whose socket keeps nothing, or to the
dispatcher; each call is tried once, and must have come to what it should.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Any, cast

from crc32c import crc32c
from ottla.broker.app import Broker
from ottla.broker.config import load_config
from ottla.broker.connection import Connection
from ottla.broker.dispatch import response_parts
from ottla.broker.handlers import produce as produce_handler
from ottla.broker.request import Deferred, RequestContext
from ottla.protocol.compiler import decode, encode_parts
from ottla.protocol.headers import read_request_head
from ottla.protocol.messages.add_partitions_to_txn import AddPartitionsToTxnRequest, AddPartitionsToTxnTopic
from ottla.protocol.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest
from ottla.protocol.messages.create_topics import CreatableTopic, CreateTopicsRequest
from ottla.protocol.messages.end_txn import EndTxnRequest
from ottla.protocol.messages.fetch import FetchableTopicResponse, FetchRequest, FetchResponse, PartitionData
from ottla.protocol.messages.find_coordinator import FindCoordinatorRequest
from ottla.protocol.messages.heartbeat import HeartbeatRequest
from ottla.protocol.messages.init_producer_id import InitProducerIdRequest
from ottla.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from ottla.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from ottla.protocol.messages.produce import (
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceResponse,
)
from ottla.protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment
from ottla.protocol.receive_buffers import ReceiveBuffers
from ottla.protocol.record_batch import read_header

from . import wire
from .workloads.produce import numbered

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence
    from pathlib import Path

    from ottla.broker.api_table import Api
    from ottla.broker.dispatch import Dispatcher
    from ottla.broker.request import ConnectionInfo
    from ottla.broker.services import Services
    from ottla.protocol.schema import Message

TOPIC, GROUP, CONSUMER_GROUP = "hot", "hot-group", "hot-consumers"
_LENGTH_BYTES = 4
_BATCH_RECORDS, _RECORD_BYTES = 150, 100
_BUFFER_BYTES = 1 << 18
_STAMPED_BYTES = 16
_CREATE_VERSION, _FIND_VERSION, _JOIN_VERSION, _SYNC_VERSION = 5, 3, 4, 3
_HEARTBEAT_VERSION, _CONSUMER_HEARTBEAT_VERSION, _COMMIT_VERSION = 4, 1, 8
_INIT_VERSION, _ADD_VERSION, _END_VERSION = 4, 3, 3
_SESSION_TIMEOUT_MS = 300_000


class _WatchedBroker(Broker):
    """A broker that shows the parts whose calls are measured."""

    services: Services
    dispatcher: Dispatcher

    def _new_dispatcher(self, apis: Mapping[int, Api], services: Services) -> Dispatcher:
        self.services = services
        self.dispatcher = super()._new_dispatcher(apis, services)
        return self.dispatcher


class _Nowhere(socket.socket):
    """A socket that has always got the next request, and whose other end takes everything at once."""

    def __init__(self) -> None:
        own_end, self._other_end = socket.socketpair()
        super().__init__(fileno=own_end.detach())
        self.request = b""
        self.answers = 0

    def getsockname(self) -> tuple[str, int]:
        return "127.0.0.1", 9092

    def recv_into(self, buffer: Any, *options: Any) -> int:
        size = len(self.request)
        buffer[:size] = self.request
        return size

    def send(self, data: Any, *options: Any) -> int:
        self.answers += 1
        return len(data)


@contextlib.asynccontextmanager
async def calls_of(home: Path) -> AsyncIterator[dict[str, Callable[[], object]]]:
    """Every hot function by its name."""
    options = [
        "offsets.topic.num.partitions=1",
        "transaction.state.log.num.partitions=1",
        "auto.create.topics.enable=false",
        "group.initial.rebalance.delay.ms=0",
    ]
    broker = _WatchedBroker(load_config(overrides=options, port=0, data_dir=str(home / "data")))
    await broker.start()
    try:
        ends = _Ends(broker)
        await ends.ask(CreateTopicsRequest(topics=[_topic(TOPIC)], timeout_ms=1000), _CREATE_VERSION)
        coordinated = {**await _group_calls(ends), **await _transaction_calls(ends, broker.services)}
        yield {**_protocol_calls(), **_storage_calls(broker.services), **_request_calls(ends), **coordinated}
    finally:
        await broker.stop()


class _Ends:
    """A connection of the broker, from the side of its socket."""

    def __init__(self, broker: _WatchedBroker) -> None:
        self._dispatcher = broker.dispatcher
        self._socket = _Nowhere()
        self._connection = Connection(
            connection_id=0,
            listener_name="PLAINTEXT",
            dispatcher=broker.dispatcher,
            buffers=ReceiveBuffers(_BUFFER_BYTES),
            frame_bytes_max=_BUFFER_BYTES,
            on_lost=lambda connection: None,
        )
        self._connection.open(self._socket, ("127.0.0.1", 40_000))

    async def ask(self, request: Message, version: int) -> Any:
        """The answer of the handler, now or later."""
        frame = memoryview(bytearray(wire.frame_of(request, version)))[_LENGTH_BYTES:]
        answer = self._dispatcher.dispatch(frame, self._connection.info).answer
        if not isinstance(answer, Deferred):
            return answer
        answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        answer.when_complete(answered.set_result)
        return await answered

    def dispatched(self, frame: bytes) -> Callable[[], object]:
        """From the request's bytes to the answer's."""
        unstamped = frame[_LENGTH_BYTES:]
        body = memoryview(bytearray(unstamped))
        dispatch, info = self._dispatcher.dispatch, self._connection.info

        def call() -> object:
            body[:] = unstamped  # batches are stamped where they lie
            exchange = dispatch(body, info)
            answer = exchange.answer
            if isinstance(answer, Deferred):
                answer = answer.response
            return response_parts(exchange, answer)  # type: ignore[arg-type] # an answer that is not there fails here

        call()
        return call

    def received(self, frame: bytes) -> Callable[[], object]:
        """All that happens between what the loop reads and what it writes."""
        connection, nowhere = self._connection, self._socket

        def call() -> None:
            nowhere.request = frame
            connection.receive()

        before = nowhere.answers
        call()
        assert nowhere.answers == before + 1, "the request was not answered"
        return call

    def received_in_turn(self, next_frames: Sequence[Callable[[], bytes]]) -> Callable[[], object]:
        """The same for requests that come one after the other."""
        connection, nowhere = self._connection, self._socket

        def call() -> None:
            for next_frame in next_frames:
                nowhere.request = next_frame()
                connection.receive()

        return call


def _topic(name: str) -> CreatableTopic:
    return CreatableTopic(name=name, num_partitions=6, replication_factor=1, assignments=[], configs=[])


def _protocol_calls() -> dict[str, Callable[[], object]]:
    small, large = wire.batch_of(_RECORD_BYTES), wire.batch_of(_RECORD_BYTES, _BATCH_RECORDS)
    produce, produce_at = _body(wire.produce_frame(TOPIC, 0, small))
    fetch, fetch_at = _body(wire.fetch_frame(TOPIC, 0, 0, 0))
    megabyte = bytes(1 << 20)
    answer = _fetched(large)
    written = PartitionProduceResponse(index=0, base_offset=12345, log_start_offset=0)
    produced = ProduceResponse(responses=[TopicProduceResponse(name=TOPIC, partition_responses=[written])])
    return {
        "decode Produce, one record": lambda: decode(ProduceRequest, produce, wire.PRODUCE_VERSION, produce_at),
        "decode Fetch, one partition": lambda: decode(FetchRequest, fetch, wire.FETCH_VERSION, fetch_at),
        "encode Produce's answer": lambda: encode_parts(produced, wire.PRODUCE_VERSION),
        "encode Fetch, one batch": lambda: encode_parts(answer, wire.FETCH_VERSION),
        "read a request's head": lambda: read_request_head(produce, {0: wire.PRODUCE_VERSION}),
        "read a batch's header": lambda: read_header(large),
        "CRC-32C of 100 B": lambda: crc32c(small),
        "CRC-32C of 16 KB": lambda: crc32c(large),
        "CRC-32C of 1 MB": lambda: crc32c(megabyte),
    }


def _body(frame: bytes) -> tuple[memoryview, int]:
    """A request without its length, and where its body begins: behind the fixed head, the client's name and a tag."""
    return memoryview(frame)[_LENGTH_BYTES:], 2 + 2 + 4 + 2 + len("bench") + 1


def _fetched(batch: bytes) -> FetchResponse:
    partition = PartitionData(high_watermark=1, last_stable_offset=1, log_start_offset=0, records=batch)
    return FetchResponse(responses=[FetchableTopicResponse(topic=TOPIC, partitions=[partition])])


def _storage_calls(services: Services) -> dict[str, Callable[[], object]]:
    def append(index: int, batch: bytes) -> Callable[[], object]:
        partition = services.partitions.get(TOPIC, index)
        assert partition is not None
        log, view, now_ms = partition.log, memoryview(bytearray(batch)), services.clock.now_ms()
        epoch = log.leader_epochs.saved_epoch
        before = log.log_end_offset
        log.append(view, leader_epoch=epoch, now_ms=now_ms)
        assert log.log_end_offset > before

        def call() -> object:
            view[:_STAMPED_BYTES] = batch[:_STAMPED_BYTES]
            return log.append(view, leader_epoch=epoch, now_ms=now_ms)

        return call

    return {
        "append one record": append(1, wire.batch_of(_RECORD_BYTES)),
        "handle Produce, one record": _handled(services),
        "append 16 KB": append(2, wire.batch_of(_RECORD_BYTES, _BATCH_RECORDS)),
    }


def _handled(services: Services) -> Callable[[], object]:
    """The handler alone, on a request that is decoded."""
    batch = wire.batch_of(_RECORD_BYTES)
    body, body_at = _body(wire.produce_frame(TOPIC, 5, batch))
    request = decode(ProduceRequest, memoryview(bytearray(body)), wire.PRODUCE_VERSION, body_at)
    view = cast("memoryview", request.topic_data[0].partition_data[0].records)
    context = RequestContext(0, wire.PRODUCE_VERSION, 1, "bench", cast("ConnectionInfo", None))

    def call() -> object:
        view[:_STAMPED_BYTES] = batch[:_STAMPED_BYTES]
        return produce_handler.handle(request, context, services)

    answer = cast("ProduceResponse", call())
    assert not answer.responses[0].partition_responses[0].error_code
    return call


def _request_calls(ends: _Ends) -> dict[str, Callable[[], object]]:
    small = wire.produce_frame(TOPIC, 3, wire.batch_of(_RECORD_BYTES))
    large = wire.produce_frame(TOPIC, 4, wire.batch_of(_RECORD_BYTES, _BATCH_RECORDS))
    return {
        "dispatch Produce, one record": ends.dispatched(small),
        "dispatch Produce, 16 KB": ends.dispatched(large),
        "dispatch Fetch, 16 KB": ends.dispatched(wire.fetch_frame(TOPIC, 4, 0, 0, max_bytes=16_000)),
        "dispatch Fetch, nothing new": ends.dispatched(wire.fetch_frame(TOPIC, 0, 0, 0)),
        "connection: Produce, one record": ends.received(small),
    }


async def _group_calls(ends: _Ends) -> dict[str, Callable[[], object]]:
    await ends.ask(FindCoordinatorRequest(key=GROUP, key_type=0), _FIND_VERSION)
    join = JoinGroupRequest(
        group_id=GROUP,
        session_timeout_ms=_SESSION_TIMEOUT_MS,
        rebalance_timeout_ms=_SESSION_TIMEOUT_MS,
        protocol_type="consumer",
        protocols=[JoinGroupRequestProtocol(name="range", metadata=b"")],
    )
    member_id = (await ends.ask(join, _JOIN_VERSION)).member_id
    join.member_id = member_id
    generation = (await ends.ask(join, _JOIN_VERSION)).generation_id
    sync = SyncGroupRequest(
        group_id=GROUP,
        generation_id=generation,
        member_id=member_id,
        assignments=[SyncGroupRequestAssignment(member_id=member_id, assignment=b"")],
    )
    await ends.ask(sync, _SYNC_VERSION)
    heartbeat = HeartbeatRequest(group_id=GROUP, generation_id=generation, member_id=member_id)
    assert not (await ends.ask(heartbeat, _HEARTBEAT_VERSION)).error_code
    partition = OffsetCommitRequestPartition(partition_index=0, committed_offset=7, committed_metadata="")
    commit = OffsetCommitRequest(
        group_id=GROUP,
        generation_id_or_member_epoch=generation,
        member_id=member_id,
        topics=[OffsetCommitRequestTopic(name=TOPIC, partitions=[partition])],
    )
    assert not (await ends.ask(commit, _COMMIT_VERSION)).topics[0].partitions[0].error_code
    return {
        "dispatch Heartbeat": ends.dispatched(wire.frame_of(heartbeat, _HEARTBEAT_VERSION)),
        "dispatch OffsetCommit": ends.dispatched(wire.frame_of(commit, _COMMIT_VERSION)),
        "connection: Heartbeat": ends.received(wire.frame_of(heartbeat, _HEARTBEAT_VERSION)),
        "connection: OffsetCommit": ends.received(wire.frame_of(commit, _COMMIT_VERSION)),
        "connection: ConsumerGroupHeartbeat": await _consumer_heartbeat(ends),
    }


async def _consumer_heartbeat(ends: _Ends) -> Callable[[], object]:
    """A heartbeat that says nothing new, of the one member of a consumer group."""
    joining = ConsumerGroupHeartbeatRequest(
        group_id=CONSUMER_GROUP,
        member_id="m",
        rebalance_timeout_ms=_SESSION_TIMEOUT_MS,
        subscribed_topic_names=[TOPIC],
        topic_partitions=[],
    )
    joined = await ends.ask(joining, _CONSUMER_HEARTBEAT_VERSION)
    heartbeat = ConsumerGroupHeartbeatRequest(group_id=CONSUMER_GROUP, member_id="m", member_epoch=joined.member_epoch)
    assert not (await ends.ask(heartbeat, _CONSUMER_HEARTBEAT_VERSION)).error_code
    return ends.received(wire.frame_of(heartbeat, _CONSUMER_HEARTBEAT_VERSION))


async def _transaction_calls(ends: _Ends, services: Services) -> dict[str, Callable[[], object]]:
    """The first stays in its transaction; the second begins one, and ends it with all that follows."""
    await ends.ask(FindCoordinatorRequest(key=GROUP, key_type=1), _FIND_VERSION)
    open_frames = await _transaction_frames(ends, "hot-open", 0)
    frames = await _transaction_frames(ends, "hot-ended", 1)
    ends.received(open_frames[0]())
    calls = {
        "connection: Produce in a transaction": ends.received_in_turn(open_frames[1:2]),
        "connection: a transaction": ends.received_in_turn(frames),
    }
    for index, call in enumerate(calls.values()):
        partition = services.partitions.get(TOPIC, index)
        assert partition is not None
        before = partition.log.log_end_offset
        call()
        # A record; then a record and its marker.
        assert partition.log.log_end_offset == before + 1 + index, "the transaction was refused"
    return calls


async def _transaction_frames(ends: _Ends, transactional_id: str, index: int) -> list[Callable[[], bytes]]:
    """AddPartitionsToTxn, Produce and EndTxn of a new producer, each as often as it is wanted."""
    begin = InitProducerIdRequest(transactional_id=transactional_id, transaction_timeout_ms=_SESSION_TIMEOUT_MS)
    given = await ends.ask(begin, _INIT_VERSION)
    identity = {"producer_id": given.producer_id, "producer_epoch": given.producer_epoch}
    add = AddPartitionsToTxnRequest(
        v3_and_below_transactional_id=transactional_id,
        v3_and_below_producer_id=given.producer_id,
        v3_and_below_producer_epoch=given.producer_epoch,
        v3_and_below_topics=[AddPartitionsToTxnTopic(name=TOPIC, partitions=[index])],
    )
    batch = wire.batch_of(_RECORD_BYTES, base_sequence=0, is_transactional=True, **identity)
    end = EndTxnRequest(transactional_id=transactional_id, committed=True, **identity)
    return [
        wire.always(wire.frame_of(add, _ADD_VERSION)),
        numbered(wire.produce_frame(TOPIC, index, batch, transactional_id=transactional_id), batch),
        wire.always(wire.frame_of(end, _END_VERSION)),
    ]
