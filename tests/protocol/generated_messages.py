"""Messages with values made up for every field that a version carries, from any source of chance."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, Any

import ottla.protocol.messages
import ottla.protocol.stored
from ottla.protocol import consumer_protocol, control_records, headers
from ottla.protocol.schema import FieldSpec, Message, Struct

if TYPE_CHECKING:
    import random

INTEGER_BITS = {"int8": 8, "int16": 16, "int32": 32, "int64": 64, "uint16": 16, "uint32": 32}
TEXTS = ["", "a", "topic-1", "größe", "日本", "\x00", "\U0001f43b", "x" * 126, "x" * 127, "y" * 300]


def modules_of(package: Any) -> list[Any]:
    names = sorted(found.name for found in pkgutil.iter_modules(package.__path__))
    return [importlib.import_module(f"{package.__name__}.{name}") for name in names]


def messages_in(module: Any) -> list[type[Message]]:
    found = (value for value in vars(module).values() if isinstance(value, type) and issubclass(value, Message))
    return [kind for kind in found if kind.__module__ == module.__name__]


API_MESSAGES = [kind for module in modules_of(ottla.protocol.messages) for kind in messages_in(module)]
STORED = [
    kind
    for module in [*modules_of(ottla.protocol.stored), control_records, consumer_protocol, headers]
    for kind in messages_in(module)
]
ALL_MESSAGES = API_MESSAGES + STORED


def versions_of(kind: type[Message]) -> range:
    return range(kind.versions.lowest, kind.versions.highest + 1)


def random_message(kind: type[Struct], version: int, dice: random.Random) -> Any:
    """An instance whose fields have any value that `version` can carry; the others keep their defaults."""
    return kind(**{spec.name: random_value(spec, version, dice) for spec in kind.fields if version in spec.versions})


def random_value(spec: FieldSpec, version: int, dice: random.Random) -> Any:
    if spec.tag is not None and dice.randrange(3) == 0:
        return spec.new_default()
    if version in spec.nullable and dice.randrange(4) == 0:
        return None
    if spec.is_array:
        return [random_item(spec, version, dice) for _ in range(random_length(spec, dice))]
    value = random_item(spec, version, dice)
    # A tagged struct of nothing but defaults is not written, and None where that is the default.
    is_left_out = spec.struct is not None and spec.tag is not None and value == spec.struct()
    return spec.new_default() if is_left_out else value


def random_length(spec: FieldSpec, dice: random.Random) -> int:
    long = 130 if spec.struct is None and dice.randrange(20) == 0 else 3
    return dice.randrange(long)


def random_item(spec: FieldSpec, version: int, dice: random.Random) -> Any:
    if spec.struct is not None:
        return random_message(spec.struct, version, dice)
    if spec.wire in INTEGER_BITS:
        return random_integer(spec.wire, dice)
    if spec.wire in ("bytes", "records"):
        return dice.getrandbits(64).to_bytes(8, "big") * dice.choice([0, 1, 1, 16])
    match spec.wire:
        case "bool":
            return dice.randrange(2) == 1
        case "float64":
            return dice.choice([0.0, -1.5, 1e300, 5e-324])
        case "uuid":
            return dice.getrandbits(128).to_bytes(16, "big")
        case "string":
            return dice.choice(TEXTS)
    raise AssertionError(f"no values for {spec.wire}")


def random_integer(wire: str, dice: random.Random) -> int:
    bits = INTEGER_BITS[wire]
    lowest = 0 if wire.startswith("u") else -1 << (bits - 1)
    highest = lowest + (1 << bits) - 1
    return dice.choice([0, 1, max(lowest, -1), lowest, highest, lowest + dice.getrandbits(bits)])
