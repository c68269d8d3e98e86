"""Responses that say what went wrong: made from a request alone, or from the response that was to be sent.

    struck, rest = split(request, ...)      what the fault hits, and what is done as ever
    response = blank_response(struck)       a response that lists what was asked
    put_errors(response, ...)               with the error in its place
    merge(other, response)                  together with the rest's

All of it goes by the schema: a list in a response answers the list of the same name in the request, or its first one.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ....protocol.schema import Message
from .places import REQUEST, response_type
from .schema import (
    GROUP,
    PARTITION,
    TOPIC,
    TOPIC_ID,
    TRANSACTIONAL_ID,
    arrays_of,
    elements,
    error_field,
    fields_of,
    has_error,
    level_of,
    meaning,
)
from .targets import RESOURCE_TYPES, topic_of

if TYPE_CHECKING:
    from ....protocol.errors import ErrorCode
    from ....protocol.schema import FieldSpec, Struct
    from ...api_table import Api
    from .targets import TopicName

# By which an element of a response is known to be the answer to one of the request.
_KEYS: Final = frozenset(
    {
        TOPIC,
        TOPIC_ID,
        PARTITION,
        GROUP,
        TRANSACTIONAL_ID,
        "group_instance_id",
        "key",
        "member_id",
        "producer_id",
        "resource_name",
        "resource_type",
    }
)
# Where the schema's default would be read as success.
_OF_A_FAILURE: Final[dict[str, int | bytes | None]] = {
    "base_offset": -1,
    "committed_offset": -1,
    "generation_id": -1,
    "high_watermark": -1,
    "low_watermark": -1,
    "node_id": -1,
    "port": -1,
    "producer_id": -1,
    "protocol_name": None,
    "records": b"",
}


class Selection(NamedTuple):
    """What of a request a fault hits; None is any."""

    topic: str | None
    partition: int | None
    group: str | None
    transactional_id: str | None
    topic_name: TopicName

    @property
    def is_everything(self) -> bool:
        """Whether nothing is left out."""
        return self.topic is None and self.partition is None and self.group is None and self.transactional_id is None

    def excludes(self, kind: str, value: object) -> bool:
        """Whether a thing of this kind with this name is not meant."""
        if kind == "key":
            return self._excludes_among((self.group, self.transactional_id), value)
        wanted = {
            TOPIC: self.topic,
            PARTITION: self.partition,
            GROUP: self.group,
            TRANSACTIONAL_ID: self.transactional_id,
        }
        return self._excludes_among((wanted.get(kind),), value)

    def excludes_resource(self, resource_type: int, name: str) -> bool:
        """The same of a resource, whose kind is a number."""
        return self._excludes_among((self.topic, self.group), name) or (
            not self.is_everything and self.excludes(RESOURCE_TYPES.get(resource_type, ""), name)
        )

    @staticmethod
    def _excludes_among(wanted: tuple[object, ...], value: object) -> bool:
        named = [each for each in wanted if each is not None]
        return bool(named) and value not in named


# Requests


def split(request: Message, version: int, selection: Selection) -> tuple[Message, Message | None]:
    """What of a request is hit, and what is left of it; None when that is nothing."""
    if selection.is_everything:
        return request, None
    return _part(request, version, selection, struck=True), _part(request, version, selection, struck=False)


def _part(struct: Any, version: int, selection: Selection, *, struck: bool) -> Any:
    """A copy of an element with what is hit, or with what is not; None when nothing of it remains."""
    if _is_excluded(struct, version, selection):
        return None if struck else struct
    owner = type(struct)
    part = copy.copy(struct)
    lists = [field for field in fields_of(owner, version) if _is_of_names(owner, field, version)]
    lists = [field for field in lists if elements(struct, field)]
    if not lists:
        return part if struck else None
    for field in lists:
        setattr(part, field.name, _part_of_list(struct, field, version, selection, struck=struck))
    return part if any(elements(part, field) for field in lists) else None


def _part_of_list(struct: Any, field: FieldSpec, version: int, selection: Selection, *, struck: bool) -> list[Any]:
    listed = elements(struct, field)
    if field.struct is None:
        kind = meaning(type(struct), field)
        return [value for value in listed if selection.excludes(kind, value) is not struck]
    parts = (_part(element, version, selection, struck=struck) for element in listed)
    return [part for part in parts if part is not None]


def _is_of_names(owner: type[Struct], field: FieldSpec, version: int) -> bool:
    """Whether a field is a list in which things stand that can be told apart."""
    if not field.is_array:
        return False
    if field.struct is None:
        return meaning(owner, field) in _KEYS
    return any(meaning(field.struct, each) in _KEYS for each in fields_of(field.struct, version))


def _is_excluded(struct: Any, version: int, selection: Selection) -> bool:
    """Whether an element names something else than what is meant."""
    owner = type(struct)
    level = level_of(owner)
    if level == "resource":
        return selection.excludes_resource(struct.resource_type, struct.resource_name)
    if level == TOPIC and selection.excludes(TOPIC, topic_of(struct, version, selection.topic_name)):
        return True
    return any(
        selection.excludes(kind, getattr(struct, field.name))
        for field in fields_of(owner, version)
        if not field.is_array and (kind := meaning(owner, field)) in (PARTITION, GROUP, TRANSACTIONAL_ID, "key")
    )


# Responses


def blank_response(api: Api, request: Message, version: int) -> Message:
    """A response that lists what was asked, and says nothing of it."""
    response = response_type(api)()
    _fill(response, request, version)
    return response


def _fill(response: Any, request: Any, version: int) -> None:
    for array in arrays_of(type(response), version):
        if array.struct is None or not has_error(array.struct, version):
            continue
        source = _answered_list(type(request), array.name, version)
        if source is not None:
            found = [_element(array.struct, source, type(request), each, version) for each in elements(request, source)]
            setattr(response, array.name, found)


def _element(owner: type[Struct], source: FieldSpec, asking: type[Struct], asked: Any, version: int) -> Any:
    made = owner()
    if source.struct is None:
        kind = meaning(asking, source)
        target = _field_with(owner, kind, version)
        if target is not None:
            setattr(made, target.name, asked)
        return made
    asked_owner = type(asked)
    for field in fields_of(asked_owner, version):
        kind = meaning(asked_owner, field)
        if kind in _KEYS and not field.is_array and (target := _field_with(owner, kind, version)) is not None:
            setattr(made, target.name, getattr(asked, field.name))
    _fill(made, asked, version)
    return made


def _field_with(owner: type[Struct], kind: str, version: int) -> FieldSpec | None:
    return next((f for f in fields_of(owner, version) if not f.is_array and meaning(owner, f) == kind), None)


def _answered_list(owner: type[Struct], name: str, version: int) -> FieldSpec | None:
    lists = [field for field in fields_of(owner, version) if field.is_array]
    return next((field for field in lists if field.name == name), lists[0] if lists else None)


def put_errors(response: Message, version: int, place: str, code: ErrorCode, selection: Selection) -> None:
    """Let everything at a place that is meant say that it failed."""
    if place == REQUEST:
        _fail(response, version, code)
    else:
        _put_errors_within(response, version, place, code, selection)


def _put_errors_within(struct: Any, version: int, place: str, code: ErrorCode, selection: Selection) -> None:
    for array in arrays_of(type(struct), version):
        if array.struct is None or not has_error(array.struct, version):
            continue
        for element in elements(struct, array):
            if _is_excluded(element, version, selection):
                continue
            if level_of(array.struct) == place and error_field(array.struct, version) is not None:
                _fail(element, version, code)
            else:
                _put_errors_within(element, version, place, code, selection)


def _fail(struct: Any, version: int, code: ErrorCode) -> None:
    """Leave of an element its names and the error."""
    owner = type(struct)
    names = {} if isinstance(struct, Message) else _names(struct)
    fresh = owner(**names)
    for field in owner.fields:
        if field.name in _OF_A_FAILURE and field.name not in names:
            value = _OF_A_FAILURE[field.name]
            if value is not None or version in field.nullable:
                setattr(fresh, field.name, value)
        if field.name == "error_message" and version in field.nullable:
            fresh.error_message = f"{code.name}, by a fault of the test"
    error = error_field(owner, version)
    assert error is not None
    setattr(fresh, error.name, code)
    for field in owner.fields:
        setattr(struct, field.name, getattr(fresh, field.name))


def _names(struct: Struct) -> dict[str, Any]:
    owner = type(struct)
    named = [field.name for field in owner.fields if not field.is_array and meaning(owner, field) in _KEYS]
    return {name: getattr(struct, name) for name in named}


def merge(response: Any, other: Any, version: int) -> None:
    """Add to a response what another one, to the rest of the same request, tells."""
    for array in arrays_of(type(response), version):
        if array.struct is None or not has_error(array.struct, version):
            continue
        there = elements(response, array)
        for element in elements(other, array):
            twin = next((each for each in there if _has_same_name(each, element)), None)
            if twin is None:
                there.append(element)
            else:
                merge(twin, element, version)
        setattr(response, array.name, there)


def _has_same_name(one: Struct, other: Struct) -> bool:
    return _names(one) == _names(other)
