"""A client that sends whatever bytes a test wants, and the few well-formed requests that tests need themselves."""

from __future__ import annotations

import contextlib
import socket
import struct

from ottla.protocol.compiler import decode, decode_with_end, encode
from ottla.protocol.headers import RequestHeader, ResponseHeader, request_header_version, response_header_version
from ottla.protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from ottla.protocol.messages.fetch import FetchPartition, FetchRequest, FetchResponse, FetchTopic
from ottla.protocol.messages.metadata import MetadataRequest, MetadataResponse
from ottla.protocol.record_batch import read_headers

TIMEOUT_S = 20
FETCH_VERSION = 12  # the last that names its topics


def request_frame(request, version: int, correlation_id: int = 1, client_id: str | None = "raw") -> bytes:
    """A whole frame: length, header, body."""
    header = RequestHeader(
        request_api_key=request.api_key,
        request_api_version=version,
        correlation_id=correlation_id,
        client_id=client_id,
    )
    body = encode(header, request_header_version(type(request), version)) + encode(request, version)
    return framed(body)


def framed(body: bytes) -> bytes:
    return struct.pack(">i", len(body)) + body


def api_versions_frame(version: int = 0, correlation_id: int = 1) -> bytes:
    named = {"client_software_name": "raw", "client_software_version": "1"} if version >= 3 else {}
    return request_frame(ApiVersionsRequest(**named), version, correlation_id)


def fetch_request(
    topic: str, *, offset: int = 0, max_wait_ms: int = 0, min_bytes: int = 0, max_bytes: int = 2**26
) -> FetchRequest:
    partition = FetchPartition(partition=0, fetch_offset=offset, partition_max_bytes=max_bytes)
    return FetchRequest(
        max_wait_ms=max_wait_ms,
        min_bytes=min_bytes,
        max_bytes=max_bytes,
        topics=[FetchTopic(topic=topic, partitions=[partition])],
    )


class RawClient:
    """One connection. Close it, or use it in a `with`."""

    def __init__(self, broker, receive_buffer_bytes: int = 0) -> None:
        self.socket = socket.socket()
        if receive_buffer_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        self.socket.settimeout(TIMEOUT_S)
        self.socket.connect(("127.0.0.1", broker.port))

    def __enter__(self) -> RawClient:
        return self

    def __exit__(self, *exception) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def end_sending(self) -> None:
        """Half-close, unless the other side has closed already."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def read_frame(self) -> bytes:
        size = struct.unpack(">i", self._read(4))[0]
        return self._read(size)

    def read_response(self, request: type, response: type, version: int):
        """The next response as (correlation id, message)."""
        frame = self.read_frame()
        header, end = decode_with_end(ResponseHeader, frame, response_header_version(request, version))
        return header.correlation_id, decode(response, frame, version, end)

    def ask(self, request, response: type, version: int):
        self.send(request_frame(request, version))
        return self.read_response(type(request), response, version)[1]

    def ask_api_versions(self, version: int = 0):
        self.send(api_versions_frame(version))
        return self.read_response(ApiVersionsRequest, ApiVersionsResponse, version)[1]

    def ask_metadata(self) -> MetadataResponse:
        return self.ask(MetadataRequest(topics=None), MetadataResponse, 12)

    def fetch(self, request: FetchRequest):
        """The one partition's answer."""
        response = self.ask(request, FetchResponse, FETCH_VERSION)
        assert response.error_code == 0
        return response.responses[0].partitions[0]

    def batch_headers(self, topic: str) -> list:
        """The headers of every batch of partition 0, as they are in the log."""
        headers = []
        offset = 0
        while True:
            records = bytes(self.fetch(fetch_request(topic, offset=offset)).records or b"")
            if not records:
                return headers
            headers += [header for _, header in read_headers(records)]
            offset = headers[-1].next_offset

    def is_closed_by_peer(self) -> bool:
        """Wait for the other side to close; whatever it still says is read and thrown away."""
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionError:
            return True
        except TimeoutError:
            return False
        return True

    def _read(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            piece = self.socket.recv(size - len(data))
            if not piece:
                raise EOFError(f"closed after {len(data)} of {size} bytes")
            data += piece
        return bytes(data)
