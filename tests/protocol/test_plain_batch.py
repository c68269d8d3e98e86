"""Batches that the broker writes itself, beside those of the general builder."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st
from ottla.protocol.plain_batch import PlainBatchMould, build_plain_batch
from ottla.protocol.record_batch import CONTROL_BIT, TRANSACTIONAL_BIT, BatchHeader, check_crc, read_header
from ottla.protocol.records import Record, build_batch

TIMES = st.integers(-1, 2**62)
# Lengths around those where a varint gets another byte.
TEXTS = st.one_of(st.binary(max_size=80), st.sampled_from([8188, 8190, 8191, 8192, 20_000]).map(bytes))
ENTRIES = st.lists(st.tuples(TEXTS, st.none() | TEXTS), min_size=1, max_size=70)


@given(entries=ENTRIES, time_ms=TIMES)
def test_it_is_what_the_general_builder_makes(entries, time_ms):
    records = [Record(index, time_ms, *entry) for index, entry in enumerate(entries)]
    expected = build_batch(records, base_offset=0)
    data, _ = build_plain_batch(entries, time_ms)
    assert data == expected


@given(
    entries=ENTRIES,
    producer_id=st.integers(0, 2**63 - 1),
    producer_epoch=st.integers(0, 2**15 - 1),
    is_control=st.booleans(),
)
def test_a_producers_batch_too(entries, producer_id, producer_epoch, is_control):
    records = [Record(index, 5, *entry) for index, entry in enumerate(entries)]
    expected = build_batch(
        records,
        base_offset=0,
        producer_id=producer_id,
        producer_epoch=producer_epoch,
        base_sequence=0,
        is_transactional=True,
        is_control=is_control,
    )
    data, _ = build_plain_batch(
        entries,
        5,
        attributes=TRANSACTIONAL_BIT | (CONTROL_BIT if is_control else 0),
        producer_id=producer_id,
        producer_epoch=producer_epoch,
        base_sequence=0,
    )
    assert data == expected


@given(entries=ENTRIES, time_ms=TIMES)
def test_the_header_beside_it_is_the_one_in_it(entries, time_ms):
    data, header = build_plain_batch(entries, time_ms)
    assert header == read_header(data)
    assert type(header) is BatchHeader
    check_crc(data, 0, header)


@given(key=TEXTS, values=st.integers(1, 600).flatmap(lambda size: st.lists(st.binary(min_size=size, max_size=size))))
def test_a_mould_makes_the_same(key, values):
    mould = PlainBatchMould(key, f"{len(values[0]) if values else 1}s")
    for time_ms, value in enumerate(values, 1_700_000_000_000):
        assert mould.build(time_ms, value) == build_plain_batch([(key, value)], time_ms)


@given(time_ms=TIMES, numbers=st.tuples(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**15), 2**15 - 1)))
def test_a_mould_for_values_of_several_fields(time_ms, numbers):
    built = PlainBatchMould(b"k", "3sqh").build(time_ms, b"abc", *numbers)
    assert built == build_plain_batch([(b"k", b"abc" + struct.pack(">qh", *numbers))], time_ms)


@given(time_ms=TIMES, value=st.sampled_from([8188, 8190, 8191, 8192, 20_000]).map(bytes))
def test_a_mould_for_large_values(time_ms, value):
    data, header = PlainBatchMould(b"k", f"{len(value)}s").build(time_ms, value)
    assert (data, header) == build_plain_batch([(b"k", value)], time_ms)
    assert type(header) is BatchHeader
    check_crc(data, 0, header)
