"""Every message and stored record against Apache Kafka's own definitions, field by field and version by version.

The definitions are not part of the project: the tests skip where they are not beside the repository.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ottla.protocol.api_keys import ApiKey
from ottla.protocol.schema import FRESH, FieldSpec, Message, Struct, Versions
from ottla.protocol.source import is_flexible

from .generated_messages import API_MESSAGES, STORED

DEFINITIONS = Path(__file__).resolve().parents[3] / "shared" / "kafka-messages"
FOLDERS = ("client", "group-coordinator", "transaction-coordinator", "share-coordinator", "metadata", "storage")

# What an authenticator keeps in an Envelope request, and the key of control records, which has a codec of its own.
NOT_OURS = {"DefaultPrincipalData", "ControlRecordTypeSchema"}


@cache
def definitions() -> dict[str, dict[str, Any]]:
    found = {}
    for folder in FOLDERS:
        for path in (DEFINITIONS / folder).glob("*.json"):
            text = re.sub(r"^\s*//.*$", "", path.read_text(), flags=re.MULTILINE)
            definition = json.loads(re.sub(r"(?<=[,\]}\"])\s+//.*$", "", text, flags=re.MULTILINE))
            found[definition["name"]] = {**definition, "folder": folder}
    return found


@pytest.fixture(autouse=True)
def _definitions_are_there() -> None:
    if not DEFINITIONS.is_dir():
        pytest.skip("Kafka's message definitions are not beside the repository")


def snake_case(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def is_ours(definition: dict[str, Any]) -> bool:
    """Whether a client can meet it on a broker's listener, or a broker keeps it."""
    kind, name = definition["type"], definition["name"]
    if kind == "request":
        return "broker" in definition.get("listeners", ()) and definition["validVersions"] != "none"
    if kind == "response":
        return is_ours(definitions()[name.removesuffix("Response") + "Request"])
    is_of_tiered_storage = name.startswith("Remote")
    return name not in NOT_OURS and not is_of_tiered_storage and definition["validVersions"] != "none"


def default_of(field: dict[str, Any]) -> Any:
    """The value of a field that nobody set, as Kafka's generator decides it."""
    # To Kafka's generator a bare null is no default at all; only the text "null" is one.
    kind, text = field["type"], field.get("default", "") or ""
    if text == "null" or kind == "records":
        return None
    if kind.startswith("[]") or kind[0].isupper():
        return FRESH
    if kind == "bool":
        return text in (True, "true")
    if kind == "float64":
        return float(text or 0)
    if kind in ("string", "bytes", "uuid"):
        return {"string": text, "bytes": b"", "uuid": bytes(16)}[kind]
    return int(str(text or 0), 0)


class Comparison:
    """Collects what differs between one of our messages and its definition."""

    def __init__(self, kind: type[Message], definition: dict[str, Any]) -> None:
        self.kind = kind
        self.flexible = Versions.parse(definition["flexibleVersions"])
        self.common = {struct["name"]: struct["fields"] for struct in definition.get("commonStructs", ())}
        self.differences: list[str] = []
        valid = Versions.parse(definition["validVersions"])
        api_key = definition.get("apiKey", -1)
        self.same(definition["name"], "api key", kind.api_key, api_key)
        self.same(definition["name"], "versions", kind.versions, valid)
        versions = range(valid.lowest, valid.highest + 1)
        for version in versions:
            self.same(definition["name"], f"flexible in {version}", version in kind.flexible, version in self.flexible)
        self.fields(definition["name"], kind, definition["fields"], list(versions))

    def same(self, where: str, what: str, ours: Any, theirs: Any) -> None:
        if ours != theirs or type(ours) is not type(theirs):
            self.differences.append(f"{where}: {what} is {ours!r}, Kafka has {theirs!r}")

    def fields(self, where: str, kind: type[Struct], theirs: list[dict[str, Any]], versions: list[int]) -> None:
        ours = [spec.name for spec in kind.fields]
        names = [snake_case(field["name"]) for field in theirs]
        self.same(where, "field names", ours, names)
        for spec, field in zip(kind.fields, theirs, strict=False):
            self.field(f"{where}.{field['name']}", spec, field, versions)

    def field(self, where: str, spec: FieldSpec, field: dict[str, Any], parent_versions: list[int]) -> None:
        kind = field["type"].removeprefix("[]")
        self.same(where, "is an array", spec.is_array, field["type"].startswith("[]"))
        self.same(where, "ignorable", spec.ignorable, bool(field.get("ignorable", False)))
        self.same(where, "default", self.default(spec), default_of(field))
        present = Versions.parse(field.get("versions") or field["taggedVersions"])
        for version in parent_versions:
            self.same(where, f"present in {version}", version in spec.versions, version in present)
        versions = [version for version in parent_versions if version in present]
        self.in_versions(where, spec, field, versions)
        if kind[0].isupper():
            self.same(where, "wire type", spec.wire, "struct")
            if spec.struct is not None:
                self.fields(where, spec.struct, field.get("fields") or self.common[kind], versions)
        else:
            self.same(where, "wire type", spec.wire, kind)

    def default(self, spec: FieldSpec) -> Any:
        """None stands for a tagged struct of defaults, which is not written: most answers need not make one."""
        is_left_out = spec.struct is not None and not spec.is_array and spec.tag is not None and spec.default is None
        return FRESH if is_left_out and spec.nullable.highest < 0 else spec.default

    def in_versions(self, where: str, spec: FieldSpec, field: dict[str, Any], versions: list[int]) -> None:
        nullable = Versions.parse(field.get("nullableVersions", "none"))
        tagged = Versions.parse(field.get("taggedVersions", "none"))
        flexible = Versions.parse(field["flexibleVersions"]) if "flexibleVersions" in field else self.flexible
        for version in versions:
            message_is_flexible = version in self.kind.flexible
            tag = spec.tag if message_is_flexible else None
            self.same(where, f"tag in {version}", tag, field["tag"] if version in tagged else None)
            self.same(where, f"nullable in {version}", version in spec.nullable, version in nullable)
            ours = is_flexible(spec, version, message_is_flexible)
            self.same(where, f"compact in {version}", ours, version in flexible)


def differences(kind: type[Message], definition: dict[str, Any]) -> list[str]:
    return Comparison(kind, definition).differences


@pytest.mark.parametrize("kind", [*API_MESSAGES, *STORED], ids=lambda kind: kind.__name__)
def test_every_field_is_kafkas(kind: type[Message]) -> None:
    assert differences(kind, definitions()[kind.__name__]) == []


def test_every_client_facing_message_is_there() -> None:
    theirs = {
        name for name, known in definitions().items() if known["type"] in ("request", "response") and is_ours(known)
    }
    assert {kind.__name__ for kind in API_MESSAGES} == theirs
    assert len(theirs) == 2 * 77


def test_every_stored_record_is_there() -> None:
    theirs = {
        name for name, known in definitions().items() if known["type"] not in ("request", "response") and is_ours(known)
    }
    assert {kind.__name__ for kind in STORED} == theirs


def test_every_api_key_is_there() -> None:
    theirs = {
        known["apiKey"]: known["name"]
        for known in definitions().values()
        if known["type"] == "request" and is_ours(known)
    }
    assert {int(key): key.name.replace("_", "").lower() + "request" for key in ApiKey} == {
        key: name.lower() for key, name in theirs.items()
    }


PLANTED = {
    "type": {"type": "int64"},
    "versions": {"versions": "1+"},
    "default": {"default": "-1"},
    "name": {"name": "GenerationNumber"},
    "ignorable": {"ignorable": True},
    "nullable": {"nullableVersions": "0+"},
    "tag": {"tag": 0, "taggedVersions": "4+"},
    "flexible": {"flexibleVersions": "3+"},
    "array": {"type": "[]int32"},
}


@pytest.mark.parametrize("change", PLANTED.values(), ids=PLANTED)
def test_a_planted_difference_is_found(change: dict[str, Any]) -> None:
    [kind] = [kind for kind in API_MESSAGES if kind.__name__ == "HeartbeatRequest"]
    definition = definitions()["HeartbeatRequest"]
    fields = [{**field, **change} if field["name"] == "GenerationId" else field for field in definition["fields"]]
    assert differences(kind, {**definition, "fields": fields})
