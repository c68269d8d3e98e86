"""Requests to the broker without a socket: encoded, dispatched and handled as those of any client.

So topics, records and offsets come to be by the handlers that everybody uses, and by no other way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from ...protocol.compiler import encode
from ...protocol.errors import ErrorCode
from ...protocol.headers import RequestHeader, request_header_version
from ...protocol.messages.create_topics import CreatableTopic, CreatableTopicConfig, CreateTopicsRequest
from ...protocol.messages.find_coordinator import FindCoordinatorRequest
from ...protocol.messages.metadata import MetadataRequest, MetadataRequestTopic
from ...protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from ...protocol.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from ...protocol.records import Record, RecordHeader, build_batch
from ..request import ConnectionInfo, Deferred
from .errors import EmbeddedBrokerError, InvalidOption, RequestRefused
from .options import config_text
from .partitioner import partition_for_key
from .views import RecordView

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from ...protocol.messages.create_topics import CreateTopicsResponse
    from ...protocol.schema import Message
    from .loop_thread import LoopThread
    from .observed_broker import ObservedBroker
    from .options import TopicSpec

CLIENT_ID = "ottla-embedded"

Headers: TypeAlias = Mapping[str, bytes | str | None] | Sequence[tuple[str, bytes | str | None]]

# The last versions that name topics, not their ids.
_PRODUCE_VERSION = 12
_OFFSET_COMMIT_VERSION = 9
_CREATE_TOPICS_VERSION = 7
_METADATA_VERSION = 12
_FIND_COORDINATOR_VERSION = 4
_ALL_REPLICAS = -1
_LOOPBACK = "127.0.0.1"


class InProcessClient:
    """A client in the broker's own process."""

    def __init__(self, broker: ObservedBroker, thread: LoopThread) -> None:
        self._broker = broker
        self._thread = thread
        self._unanswered: set[Future[Any]] = set()

    def send(self, request: Message, version: int) -> Any:
        """The response to a request. Raises EmbeddedBrokerError when the broker closes the connection instead."""
        self._thread.check_awake()
        frame = memoryview(bytearray(_frame(request, version)))
        return self._thread.ask(partial(self._dispatch, frame))

    def _dispatch(self, frame: memoryview, future: Future[Message]) -> None:
        self._broker.check_alive()
        assert self._broker.dispatcher is not None
        exchange = self._broker.dispatcher.dispatch_as_ever(frame, _connection(future))
        answer = exchange.answer
        if isinstance(answer, Deferred):
            self._unanswered.add(future)
            future.add_done_callback(self._unanswered.discard)
            answer.when_complete(partial(_give, future))
        else:
            future.set_result(cast("Message", answer))

    def end(self) -> None:
        """Tell whoever waits for an answer that the broker was killed. Runs on its loop."""
        for future in list(self._unanswered):
            if not future.done():
                future.set_exception(EmbeddedBrokerError("the broker was killed before it answered"))

    # What is asked for

    def create_topics(self, topics: Mapping[str, TopicSpec], *, before: Callable[[], None] | None = None) -> None:
        """Make topics, in the turn of the loop in which `before` was called. RequestRefused for the first refused."""
        request = CreateTopicsRequest(topics=[_creatable(name, spec) for name, spec in topics.items()])
        self._thread.check_awake()
        frame = memoryview(bytearray(_frame(request, _CREATE_TOPICS_VERSION)))

        def ask(future: Future[Any]) -> None:
            if before is not None:
                before()
            self._dispatch(frame, future)

        response: CreateTopicsResponse = self._thread.ask(ask)
        for result in response.topics:
            _check(f"topic {result.name}", result.error_code, result.error_message)

    def produce(self, topic: str, record: Record, partition: int | None) -> RecordView:
        """Append one record; the key chooses its partition where none is given. Raises RequestRefused."""
        count = self._partition_count(topic)
        if partition is None:
            partition = 0 if record.key is None else partition_for_key(record.key, count)
        data = PartitionProduceData(index=partition, records=build_batch([record], base_offset=0))
        request = ProduceRequest(
            acks=_ALL_REPLICAS, timeout_ms=30_000, topic_data=[TopicProduceData(name=topic, partition_data=[data])]
        )
        answer = self.send(request, _PRODUCE_VERSION).responses[0].partition_responses[0]
        _check(f"{topic}-{partition}", answer.error_code, answer.error_message)
        timestamp_ms = record.timestamp if answer.log_append_time_ms == -1 else answer.log_append_time_ms
        headers = tuple((name, value) for name, value in record.headers)
        return RecordView(topic, partition, answer.base_offset, timestamp_ms, record.key, record.value, headers)

    def _partition_count(self, topic: str) -> int:
        """As producers learn it, which makes a topic that is not there. Raises RequestRefused."""
        request = MetadataRequest(topics=[MetadataRequestTopic(name=topic)], allow_auto_topic_creation=True)
        found = self.send(request, _METADATA_VERSION).topics[0]
        _check(f"topic {topic}", found.error_code)
        return len(found.partitions)

    def commit(self, group: str, topic: str, partition: int, offset: int, metadata: str) -> None:
        """Commit an offset for a group without members. Raises RequestRefused."""
        coordinators = self.send(FindCoordinatorRequest(coordinator_keys=[group]), _FIND_COORDINATOR_VERSION)
        _check(f"group {group}", coordinators.coordinators[0].error_code, coordinators.coordinators[0].error_message)
        committed = OffsetCommitRequestPartition(
            partition_index=partition, committed_offset=offset, committed_metadata=metadata
        )
        topics = [OffsetCommitRequestTopic(name=topic, partitions=[committed])]
        response = self.send(OffsetCommitRequest(group_id=group, topics=topics), _OFFSET_COMMIT_VERSION)
        _check(f"group {group}, {topic}-{partition}", response.topics[0].partitions[0].error_code)


def _give(future: Future[Any], response: object) -> None:
    if not future.done():
        future.set_result(response)


def new_record(value: object, key: object, headers: Headers, timestamp_ms: int) -> Record:
    """A record of bytes and text. Raises InvalidOption for anything else."""
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return Record(
        0,
        timestamp_ms,
        _to_bytes("key", key),
        _to_bytes("value", value),
        tuple(RecordHeader(name, _to_bytes(f"header {name}", content)) for name, content in pairs),
    )


def _to_bytes(what: str, content: object) -> bytes | None:
    if isinstance(content, str):
        return content.encode()
    if content is None or isinstance(content, bytes):
        return content
    raise InvalidOption(f"{what}={content!r}: only bytes, text and None can be stored")


def _check(what: str, code: int, message: str | None = None) -> None:
    if code:
        raise RequestRefused(what, ErrorCode(code), message)


def _frame(request: Any, version: int) -> bytes:
    header = RequestHeader(
        request_api_key=request.api_key, request_api_version=version, correlation_id=0, client_id=CLIENT_ID
    )
    return encode(header, request_header_version(type(request), version)) + encode(request, version)


def _connection(future: Future[Message]) -> ConnectionInfo:
    """Who asks; a closed connection is the end of the request."""

    def close(reason: str) -> None:
        if not future.done():
            future.set_exception(EmbeddedBrokerError(f"the broker closed the connection: {reason}"))

    return ConnectionInfo(
        connection_id=0,
        listener_name="PLAINTEXT",
        peer_host=_LOOPBACK,
        peer_port=0,
        local_host=_LOOPBACK,
        local_port=0,
        close=close,
    )


def _creatable(name: str, spec: TopicSpec) -> CreatableTopic:
    return CreatableTopic(
        name=name,
        num_partitions=-1 if spec.partitions is None else spec.partitions,
        replication_factor=-1,
        configs=[CreatableTopicConfig(name=key, value=config_text(value)) for key, value in spec.config.items()],
    )
