"""How a decision says no: an error code of the protocol and Kafka's sentence, raised to whoever shapes the reply."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...protocol.errors import ErrorCode


class Refused(Exception):
    """A change of the metadata that is not made. Nothing has changed when it is raised."""

    def __init__(self, code: ErrorCode, message: str | None) -> None:
        super().__init__(message or code.name)
        self.code = code
        self.message = message
