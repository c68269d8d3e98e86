"""The broker's configuration while it runs: what AlterConfigs set, over what the broker was started with (KIP-226).

The values live in the metadata image. Whoever holds a BrokerConfig holds a snapshot; this listener makes the new one,
puts it where the handlers and the metadata look, and tells whoever else must follow. It must stand first among the
listeners.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ..config.catalogue import broker_key
from ..config.treatment import refusal
from ..config.validators import ConfigValueError
from ..config.values import parse
from ..metadata.cluster_metadata import MetadataListener
from ..metadata.image import ResourceType

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ..config.broker_config import BrokerConfig
    from ..services import Services

logger = logging.getLogger(__name__)


class DynamicConfig(MetadataListener):
    """Keeps `services.config` true to the image; `on_change` gets each new BrokerConfig."""

    def __init__(self, services: Services, on_change: Callable[[BrokerConfig], None]) -> None:
        self._services = services
        self._on_change = on_change

    def config_changed(self, resource_type: int, name: str) -> None:
        """Take what was set for all brokers or for this one."""
        if resource_type == ResourceType.BROKER and name in ("", str(self._services.config.node_id)):
            self.apply()

    def apply(self) -> None:
        """Make the configuration anew; called once at start, when the image is loaded."""
        services = self._services
        config = with_stored(services.config, services.metadata.image.configs)
        services.config = services.metadata.config = config
        self._on_change(config)


def with_stored(config: BrokerConfig, configs: Mapping[tuple[int, str], Mapping[str, str]]) -> BrokerConfig:
    """`config` under the dynamic values of the image; what cannot be used is left out with a warning.

    AlterConfigs lets no such value in, but the metadata may have been written by another broker.
    """
    default = usable(configs.get((ResourceType.BROKER, ""), {}))
    broker = usable(configs.get((ResourceType.BROKER, str(config.node_id)), {}))
    try:
        return config.with_dynamic(default, broker)
    except ConfigValueError as error:
        logger.warning("the dynamic configuration is not used: %s", error)
        return config.with_dynamic({}, {})


def usable(texts: Mapping[str, str]) -> dict[str, str]:
    """Those of the dynamic values that this broker can act on, or at least take."""
    usable_texts = {}
    for name, text in texts.items():
        problem = problem_with(name, text)
        if problem is None:
            usable_texts[name] = text
        else:
            logger.warning("the dynamic value of %s is not used: %s", name, problem)
    return usable_texts


def problem_with(name: str, text: str) -> str | None:
    """Why a running broker cannot take this value, or None."""
    key = broker_key(name)
    if key is None:
        return None  # As in Kafka, which takes it for a plug-in's: it is kept and shown, and nobody reads it.
    if name in _BOUND_AT_START:
        return f"{name} cannot change while the broker runs yet"
    if not key.is_dynamic:
        return f"Cannot update these configs dynamically: [{name}]"
    try:
        value = parse(key, text)
    except ConfigValueError as error:
        return str(error)
    return refusal(name, value)


_BOUND_AT_START = ("listeners", "listener.security.protocol.map")
