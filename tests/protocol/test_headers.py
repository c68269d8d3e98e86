from __future__ import annotations

import pytest
from ottla.protocol.compiler import encode
from ottla.protocol.errors import ProtocolError
from ottla.protocol.headers import (
    RequestHeader,
    read_request_head,
    request_header_version,
    response_header_version,
)
from ottla.protocol.messages.api_versions import ApiVersionsRequest
from ottla.protocol.messages.heartbeat import HeartbeatRequest

FLEXIBLE_FROM = {12: 4}


@pytest.mark.parametrize("client_id", [None, "", "ä client"])
@pytest.mark.parametrize("version", [3, 4])
def test_the_quick_reader_agrees_with_the_schema(client_id: str | None, version: int) -> None:
    header = RequestHeader(request_api_key=12, request_api_version=version, correlation_id=-7, client_id=client_id)
    wire = encode(header, request_header_version(HeartbeatRequest, version))
    assert read_request_head(memoryview(wire + b"body"), FLEXIBLE_FROM) == (12, version, -7, client_id, len(wire))


BROKEN = {
    "nothing": b"",
    "half": b"\x00\x0c\x00\x04",
    "client id too long": b"\x00\x0c\x00\x03\x00\x00\x00\x00\x00\x05ab",
    "client id not UTF-8": b"\x00\x0c\x00\x03\x00\x00\x00\x00\x00\x01\xff",
}


@pytest.mark.parametrize("wire", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_header(wire: bytes) -> None:
    with pytest.raises(ProtocolError):
        read_request_head(memoryview(wire), FLEXIBLE_FROM)


def test_a_flexible_header_needs_its_tag_count() -> None:
    wire = b"\x00\x0c\x00\x04\x00\x00\x00\x00\xff\xff"
    with pytest.raises(ProtocolError):
        read_request_head(memoryview(wire), FLEXIBLE_FROM)


def test_response_headers() -> None:
    assert response_header_version(HeartbeatRequest, 3) == 0
    assert response_header_version(HeartbeatRequest, 4) == 1
    assert response_header_version(ApiVersionsRequest, 4) == 0
