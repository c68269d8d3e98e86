from __future__ import annotations

import logging

import pytest
from ottla.broker.config.changes import Change, Operation
from ottla.broker.metadata.refusal import Refused
from ottla.broker.runtime.loggers import alter_levels, logger_levels
from ottla.protocol.errors import ErrorCode

NAME = "ottla.tests.levels"


@pytest.fixture(autouse=True)
def own_logger():
    logger = logging.getLogger(NAME)
    root_level = logging.root.level
    yield logger
    logger.setLevel(logging.NOTSET)
    logging.root.setLevel(root_level)


def alter(name, operation, value, *, validate_only=False):
    alter_levels([Change(name, operation, value)], validate_only=validate_only)


@pytest.mark.parametrize("level", ["FATAL", "ERROR", "WARN", "INFO", "DEBUG", "TRACE"])
def test_a_level_is_shown_as_it_was_set(level):
    alter(NAME, Operation.SET, level)
    assert logger_levels()[NAME] == level


def test_a_deleted_level_is_that_of_the_root():
    alter("root", Operation.SET, "ERROR")
    alter(NAME, Operation.SET, "DEBUG")
    alter(NAME, Operation.DELETE, "")
    assert (logger_levels()["root"], logger_levels()[NAME]) == ("ERROR", "ERROR")


def test_validate_only_and_a_refusal_change_nothing():
    alter(NAME, Operation.SET, "INFO")
    alter(NAME, Operation.SET, "DEBUG", validate_only=True)
    with pytest.raises(Refused):
        alter_levels([Change(NAME, Operation.SET, "DEBUG"), Change("nope", Operation.SET, "INFO")], validate_only=False)
    assert logger_levels()[NAME] == "INFO"


def test_only_our_own_loggers_are_shown():
    logging.getLogger("somebody.else")
    assert all(name == "root" or name.split(".")[0] == "ottla" for name in logger_levels())


@pytest.mark.parametrize(
    ("name", "operation", "value", "code", "message"),
    [
        ("foo", Operation.SET, "INFO", ErrorCode.INVALID_CONFIG, "Logger foo does not exist!"),
        (
            "root",
            Operation.DELETE,
            "",
            ErrorCode.INVALID_REQUEST,
            "Removing the log level of the root logger is not allowed",
        ),
        (
            "root",
            Operation.APPEND,
            "INFO",
            ErrorCode.INVALID_REQUEST,
            "APPEND operation is not allowed for the BROKER_LOGGER resource",
        ),
        ("root", 9, "INFO", ErrorCode.UNKNOWN_SERVER_ERROR, None),
        (
            "root",
            Operation.SET,
            "LOUD",
            ErrorCode.INVALID_CONFIG,
            "Cannot set the log level of root to LOUD as it is not a supported log level. "
            "Valid log levels are FATAL, ERROR, WARN, INFO, DEBUG, TRACE",
        ),
    ],
)
def test_what_is_refused(name, operation, value, code, message):
    with pytest.raises(Refused) as refused:
        alter(name, operation, value)
    assert (refused.value.code, refused.value.message) == (code, message)
