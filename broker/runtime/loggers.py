"""The broker's loggers as Kafka's BROKER_LOGGER resource shows them (KIP-412): their levels, until the broker stops.

Only the root and the broker's own loggers are shown. Levels go by Kafka's names.
"""

from __future__ import annotations

import logging

from ...protocol.errors import ErrorCode
from ..config.changes import Change, Operation
from ..metadata.refusal import Refused

ROOT = "root"
_OWN = "ottla"
_LEVELS = {
    "FATAL": logging.CRITICAL,
    "ERROR": logging.ERROR,
    "WARN": logging.WARNING,
    "INFO": logging.INFO,
    "DEBUG": logging.DEBUG,
    "TRACE": 1,
}


def logger_levels() -> dict[str, str]:
    """The level in force of each logger, by the logger's name."""
    names = [name for name in logging.root.manager.loggerDict if name == _OWN or name.startswith(f"{_OWN}.")]
    levels = {ROOT: _level_name(logging.root.level)}
    return levels | {name: _level_name(logging.getLogger(name).getEffectiveLevel()) for name in sorted(names)}


def alter_levels(changes: list[Change], *, validate_only: bool) -> None:
    """Set or delete the levels of loggers, all or none. Raises Refused."""
    known = logger_levels()
    for change in changes:
        _check(change, known)
    if validate_only:
        return
    for change in changes:
        logger = logging.root if change.name == ROOT else logging.getLogger(change.name)
        logger.setLevel(_LEVELS[change.value or ""] if change.operation == Operation.SET else logging.NOTSET)


def _check(change: Change, known: dict[str, str]) -> None:
    if change.operation in (Operation.APPEND, Operation.SUBTRACT):
        name = Operation(change.operation).name
        raise Refused(ErrorCode.INVALID_REQUEST, f"{name} operation is not allowed for the BROKER_LOGGER resource")
    if change.operation not in (Operation.SET, Operation.DELETE):
        raise Refused(ErrorCode.UNKNOWN_SERVER_ERROR, None)
    if change.name not in known:
        raise Refused(ErrorCode.INVALID_CONFIG, f"Logger {change.name} does not exist!")
    if change.operation == Operation.DELETE and change.name == ROOT:
        raise Refused(ErrorCode.INVALID_REQUEST, "Removing the log level of the root logger is not allowed")
    if change.operation == Operation.SET and change.value not in _LEVELS:
        levels = ", ".join(_LEVELS)
        raise Refused(
            ErrorCode.INVALID_CONFIG,
            f"Cannot set the log level of {change.name} to {change.value} as it is not a supported log level. "
            f"Valid log levels are {levels}",
        )


def _level_name(level: int) -> str:
    return next((name for name, known in _LEVELS.items() if level >= known), "TRACE")
