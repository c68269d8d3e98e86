"""How messages become bytes and come back, on small messages whose bytes can be written down by hand."""

from __future__ import annotations

import traceback

import pytest
from ottla.protocol.compiler import UnsupportedVersionError, decode, decode_with_end, encode, encode_parts
from ottla.protocol.errors import ProtocolError
from ottla.protocol.schema import Message, Struct, array, binary, boolean, int8, int32, records, string, struct, uuid


class Leaf(Struct):
    name: str = string()
    sizes: list[int] = array("int32", "1+")


class Tree(Message, api_key=7, versions="0-3", flexible="2+"):
    label: str | None = string(nullable="1+")
    count: int = int32(default=5)
    leaves: list[Leaf] = array(Leaf)
    added: int = int8("1+", default=-1)
    lossy: int = int8("1+", ignorable=True)
    flag: bool = boolean("2+", tag=0)
    leaf: Leaf | None = struct(Leaf, "2+", default=None, tag=1)
    maybe: Leaf | None = struct(Leaf, "3+", nullable="3+", default=None)


def test_plain_version() -> None:
    tree = Tree(label="ab", count=1, leaves=[Leaf(name="x")])
    wire = b"\x00\x02ab\x00\x00\x00\x01\x00\x00\x00\x01\x00\x01x"
    assert encode(tree, 0) == wire
    assert decode(Tree, wire, 0) == tree


def test_flexible_version_with_tagged_fields() -> None:
    tree = Tree(label=None, leaves=[Leaf(name="x", sizes=[1, 2])], flag=True, leaf=Leaf(name="y"))
    wire = (
        b"\x00" b"\x00\x00\x00\x05" b"\x02" b"\x02x\x03\x00\x00\x00\x01\x00\x00\x00\x02\x00"
        b"\xff\x00" b"\x02" b"\x00\x01\x01" b"\x01\x04\x02y\x01\x00"
    )  # fmt: skip
    assert encode(tree, 2) == wire
    assert decode(Tree, wire, 2) == tree


def test_nullable_struct() -> None:
    assert encode(Tree(label="", maybe=None), 3).endswith(b"\xff\x00")
    for maybe in (None, Leaf(name="z")):
        tree = Tree(label="", maybe=maybe)
        assert decode(Tree, encode(tree, 3), 3) == tree


def test_unknown_tagged_fields_are_passed_over() -> None:
    wire = encode(Tree(label=""), 2)
    assert wire[-1:] == b"\x00"
    assert decode(Tree, wire[:-1] + b"\x01\x63\x02zz", 2) == Tree(label="")


def test_a_tagged_field_must_be_as_long_as_it_claims() -> None:
    wire = encode(Tree(label=""), 2)[:-1] + b"\x01\x00\x02\x01\x01"
    with pytest.raises(ProtocolError, match="flag is not as long as it claims"):
        decode(Tree, wire, 2)


def test_what_a_version_cannot_carry_is_refused_unless_it_may_be_lost() -> None:
    with pytest.raises(ProtocolError, match=r"Tree\.added is set, but version 0"):
        encode(Tree(label="", added=3), 0)
    assert decode(Tree, encode(Tree(label="", lossy=3), 0), 0).lossy == 0


def test_null_where_none_may_be() -> None:
    with pytest.raises(ProtocolError):
        encode(Tree(label=None), 0)
    with pytest.raises(ProtocolError, match=r"Tree\.label is null"):
        decode(Tree, b"\xff\xff" + bytes(8), 0)


def test_unknown_version() -> None:
    with pytest.raises(UnsupportedVersionError):
        encode(Tree(), 4)


def test_a_value_out_of_range_is_refused() -> None:
    with pytest.raises(ProtocolError, match="cannot carry"):
        encode(Tree(label="", count=2**31), 0)
    with pytest.raises(ProtocolError, match="longer than"):
        encode(Tree(label="x" * 32768), 2)


def test_an_array_may_not_claim_more_than_there_is() -> None:
    with pytest.raises(ProtocolError, match=r"Tree\.leaves claims 2000000000"):
        decode(Tree, b"\x00\x00\x00\x00\x00\x01" + (2_000_000_000).to_bytes(4, "big") + bytes(100), 0)


class Carrier(Message, versions="0-1", flexible="1+"):
    topic_id: bytes = uuid()
    batches: bytes | bytearray | memoryview | None = records(nullable="0+")
    owned: bytes = binary()


def test_records_are_not_copied_either_way() -> None:
    batches = bytearray(b"batch")
    parts = encode_parts(Carrier(batches=batches, owned=b"o"), 1)
    assert any(part is batches for part in parts)
    wire = bytearray(b"".join(parts))
    carrier, end = decode_with_end(Carrier, wire, 1)
    assert end == len(wire)
    wire[wire.index(b"batch")] = ord("m")
    assert bytes(carrier.batches or b"") == b"match"
    assert carrier.owned == b"o"


class Row(Struct):
    api_key: int = int32()


def test_a_field_may_be_called_what_classes_know_of_themselves() -> None:
    assert Row(api_key=3).api_key == 3


def test_defaults_are_not_shared() -> None:
    one, other = Tree(), Tree()
    one.leaves.append(Leaf())
    assert other.leaves == []
    assert one != other
    assert repr(other).startswith("Tree(label='', count=5, leaves=[]")


def test_a_traceback_shows_the_generated_line() -> None:
    try:
        decode(Tree, b"\x00", 0)
    except ProtocolError as error:
        cause = error.__cause__
        assert cause is not None
        assert "unpack" in "".join(traceback.format_exception(cause))
    else:
        pytest.fail("a truncated message was decoded")
