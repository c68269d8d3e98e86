"""`listeners`, `advertised.listeners` and the protocols behind their names, read as Kafka reads them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from .validators import ConfigValueError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_ENDPOINT_RE = re.compile(r"(?P<name>[A-Za-z0-9_.-]+)://\[?(?P<host>[0-9a-zA-Z\-%._:]*)\]?:(?P<port>[0-9]{1,5})")
PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")


class Listener(NamedTuple):
    """A named address; an empty host is every interface, port 0 a free port."""

    name: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.name}://{host}:{self.port}"


def parse_listener(entry: str) -> Listener:
    """`NAME://HOST:PORT`, where an IPv6 host stands in brackets; ConfigValueError otherwise."""
    match = _ENDPOINT_RE.fullmatch(entry)
    if match is None or int(match["port"]) > 65535:
        raise ConfigValueError(f"{entry!r} is not NAME://HOST:PORT")
    return Listener(match["name"].upper(), match["host"], int(match["port"]))


def parse_listeners(
    entries: Sequence[str], protocols: Mapping[str, str], not_opened: Iterable[str]
) -> tuple[Listener, ...]:
    """What `listeners` asks for, without the controller's, which no client needs.

    ConfigValueError: a name or port twice, a name without a protocol, a protocol that is not there yet, none left.
    """
    listeners = [listener for entry in entries if (listener := parse_listener(entry)).name not in not_opened]
    if not listeners:
        raise ConfigValueError("there is no listener for clients")
    _refuse_repeated([listener.name for listener in listeners], "name")
    _refuse_repeated([_bound_to(listener) for listener in listeners if listener.port], "port")
    for listener in listeners:
        protocol = protocols.get(listener.name)
        if protocol is None:
            raise ConfigValueError(f"listener.security.protocol.map names no protocol for {listener.name}")
        if protocol != "PLAINTEXT":
            raise ConfigValueError(f"listener {listener.name} wants {protocol}; only PLAINTEXT is there yet")
    return tuple(listeners)


def parse_advertised(
    entries: Sequence[str], listeners: Sequence[Listener], not_opened: Iterable[str]
) -> tuple[Listener, ...]:
    """What clients are told, by listener; ConfigValueError when it is no address or belongs to no listener."""
    advertised = [listener for entry in entries if (listener := parse_listener(entry)).name not in not_opened]
    _refuse_repeated([listener.name for listener in advertised], "name")
    names = {listener.name for listener in listeners}
    for listener in advertised:
        if listener.name not in names:
            raise ConfigValueError(f"{listener} belongs to no listener; listeners has {', '.join(sorted(names))}")
        if listener.host in ("", "0.0.0.0", "::") or listener.port == 0:  # noqa: S104 - it is what we refuse
            raise ConfigValueError(f"{listener} is no address that a client can go to")
    return tuple(advertised)


def parse_protocol_map(text: str) -> dict[str, str]:
    """`NAME:PROTOCOL` between commas; ConfigValueError on another shape, an unknown protocol or a name twice."""
    protocols: dict[str, str] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        name, colon, protocol = entry.rpartition(":")
        if not colon or protocol.upper() not in PROTOCOLS:
            raise ConfigValueError(f"{entry!r} is not NAME:PROTOCOL with one of {', '.join(PROTOCOLS)}")
        if name.upper() in protocols:
            raise ConfigValueError(f"{name} stands there twice")
        protocols[name.upper()] = protocol.upper()
    return protocols


def _bound_to(listener: Listener) -> str:
    # The same port on an IPv4 and an IPv6 address is two sockets (KIP-797).
    return f"{listener.port} on {'IPv6' if ':' in listener.host else 'IPv4'}"


def _refuse_repeated(items: Sequence[str], what: str) -> None:
    repeated = {item for item in items if items.count(item) > 1}
    if repeated:
        raise ConfigValueError(f"each listener needs its own {what}; {', '.join(sorted(repeated))} stands there twice")
