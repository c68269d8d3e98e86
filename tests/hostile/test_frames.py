"""Bytes that are no request close the connection they came on, and nothing else."""

from __future__ import annotations

import random
import socket
import ssl
import struct

import pytest
from ottla.protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from ottla.protocol.messages.metadata import MetadataRequest

from ..harness.raw_client import RawClient, api_versions_frame, framed, request_frame

UNSUPPORTED_VERSION = 35

CLOSING = {
    "http": b"GET / HTTP/1.1\r\nHost: localhost:9092\r\nAccept: */*\r\n\r\n",
    "negative length": struct.pack(">i", -1) + b"x" * 100,
    "most negative length": struct.pack(">i", -(2**31)),
    "length above socket.request.max.bytes": struct.pack(">i", 104857601) + b"x" * 100,
    "largest length": struct.pack(">i", 2**31 - 1) + b"x" * 100,
    "ones": b"\xff" * 4096,
    "shell": b"admin\r\nadmin\r\n\r\nls -la\r\n",
    "no API of this number": framed(struct.pack(">hhih", 9999, 0, 1, -1)),
    "negative API": framed(struct.pack(">hhih", -1, 0, 1, -1)),
    "negative version": framed(struct.pack(">hhih", 3, -1, 1, -1)),
    "version above the highest": framed(struct.pack(">hhih", 3, 99, 1, -1) + b"\x00" * 20),
    "version below the lowest": framed(struct.pack(">hhih", 1, 0, 1, -1) + b"\x00" * 40),
    "header cut short": framed(b"\x00\x03\x00"),
    "client id longer than the frame": framed(struct.pack(">hhih", 3, 1, 1, 30000)),
    "array of two billion": framed(struct.pack(">hhihi", 3, 1, 1, -1, 2**31 - 1)),
    "varint without an end": framed(struct.pack(">hhih", 3, 9, 1, -1) + b"\xff" * 50),
}


@pytest.mark.parametrize("name", CLOSING)
def test_bytes_that_are_no_request_close_the_connection(broker, name):
    with RawClient(broker) as bystander, RawClient(broker) as hostile:
        bystander.ask_metadata()
        hostile.send(CLOSING[name])
        assert hostile.is_closed_by_peer()
        assert bystander.ask_metadata().brokers


def test_an_empty_frame_is_no_reason_to_stop(broker):
    """Kafka drops the connection; whichever way, it must not take anybody with it."""
    with RawClient(broker) as bystander, RawClient(broker) as hostile:
        hostile.send(struct.pack(">i", 0))
        hostile.end_sending()
        assert hostile.is_closed_by_peer()
        assert bystander.ask_metadata().brokers


def test_garbage_of_many_kinds(broker):
    chance = random.Random(20240607)
    with RawClient(broker) as bystander:
        for _ in range(50):
            with RawClient(broker) as hostile:
                hostile.send(chance.randbytes(chance.randrange(1, 2000)))
                hostile.end_sending()
                assert hostile.is_closed_by_peer()
        assert bystander.ask_metadata().brokers


def test_damaged_requests(broker):
    """Real requests with a byte changed: answered or closed, never the end of the broker."""
    chance = random.Random(20240608)
    whole = [api_versions_frame(version) for version in range(5)]
    whole += [request_frame(MetadataRequest(topics=[]), version) for version in range(1, 13)]
    with RawClient(broker) as bystander:
        for frame in whole * 4:
            damaged = bytearray(frame)
            damaged[chance.randrange(4, len(damaged))] ^= 1 << chance.randrange(8)
            with RawClient(broker) as hostile:
                hostile.send(damaged)
                hostile.end_sending()
                assert hostile.is_closed_by_peer()
        assert bystander.ask_metadata().brokers


def test_tls_hello(broker):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with RawClient(broker) as bystander, RawClient(broker) as hostile:
        with pytest.raises((ssl.SSLError, ConnectionError, EOFError)):
            context.wrap_socket(hostile.socket)
        assert bystander.ask_metadata().brokers


def test_a_frame_in_single_bytes(broker):
    with RawClient(broker) as slow:
        slow.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in api_versions_frame(version=3, correlation_id=77):
            slow.send(bytes([byte]))
        correlation_id, response = slow.read_response(ApiVersionsRequest, ApiVersionsResponse, 3)
        assert (correlation_id, response.error_code) == (77, 0)


def test_many_requests_in_one_segment_are_answered_in_order(broker):
    count = 500
    with RawClient(broker) as client:
        client.send(b"".join(api_versions_frame(0, correlation_id) for correlation_id in range(count)))
        answers = [client.read_response(ApiVersionsRequest, ApiVersionsResponse, 0)[0] for _ in range(count)]
        assert answers == list(range(count))


@pytest.mark.parametrize("version", [5, 6, 99, 32767])
def test_api_versions_above_the_highest_is_answered_in_version_0(broker, version):
    with RawClient(broker) as client:
        client.send(framed(struct.pack(">hhih", 18, version, 4711, -1) + b"\x00\x04raw\x021\x00"))
        correlation_id, response = client.read_response(ApiVersionsRequest, ApiVersionsResponse, 0)
        assert (correlation_id, response.error_code) == (4711, UNSUPPORTED_VERSION)
        assert {each.api_key for each in response.api_keys} == {18}
        assert client.ask_api_versions(3).error_code == 0


def test_correlation_ids_come_back_whatever_they_are(broker):
    with RawClient(broker) as client:
        for correlation_id in (0, -1, 2**31 - 1, -(2**31)):
            client.send(api_versions_frame(0, correlation_id))
            assert client.read_response(ApiVersionsRequest, ApiVersionsResponse, 0)[0] == correlation_id
