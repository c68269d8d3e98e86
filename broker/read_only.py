"""A broker that serves what its directories hold and changes nothing in them.

It is what becomes of a directory that belongs to a cluster of several, or of any directory when the person who starts
asks for it. Everything that would write is left out: no epoch begins, no duty runs, no session ends.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from .api_table import APIS, Api, advertised
from .handlers.read_only import READS, REFUSALS
from .metadata.held_partitions import show_folders, show_held

if TYPE_CHECKING:
    from ..protocol.messages.api_versions import ApiVersion
    from .config import BrokerConfig
    from .runtime.read_only_logs import ReadOnlyLogs
    from .services import Services

logger = logging.getLogger(__name__)


def read_only_apis() -> dict[int, Api]:
    """The API table, with refusals in place of what writes."""
    return {
        key: api._replace(handle=REFUSALS.get(api.key, api.handle), repeated=None)
        for key, api in APIS.items()
        if api.key in READS or api.key in REFUSALS
    }


def read_only_advertised() -> list[ApiVersion]:
    """The rows of ApiVersions."""
    served = read_only_apis()
    return [row for row in advertised() if row.api_key in served]


def read_only_config(config: BrokerConfig) -> BrokerConfig:
    """The configuration of a broker that creates no topic for whoever asks for one."""
    return replace(config, auto_create_topics_enable=False)


def show_held_partitions(services: Services, logs: ReadOnlyLogs, reason: str) -> None:
    """Open the partitions that are here; one line says what is served, and why nothing will be changed."""
    metadata = services.metadata
    metadata.read_only_reason = reason
    if metadata.is_empty:
        show_folders(metadata.image, logs.folders())
    held = show_held(metadata.image, logs.holds)
    services.partitions.open_all()
    logger.warning(
        "%s is only read, nothing in it is changed: %s; %d of %d partitions are here",
        ", ".join(services.config.log_dirs),
        reason,
        held.held,
        held.partitions,
    )
