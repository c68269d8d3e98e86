"""A broker within a process says nothing, unless it is asked to.

All brokers of a process share the package's loggers: the most talkative of them decides, and each line comes once.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, TextIO

from .errors import InvalidOption

if TYPE_CHECKING:
    from collections.abc import Callable

_PACKAGE = "ottla"


class _BrokerLog(logging.StreamHandler[TextIO]):
    """Writes to what standard error is at that moment; pytest changes it from test to test."""

    def __init__(self, level_before: int) -> None:
        logging.Handler.__init__(self)
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s"))
        self.level_before = level_before
        self.wanted: list[int] = []

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        return sys.stderr


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
    log = _log_of(package)
    log.wanted.append(number)
    package.setLevel(min(log.wanted))

    def end() -> None:
        log.wanted.remove(number)
        package.setLevel(min(log.wanted, default=log.level_before))
        if not log.wanted:
            package.removeHandler(log)

    return end


def _log_of(package: logging.Logger) -> _BrokerLog:
    for handler in package.handlers:
        if isinstance(handler, _BrokerLog):
            return handler
    log = _BrokerLog(package.level)
    package.addHandler(log)
    return log
