"""A listener's socket, and what stands in its place while it refuses."""

from __future__ import annotations

import socket
from contextlib import closing

import pytest
from ottla.broker.listening_sockets import SocketSettings, bound_in_place_of, listening_socket

SETTINGS = SocketSettings(pending_connections_max=10, send_buffer_bytes=60_000, receive_buffer_bytes=-1)


def takes(listening: socket.socket, host: str) -> bool:
    try:
        socket.create_connection((host, listening.getsockname()[1])).close()
    except ConnectionRefusedError:
        return False
    return True


def test_without_a_host_it_listens_on_both_families():
    with listening_socket("", 0, SETTINGS) as listening:
        assert takes(listening, "127.0.0.1")
        if socket.has_dualstack_ipv6():
            assert takes(listening, "::1")


def test_with_a_host_it_listens_there_alone():
    if not socket.has_dualstack_ipv6():
        pytest.skip("this system has no IPv6")
    with listening_socket("::1", 0, SETTINGS) as listening:
        assert takes(listening, "::1")
        assert not takes(listening, "127.0.0.1")


@pytest.mark.parametrize("host", ["", "127.0.0.1"])
def test_what_takes_its_place_is_like_it_but_does_not_listen(host):
    listening = listening_socket(host, 0, SETTINGS)
    address, send_buffer_bytes = listening.getsockname(), send_buffer_of(listening)
    with closing(bound_in_place_of(listening, SETTINGS)) as bound:
        assert listening.fileno() == -1
        assert (bound.getsockname(), send_buffer_of(bound)) == (address, send_buffer_bytes)
        assert not takes(bound, "127.0.0.1")
        bound.listen(SETTINGS.pending_connections_max)
        assert takes(bound, "127.0.0.1")


def send_buffer_of(bound: socket.socket) -> int:
    return bound.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
