"""How a decision says no: an error code of the protocol and Kafka's sentence, raised to whoever shapes the reply."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ...protocol.errors import ErrorCode

UNKNOWN_TOPIC_OR_PARTITION_MESSAGE: Final = "This server does not host this topic-partition."
"""What Kafka's error of that name says of itself, in the answers that have room for it."""
INVALID_REQUEST_MESSAGE: Final = (
    "This most likely occurs because of a request being malformed by the client library or the message was sent to an "
    "incompatible broker. See the broker logs for more details."
)
"""The same of this one."""


class Refused(Exception):
    """A change of the metadata that is not made. Nothing has changed when it is raised."""

    def __init__(self, code: ErrorCode, message: str | None) -> None:
        super().__init__(message or code.name)
        self.code = code
        self.message = message
