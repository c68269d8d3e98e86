"""Sockets on an address: one that listens, and one that takes its place and does not.

Their buffers are set before they listen, so that the sockets which they accept have them too.
"""

from __future__ import annotations

import errno
import socket
from typing import NamedTuple

_SYSTEMS_OWN = -1


class SocketSettings(NamedTuple):
    """How a listening socket is made; the sockets that it accepts have its buffers.

    A buffer of -1 bytes is left to the operating system, as in Kafka. A small one for sending makes long answers cheap:
    with Kafka's 102400 a lag of 1 GB is read for half of the CPU.
    """

    pending_connections_max: int
    send_buffer_bytes: int
    receive_buffer_bytes: int


def listening_socket(host: str, port: int, settings: SocketSettings) -> socket.socket:
    """On all addresses without a host, of both families where there are both. Raises OSError."""
    family, address = _resolve(host, port)
    bound = _bound_socket(family, address, bool(host), settings)
    try:
        bound.listen(settings.pending_connections_max)
    except OSError:
        bound.close()
        raise
    return bound


def bound_in_place_of(listening: socket.socket, settings: SocketSettings) -> socket.socket:
    """Close a socket that listens, and return one that has its address and does not. Raises OSError."""
    family, address = listening.family, listening.getsockname()
    v6_only = family == socket.AF_INET6 and bool(listening.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY))
    listening.close()
    return _bound_socket(family, address, v6_only, settings)


def _bound_socket(family: int, address: tuple[str, int], v6_only: bool, settings: SocketSettings) -> socket.socket:
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setblocking(False)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6_only)
        _set_buffers(bound, settings)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound


def _resolve(host: str, port: int) -> tuple[socket.AddressFamily, tuple[str, int]]:
    if not host:
        return (socket.AF_INET6, ("::", port)) if socket.has_dualstack_ipv6() else (socket.AF_INET, ("0.0.0.0", port))  # noqa: S104 - asked for
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    return family, (str(address[0]), int(address[1]))


def _set_buffers(bound: socket.socket, settings: SocketSettings) -> None:
    for option, size_bytes, key in (
        (socket.SO_SNDBUF, settings.send_buffer_bytes, "socket.send.buffer.bytes"),
        (socket.SO_RCVBUF, settings.receive_buffer_bytes, "socket.receive.buffer.bytes"),
    ):
        if size_bytes == _SYSTEMS_OWN:
            continue
        if size_bytes <= 0:
            raise OSError(errno.EINVAL, f"{key} is {size_bytes}, which is neither a size nor -1")
        bound.setsockopt(socket.SOL_SOCKET, option, size_bytes)
