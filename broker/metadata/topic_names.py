"""Which names a topic may have (`org.apache.kafka.common.internals.Topic`)."""

from __future__ import annotations

import re
from typing import Final

GROUP_METADATA_TOPIC: Final = "__consumer_offsets"
TRANSACTION_STATE_TOPIC: Final = "__transaction_state"
SHARE_GROUP_STATE_TOPIC: Final = "__share_group_state"
CLUSTER_METADATA_TOPIC: Final = "__cluster_metadata"
INTERNAL_TOPICS: Final = frozenset({GROUP_METADATA_TOPIC, TRANSACTION_STATE_TOPIC, SHARE_GROUP_STATE_TOPIC})

NAME_CHARS_MAX: Final = 249
_LEGAL = re.compile(r"[a-zA-Z0-9._-]+")


def problem_with(name: str) -> str | None:
    """Why no topic may have this name, in Kafka's words; None when one may."""
    if not name:
        return "Topic name is invalid: the empty string is not allowed"
    if name in (".", ".."):
        return f"Topic name is invalid: '{name}' is not allowed"
    if len(name) > NAME_CHARS_MAX:
        return f"Topic name is invalid: the length of '{name}' is longer than the max allowed length {NAME_CHARS_MAX}"
    if _LEGAL.fullmatch(name) is None:
        return (
            f"Topic name is invalid: '{name}' contains one or more characters other than ASCII alphanumerics, "
            "'.', '_' and '-'"
        )
    return None


def is_internal(name: str) -> bool:
    """Whether the topic belongs to the broker's own book-keeping."""
    return name in INTERNAL_TOPICS


def collision_key(name: str) -> str:
    """Two topics with the same key would share the names of their metrics: dots and underscores are one there."""
    return name.replace(".", "_")


def has_collision_chars(name: str) -> bool:
    """Whether the name could collide with another at all."""
    return "." in name or "_" in name
