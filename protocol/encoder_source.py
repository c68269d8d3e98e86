"""Writes the encoder of one message version as straight-line Python.

An encoder takes `(message, write)` and calls `write` with each piece of bytes in order, so that record batches
travel from where they are to the socket without being copied into the rest of the response. The elements of an array
are encoded where the array is: a call for each would cost a tenth of the whole.
"""

from __future__ import annotations

import struct

from .errors import ProtocolError
from .primitives import SMALL_UVARINTS, uvarint
from .schema import FRESH, FieldSpec, Struct
from .source import FIXED_FORMATS, FIXED_SIZES, Source, called_structs, is_flexible, is_inline, tagged_fields

_STRING_BYTES_MAX = 0x7FFF


def write_encoder(source: Source, kind: type[Struct], version: int, flexible: bool) -> str:
    """Add the encoder of `kind` and of all that it holds; return the function's name."""
    name = f"encode_{kind.__name__}"
    if name in source.scope:
        return name
    source.scope[name] = None
    for called in called_structs(kind, version, flexible):
        write_encoder(source, called, version, flexible)
    _StructEncoder(source, kind, version, flexible).write(name)
    return name


def not_in_version(field: str, version: int) -> ProtocolError:
    """What to raise when a value is set that the version has no place for."""
    return ProtocolError(f"{field} is set, but version {version} does not carry it")


def too_long(text: str) -> ProtocolError:
    """What to raise for a string beyond Kafka's limit."""
    return ProtocolError(f"a string of {len(text)} characters is longer than {_STRING_BYTES_MAX} bytes")


def _length_code(spec: FieldSpec) -> str:
    return "h" if spec.wire == "string" and not spec.is_array else "i"


class _StructEncoder:
    """Writes the code for one struct; `name` is the variable that holds it."""

    def __init__(self, source: Source, kind: type[Struct], version: int, flexible: bool, name: str = "self") -> None:
        self.source = source
        self.kind = kind
        self.version = version
        self.flexible = flexible
        self.name = name
        source.scope.update(
            not_in_version=not_in_version,
            too_long=too_long,
            uvarint=uvarint,
            small_uvarints=SMALL_UVARINTS,
            pack=struct.pack,
        )

    def write(self, name: str) -> None:
        source = self.source
        source.line(f"def {name}({self.name}, write):")
        source.depth += 1
        self._body()
        source.line("return")
        source.depth -= 1

    def _body(self) -> None:
        for spec in self.kind.fields:
            if self.version not in spec.versions:
                self._refuse_what_is_lost(spec)
            elif not (self.flexible and spec.tag is not None):
                self._field(spec, f"{self.name}.{spec.name}")
        if self.flexible:
            self._tagged_section()
        self._flush()

    def _refuse_what_is_lost(self, spec: FieldSpec) -> None:
        if spec.ignorable:
            return
        field = f"{self.kind.__name__}.{spec.name}"
        self.source.line(f"if {self._differs(spec)}: raise not_in_version({field!r}, {self.version})")

    def _differs(self, spec: FieldSpec) -> str:
        """An expression: whether the field holds anything but its default."""
        value = f"{self.name}.{spec.name}"
        if spec.is_array and spec.default is FRESH:
            return f"{value} is None or {value}"
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
            self.source.line(f"write({self._packed(run)})")

    def _packed(self, run: tuple[struct.Struct, list[str]]) -> str:
        """An expression: the bytes of a run."""
        layout, targets = run
        if not targets:
            return repr(layout.pack())
        return f"{self.source.constant('pack', layout.pack)}({', '.join(targets)})"

    def _field(self, spec: FieldSpec, value: str) -> None:
        if spec.is_array:
            self._array(spec, value)
        elif spec.wire in FIXED_FORMATS:
            self.source.add_to_run(FIXED_FORMATS[spec.wire], value)
        elif spec.wire == "struct":
            self._struct(spec, value)
        else:
            self._bytes_like(spec, value)

    def _length(self, spec: FieldSpec, expression: str, nullable_value: str | None = None) -> None:
        """Write a length; where `nullable_value` may be None, null."""
        if is_flexible(spec, self.version, self.flexible):
            null = "" if nullable_value is None else f"0 if {nullable_value} is None else "
            self._compact_length(f"{null}{expression} + 1")
            return
        target = expression if nullable_value is None else f"-1 if {nullable_value} is None else {expression}"
        self.source.add_to_run(_length_code(spec), target)
        self._flush()

    def _compact_length(self, expression: str) -> None:
        """A varint, in the bytes of what stands before it while it fits one byte, as nearly always."""
        source = self.source
        count = source.fresh_name("count")
        source.line(f"{count} = {expression}")
        run = source.take_run()
        if run is None:
            source.line(f"write(small_uvarints[{count}] if {count} < 128 else uvarint({count}))")
            return
        layout, targets = run
        together = struct.Struct(layout.format + "B"), [*targets, count]
        source.line(f"if {count} < 128: write({self._packed(together)})")
        source.line("else:")
        source.line(f"    write({self._packed(run)})")
        source.line(f"    write(uvarint({count}))")

    def _bytes_like(self, spec: FieldSpec, value: str) -> None:
        if self.version not in spec.nullable:
            self._present_bytes(spec, value)
            return
        source = self.source
        run = source.take_run()
        source.put_back(run)
        if is_flexible(spec, self.version, self.flexible):
            source.add_to_run("x", None)
        else:
            source.add_to_run(_length_code(spec), "-1")
        source.line(f"if {value} is None:")
        source.depth += 1
        self._flush()
        source.depth -= 1
        source.put_back(run)
        source.line("else:")
        source.depth += 1
        self._present_bytes(spec, value)
        source.depth -= 1

    def _present_bytes(self, spec: FieldSpec, value: str) -> None:
        source = self.source
        data = source.fresh_name("data")
        if spec.wire == "string":
            source.line(f"{data} = {value}.encode()")
            source.line(f"if len({data}) > {_STRING_BYTES_MAX}: raise too_long({value})")
        else:
            source.line(f"{data} = {value}")
        self._length(spec, f"len({data})")
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
            if spec.struct is not None and is_inline(spec, self.flexible):
                _StructEncoder(source, spec.struct, self.version, self.flexible, item)._body()
            elif spec.struct is not None:
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
        source.line("else:")
        source.depth += 1
        source.line("tags = []")
        for spec in known:
            self._tagged_field(spec)
        source.line("write(uvarint(len(tags)))")
        source.line("for tag, pieces in tags:")
        source.line("    write(uvarint(tag))")
        source.line("    write(uvarint(sum(map(len, pieces))))")
        source.line("    for piece in pieces: write(piece)")
        source.depth -= 1

    def _only_tagged_field(self, spec: FieldSpec) -> None:
        """One field of fixed size: what stands before it is known."""
        assert spec.tag is not None
        source = self.source
        head = uvarint(1) + uvarint(spec.tag) + uvarint(FIXED_SIZES[spec.wire])
        source.line(f"if {self._differs(spec)}:")
        source.line(f"    write({source.constant('head', head)})")
        packer = source.constant("pack", struct.Struct(">" + FIXED_FORMATS[spec.wire]).pack)
        source.line(f"    write({packer}({self.name}.{spec.name}))")
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
        self._field(spec, f"{self.name}.{spec.name}")
        self._flush()
        source.line(f"write = {outer}")
        source.line(f"tags.append(({spec.tag}, {pieces}))")
        source.depth -= 1
