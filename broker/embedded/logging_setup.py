"""A broker within a process says nothing, unless it is asked to."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

from .errors import InvalidOption

if TYPE_CHECKING:
    from collections.abc import Callable

_PACKAGE = "ottla"


def begin_logging(level: str | None) -> Callable[[], None]:
    """Keep quiet, or with a level's name write to standard error; what is returned ends that. Raises InvalidOption.

    Handlers of the process's own root logger get the records in any case, pytest's among them.
    """
    package = logging.getLogger(_PACKAGE)
    if not any(isinstance(handler, logging.NullHandler) for handler in package.handlers):
        package.addHandler(logging.NullHandler())
    if level is None:
        return lambda: None
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise InvalidOption(f"log_level={level!r}: not a level; there are debug, info, warning and error")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s"))
    before = package.level
    package.addHandler(handler)
    package.setLevel(number)

    def end() -> None:
        package.removeHandler(handler)
        package.setLevel(before)

    return end
