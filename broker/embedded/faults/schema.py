"""What the fields of requests and responses name: topics, partitions, groups. Read from the schema by Kafka's names.

Kafka calls the same thing by several names (`partition`, `partition_index`, `index`), and a list of bare numbers or
strings names things by the list's name. That is all that must be known beside the schema itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ....protocol.schema import FieldSpec, Struct

TOPIC: Final = "topic"
TOPIC_ID: Final = "topic_id"
PARTITION: Final = "partition"
GROUP: Final = "group"
TRANSACTIONAL_ID: Final = "transactional_id"

# Whose element is meant where several names stand in a struct: the narrowest comes first.
_LEVELS: Final = {
    PARTITION: PARTITION,
    TOPIC: TOPIC,
    TOPIC_ID: TOPIC,
    GROUP: GROUP,
    "member_id": "member",
    TRANSACTIONAL_ID: "transaction",
    "resource_name": "resource",
    "key": "coordinator",
}
_ERROR_FIELDS: Final = ("error_code", "partition_error_code")
_MEANINGS: Final = {
    "topic": TOPIC,
    "topic_name": TOPIC,
    "topic_names": TOPIC,
    "topic_id": TOPIC_ID,
    "partition": PARTITION,
    "partition_index": PARTITION,
    "partition_indexes": PARTITION,
    "group_id": GROUP,
    "group_ids": GROUP,
    "groups_names": GROUP,
    "transactional_id": TRANSACTIONAL_ID,
    "transactional_ids": TRANSACTIONAL_ID,
    "v3_and_below_transactional_id": TRANSACTIONAL_ID,
    "coordinator_keys": "key",
}


def meaning(owner: type[Struct], field: FieldSpec) -> str:
    """What a field's value is, or its values are; its own name where that is all there is to say."""
    if field.name == "name" and "Topic" in owner.__name__ and "Config" not in owner.__name__:
        return TOPIC
    if field.name == "index" and "Partition" in owner.__name__:
        return PARTITION
    if field.name == "partition_index" and "Assignment" in owner.__name__:
        return field.name  # of a topic that is not there yet
    if field.struct is None and field.is_array:
        # Lists of numbers are partitions and lists of texts are groups, if they are called so.
        if field.name == "partitions":
            return PARTITION
        if field.name == "groups":
            return GROUP
    return _MEANINGS.get(field.name, field.name)


def fields_of(owner: type[Struct], version: int) -> Iterator[FieldSpec]:
    """The fields that a version carries."""
    return (field for field in owner.fields if version in field.versions)


def arrays_of(owner: type[Struct], version: int) -> Iterator[FieldSpec]:
    """The lists of structs that a version carries."""
    return (field for field in fields_of(owner, version) if field.is_array and field.struct is not None)


def level_of(owner: type[Struct]) -> str:
    """What an element is that has this struct: a partition, a topic, a group ..."""
    found = {meaning(owner, field) for field in owner.fields if not field.is_array}
    return next((level for name, level in _LEVELS.items() if name in found), owner.__name__)


def level_of_list(owner: type[Struct], field: FieldSpec) -> str:
    """What the elements of a list are, be they structs, numbers or texts."""
    if field.struct is not None:
        return level_of(field.struct)
    return _LEVELS.get(meaning(owner, field), field.name)


def error_field(owner: type[Struct], version: int) -> FieldSpec | None:
    """Where a struct says what went wrong."""
    return next((field for field in fields_of(owner, version) if field.name in _ERROR_FIELDS), None)


def has_error(owner: type[Struct], version: int) -> bool:
    """Whether a struct, or something in it, can say what went wrong."""
    if error_field(owner, version) is not None:
        return True
    return any(has_error(array.struct, version) for array in arrays_of(owner, version) if array.struct is not None)


def elements(struct: Any, field: FieldSpec) -> list[Any]:
    """What stands in a list; nothing where it is null."""
    return getattr(struct, field.name) or []
