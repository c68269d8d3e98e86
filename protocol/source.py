"""Python source under construction: shared by the writers of encoders and of decoders.

Consecutive fields of fixed size become one `struct` call; `Source` collects such a run until something of
variable size follows.
"""

from __future__ import annotations

import linecache
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .schema import FieldSpec, Struct

FIXED_FORMATS = {
    "bool": "?",
    "int8": "b",
    "int16": "h",
    "uint16": "H",
    "int32": "i",
    "uint32": "I",
    "int64": "q",
    "float64": "d",
    "uuid": "16s",
}
FIXED_SIZES = {wire: struct.calcsize(">" + code) for wire, code in FIXED_FORMATS.items()}


class Source:
    """Lines of one module of generated code, with the constants that they name."""

    def __init__(self, filename: str) -> None:
        self.filename = filename
        self.lines: list[str] = []
        self.scope: dict[str, Any] = {}
        self.depth = 0
        self._formats: list[str] = []
        self._targets: list[str] = []
        self._names = 0

    def line(self, text: str) -> None:
        """Add one line at the current depth."""
        self.lines.append("    " * self.depth + text)

    def fresh_name(self, stem: str) -> str:
        """A local name that nothing else uses."""
        self._names += 1
        return f"{stem}{self._names}"

    def constant(self, stem: str, value: Any) -> str:
        """Make `value` available to the code; return its name."""
        name = self.fresh_name(stem)
        self.scope[name] = value
        return name

    def add_to_run(self, code: str, target: str | None) -> None:
        """Append one fixed-size item to the run; a target of None is a pad byte."""
        self._formats.append(code)
        if target is not None:
            self._targets.append(target)

    def take_run(self) -> tuple[struct.Struct, list[str]] | None:
        """End the run: its struct and its targets, or None when it is empty."""
        if not self._formats:
            return None
        layout = struct.Struct(">" + "".join(self._formats))
        targets = self._targets
        self._formats, self._targets = [], []
        return layout, targets

    def put_back(self, run: tuple[struct.Struct, list[str]] | None) -> None:
        """Begin a run with one that was taken: another branch of the code has it too."""
        if run is not None:
            layout, targets = run
            self._formats, self._targets = [layout.format[1:]], list(targets)

    def execute(self) -> dict[str, Any]:
        """Run the module; its text stays visible to tracebacks."""
        text = "\n".join(self.lines) + "\n"
        linecache.cache[self.filename] = (len(text), None, text.splitlines(keepends=True), self.filename)
        exec(compile(text, self.filename, "exec"), self.scope)  # noqa: S102 - source that this package wrote
        return self.scope


def is_flexible(spec: FieldSpec, version: int, message_is_flexible: bool) -> bool:
    """Whether the field's length is written compactly (KIP-482)."""
    return message_is_flexible if spec.flexible is None else version in spec.flexible


def tagged_fields(kind: type[Struct], version: int, flexible: bool) -> list[FieldSpec]:
    """The fields that this version writes as tagged ones, in the order of their tags."""
    if not flexible:
        return []
    found = [spec for spec in kind.fields if spec.tag is not None and version in spec.versions]
    return sorted(found, key=lambda spec: spec.tag or 0)


def is_inline(spec: FieldSpec, message_is_flexible: bool) -> bool:
    """Whether the code for the structs of an array stands within the loop over them, not in a function."""
    return spec.is_array and not (message_is_flexible and spec.tag is not None)


def called_structs(kind: type[Struct], version: int, flexible: bool) -> Iterator[type[Struct]]:
    """The structs whose codecs the one of `kind` calls, also from within the arrays that are written out in it."""
    for spec in kind.fields:
        if spec.struct is not None and version in spec.versions:
            if is_inline(spec, flexible):
                yield from called_structs(spec.struct, version, flexible)
            else:
                yield spec.struct


def minimal_size(kind: type[Struct], version: int, flexible: bool) -> int:
    """The fewest bytes that one `kind` can take: bounds what a declared array length may make us allocate."""
    total = 1 if flexible else 0
    for spec in kind.fields:
        if version in spec.versions and spec.tag is None:
            total += minimal_field_size(spec, version, flexible)
    return max(total, 1)


def minimal_field_size(spec: FieldSpec, version: int, flexible: bool) -> int:
    """The fewest bytes that one field can take."""
    if spec.is_array:
        return 1 if flexible else 4
    if spec.wire in FIXED_SIZES:
        return FIXED_SIZES[spec.wire]
    if spec.wire == "struct":
        can_be_null = version in spec.nullable
        return 1 if can_be_null or spec.struct is None else minimal_size(spec.struct, version, flexible)
    if is_flexible(spec, version, flexible):
        return 1
    return 2 if spec.wire == "string" else 4
