"""What an embedded broker raises. After any of these it is as it was before the call."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...protocol.errors import ErrorCode


class EmbeddedBrokerError(Exception):
    """The base of the others, but for failed assertions."""


class InvalidOption(EmbeddedBrokerError, ValueError):
    """An argument that cannot be: a configuration, a topic's description, a time that goes back."""


class StartFailed(EmbeddedBrokerError):
    """The broker did not start; nothing of it is left."""


class AlreadyStarted(EmbeddedBrokerError):
    """A broker starts once."""


class NotRunning(EmbeddedBrokerError):
    """The broker is not started yet, is stopped, or belongs to the process that this one was forked from."""


class RequestRefused(EmbeddedBrokerError):
    """The broker answered with an error, as it would have answered a client."""

    def __init__(self, what: str, code: ErrorCode, message: str | None = None) -> None:
        super().__init__(f"{what}: {code.name}" + (f": {message}" if message else ""))
        self.code = code


class ExpectationFailed(AssertionError):
    """What was waited for did not come; the message tells what was there instead."""
