"""What stands before the body of every request and response.

Requests with flexible versions have a header of version 2, responses one of version 1; all others have 1 and 0.
ApiVersions alone always answers with a header of version 0, because its client does not know yet what the broker
speaks (KIP-511).
"""

from __future__ import annotations

from .schema import Message, int16, int32, string


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
