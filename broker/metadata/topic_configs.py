"""Whether a new topic may have the configs that somebody wants for it, in Kafka's order and words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...protocol.errors import ErrorCode
from ..config.catalogue import TOPIC_KEYS
from ..config.validators import ConfigValueError
from ..config.values import parse
from .refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping


def check_topic_configs(configs: Mapping[str, str | None]) -> None:
    """Refused with INVALID_CONFIG for the first config that no topic may have."""
    missing = [name for name, value in configs.items() if value is None]
    if missing:
        raise _invalid(f"Null value not supported for topic configs: {','.join(missing)}")
    for name in configs:
        if name not in TOPIC_KEYS:
            raise _invalid(f"Unknown topic config name: {name}")
    for name, value in configs.items():
        try:
            parse(TOPIC_KEYS[name], value or "")
        except ConfigValueError as error:
            raise _invalid(str(error)) from error


def _invalid(message: str) -> Refused:
    return Refused(ErrorCode.INVALID_CONFIG, message)
