"""What a broker decides.

May import `ottla.storage` and `ottla.protocol`, which never import it. Within: `cli` starts, `app` is the one place
that wires, `server` and `connection` are the shell, `dispatch` reads `api_table`, `handlers` (one an API; none imports
another) use `services`; `runtime` runs the pure `coordinators` over logs; `metadata` is the image that the metadata
log gives; `config` knows every key; `embedded` is a broker within its user's process. Open `app.py` first: it reads as
the story of the start.

For users there is `Broker` with what belongs to it, loaded when first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .embedded.broker import Broker
    from .embedded.errors import (
        AlreadyStarted,
        EmbeddedBrokerError,
        ExpectationFailed,
        InvalidOption,
        NotRunning,
        RequestRefused,
        StartFailed,
    )
    from .embedded.faults.fault import Fault
    from .embedded.options import TopicSpec

__all__ = [
    "AlreadyStarted",
    "Broker",
    "EmbeddedBrokerError",
    "ExpectationFailed",
    "Fault",
    "InvalidOption",
    "NotRunning",
    "RequestRefused",
    "StartFailed",
    "TopicSpec",
]

_HOMES = {"Broker": "broker", "Fault": "faults.fault", "TopicSpec": "options"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = importlib.import_module(f".embedded.{_HOMES.get(name, 'errors')}", __name__)
    return getattr(home, name)
