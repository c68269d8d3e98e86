"""Text to typed values and back, exactly as Kafka's ConfigDef does it.

Kafka trims every value, takes `TRUE`, refuses `1_000`, splits lists at commas with blanks around them and drops a
list's repeated entries. What it shows again is the parsed value's own form: `0.0001` comes back as `1.0E-4`.
"""

from __future__ import annotations

import math
import re

from .keys import ConfigKey, ConfigType
from .validators import ConfigValueError, Value, double_text, invalid

_DOUBLE = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[fFdD]?"
_BITS = {ConfigType.SHORT: 15, ConfigType.INT: 31, ConfigType.LONG: 63}


def parse(key: ConfigKey, text: str) -> Value:
    """The typed and checked value of `text`; ConfigValueError with Kafka's own sentence when it is not one."""
    value = _parse_type(key, text)
    if key.validator is not None:
        key.validator.check(key.name, value)
    return value


def parse_default(key: ConfigKey, default: str | None) -> Value:
    """The typed value of a key that is not set."""
    return None if default is None else _parse_type(key, default)


def to_text(value: Value) -> str | None:
    """A parsed value as Kafka shows it (ConfigDef.convertToString)."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ",".join(value)
    return double_text(value) if isinstance(value, float) else str(value)


def canonical(key: ConfigKey, text: str) -> str | None:
    """`text` in the form in which Kafka shows it again, unchanged when it cannot be parsed."""
    try:
        return to_text(_parse_type(key, text))
    except ConfigValueError:
        return text


def _parse_type(key: ConfigKey, text: str) -> Value:
    trimmed = text.strip()
    if key.type in _BITS:
        return _parse_integer(key, text, trimmed)
    if key.type is ConfigType.BOOLEAN:
        if trimmed.lower() not in ("true", "false"):
            raise invalid(key.name, text, "Expected value to be either true or false")
        return trimmed.lower() == "true"
    if key.type is ConfigType.DOUBLE:
        return _parse_double(key, text, trimmed)
    if key.type is ConfigType.LIST:
        return tuple(dict.fromkeys(part.strip() for part in trimmed.split(","))) if trimmed else ()
    return trimmed


def _parse_integer(key: ConfigKey, text: str, trimmed: str) -> int:
    limit = 1 << _BITS[key.type]
    digits = trimmed[1:] if trimmed[:1] in ("+", "-") else trimmed
    # int() takes more than Java does (1_000) and takes long for a megabyte of digits; 20 characters hold every LONG.
    if digits.isascii() and digits.isdecimal() and len(digits) <= 64 and -limit <= int(trimmed) < limit:
        return int(trimmed)
    raise invalid(key.name, text, f"Not a number of type {key.type.name}")


def _parse_double(key: ConfigKey, text: str, trimmed: str) -> float:
    number = float(trimmed.rstrip("fFdD")) if re.fullmatch(_DOUBLE, trimmed) else math.inf
    if math.isinf(number):
        raise invalid(key.name, text, "Not a number of type DOUBLE")
    return number
