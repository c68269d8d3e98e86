"""Writes the encoder of one message version as straight-line Python.

An encoder takes `(message, write)` and calls `write` with each piece of bytes in order, so that record batches
travel from where they are to the socket without being copied into the rest of the response.
"""

from __future__ import annotations

import struct

from .errors import ProtocolError
from .primitives import SMALL_UVARINTS, uvarint
from .schema import FRESH, FieldSpec, Struct
from .source import FIXED_FORMATS, FIXED_SIZES, Source, is_flexible, tagged_fields

_STRING_BYTES_MAX = 0x7FFF


def write_encoder(source: Source, kind: type[Struct], version: int, flexible: bool) -> str:
    """Add the encoder of `kind` and of all that it holds; return the function's name."""
    name = f"encode_{kind.__name__}"
    if name in source.scope:
        return name
    source.scope[name] = None
    for spec in kind.fields:
        if spec.struct is not None and version in spec.versions:
            write_encoder(source, spec.struct, version, flexible)
    _StructEncoder(source, kind, version, flexible).write(name)
    return name


def not_in_version(field: str, version: int) -> ProtocolError:
    """What to raise when a value is set that the version has no place for."""
    return ProtocolError(f"{field} is set, but version {version} does not carry it")


def too_long(text: str) -> ProtocolError:
    """What to raise for a string beyond Kafka's limit."""
    return ProtocolError(f"a string of {len(text)} characters is longer than {_STRING_BYTES_MAX} bytes")


class _StructEncoder:
    def __init__(self, source: Source, kind: type[Struct], version: int, flexible: bool) -> None:
        self.source = source
        self.kind = kind
        self.version = version
        self.flexible = flexible
        source.scope.update(
            not_in_version=not_in_version,
            too_long=too_long,
            uvarint=uvarint,
            small_uvarints=SMALL_UVARINTS,
            pack=struct.pack,
        )

    def write(self, name: str) -> None:
        source = self.source
        source.line(f"def {name}(self, write):")
        source.depth += 1
        for spec in self.kind.fields:
            if self.version not in spec.versions:
                self._refuse_what_is_lost(spec)
            elif not (self.flexible and spec.tag is not None):
                self._field(spec, f"self.{spec.name}")
        if self.flexible:
            self._tagged_section()
        self._flush()
        source.line("return")
        source.depth -= 1

    def _refuse_what_is_lost(self, spec: FieldSpec) -> None:
        if spec.ignorable:
            return
        field = f"{self.kind.__name__}.{spec.name}"
        self.source.line(f"if {self._differs(spec)}: raise not_in_version({field!r}, {self.version})")

    def _differs(self, spec: FieldSpec) -> str:
        """An expression: whether the field holds anything but its default."""
        value = f"self.{spec.name}"
        if spec.is_array and spec.default is FRESH:
            return f"{value} is None or len({value}) > 0"
        if spec.struct is not None and not spec.is_array:
            blank = self.source.constant("blank", spec.struct())
            if self.version in spec.nullable or spec.default is FRESH:
                return f"{value} is not None" if spec.default is None else f"{value} != {blank}"
            return f"{value} is not None and {value} != {blank}"
        default = self.source.constant("default", spec.default)
        return f"{value} is not None" if spec.default is None else f"{value} != {default}"

    def _flush(self) -> None:
        run = self.source.take_run()
        if run is not None:
            layout, targets = run
            packer = self.source.constant("pack", layout.pack)
            self.source.line(f"write({packer}({', '.join(targets)}))")

    def _field(self, spec: FieldSpec, value: str) -> None:
        if spec.is_array:
            self._array(spec, value)
        elif spec.wire in FIXED_FORMATS:
            self.source.add_to_run(FIXED_FORMATS[spec.wire], value)
        elif spec.wire == "struct":
            self._struct(spec, value)
        else:
            self._bytes_like(spec, value)

    def _length(self, spec: FieldSpec, expression: str, nullable_value: str | None) -> None:
        """Write a length; where `nullable_value` may be None, null."""
        source = self.source
        if is_flexible(spec, self.version, self.flexible):
            self._compact_length(expression, nullable_value)
            return
        short = spec.wire == "string" and not spec.is_array
        target = expression if nullable_value is None else f"-1 if {nullable_value} is None else {expression}"
        source.add_to_run("h" if short else "i", target)
        self._flush()

    def _compact_length(self, expression: str, nullable_value: str | None) -> None:
        """One more than the length, in the bytes of what stands before it while it fits one byte, as nearly always."""
        source = self.source
        count = source.fresh_name("count")
        null = "" if nullable_value is None else f"0 if {nullable_value} is None else "
        source.line(f"{count} = {null}{expression} + 1")
        run = source.take_run()
        if run is None:
            source.line(f"write(small_uvarints[{count}] if {count} < 128 else uvarint({count}))")
            return
        layout, targets = run
        together = struct.Struct(layout.format + "B")
        packers = source.constant("pack", together.pack), source.constant("pack", layout.pack)
        values = "".join(f"{target}, " for target in targets)
        source.line(f"if {count} < 128: write({packers[0]}({values}{count}))")
        source.line("else:")
        source.line(f"    write({packers[1]}({values.removesuffix(', ')}))")
        source.line(f"    write(uvarint({count}))")

    def _bytes_like(self, spec: FieldSpec, value: str) -> None:
        source = self.source
        nullable = self.version in spec.nullable
        data = source.fresh_name("data")
        encoded = f"{value}.encode()" if spec.wire == "string" else value
        source.line(f"{data} = None if {value} is None else {encoded}" if nullable else f"{data} = {encoded}")
        if spec.wire == "string":
            guard = f"{data} is not None and " if nullable else ""
            source.line(f"if {guard}len({data}) > {_STRING_BYTES_MAX}: raise too_long({value})")
        self._length(spec, f"len({data})", data if nullable else None)
        source.line(f"if {data}: write({data})")

    def _array(self, spec: FieldSpec, value: str) -> None:
        source = self.source
        nullable = self.version in spec.nullable
        items = source.fresh_name("items")
        source.line(f"{items} = {value}")
        self._length(spec, f"len({items})", items if nullable else None)
        if spec.wire == "uuid":
            source.line(f"if {items}: write(b''.join({items}))")
        elif spec.wire in FIXED_FORMATS:
            source.line(f"if {items}: write(pack(f'>{{len({items})}}{FIXED_FORMATS[spec.wire]}', *{items}))")
        else:
            item = source.fresh_name("item")
            source.line(f"for {item} in {items}:" if not nullable else f"for {item} in {items} or ():")
            source.depth += 1
            if spec.struct is not None:
                source.line(f"encode_{spec.struct.__name__}({item}, write)")
            else:
                one = FieldSpec(spec.wire, "0+", "")
                self._bytes_like(one, item)
            source.depth -= 1

    def _struct(self, spec: FieldSpec, value: str) -> None:
        assert spec.struct is not None
        source = self.source
        self._flush()
        call = f"encode_{spec.struct.__name__}({value}, write)"
        if self.version not in spec.nullable:
            source.line(call)
            return
        # Kafka's generator writes this mark as an unsigned varint where the field is a tagged one.
        null = "\\xff" if spec.tag is None or not self.flexible else "\\x00"
        source.line(f"if {value} is None: write(b'{null}')")
        source.line("else:")
        source.line("    write(b'\\x01')")
        source.line(f"    {call}")

    def _tagged_section(self) -> None:
        source = self.source
        known = tagged_fields(self.kind, self.version, self.flexible)
        if not known:
            source.add_to_run("x", None)
            return
        self._flush()
        if len(known) == 1 and known[0].wire in FIXED_SIZES and not known[0].is_array:
            self._only_tagged_field(known[0])
            return
        source.line(f"if not ({' or '.join(self._differs(spec) for spec in known)}):")
        source.line("    write(b'\\0')")
        source.line("    return")
        source.line("tags = []")
        for spec in known:
            self._tagged_field(spec)
        source.line("write(uvarint(len(tags)))")
        source.line("for tag, pieces in tags:")
        source.line("    write(uvarint(tag))")
        source.line("    write(uvarint(sum(map(len, pieces))))")
        source.line("    for piece in pieces: write(piece)")

    def _only_tagged_field(self, spec: FieldSpec) -> None:
        """One field of fixed size: what stands before it is known."""
        assert spec.tag is not None
        source = self.source
        head = uvarint(1) + uvarint(spec.tag) + uvarint(FIXED_SIZES[spec.wire])
        source.line(f"if {self._differs(spec)}:")
        source.line(f"    write({source.constant('head', head)})")
        packer = source.constant("pack", struct.Struct(">" + FIXED_FORMATS[spec.wire]).pack)
        source.line(f"    write({packer}(self.{spec.name}))")
        source.line("else:")
        source.line("    write(b'\\0')")

    def _tagged_field(self, spec: FieldSpec) -> None:
        source = self.source
        outer = source.fresh_name("outer")
        pieces = source.fresh_name("pieces")
        source.line(f"if {self._differs(spec)}:")
        source.depth += 1
        source.line(f"{pieces} = []")
        source.line(f"{outer}, write = write, {pieces}.append")
        self._field(spec, f"self.{spec.name}")
        self._flush()
        source.line(f"write = {outer}")
        source.line(f"tags.append(({spec.tag}, {pieces}))")
        source.depth -= 1
