"""The vocabulary in which every message and stored record is described.

A `Struct` subclass lists its fields in wire order, each with its type and the versions that carry it:

    class HeartbeatRequest(Message, api_key=12, versions="0-4", flexible="4+"):
        group_id: str = string()
        group_instance_id: str | None = string("3+", nullable="3+", default=None)

Instances hold plain attributes in slots. Constructors are keyword-only and every field has Kafka's default, so a
response names what it says and nothing else. How an instance becomes bytes is the compiler's work.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final, NamedTuple, TypeVar, cast, dataclass_transform

_LAST_VERSION = 32767


class Versions(NamedTuple):
    """An inclusive range of versions; empty when `highest` is below `lowest`."""

    lowest: int
    highest: int

    @classmethod
    def parse(cls, text: str) -> Versions:
        """Read `"3+"`, `"0-4"`, `"7"` or `"none"`."""
        if text == "none":
            return cls(0, -1)
        if text.endswith("+"):
            return cls(int(text[:-1]), _LAST_VERSION)
        lowest, _, highest = text.partition("-")
        return cls(int(lowest), int(highest or lowest))

    def __contains__(self, version: object) -> bool:
        return isinstance(version, int) and self.lowest <= version <= self.highest


FRESH: Final[Any] = object()
"""The default of an array or a struct that is not null: a new one for each instance."""


class FieldSpec:
    """One field as declared: its wire type, the versions that carry it, and its value where they do not."""

    __slots__ = (
        "default",
        "flexible",
        "ignorable",
        "is_array",
        "name",
        "nullable",
        "struct",
        "tag",
        "versions",
        "wire",
    )

    def __init__(
        self,
        wire: str,
        versions: str,
        default: Any,
        *,
        nullable: str = "none",
        tag: int | None = None,
        ignorable: bool = False,
        flexible: str | None = None,
        struct: type[Struct] | None = None,
        is_array: bool = False,
    ) -> None:
        self.name = ""
        self.wire = wire
        self.versions = Versions.parse(versions)
        self.default = default
        self.nullable = Versions.parse(nullable)
        self.tag = tag
        self.ignorable = ignorable
        self.flexible = None if flexible is None else Versions.parse(flexible)
        self.struct = struct
        self.is_array = is_array

    def new_default(self) -> Any:
        """The default, as a value that one instance may own."""
        if self.default is not FRESH:
            return self.default
        return [] if self.is_array else self.struct()  # type: ignore[misc]


def boolean(versions: str = "0+", *, default: bool = False, **options: Any) -> Any:
    """Declare one byte, zero for false."""
    return FieldSpec("bool", versions, default, **options)


def int8(versions: str = "0+", *, default: int = 0, **options: Any) -> Any:
    """Declare a signed byte."""
    return FieldSpec("int8", versions, default, **options)


def int16(versions: str = "0+", *, default: int = 0, **options: Any) -> Any:
    """Declare a signed 16-bit integer."""
    return FieldSpec("int16", versions, default, **options)


def uint16(versions: str = "0+", *, default: int = 0, **options: Any) -> Any:
    """Declare an unsigned 16-bit integer."""
    return FieldSpec("uint16", versions, default, **options)


def int32(versions: str = "0+", *, default: int = 0, **options: Any) -> Any:
    """Declare a signed 32-bit integer."""
    return FieldSpec("int32", versions, default, **options)


def uint32(versions: str = "0+", *, default: int = 0, **options: Any) -> Any:
    """Declare an unsigned 32-bit integer."""
    return FieldSpec("uint32", versions, default, **options)


def int64(versions: str = "0+", *, default: int = 0, **options: Any) -> Any:
    """Declare a signed 64-bit integer."""
    return FieldSpec("int64", versions, default, **options)


def float64(versions: str = "0+", *, default: float = 0.0, **options: Any) -> Any:
    """Declare a double-precision float."""
    return FieldSpec("float64", versions, default, **options)


def uuid(versions: str = "0+", *, default: bytes = bytes(16), **options: Any) -> Any:
    """Declare 16 bytes that identify something."""
    return FieldSpec("uuid", versions, default, **options)


def string(versions: str = "0+", *, default: str | None = "", **options: Any) -> Any:
    """Declare UTF-8 text."""
    return FieldSpec("string", versions, default, **options)


def binary(versions: str = "0+", *, default: bytes | None = b"", **options: Any) -> Any:
    """Declare bytes that the message owns."""
    return FieldSpec("bytes", versions, default, **options)


def records(versions: str = "0+", *, default: bytes | None = None, **options: Any) -> Any:
    """Declare record batches: decoded as a view of the request, never copied."""
    return FieldSpec("records", versions, default, **options)


def struct(kind: type[Struct], versions: str = "0+", *, default: Any = FRESH, **options: Any) -> Any:
    """Declare one nested struct."""
    return FieldSpec("struct", versions, default, struct=kind, **options)


def array(of: type[Struct] | str, versions: str = "0+", *, default: Any = FRESH, **options: Any) -> Any:
    """Declare an array of structs, or of a simple wire type given by its name."""
    if isinstance(of, str):
        return FieldSpec(of, versions, default, is_array=True, **options)
    return FieldSpec("struct", versions, default, struct=of, is_array=True, **options)


@dataclass_transform(kw_only_default=True)
class StructMeta(type):
    """Turns declared fields into slots, and keeps their specifications on the class."""

    fields: tuple[FieldSpec, ...]
    api_key: int
    versions: Versions
    flexible: Versions

    def __new__(
        mcs,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        *,
        api_key: int = -1,
        versions: str = "0+",
        flexible: str = "none",
    ) -> StructMeta:
        """Collect the fields; `api_key`, `versions` and `flexible` describe a whole message."""
        fields = {key: value for key, value in namespace.items() if isinstance(value, FieldSpec)}
        for key, spec in fields.items():
            spec.name = key
            del namespace[key]
        namespace["__slots__"] = tuple(fields)
        created = super().__new__(mcs, name, bases, namespace)
        created.fields = tuple(fields.values())
        about = {"api_key": api_key, "versions": Versions.parse(versions), "flexible": Versions.parse(flexible)}
        for key, value in about.items():
            # A struct inside a message may have a field of that name: the slot is the field's then.
            if key not in fields:
                setattr(created, key, value)
        return created


class Struct(metaclass=StructMeta):
    """A group of fields; compares by value."""

    fields: ClassVar[tuple[FieldSpec, ...]]

    def __init__(self, **values: Any) -> None:
        """Set every field; the first instance of a class compiles a constructor that takes this one's place."""
        kind = type(self)
        kind.__init__ = _compile_constructor(kind)  # type: ignore[method-assign]
        kind.__init__(self, **values)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(getattr(self, spec.name) == getattr(other, spec.name) for spec in self.fields)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        values = ", ".join(f"{spec.name}={getattr(self, spec.name)!r}" for spec in self.fields)
        return f"{type(self).__name__}({values})"


S = TypeVar("S", bound=Struct)


class Message(Struct):
    """A request, a response, a header or a stored record: a struct with versions of its own.

    `api_key` is the API's number or the record's type, `versions` all that are served, `flexible` those that
    write compact lengths and tagged fields (KIP-482).
    """


def constructor_of(kind: type[S]) -> type[S]:
    """A function that makes what calling `kind` makes, for who does so in each request.

    A class hands its keywords on in a dictionary; a function is 0.4 µs faster.
    """
    return cast("type[S]", _compile_constructor(kind, makes_instance=True))


def _compile_constructor(kind: type[Struct], *, makes_instance: bool = False) -> Any:
    """Straight-line source for `kind.__init__`: setting twenty slots in a loop would cost twice as much."""
    scope: dict[str, Any] = {"FRESH": FRESH, "KIND": kind, "NEW": kind.__new__}
    parameters = []
    body = []
    for spec in kind.fields:
        scope[f"default_{spec.name}"] = spec.default
        parameters.append(f"{spec.name}=default_{spec.name}")
        value = spec.name
        if spec.default is FRESH:
            scope[f"kind_{spec.name}"] = spec.struct
            fresh = "[]" if spec.is_array else f"kind_{spec.name}()"
            value = f"{fresh} if {spec.name} is FRESH else {spec.name}"
        body.append(f"    self.{spec.name} = {value}")
    names = [] if makes_instance else ["self"]
    signature = ", ".join([*names, "*", *parameters] if parameters else names)
    if makes_instance:
        body = ["    self = NEW(KIND)", *body, "    return self"]
    source = f"def __init__({signature}):\n" + ("\n".join(body) or "    pass")
    exec(compile(source, f"<ottla constructor of {kind.__qualname__}>", "exec"), scope)  # noqa: S102 - our own source
    return scope["__init__"]
