"""SET, DELETE, APPEND and SUBTRACT on configuration texts (KIP-339), without deciding whether the result may stand."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from .keys import ConfigKey, ConfigType
from .validators import ConfigRequestError, ConfigValueError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


class Operation(IntEnum):
    """Kafka's AlterConfigOp.OpType, by its number on the wire."""

    SET = 0
    DELETE = 1
    APPEND = 2
    SUBTRACT = 3


class Change(NamedTuple):
    """One operation on one key; DELETE needs no value."""

    name: str
    operation: int
    value: str | None


def changed_texts(
    current: Mapping[str, str], changes: Iterable[Change], key_of: Callable[[str], ConfigKey | None]
) -> dict[str, str | None]:
    """The new text of each key that `changes` name, None where it is deleted.

    APPEND and SUBTRACT begin with the key's default where it is not set. ConfigRequestError on an unknown operation,
    ConfigValueError on a list operation on something else.
    """
    return {change.name: _changed_text(current, change, key_of(change.name)) for change in changes}


def _changed_text(current: Mapping[str, str], change: Change, key: ConfigKey | None) -> str | None:
    if change.operation == Operation.SET:
        return change.value
    if change.operation == Operation.DELETE:
        return None
    if change.operation not in (Operation.APPEND, Operation.SUBTRACT):
        raise ConfigRequestError(f"Unknown operations type {change.operation}")
    operation = Operation(change.operation)
    if key is None or key.type is not ConfigType.LIST:
        raise ConfigValueError(f"Can't {operation.name} to key {change.name} because its type is not LIST.")
    old = _entries(current.get(change.name, key.default))
    # An empty operand stays one: whether such a list may stand is the key's validator to say.
    operands = [entry.strip() for entry in (change.value or "").split(",")]
    if operation is Operation.APPEND:
        return ",".join(dict.fromkeys(old + operands))
    return ",".join(entry for entry in old if entry not in operands)


def _entries(text: str | None) -> list[str]:
    return [entry.strip() for entry in (text or "").split(",") if entry.strip()]
