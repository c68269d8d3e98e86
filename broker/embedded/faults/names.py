"""How people name APIs, error codes and versions, and what is said when they err."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from ....protocol.errors import ErrorCode
from ....protocol.schema import Versions
from ...api_table import APIS
from ..errors import InvalidOption

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ....protocol.api_keys import ApiKey


def api_name(key: int) -> str:
    """As Kafka writes it: InitProducerId."""
    return APIS[key].request.__name__.removesuffix("Request")


def api_key(named: str | int) -> ApiKey:
    """The API with this name, in Kafka's spelling or the constant's, or number. Raises InvalidOption."""
    served = {api_name(key): api.key for key, api in APIS.items()}
    if isinstance(named, int) and not isinstance(named, bool):
        if named in APIS:
            return APIS[named].key
    elif isinstance(named, str):
        by_plain_name = {_plain(name): key for name, key in served.items()}
        if (found := by_plain_name.get(_plain(named))) is not None:
            return found
    raise InvalidOption(f"{named!r} is no API that the broker serves{_hint(named, served)}; there are {_list(served)}")


def error_code(named: str | int) -> ErrorCode:
    """The error code with this name or number. Raises InvalidOption."""
    codes = {code.name: code for code in ErrorCode}
    found: ErrorCode | None = None
    if isinstance(named, str):
        found = codes.get(named.upper())
    elif isinstance(named, int) and not isinstance(named, bool):
        found = next((code for code in ErrorCode if code == named), None)
    if found is None:
        raise InvalidOption(f"{named!r} is no error code of Kafka's{_hint(named, codes)}; there are {_list(codes)}")
    if found is ErrorCode.NONE:
        raise InvalidOption("NONE is no error: remove the fault instead")
    return found


def version_range(wanted: str | int, apis: Iterable[int]) -> Versions:
    """Versions in Kafka's way of writing; InvalidOption when it is none, or one of the APIs is not served in any."""
    try:
        versions = Versions.parse(str(wanted))
    except ValueError:
        raise InvalidOption(f"versions={wanted!r}: it is written as 7, '3+' or '0-4'") from None
    for key in apis:
        api = APIS[key]
        if versions.highest < api.lowest or versions.lowest > api.highest:
            raise InvalidOption(
                f"versions={wanted!r}: {api_name(key)} is served in versions {api.lowest}-{api.highest}"
            )
    return versions


def version_text(versions: Versions) -> str:
    """Versions as they were written."""
    if versions.lowest == versions.highest:
        return str(versions.lowest)
    return f"{versions.lowest}+" if versions.highest == Versions.parse("0+").highest else "-".join(map(str, versions))


def _plain(name: str) -> str:
    return name.replace("_", "").lower()


def _hint(named: object, known: Iterable[str]) -> str:
    plain = {_plain(name): name for name in known}
    close = get_close_matches(_plain(str(named)), plain, 1)
    return f"; did you mean {plain[close[0]]}" if close else ""


def _list(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
