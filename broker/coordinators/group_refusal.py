"""A request that a group refuses: the code, and the words that clients see where the answer has room for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...protocol.errors import ErrorCode


class GroupRefusal(Exception):
    """Raised while a request is decided, before anything has changed."""

    def __init__(self, code: ErrorCode, message: str | None = None) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
