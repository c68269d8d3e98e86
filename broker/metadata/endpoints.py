"""Where clients are told to find this broker."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ..config.broker_config import BrokerConfig
    from ..request import RequestContext


class Address(NamedTuple):
    """A host and a port that a client can connect to."""

    host: str
    port: int


def endpoint_for(context: RequestContext, config: BrokerConfig) -> Address:
    """This broker's address for whoever sent the request.

    `advertised.listeners` decides where it names the listener that the request came in on. Else it is the address at
    which the client's own connection arrived, which has just proved to work.
    """
    connection = context.connection
    advertised = config.advertised(connection.listener_name)
    if advertised is not None:
        return Address(advertised.host, advertised.port)
    return Address(connection.local_host, connection.local_port)
