"""What a request speaks of: topics, partitions, groups, transactional ids, read from its fields by the schema."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ....protocol.api_keys import ApiKey
from ...api_table import APIS
from ..errors import InvalidOption
from .names import api_name
from .places import response_type
from .schema import GROUP, PARTITION, TOPIC, TOPIC_ID, TRANSACTIONAL_ID, fields_of, level_of, meaning

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from ....protocol.schema import Struct

    TopicName = Callable[[bytes], str | None]

NAMES: Final = (TOPIC, PARTITION, GROUP, TRANSACTIONAL_ID)
"""What a fault can be limited to, beside the client."""

_KEY_TYPES: Final = {0: GROUP, 1: TRANSACTIONAL_ID}
RESOURCE_TYPES: Final = {2: TOPIC, 32: GROUP}
_BY_RESOURCE: Final = frozenset({ApiKey.DESCRIBE_CONFIGS, ApiKey.ALTER_CONFIGS, ApiKey.INCREMENTAL_ALTER_CONFIGS})


_UNKNOWN_TOPIC: Final = ""


@dataclass(slots=True)
class Targets:
    """What one request names. In a place (topic, partition), None stands for every topic or every partition."""

    places: set[tuple[str | None, int | None]] = field(default_factory=set)
    groups: set[str] = field(default_factory=set)
    transactional_ids: set[str] = field(default_factory=set)

    def has_place(self, topic: str | None, partition: int | None) -> bool:
        """Whether something of this topic and partition is asked for; None is any."""
        return any(
            (topic is None or named in (None, topic)) and (partition is None or index in (None, partition))
            for named, index in self.places
        )


def targets_of(request: Struct, version: int, topic_name: TopicName) -> Targets:
    """What a request names; `topic_name` knows topics by their ids."""
    found = Targets()
    _walk(request, version, None, topic_name, found)
    _walk_resources(request, version, found)
    return found


def topic_of(struct: Struct, version: int, topic_name: TopicName) -> str | None:
    """The topic that an element names, by name or by id; None when it names none that is known."""
    owner = type(struct)
    for each in fields_of(owner, version):
        value = getattr(struct, each.name)
        kind = meaning(owner, each)
        if kind == TOPIC and not each.is_array and value:
            return str(value)
        if kind == TOPIC_ID and any(value) and (known := topic_name(value)) is not None:
            return known
    return None


def _walk(struct: Struct, version: int, topic: str | None, topic_name: TopicName, found: Targets) -> None:
    owner = type(struct)
    if level_of(owner) == TOPIC:
        topic = topic_of(struct, version, topic_name) or _UNKNOWN_TOPIC
    has_lists = False
    for each in fields_of(owner, version):
        value = getattr(struct, each.name)
        kind = meaning(owner, each)
        if each.struct is not None and each.is_array:
            if value is None and _is_of_topics(each.struct):
                found.places.add((None, None))
            for element in value or ():
                _walk(element, version, topic, topic_name, found)
            has_lists |= bool(value) and level_of(each.struct) == PARTITION
        elif value is not None and not (kind == TOPIC and not each.is_array):
            _note(kind, value if each.is_array else (value,), topic, found)
            has_lists |= kind == PARTITION and bool(value)
    if level_of(owner) == TOPIC and not has_lists:
        found.places.add((topic, None))


def _note(kind: str, values: Iterable[Any], topic: str | None, found: Targets) -> None:
    if kind == PARTITION:
        found.places.update((topic, value) for value in values)
    elif kind == GROUP:
        found.groups.update(values)
    elif kind == TRANSACTIONAL_ID:
        found.transactional_ids.update(filter(None, values))
    elif kind == TOPIC:
        found.places.update((value, None) for value in values)


def _is_of_topics(owner: type[Struct]) -> bool:
    return any(meaning(owner, each) == TOPIC for each in owner.fields)


def _walk_resources(request: Any, version: int, found: Targets) -> None:
    """Names whose kind is a number that stands beside them."""
    key = request.api_key
    if key == ApiKey.FIND_COORDINATOR:
        names = request.coordinator_keys if version >= 4 else [request.key]
        _note(_KEY_TYPES.get(request.key_type, ""), names, None, found)
    elif key in _BY_RESOURCE:
        for resource in request.resources:
            _note(RESOURCE_TYPES.get(resource.resource_type, ""), [resource.resource_name], None, found)


def names_of(key: int) -> frozenset[str]:
    """By what of `NAMES` the requests of an API can be told apart."""
    if key == ApiKey.FIND_COORDINATOR:
        return frozenset(_KEY_TYPES.values())
    if key in _BY_RESOURCE:
        return frozenset(RESOURCE_TYPES.values())
    found = _names_in(APIS[key].request)
    if TOPIC in found:
        found |= {PARTITION} & _names_in(response_type(APIS[key]))  # Metadata's partitions are in the answer alone
    return frozenset(found) & frozenset(NAMES)


def _names_in(owner: type[Struct]) -> set[str]:
    found = {meaning(owner, each) for each in owner.fields if each.struct is None}
    for each in owner.fields:
        if each.struct is not None and each.is_array and _is_named(each.struct):
            found |= _names_in(each.struct)
    return found


def _is_named(owner: type[Struct]) -> bool:
    """Whether elements have names that people know; a topic's id alone is none."""
    level = level_of(owner)
    return _is_of_topics(owner) if level == TOPIC else level in (PARTITION, GROUP, "transaction")


def check_names(apis: Collection[int], wanted: Mapping[str, object]) -> None:
    """Raise InvalidOption for what a fault is limited to that requests of its APIs never name."""
    for name, value in wanted.items():
        expected = int if name == PARTITION else str
        if not isinstance(value, expected) or isinstance(value, bool):
            raise InvalidOption(f"{name}={value!r}: it is {'a number' if expected is int else 'text'}")
        for key in apis:
            if name not in names_of(key):
                known = ", ".join(each for each in NAMES if each in names_of(key)) or "nothing but the client_id"
                raise InvalidOption(f"{name}={value!r}: a request of {api_name(key)} names no {name}, but {known}")
