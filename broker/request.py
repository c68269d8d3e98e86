"""What a handler knows of the request beside its body, and the response that is not there yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

R = TypeVar("R")


class ConnectionInfo:
    """Who is at the other end of a connection, and through which door they came."""

    __slots__ = (
        "client_id",
        "client_software_name",
        "client_software_version",
        "close",
        "connection_id",
        "listener_name",
        "local_host",
        "local_port",
        "peer_host",
        "peer_port",
        "principal",
        "varies_at",
    )

    def __init__(
        self,
        *,
        connection_id: int,
        listener_name: str,
        peer_host: str,
        peer_port: int,
        local_host: str,
        local_port: int,
        close: Callable[[str], None],
    ) -> None:
        self.connection_id = connection_id
        self.listener_name = listener_name
        self.peer_host = peer_host
        self.peer_port = peer_port
        self.local_host = local_host
        self.local_port = local_port
        self.principal = "User:ANONYMOUS"
        self.client_id: str | None = None
        """What the client last called itself."""
        self.client_software_name = "unknown"
        self.client_software_version = "unknown"
        self.varies_at: dict[int, int] = {}
        """By API: where that began, in the client's last request that may be repeated, which varies (`repeated.py`)."""
        self.close = close
        """Ends the connection; the reason goes into the log."""


class RequestContext:
    """One request's header, and the connection it came on."""

    __slots__ = ("api_key", "api_version", "client_id", "connection", "correlation_id")

    def __init__(
        self,
        api_key: int,
        api_version: int,
        correlation_id: int,
        client_id: str | None,
        connection: ConnectionInfo,
    ) -> None:
        self.api_key = api_key
        self.api_version = api_version
        self.correlation_id = correlation_id
        self.client_id = client_id
        self.connection = connection

    def close_connection(self, reason: str) -> None:
        """End the connection, as an error of an acks=0 produce must."""
        self.connection.close(reason)


class Deferred(Generic[R]):
    """A response that will come later: completed once, or abandoned once when its connection closes."""

    __slots__ = ("_on_body", "_on_complete", "on_abandon", "response")

    def __init__(self) -> None:
        self.response: R | None = None
        self.on_abandon: Callable[[], None] | None = None
        self._on_complete: Callable[[R], None] | None = None
        self._on_body: Callable[[bytes], None] | None = None

    @property
    def is_complete(self) -> bool:
        """Whether the response is there."""
        return self.response is not None

    def complete(self, response: R) -> None:
        """Give the response; a second one is a bug of the caller."""
        if self.response is not None:
            raise RuntimeError("a deferred response was completed twice")
        self.response = response
        self.on_abandon = None
        if self._on_complete is not None:
            self._on_complete(response)

    @property
    def takes_body(self) -> bool:
        """Whether whoever waits wants nothing but bytes, and takes them if they are at hand."""
        return self._on_body is not None

    def complete_with_body(self, body: bytes) -> None:
        """Give the response as it is encoded, without its header, to one who takes it so."""
        callback, self._on_body = self._on_body, None
        if callback is None:
            raise RuntimeError("a deferred response was completed twice, or with bytes that nobody takes")
        self.on_abandon = None
        callback(body)

    def when_complete(self, callback: Callable[[R], None], take_body: Callable[[bytes], None] | None = None) -> None:
        """Call back with the response: now if it is there, else when it comes, as bytes if there is a `take_body`."""
        if self.response is not None:
            callback(self.response)
        else:
            self._on_complete = callback
            self._on_body = take_body

    def abandon(self) -> None:
        """Nobody waits any more: whoever parked the request may forget it."""
        self._on_complete = self._on_body = None
        callback, self.on_abandon = self.on_abandon, None
        if callback is not None:
            callback()
