"""The container's health check: whether the broker answers ApiVersions on its first listener. Exit status 0 or 1."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from ...protocol.errors import ErrorCode
from ...protocol.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from ..config import ConfigError, load_config
from .client import Client
from .paths import FINAL_PROPERTIES

if TYPE_CHECKING:
    from ..config.listeners import Listener

_TIMEOUT_S: Final = 5
_VERSION: Final = 0
_ANY_ADDRESS: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what is bound, not bound to


def main() -> int:
    """Ask, and say what is wrong if something is."""
    try:
        answer = ask(load_config(FINAL_PROPERTIES).listeners[0])
    except (ConfigError, OSError, ValueError) as error:
        print(f"the broker does not answer: {error}", file=sys.stderr)  # noqa: T201 - docker inspect shows it
        return 1
    return 0 if answer.error_code == ErrorCode.NONE else 1


def ask(listener: Listener) -> ApiVersionsResponse:
    """The answer to ApiVersions. Raises OSError, and ValueError for an answer that is none."""
    host = _ANY_ADDRESS.get(listener.host, listener.host)
    with Client(host, listener.port, "ottla-health", _TIMEOUT_S) as client:
        return client.ask(ApiVersionsRequest(), ApiVersionsResponse, _VERSION)


if __name__ == "__main__":
    sys.exit(main())
