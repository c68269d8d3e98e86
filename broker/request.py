"""What a handler knows of the request beside its body, and the response that is not there yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..protocol.primitives import Buffer
    from ..storage.file_records import FileRecords

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


class SharedResponse(Generic[R]):
    """A response that requests of one version get, however many; who sends it first keeps its bytes for the others."""

    __slots__ = ("parts", "response", "size_bytes")

    def __init__(self, response: R) -> None:
        self.response = response
        self.parts: list[Buffer | FileRecords] | None = None
        """Its body as it is sent, once it was encoded."""
        self.size_bytes = 0


class Deferred(Generic[R]):
    """A response that will come later: completed once, or abandoned once when its connection closes."""

    __slots__ = ("_on_complete", "on_abandon", "response", "shared")

    def __init__(self) -> None:
        self.response: R | None = None
        self.shared: SharedResponse[R] | None = None
        """What the response is in, if others get it too."""
        self.on_abandon: Callable[[], None] | None = None
        self._on_complete: Callable[[R], None] | None = None

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

    def complete_shared(self, shared: SharedResponse[R]) -> None:
        """Give a response that others get too: nobody may change it."""
        self.shared = shared
        self.complete(shared.response)

    def when_complete(self, callback: Callable[[R], None]) -> None:
        """Call back with the response: now if it is there, else when it comes."""
        if self.response is not None:
            callback(self.response)
        else:
            self._on_complete = callback

    def abandon(self) -> None:
        """Nobody waits any more: whoever parked the request may forget it."""
        self._on_complete = None
        callback, self.on_abandon = self.on_abandon, None
        if callback is not None:
            callback()
