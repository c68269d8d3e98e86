"""Which values a key takes beyond its type; the sentences are those that Kafka's clients show.

A validator is handed the key's name and the parsed value and raises ConfigValueError, or returns. The patterns are
compiled when a value first needs them: most brokers start without.
"""

from __future__ import annotations

import re
from typing import Protocol

Value = bool | int | float | str | tuple[str, ...] | None
"""A parsed value: what ConfigDef.parseType gives, a list as a tuple."""


class ConfigValueError(ValueError):
    """A value that the key does not take; the text is Kafka's own sentence where clients see one."""

    key: str | None = None
    """The key at fault, where the sentence does not name it."""


class ConfigRequestError(ConfigValueError):
    """What Kafka answers with INVALID_REQUEST where others get INVALID_CONFIG."""


def invalid(name: str, value: object, reason: str) -> ConfigValueError:
    """Kafka's ConfigException(name, value, message)."""
    shown = double_text(value) if isinstance(value, float) else value
    return ConfigValueError(f"Invalid value {shown} for configuration {name}: {reason}")


def double_text(value: float) -> str:
    """Java's Double.toString: plain from a thousandth to ten million, else one digit, a point and an exponent."""
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(value)
    shortest = next(text for digits in range(17) if float(text := f"{value:.{digits}e}") == value)
    mantissa, exponent = shortest.split("e")
    return f"{mantissa if '.' in mantissa else mantissa + '.0'}E{int(exponent)}"


class Validator(Protocol):
    """Checks a parsed value."""

    def check(self, name: str, value: Value) -> None:
        """Raise ConfigValueError when `value` may not stand for `name`."""
        ...


class Range:
    """A number between two limits, both included; None is no limit."""

    __slots__ = ("high", "low")

    def __init__(self, low: float | None, high: float | None = None) -> None:
        self.low = low
        self.high = high

    def check(self, name: str, value: Value) -> None:
        """Kafka's ConfigDef.Range."""
        if not isinstance(value, int | float):
            raise invalid(name, "null", "Value must be non-null")
        if self.low is not None and value < self.low:
            raise invalid(name, value, f"Value must be at least {self.low}")
        if self.high is not None and value > self.high:
            raise invalid(name, value, f"Value must be no more than {self.high}")


class OneOf:
    """One of the named words."""

    __slots__ = ("words",)

    def __init__(self, words: tuple[str, ...]) -> None:
        self.words = words

    def check(self, name: str, value: Value) -> None:
        """Kafka's ConfigDef.ValidString."""
        if value not in self.words:
            raise invalid(name, value, f"String must be one of: {', '.join(self.words)}")


class OneOfAnyCase:
    """One of the named words, in capitals or not."""

    __slots__ = ("words",)

    def __init__(self, words: tuple[str, ...]) -> None:
        self.words = words

    def check(self, name: str, value: Value) -> None:
        """Kafka's ConfigDef.CaseInsensitiveValidString."""
        if str(value).upper() not in self.words:
            raise invalid(name, value, f"String must be one of (case insensitive): {', '.join(self.words)}")


class ListOf:
    """A list of the named words, or of any non-empty ones when none is named."""

    __slots__ = ("may_be_empty", "words")

    def __init__(self, words: tuple[str, ...] = (), *, may_be_empty: bool = True) -> None:
        self.words = words
        self.may_be_empty = may_be_empty

    def check(self, name: str, value: Value) -> None:
        """Kafka's ConfigDef.ValidList; an unset list is none of its business."""
        if value is None:
            return
        entries = value if isinstance(value, tuple) else (str(value),)
        if not entries and not self.may_be_empty:
            allowed = f"[{', '.join(self.words)}]" if self.words else "any non-empty value"
            raise ConfigValueError(f"Configuration '{name}' must not be empty. Valid values include: {allowed}")
        if "" in entries:
            raise ConfigValueError(f"Configuration '{name}' values must not be empty.")
        if self.words:
            for entry in entries:
                OneOf(self.words).check(name, entry)


class NonEmpty:
    """A string with at least one character, where it is set at all."""

    __slots__ = ()

    def check(self, name: str, value: Value) -> None:
        """Kafka's ConfigDef.NonEmptyString."""
        if value == "":
            raise invalid(name, value, "String must be non-empty")


class GzipLevel:
    """zlib's levels, or -1 for its own default."""

    __slots__ = ()

    def check(self, name: str, value: Value) -> None:
        """The gzip level's validator in Kafka's CompressionType."""
        if not isinstance(value, int) or not (1 <= value <= 9 or value == -1):
            raise invalid(name, value, "Value must be between 1 and 9 or equal to -1")


_REPLICA = r"[0-9]+:[0-9]+"
_TIME = r"T(?=[+0-9])(?:\+?[0-9]+H)?(?:\+?[0-9]+M)?(?:\+?[0-9]+(?:\.[0-9]{0,9})?S)?"
_DURATION = rf"by_duration:\+?P(?=[+0-9T])(?:\+?[0-9]+D)?(?:{_TIME})?"
_VOTER = r"[0-9]+@[^@]+:[0-9]+"


class ThrottledReplicas:
    """`*`, nothing, or partition:broker pairs."""

    __slots__ = ()

    def check(self, name: str, value: Value) -> None:
        """Kafka's ThrottledReplicaListValidator."""
        entries = value if isinstance(value, tuple) else ()
        if entries == ("*",) or all(re.fullmatch(_REPLICA, entry) for entry in entries):
            return
        wanted = "must be the literal '*' or a list of replicas in the following format: "
        pairs = "[partitionId]:[brokerId],[partitionId]:[brokerId],..."
        raise invalid(name, f"[{', '.join(entries)}]", f"{name} {wanted}{pairs}")


class OffsetReset:
    """Where a share group begins: earliest, latest, or a duration ago (KIP-1106)."""

    __slots__ = ()

    def check(self, name: str, value: Value) -> None:
        """Kafka's ShareGroupAutoOffsetResetStrategy.Validator."""
        if value in ("earliest", "latest") or re.fullmatch(_DURATION, str(value), re.IGNORECASE):
            return
        wanted = "The value must be either 'earliest', 'latest' or of the format 'by_duration:<PnDTnHnMn.nS>'."
        raise invalid(name, value, f"Invalid value `{value}` for configuration {name}. {wanted}")


class QuorumVoters:
    """id@host:port entries."""

    __slots__ = ()

    def check(self, name: str, value: Value) -> None:
        """Kafka's QuorumConfig.ControllerQuorumVotersValidator."""
        for entry in value if isinstance(value, tuple) else ():
            if not re.fullmatch(_VOTER, entry):
                wanted = "Each entry should be in the form `{id}@{host}:{port}`."
                raise ConfigValueError(f"Invalid configuration value for {name}. {wanted}")


class BootstrapServers:
    """host:port entries."""

    __slots__ = ()

    def check(self, name: str, value: Value) -> None:
        """Kafka's QuorumConfig.ControllerQuorumBootstrapServersValidator."""
        for entry in value if isinstance(value, tuple) else ():
            host, _, port = entry.rpartition(":")
            if not host or not port.isdecimal():
                wanted = 'Each entry should be in the form "{host}:{port}"'
                raise ConfigValueError(f"Failed to parse host name from {entry} for the configuration {name}. {wanted}")


def at_least(low: int) -> Range:
    """`low` or more."""
    return Range(low)


def between(low: float, high: float) -> Range:
    """From `low` to `high`, both included."""
    return Range(low, high)


def one_of(*words: str) -> OneOf:
    """One of `words`."""
    return OneOf(words)


def list_of(*words: str) -> ListOf:
    """A list of `words`, perhaps an empty one."""
    return ListOf(words)
