"""From a request's bytes to its handler, and from the handler's answer to bytes.

This is the one door for bugs: a handler's exception is logged here and ends its connection, nothing else. A request
that cannot be read ends its connection too, as in Kafka: behind bytes that were misunderstood nothing can be trusted.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, NamedTuple

from ..protocol.api_keys import ApiKey
from ..protocol.compiler import decode, encode_parts
from ..protocol.errors import ErrorCode, ProtocolError
from ..protocol.frames import LENGTH_BYTES
from ..protocol.headers import read_request_head, response_header_version
from ..protocol.messages.api_versions import ApiVersionsResponse
from .handlers.repeated import HEAD_BYTES
from .request import RequestContext

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..protocol.primitives import Buffer
    from ..protocol.schema import Message
    from ..storage.file_records import FileRecords
    from .api_table import Api
    from .request import ConnectionInfo, Deferred
    from .runtime.commit_barrier import CommitBarrier
    from .services import Services

_PLAIN_HEAD = struct.Struct(">ii")
# What a NamedTuple's own constructor ends in: 0.3 µs less for each request.
_new_tuple = tuple.__new__
_FLEXIBLE_HEAD = struct.Struct(">iix")  # the pad byte says that no tagged field follows


class UnservedRequestError(ProtocolError):
    """A request for an API or a version that this broker does not serve."""


class Exchange(NamedTuple):
    """A request that was understood and handed over: what is needed to send its answer."""

    context: RequestContext
    answer: Message | Deferred[Any] | None
    head: struct.Struct


class Dispatcher:
    """Reads requests and calls their handlers."""

    def __init__(self, apis: Mapping[int, Api], services: Services, commits: CommitBarrier) -> None:
        self._apis = apis
        self._services = services
        self._commits = commits
        # What was found for an API and a version, for the next request of that kind.
        self._ways: dict[tuple[int, int], tuple[Api, struct.Struct]] = {}
        self._repeated = {key: api.repeated(services) for key, api in apis.items() if api.repeated is not None}
        self._flexible_from = {
            key: api.request.flexible.lowest for key, api in apis.items() if api.request.flexible.highest >= 0
        }

    def answer_repeated(self, frame: memoryview, connection: ConnectionInfo) -> bytes | None:
        """The whole answer to a request that repeats an earlier one; None: it must be read."""
        if len(frame) < HEAD_BYTES:
            return None
        repeated = self._repeated.get(frame[0] << 8 | frame[1])
        return None if repeated is None else repeated.answer(frame, connection)

    def dispatch(self, frame: memoryview, connection: ConnectionInfo) -> Exchange:
        """Handle one request; ProtocolError when it cannot be read."""
        key, version, correlation_id, client_id, position = read_request_head(frame, self._flexible_from)
        connection.client_id = client_id
        context = RequestContext(key, version, correlation_id, client_id, connection)
        way = self._ways.get((key, version)) or self._find_way(key, version)
        if way is None:
            return self._unknown_api_versions(context)
        api, head = way
        request = decode(api.request, frame, version, position)
        repeated = self._repeated.get(key)
        if repeated is not None:
            repeated.learn(frame, position, request, context)
        answer = api.handle(request, context, self._services)
        if self._commits.pending:
            answer = self._commits.hold(answer, connection)
        return _new_tuple(Exchange, (context, answer, head))

    def _find_way(self, key: int, version: int) -> tuple[Api, struct.Struct] | None:
        """The API, and the head of its responses; None for ApiVersions of the future."""
        api = self._apis.get(key)
        if api is None:
            raise UnservedRequestError(f"API {_api_name(key)} is not served")
        if not api.lowest <= version <= api.highest:
            if key == ApiKey.API_VERSIONS:
                return None
            raise UnservedRequestError(
                f"{api.key.name} is served in versions {api.lowest}-{api.highest}, not {version}"
            )
        flexible = response_header_version(api.request, version) == 1
        self._ways[key, version] = way = (api, _FLEXIBLE_HEAD if flexible else _PLAIN_HEAD)
        return way

    def _unknown_api_versions(self, context: RequestContext) -> Exchange:
        """Answer a version from the future in the one form that every client reads (KIP-511)."""
        api = self._apis[ApiKey.API_VERSIONS]
        context.api_version = 0
        supported = [row for row in self._services.apis if row.api_key == api.key]
        answer = ApiVersionsResponse(error_code=ErrorCode.UNSUPPORTED_VERSION, api_keys=supported)
        return Exchange(context, answer, _PLAIN_HEAD)


def response_parts(exchange: Exchange, response: Message) -> tuple[list[Buffer | FileRecords], int]:
    """The frame of a response, in pieces, and its bytes; record batches are in it by reference, or in their file."""
    context, _, head = exchange
    parts: list[Any] = encode_parts(response, context.api_version)
    size = head.size + sum(map(len, parts))
    parts.insert(0, head.pack(size - LENGTH_BYTES, context.correlation_id))
    return parts, size


def response_frame(exchange: Exchange, body: bytes) -> bytes:
    """The frame of a response whose body is encoded."""
    head = exchange.head
    return head.pack(head.size - LENGTH_BYTES + len(body), exchange.context.correlation_id) + body


def _api_name(key: int) -> str:
    return ApiKey(key).name if key in ApiKey.__members__.values() else str(key)
