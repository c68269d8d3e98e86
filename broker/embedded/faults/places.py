"""Where in a response an error code can stand, derived from the response's schema.

A place is named by what the struct around it is: "request" for the response as a whole, else topic, partition, group,
member and so on. Which one is meant where nobody says: errors of the whole (a coordinator that is not there, a fetch
session) stand as far out as the version allows, all others at the innermost thing that requests name.
"""

from __future__ import annotations

import sys
from functools import cache
from typing import TYPE_CHECKING, Final

from ....protocol.errors import ErrorCode
from ...api_table import APIS
from ..errors import InvalidOption
from .names import api_name
from .schema import PARTITION, TOPIC, arrays_of, error_field, fields_of, level_of, level_of_list

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ....protocol.schema import Message, Struct, Versions
    from ...api_table import Api

REQUEST: Final = "request"

WHOLE: Final = frozenset(
    {
        ErrorCode.CLUSTER_AUTHORIZATION_FAILED,
        ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
        ErrorCode.COORDINATOR_NOT_AVAILABLE,
        ErrorCode.FETCH_SESSION_ID_NOT_FOUND,
        ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR,
        ErrorCode.GROUP_AUTHORIZATION_FAILED,
        ErrorCode.GROUP_ID_NOT_FOUND,
        ErrorCode.INVALID_FETCH_SESSION_EPOCH,
        ErrorCode.NOT_COORDINATOR,
        ErrorCode.STALE_MEMBER_EPOCH,
        ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        ErrorCode.UNSUPPORTED_VERSION,
    }
)
"""Errors that speak of all that was asked."""

_INNERMOST: Final = (PARTITION, TOPIC)


def response_type(api: Api) -> type[Message]:
    """The response of an API: it stands in the same module as the request."""
    name = api.request.__name__.removesuffix("Request") + "Response"
    found: type[Message] = getattr(sys.modules[api.request.__module__], name)
    return found


@cache
def places(key: int, version: int) -> tuple[str, ...]:
    """The names of all places in a response, from the outermost to the innermost."""
    return tuple(_places(response_type(APIS[key]), version, REQUEST))


def _places(owner: type[Struct], version: int, name: str) -> Iterator[str]:
    if error_field(owner, version) is not None:
        yield name
    for array in arrays_of(owner, version):
        if array.struct is not None:
            yield from _places(array.struct, version, level_of(array.struct))


@cache
def _named_levels(owner: type[Struct], version: int) -> frozenset[str]:
    """The levels that a request lists."""
    found = {level_of_list(owner, field) for field in fields_of(owner, version) if field.is_array}
    inner = [_named_levels(array.struct, version) for array in arrays_of(owner, version) if array.struct is not None]
    return frozenset(found).union(*inner)


def place_for(
    key: int, version: int, at: str | None, topic: str | None, partition: int | None, *, is_of_the_whole: bool
) -> str | None:
    """The place of an error in a response of this version; None when the version has none that fits."""
    there = places(key, version)
    if at is not None:
        return at if at in there else None
    if partition is not None:
        return PARTITION if PARTITION in there else None
    if topic is not None:
        there = tuple(place for place in there if place in _INNERMOST or place == "resource")
    if not there or is_of_the_whole:
        return there[0] if there else None
    named = _named_levels(APIS[key].request, version)
    return next((place for place in reversed(there) if place in named), there[0])


def check_place(api: Api, versions: Versions, at: str | None, topic: str | None, partition: int | None) -> None:
    """Raise InvalidOption where no version has a place for the error."""
    served = range(max(api.lowest, versions.lowest), min(api.highest, versions.highest) + 1)
    if any(place_for(api.key, version, at, topic, partition, is_of_the_whole=False) for version in served):
        return
    possible = dict.fromkeys(place for version in served for place in places(api.key, version))
    wanted = (
        f"at={at!r}" if at is not None else f"partition={partition}" if partition is not None else f"topic={topic!r}"
    )
    raise InvalidOption(
        f"{wanted}: in {api_name(api.key)} {served.start}-{served.stop - 1} an error stands at {', '.join(possible)}"
    )
