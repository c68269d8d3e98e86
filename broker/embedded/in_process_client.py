"""Requests to the broker without a socket: encoded, dispatched and handled as those of any client.

So topics, records and offsets come to be by the handlers that everybody uses, and by no other way.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, cast

from ...protocol.compiler import encode
from ...protocol.errors import ErrorCode
from ...protocol.headers import RequestHeader, request_header_version
from ...protocol.messages.create_topics import CreatableTopic, CreatableTopicConfig, CreateTopicsRequest
from ..request import ConnectionInfo, Deferred
from .errors import EmbeddedBrokerError, RequestRefused
from .options import config_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from concurrent.futures import Future

    from ...protocol.messages.create_topics import CreateTopicsResponse
    from ...protocol.schema import Message
    from .loop_thread import LoopThread
    from .observed_broker import ObservedBroker
    from .options import TopicSpec

CLIENT_ID = "ottla-embedded"

_CREATE_TOPICS_VERSION = 7
_LOOPBACK = "127.0.0.1"


class InProcessClient:
    """A client in the broker's own process."""

    def __init__(self, broker: ObservedBroker, thread: LoopThread) -> None:
        self._broker = broker
        self._thread = thread

    def send(self, request: Message, version: int) -> Any:
        """The response to a request. Raises EmbeddedBrokerError when the broker closes the connection instead."""
        frame = memoryview(bytearray(_frame(request, version)))
        return self._thread.ask(partial(self._dispatch, frame))

    def _dispatch(self, frame: memoryview, future: Future[Message]) -> None:
        assert self._broker.dispatcher is not None
        exchange = self._broker.dispatcher.dispatch(frame, _connection(future))
        answer = exchange.answer
        if isinstance(answer, Deferred):
            answer.when_complete(future.set_result)
        else:
            future.set_result(cast("Message", answer))

    # What is asked for

    def create_topics(self, topics: Mapping[str, TopicSpec]) -> None:
        """Make topics. Raises RequestRefused for the first that cannot be."""
        if not topics:
            return
        request = CreateTopicsRequest(topics=[_creatable(name, spec) for name, spec in topics.items()])
        response: CreateTopicsResponse = self.send(request, _CREATE_TOPICS_VERSION)
        for result in response.topics:
            if result.error_code:
                raise RequestRefused(f"topic {result.name}", ErrorCode(result.error_code), result.error_message)


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
