"""Who is connected, and what each waits for. Runs on the broker's loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...protocol.api_keys import ApiKey
from .views import ConnectionView

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..connection import Connection


def connections(open_ones: Iterable[Connection]) -> list[ConnectionView]:
    """Every connection whose addresses are known, oldest first."""
    return [_view(connection) for connection in open_ones if connection.info is not None]


def _view(connection: Connection) -> ConnectionView:
    info = connection.info
    request = connection.waiting_request
    return ConnectionView(
        info.client_id,
        info.peer_host,
        info.peer_port,
        f"{info.client_software_name} {info.client_software_version}",
        None if request is None else ApiKey(request.api_key).name,
    )
