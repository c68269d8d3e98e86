"""Batches that a coordinator built a moment ago: what comes of them is what `append` makes of the same bytes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ottla.protocol.control_records import build_end_txn_batch
from ottla.protocol.errors import ErrorCode
from ottla.protocol.plain_batch import build_plain_batch
from ottla.protocol.record_batch import TRANSACTIONAL_BIT
from ottla.storage.append import AppendError, AppendOrigin
from ottla.storage.producer_state import EndTxnMarker
from ottla.storage.read_only import ReadOnlyLog
from ottla.storage.unavailable_log import UnavailableLog

from .log_home import NOW_MS, LogHome, append_raw, producer_batch, records_of

PRODUCERS = st.integers(1, 3)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("plain"), st.integers(1, 4)),
        st.tuples(st.just("offsets"), PRODUCERS),
        st.tuples(st.just("commit"), PRODUCERS),
        st.tuples(st.just("abort"), PRODUCERS),
    ),
    max_size=20,
)


def build(step, argument):
    """The batch of a step, its header, and the marker in it."""
    if step == "plain":
        return *build_plain_batch([(b"k%d" % at, b"v" * at or None) for at in range(argument)], NOW_MS), None
    producer = {"producer_id": argument, "producer_epoch": 2}
    if step == "offsets":
        entries = [(b"key", b"value")]
        return *build_plain_batch(entries, NOW_MS, attributes=TRANSACTIONAL_BIT, base_sequence=0, **producer), None
    is_commit = step == "commit"
    built = build_end_txn_batch(commit=is_commit, coordinator_epoch=5, timestamp_ms=NOW_MS, **producer)
    return *built, EndTxnMarker(not is_commit, 5)


def state(log):
    entries = log.producers.entries.values()
    return {
        "ends": (log.log_end_offset, log.last_stable_offset, log.size_bytes, log.active.max_timestamp),
        "producers": [
            (entry.producer_id, entry.epoch, entry.coordinator_epoch, entry.txn_first_offset, entry.batches)
            for entry in entries
        ],
        "open": log.producers.open_transactions(),
        "aborted": log.aborted_transactions(0, log.log_end_offset),
        "epochs": log.leader_epochs.saved_epoch,
    }


@settings(max_examples=40)
@given(steps=STEPS, time_type=st.sampled_from(["CreateTime", "LogAppendTime"]))
def test_bytes_and_state_are_those_of_an_append(tmp_path_factory, steps, time_type):
    folder = tmp_path_factory.mktemp("logs")
    settings_of_both = {
        "segment_bytes": 400,
        "message_timestamp_type": time_type,
    }
    one, other = LogHome(folder / "one", **settings_of_both), LogHome(folder / "other", **settings_of_both)
    built_log, plain_log = one.open(), other.open()
    for number, step in enumerate(steps):
        batch, header, marker = build(*step)
        append_raw(plain_log, bytearray(batch), origin=AppendOrigin.COORDINATOR, leader_epoch=3, now_ms=NOW_MS + number)
        end_before = built_log.log_end_offset
        appended = built_log.append_built(batch, header, leader_epoch=3, now_ms=NOW_MS + number, marker=marker)
        assert appended.base_offset == end_before
        built_log.high_watermark = built_log.log_end_offset
    assert state(built_log) == state(plain_log)
    assert records_of(built_log) == records_of(plain_log)
    for name in one.names(".log"):
        assert (one.directory / name).read_bytes() == (other.directory / name).read_bytes()
    built_log.close()
    plain_log.close()


def test_a_batch_that_is_too_large_is_refused(home):
    log = home(max_message_bytes=100).open()
    batch, header = build_plain_batch([(b"k", bytes(100))], NOW_MS)
    with pytest.raises(AppendError) as refused:
        log.append_built(batch, header, leader_epoch=0, now_ms=NOW_MS)
    assert refused.value.code is ErrorCode.MESSAGE_TOO_LARGE
    assert log.log_end_offset == 0


def test_an_old_producer_is_refused(home):
    log = home().open()
    log.append(producer_batch(b"v", producer_id=1, producer_epoch=9, base_sequence=0), leader_epoch=0, now_ms=NOW_MS)
    batch, header, marker = build("commit", 1)
    with pytest.raises(AppendError) as refused:
        log.append_built(batch, header, leader_epoch=0, now_ms=NOW_MS, marker=marker)
    assert refused.value.code is ErrorCode.INVALID_PRODUCER_EPOCH
    assert log.log_end_offset == 1


@pytest.mark.parametrize("kind", [ReadOnlyLog, UnavailableLog])
def test_a_log_that_takes_nothing_takes_no_built_batch(kind):
    batch, header = build_plain_batch([(b"k", b"v")], NOW_MS)
    log = kind.__new__(kind)
    setattr(log, "problem" if kind is UnavailableLog else "directory", "no place")
    with pytest.raises(AppendError) as refused:
        log.append_built(batch, header, leader_epoch=0, now_ms=NOW_MS)
    assert refused.value.code in (ErrorCode.POLICY_VIOLATION, ErrorCode.KAFKA_STORAGE_ERROR)
