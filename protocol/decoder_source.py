"""Writes the decoder of one message version as straight-line Python.

A decoder takes `(buffer, position, end)` and returns the message and the position behind it. Every length is
checked against `end` before anything is sliced or allocated. The elements of an array are decoded where the array is:
a call for each would cost a tenth of the whole.
"""

from __future__ import annotations

import struct

from .errors import ProtocolError
from .primitives import read_uvarint, skip_tagged_fields
from .schema import FRESH, FieldSpec, Struct
from .source import (
    FIXED_FORMATS,
    FIXED_SIZES,
    Source,
    called_structs,
    is_flexible,
    is_inline,
    minimal_size,
    tagged_fields,
)

_STRING_BYTES_MAX = 0x7FFF


def write_decoder(source: Source, kind: type[Struct], version: int, flexible: bool) -> str:
    """Add the decoder of `kind` and of all that it holds; return the function's name."""
    name = f"decode_{kind.__name__}"
    if name in source.scope:
        return name
    source.scope[name] = None
    for called in called_structs(kind, version, flexible):
        write_decoder(source, called, version, flexible)
    _StructDecoder(source, kind, version, flexible).write(name)
    return name


def overrun(field: str, length: int) -> ProtocolError:
    """What to raise when a field claims more than there is."""
    return ProtocolError(f"{field} claims {length} items or bytes, more than the message has")


def unexpected_null(field: str) -> ProtocolError:
    """What to raise for a null where none may be."""
    return ProtocolError(f"{field} is null, which this version does not allow")


class _StructDecoder:
    """Writes the code for one struct; `name` is the variable that holds it."""

    def __init__(self, source: Source, kind: type[Struct], version: int, flexible: bool, name: str = "self") -> None:
        self.source = source
        self.kind = kind
        self.version = version
        self.flexible = flexible
        self.name = name
        source.scope.update(
            overrun=overrun,
            unexpected_null=unexpected_null,
            read_uvarint=read_uvarint,
            skip_tagged_fields=skip_tagged_fields,
            unpack_from=struct.unpack_from,
            ProtocolError=ProtocolError,
        )

    def write(self, name: str) -> None:
        source = self.source
        source.line(f"def {name}(buffer, position, end):")
        source.depth += 1
        self._body()
        source.line(f"return {self.name}, position")
        source.depth -= 1

    def _body(self) -> None:
        kind = self.source.constant(self.kind.__name__, self.kind)
        new = self.source.constant("new", self.kind.__new__)
        self.source.line(f"{self.name} = {new}({kind})")
        for spec in self.kind.fields:
            if self.version not in spec.versions or (self.flexible and spec.tag is not None):
                self._default(spec)
            else:
                self._field(spec)
        self._flush()
        if self.flexible:
            self._tagged_section()

    def _default(self, spec: FieldSpec) -> None:
        if spec.default is FRESH:
            value = "[]" if spec.is_array else f"{self.source.constant('kind', spec.struct)}()"
        else:
            value = self.source.constant("default", spec.default)
        self.source.line(f"{self.name}.{spec.name} = {value}")

    def _flush(self) -> None:
        run = self.source.take_run()
        if run is not None:
            layout, targets = run
            unpack = self.source.constant("unpack", layout.unpack_from)
            self.source.line(f"{', '.join(targets)}, = {unpack}(buffer, position)")
            self.source.line(f"position += {layout.size}")

    def _field(self, spec: FieldSpec) -> None:
        if spec.wire in FIXED_FORMATS and not spec.is_array:
            self.source.add_to_run(FIXED_FORMATS[spec.wire], f"{self.name}.{spec.name}")
            return
        if spec.wire == "struct" and not spec.is_array:
            self._struct(spec)
            return
        self._length(spec)
        self._null_or(spec, self._array if spec.is_array else self._bytes_like)

    def _length(self, spec: FieldSpec) -> None:
        """Read the field's length into `count`; -1 is null."""
        if is_flexible(spec, self.version, self.flexible):
            self._flush()
            self._compact_length()
        else:
            short = spec.wire == "string" and not spec.is_array
            self.source.add_to_run("h" if short else "i", "count")
            self._flush()

    def _compact_length(self) -> None:
        self.source.line("count = buffer[position] - 1")
        self.source.line("if count < 127: position += 1")
        self.source.line("else:")
        self.source.line("    count, position = read_uvarint(buffer, position)")
        self.source.line("    count -= 1")

    def _null_or(self, spec: FieldSpec, write_value: object) -> None:
        source = self.source
        field = f"{self.kind.__name__}.{spec.name}"
        source.line("if count < 0:")
        if self.version in spec.nullable:
            source.line(f"    {self.name}.{spec.name} = None")
        else:
            source.line(f"    raise unexpected_null({field!r})")
        source.line("else:")
        source.depth += 1
        write_value(spec, f"{self.name}.{spec.name}", field)  # type: ignore[operator]
        source.depth -= 1

    def _bytes_like(self, spec: FieldSpec, target: str, field: str) -> None:
        source = self.source
        source.line("stop = position + count")
        limit = f" or count > {_STRING_BYTES_MAX}" if spec.wire == "string" else ""
        source.line(f"if stop > end{limit}: raise overrun({field!r}, count)")
        piece = "buffer[position:stop]"
        value = {"string": f"str({piece}, 'utf-8')", "bytes": f"bytes({piece})", "records": piece}[spec.wire]
        source.line(f"{target} = {value}")
        source.line("position = stop")

    def _array(self, spec: FieldSpec, target: str, field: str) -> None:
        source = self.source
        size = self._element_size(spec)
        source.line(f"if count * {size} > end - position: raise overrun({field!r}, count)")
        if spec.wire == "uuid":
            source.line("stop = position + count * 16")
            source.line(f"{target} = [bytes(buffer[at:at + 16]) for at in range(position, stop, 16)]")
            source.line("position = stop")
        elif spec.wire in FIXED_FORMATS:
            code = FIXED_FORMATS[spec.wire]
            source.line(f"{target} = list(unpack_from(f'>{{count}}{code}', buffer, position))")
            source.line(f"position += count * {size}")
        else:
            self._array_of_variable_size(spec, target, field)

    def _array_of_variable_size(self, spec: FieldSpec, target: str, field: str) -> None:
        source = self.source
        items, item = source.fresh_name("items"), source.fresh_name("item")
        source.line(f"{items} = {target} = []")
        source.line("for _ in range(count):")
        source.depth += 1
        if spec.struct is not None:
            if is_inline(spec, self.flexible):
                _StructDecoder(source, spec.struct, self.version, self.flexible, item)._body()
            else:
                source.line(f"{item}, position = decode_{spec.struct.__name__}(buffer, position, end)")
        else:
            if is_flexible(spec, self.version, self.flexible):
                self._compact_length()
            else:
                source.add_to_run("h" if spec.wire == "string" else "i", "count")
                self._flush()
            source.line(f"if count < 0: raise unexpected_null({field!r})")
            self._bytes_like(spec, item, field)
        source.line(f"{items}.append({item})")
        source.depth -= 1

    def _element_size(self, spec: FieldSpec) -> int:
        if spec.struct is not None:
            return minimal_size(spec.struct, self.version, self.flexible)
        if spec.wire in FIXED_SIZES:
            return FIXED_SIZES[spec.wire]
        return 1 if is_flexible(spec, self.version, self.flexible) else 2

    def _struct(self, spec: FieldSpec) -> None:
        assert spec.struct is not None
        source = self.source
        target = f"{self.name}.{spec.name}"
        read = f"{target}, position = decode_{spec.struct.__name__}(buffer, position, end)"
        if self.version not in spec.nullable:
            self._flush()
            source.line(read)
            return
        source.add_to_run("b", "present")
        self._flush()
        is_tagged = spec.tag is not None and self.flexible
        source.line(f"if present {'<=' if is_tagged else '<'} 0: {target} = None")
        source.line(f"else: {read}")

    def _tagged_section(self) -> None:
        source = self.source
        known = tagged_fields(self.kind, self.version, self.flexible)
        if not known:
            source.line("if buffer[position]: position = skip_tagged_fields(buffer, position)")
            source.line("else: position += 1")
            return
        source.line("if not buffer[position]: position += 1")
        source.line("else:")
        source.depth += 1
        source.line("tags, position = read_uvarint(buffer, position)")
        source.line("for _ in range(tags):")
        source.depth += 1
        source.line("tag, position = read_uvarint(buffer, position)")
        source.line("size, position = read_uvarint(buffer, position)")
        source.line("tag_end = position + size")
        source.line(f"if tag_end > end: raise overrun('a tagged field of {self.kind.__name__}', size)")
        for spec in known:
            source.line(f"if tag == {spec.tag}:")
            source.depth += 1
            self._field(spec)
            self._flush()
            source.line("if position != tag_end:")
            source.line(f"    raise ProtocolError('{self.kind.__name__}.{spec.name} is not as long as it claims')")
            source.line("continue")
            source.depth -= 1
        source.line("position = tag_end")
        source.depth -= 2
