"""What handlers are told of a connection that nobody made."""

from __future__ import annotations

from typing import Any

from ottla.broker.request import ConnectionInfo


def connection_info(**changes: Any) -> ConnectionInfo:
    """A client's, unless something else is said."""
    fields = {
        "connection_id": 1,
        "listener_name": "PLAINTEXT",
        "peer_host": "127.0.0.1",
        "peer_port": 40_000,
        "local_host": "10.0.0.7",
        "local_port": 19_092,
        "close": lambda reason: None,
        **changes,
    }
    return ConnectionInfo(**fields)
