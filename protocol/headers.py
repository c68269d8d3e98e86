"""What stands before the body of every request and response.

Requests with flexible versions have a header of version 2, responses one of version 1; all others have 1 and 0.
ApiVersions alone always answers with a header of version 0, because its client does not know yet what the broker
speaks (KIP-511).
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, TypeAlias

from .errors import ProtocolError
from .primitives import skip_tagged_fields
from .schema import Message, int16, int32, string

if TYPE_CHECKING:
    from collections.abc import Mapping


class RequestHeader(Message, versions="1-2", flexible="2+"):
    request_api_key: int = int16()
    request_api_version: int = int16()
    correlation_id: int = int32()
    # Never compact: a broker must be able to read it before it knows the version.
    client_id: str | None = string(nullable="1+", flexible="none")


class ResponseHeader(Message, versions="0-1", flexible="1+"):
    correlation_id: int = int32()


def request_header_version(request: type[Message], api_version: int) -> int:
    """The version of the header that stands before `request` in `api_version`."""
    return 2 if api_version in request.flexible else 1


def response_header_version(request: type[Message], api_version: int) -> int:
    """The version of the header that stands before the response to `request`."""
    if request.api_key == _API_VERSIONS:
        return 0
    return 1 if api_version in request.flexible else 0


_API_VERSIONS = 18


RequestHead: TypeAlias = tuple[int, int, int, str | None, int]
"""API key, API version, correlation id, client id, and where the body begins."""

_HEAD = struct.Struct(">hhih")


def read_request_head(frame: memoryview, flexible_from: Mapping[int, int]) -> RequestHead:
    """Read the header of a request without building a message: every request passes here.

    `flexible_from` gives each API's first flexible version. Raises ProtocolError.
    """
    try:
        api_key, api_version, correlation_id, length = _HEAD.unpack_from(frame)
        position = _HEAD.size
        client_id = None
        if length >= 0:
            end = position + length
            if end > len(frame):
                raise ProtocolError(f"the client id claims {length} bytes, more than the request has")
            client_id = str(frame[position:end], "utf-8")
            position = end
        if api_version >= flexible_from.get(api_key, _NEVER_FLEXIBLE):
            position = skip_tagged_fields(frame, position) if frame[position] else position + 1
    except (struct.error, IndexError) as error:
        raise ProtocolError("the request ends within its header") from error
    except UnicodeDecodeError as error:
        raise ProtocolError("the client id is not UTF-8") from error
    return api_key, api_version, correlation_id, client_id, position


_NEVER_FLEXIBLE = 1 << 15
