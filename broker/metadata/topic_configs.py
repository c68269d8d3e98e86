"""The configs of a new topic: whether it may have them, in Kafka's order and words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...protocol.errors import ErrorCode
from ..config.resource_validation import check_topic
from ..config.validators import ConfigValueError
from .refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..config.layers import ConfigLayers


def checked_topic_configs(wanted: Iterable[tuple[str, str | None]], layers: ConfigLayers) -> dict[str, str]:
    """The configs by name; of a name that comes twice the last one counts. Refused with INVALID_CONFIG."""
    by_name = dict(wanted)
    configs = {name: value for name, value in by_name.items() if value is not None}
    if len(configs) < len(by_name):
        missing = ",".join(name for name, value in by_name.items() if value is None)
        raise Refused(ErrorCode.INVALID_CONFIG, f"Null value not supported for topic configs: {missing}")
    try:
        check_topic(configs, layers)
    except ConfigValueError as error:
        raise Refused(ErrorCode.INVALID_CONFIG, str(error)) from error
    return configs
