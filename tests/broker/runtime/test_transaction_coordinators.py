"""Transactions on their way through the logs: crashes between any two steps, disks that fail or take their time."""

from __future__ import annotations

import pytest
from ottla.broker.coordinators.transaction_init import ProducerIdAndEpoch
from ottla.broker.coordinators.transaction_records import record_of
from ottla.broker.coordinators.transaction_state import TransactionState
from ottla.broker.handlers import init_producer_id, list_transactions
from ottla.broker.request import Deferred
from ottla.broker.runtime import transaction_coordinators
from ottla.broker.runtime.group_coordinators import partition_for
from ottla.broker.runtime.transaction_markers import Marker
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.init_producer_id import InitProducerIdRequest
from ottla.protocol.messages.list_transactions import ListTransactionsRequest
from ottla.protocol.records import Record, build_batch
from ottla.storage.append import AppendOrigin

from ..data_broker import batch
from ..group_broker import arrived
from ..transaction_broker import NAME, TransactionBroker


@pytest.fixture
def broker(tmp_path):
    return TransactionBroker(tmp_path)


def hosted(broker, name=NAME):
    found = broker.transactions.hosting(name)
    assert not isinstance(found, ErrorCode)
    return found


def prepare(broker, *, commit):
    """Write down how the open transaction will end, and nothing more, as a crash right behind it leaves it."""
    here = hosted(broker)
    metadata = here.shard.transactions[NAME].metadata
    state = TransactionState.PREPARE_COMMIT if commit else TransactionState.PREPARE_ABORT
    prepared = metadata.prepared(state, 2, now_ms=broker.clock.now_ms())
    here.log.append([record_of(prepared)], 2, broker.clock.now_ms())
    return prepared


def mark(broker, prepared, partition):
    """Write one of the markers."""
    is_commit = prepared.state is TransactionState.PREPARE_COMMIT
    marker = Marker(prepared.producer_id, prepared.producer_epoch, 0, is_commit, 2)
    assert broker.markers.write(marker, broker.partitions.get(*partition)) is ErrorCode.NONE


class TestCrashes:
    @pytest.mark.parametrize("commit", [True, False])
    @pytest.mark.parametrize("written", range(4))
    def test_what_is_prepared_is_completed_wherever_it_stopped(self, broker, commit, written):
        producer = broker.begin()
        broker.send(producer, 0)
        broker.send(producer, 0, partition=1)
        broker.commit_offset(producer, 5)
        prepared = prepare(broker, commit=commit)
        for partition in sorted(prepared.partitions)[:written]:
            mark(broker, prepared, partition)
        broker.crash()
        assert broker.described() == ("NONE", "CompleteCommit" if commit else "CompleteAbort", [])
        for partition in (0, 1):
            size, stable_offset, aborted = broker.committed_and_aborted(partition)
            log = broker.partitions.get("t", partition).log
            assert size > 0
            assert stable_offset == log.log_end_offset
            assert aborted == ([] if commit else [(producer[0], 0)])
        assert broker.fetch_offset() == ("NONE", 5 if commit else -1)
        assert broker.end(producer, commit=commit) == ("NONE", (producer[0], 1))

    def test_what_is_complete_is_left_alone(self, broker):
        producer = broker.begin()
        broker.send(producer, 0)
        _, producer = broker.end(producer, commit=True)
        end = broker.partitions.get("t", 0).log.log_end_offset
        broker.crash()
        assert broker.partitions.get("t", 0).log.log_end_offset == end
        assert broker.send(producer, 0) == "NONE"

    def test_an_open_transaction_stays_open_and_times_out_by_its_own_clock(self, broker):
        producer = broker.begin(timeout_ms=60_000)
        broker.send(producer, 0)
        broker.advance(45_000)
        broker.crash()
        broker.advance(10_000)
        assert broker.described()[1] == "Ongoing"
        broker.advance(20_000)
        assert broker.described()[1] == "CompleteAbort"

    def test_a_transaction_of_a_topic_that_was_deleted_is_completed(self, broker):
        producer = broker.begin()
        broker.send(producer, 0)
        broker.metadata.delete_topic(broker.metadata.image.topics_by_name["t"])
        assert broker.end(producer, commit=True) == ("NONE", (producer[0], 1))
        assert broker.described() == ("NONE", "CompleteCommit", [])


class TestDisks:
    def test_a_full_disk_leaves_everything_as_it_was(self, broker):
        producer = broker.begin()
        broker.send(producer, 0)
        broker.disk.full = True
        assert broker.end(producer, commit=True)[0] == "NOT_COORDINATOR"
        assert broker.init()[0] == "NOT_COORDINATOR"
        assert broker.send(producer, 0, partition=1) == "NOT_ENOUGH_REPLICAS"
        broker.disk.full = False
        assert broker.described() == ("NONE", "Ongoing", [("t", 0)])
        assert broker.end(producer, commit=True) == ("NONE", (producer[0], 1))

    def test_a_partition_off_line_gets_its_marker_when_it_is_back(self, broker):
        producer = broker.begin()
        broker.send(producer, 0)
        broker.send(producer, 0, partition=1)
        broker.partitions.get("t", 1).take_offline("the disk is gone")
        assert broker.end(producer, commit=True) == ("NONE", (producer[0], 1))
        assert broker.described() == ("NONE", "PrepareCommit", [("t", 1)])
        assert broker.end((producer[0], 1), commit=False)[0] == "CONCURRENT_TRANSACTIONS"
        assert broker.init()[0] == "CONCURRENT_TRANSACTIONS"
        broker.partitions.get("t", 1).offline_reason = None
        broker.advance(1000)
        assert broker.described() == ("NONE", "CompleteCommit", [])
        assert broker.committed_and_aborted(1)[1] == 2

    def test_groups_that_are_off_line_see_the_marker_when_they_are_back(self, broker):
        producer = broker.begin()
        broker.commit_offset(producer, 5)
        broker.groups.stop()
        assert broker.end(producer, commit=True)[0] == "NONE"
        assert broker.described()[1] == "CompleteCommit"
        broker.crash()
        assert broker.fetch_offset() == ("NONE", 5)

    def test_a_marker_that_is_refused_for_its_epoch_is_not_tried_again(self, broker):
        producer = broker.begin()
        broker.send(producer, 0)
        broker.mark((producer[0], 9), commit=False, coordinator_epoch=0)
        assert broker.end(producer, commit=True)[0] == "NONE"
        broker.advance(10_000)
        assert broker.described() == ("NONE", "PrepareCommit", [("t", 0)])

    def test_the_complete_is_written_when_the_disk_takes_it_again(self, broker):
        producer = broker.begin()
        broker.send(producer, 0)
        prepared = prepare(broker, commit=True)
        here = hosted(broker)
        here.shard.replay(record_of(prepared))
        mark(broker, prepared, ("t", 0))
        broker.disk.full = True
        completion = here.shard.begin_completion(NAME, broker.clock.now_ms())
        broker.transactions.finish(here, completion.record)
        assert broker.described()[1] == "PrepareCommit"
        broker.disk.full = False
        broker.advance(1000)
        assert broker.described()[1] == "CompleteCommit"


class TestSlowDisks:
    @pytest.fixture
    def synced(self, tmp_path):
        """A broker that syncs every record, on a disk that takes its time."""
        broker = TransactionBroker(tmp_path, "log.flush.interval.messages=1")
        broker.create("s", 1)
        broker.producer = broker.begin()
        assert broker.send(broker.producer, 0) == "NONE"
        broker.background.hold = True
        return broker

    def test_nothing_follows_before_the_end_is_on_the_disk(self, synced):
        broker = synced
        end = broker.partitions.get("t", 0).log.log_end_offset
        answer = broker.transactions.end_transaction(NAME, ProducerIdAndEpoch(*broker.producer), 2, is_commit=True)
        assert answer.code is ErrorCode.NONE
        assert broker.commits.pending, "the answer is held back"
        assert broker.partitions.get("t", 0).log.log_end_offset == end, "no marker before the Prepare is safe"
        broker.background.finish_one()
        assert broker.partitions.get("t", 0).log.log_end_offset == end + 1
        assert broker.described()[1] == "PrepareCommit", "no Complete before the marker is safe"
        broker.background.finish_all()
        assert broker.described()[1] == "CompleteCommit"

    def test_what_is_told_again_waits_as_the_first_time(self, synced):
        broker = synced
        producer = ProducerIdAndEpoch(*broker.producer)
        for _ in range(2):
            broker.commits.pending.clear()
            code = broker.transactions.add_partitions(NAME, producer, frozenset({("s", 0)}), 2)
            assert (code, len(broker.commits.pending)) == (ErrorCode.NONE, 1)
        broker.background.finish_all()
        broker.commits.pending.clear()
        broker.transactions.add_partitions(NAME, producer, frozenset({("s", 0)}), 2)
        assert not broker.commits.pending

    def test_who_comes_meanwhile_is_asked_to_come_again(self, synced):
        broker = synced
        broker.transactions.end_transaction(NAME, ProducerIdAndEpoch(*broker.producer), 2, is_commit=True)
        broker.commits.pending.clear()
        next_producer = (broker.producer[0], 1)
        assert broker.end(broker.producer, commit=True)[0] == "CONCURRENT_TRANSACTIONS"
        assert broker.send(next_producer, 0, version=11) == "NOT_ENOUGH_REPLICAS"
        broker.background.finish_all()
        code = broker.transactions.add_partitions(NAME, ProducerIdAndEpoch(*next_producer), frozenset({("t", 0)}), 2)
        assert code is ErrorCode.NONE


class TestLoading:
    @pytest.fixture
    def few_at_a_time(self, monkeypatch):
        monkeypatch.setattr(transaction_coordinators, "RECORDS_PER_TURN", 3)

    def test_what_is_not_loaded_yet_is_said_to_be_loading(self, tmp_path, few_at_a_time):
        broker = TransactionBroker(tmp_path, "transaction.state.log.num.partitions=1")
        for _ in range(10):
            broker.begin()
        broker.crash()
        assert broker.transactions.is_loading
        request = InitProducerIdRequest(transactional_id=NAME, transaction_timeout_ms=1000)
        assert broker.ask(init_producer_id, request, 5).error_code == ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
        listed = broker.ask(list_transactions, ListTransactionsRequest(), 2)
        assert listed.error_code == ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
        broker.timers.run_due(broker.clock.monotonic_ms())
        assert broker.transactions.is_loading, "one slice a turn"
        broker.advance(1)
        assert not broker.transactions.is_loading
        assert broker.begin()[1] == 10

    def test_a_record_that_cannot_be_read_is_passed_over(self, tmp_path, caplog):
        broker = TransactionBroker(tmp_path, "transaction.state.log.num.partitions=1")
        producer = broker.begin()
        partition = broker.partitions.get("__transaction_state", 0)
        _append_garbage(partition, broker.clock.now_ms())
        broker.crash()
        assert broker.begin() == (producer[0], 1)
        assert "is passed over" in caplog.text

    def test_a_partition_that_cannot_be_read_keeps_its_own_transactions_away_and_no_others(self, broker, caplog):
        kept = partition_for(NAME, 3)
        other = next(f"t{n}" for n in range(10) if partition_for(f"t{n}", 3) != kept)
        producer, another = broker.begin(), broker.begin(name=other)
        broker.transactions.stop()
        damaged = broker.folder / f"__transaction_state-{kept}" / f"{0:020d}.log"
        content = bytearray(damaged.read_bytes())
        content[61] ^= 8  # what the first record says of its length
        damaged.write_bytes(content)
        broker.transactions.start()
        assert f"{damaged.parent.name}: its transactions are not served, since they cannot be read" in caplog.text
        assert broker.init()[0] == "NOT_COORDINATOR"
        assert broker.end(producer, commit=True)[0] == "NOT_COORDINATOR"
        assert broker.send(producer, 0) == "NOT_ENOUGH_REPLICAS"
        assert broker.described()[0] == "NOT_COORDINATOR"
        assert broker.init(name=other) == ("NONE", (another[0], 1))
        listed = broker.ask(list_transactions, ListTransactionsRequest(), 2)
        assert [state.transactional_id for state in listed.transaction_states] == [other]
        assert damaged.read_bytes() == content

    def test_transactions_go_with_their_topic(self, broker):
        broker.begin()
        broker.metadata.delete_topic(broker.metadata.image.topics_by_name["__transaction_state"])
        assert broker.transactions.hosting(NAME) is ErrorCode.NOT_COORDINATOR


def _append_garbage(partition, now_ms):
    batch = build_batch([Record(0, now_ms, b"\0\0\0", b"\0\0")], base_offset=0)
    partition.append(memoryview(batch), now_ms=now_ms, origin=AppendOrigin.COORDINATOR)


class TestManyPartitions:
    def test_markers_are_written_in_turns(self, tmp_path):
        broker = TransactionBroker(tmp_path)
        broker.create("wide", 120)
        producer = broker.begin(version=4)
        broker.add(producer, ("wide", list(range(120))))
        assert broker.end(producer, commit=False, version=4)[0] == "NONE"
        described = broker.described()
        assert described[1] == "PrepareAbort"
        assert len(described[2]) == 70
        assert broker.add(producer, ("t", [0])) == [("t", 0, "CONCURRENT_TRANSACTIONS")]
        broker.advance(10)
        assert broker.described()[1] == "CompleteAbort"
        assert all(broker.partitions.get("wide", index).log.log_end_offset == 1 for index in range(120))

    @pytest.fixture
    def ending(self, tmp_path):
        """A broker whose producer has just ended a wide transaction."""
        broker = TransactionBroker(tmp_path)
        broker.create("wide", 120)
        producer = broker.begin()
        broker.add(producer, ("wide", list(range(120))))
        broker.producer = broker.end(producer, commit=True)[1]
        assert broker.described()[1] == "PrepareCommit"
        return broker

    def start(self, broker):
        """A produce of the next transaction."""
        records = batch(
            producer_id=broker.producer[0],
            producer_epoch=broker.producer[1],
            base_sequence=0,
            is_transactional=True,
        )
        return broker.start_produce("t", records, version=12, transactional_id=NAME)

    def test_the_next_transaction_waits_a_moment_for_its_first_batch(self, ending):
        waiting = self.start(ending)
        assert not waiting.is_complete
        ending.advance(20)
        [answer] = arrived(waiting, 12).responses[0].partition_responses
        assert (answer.error_code, answer.base_offset) == (0, 0)
        assert ending.described()[1] == "Ongoing"

    def test_it_waits_no_longer_than_a_moment(self, ending):
        for index in range(120):
            ending.partitions.get("wide", index).take_offline("the disk is gone")
        waiting = self.start(ending)
        ending.advance(99)
        assert not waiting.is_complete
        ending.advance(21)
        [answer] = arrived(waiting, 12).responses[0].partition_responses
        assert answer.error_code == ErrorCode.CONCURRENT_TRANSACTIONS

    def test_nobody_waits_for_a_connection_that_is_gone(self, ending):
        waiting = self.start(ending)
        waiting.abandon()
        ending.advance(1000)
        assert ending.described()[1] == "CompleteCommit"

    def test_a_stopped_broker_takes_no_further_turn(self, tmp_path):
        broker = TransactionBroker(tmp_path)
        broker.create("wide", 120)
        producer = broker.begin(version=4)
        broker.add(producer, ("wide", list(range(120))))
        broker.end(producer, commit=False, version=4)
        broker.transactions.stop()
        broker.timers.run_due(broker.clock.monotonic_ms() + 10_000)
        written = sum(broker.partitions.get("wide", index).log.log_end_offset for index in range(120))
        assert written == 50
        broker.crash()
        broker.advance(10)
        assert broker.described()[1] == "CompleteAbort"


class TestOlderClusters:
    """A cluster whose metadata finalizes an older transaction version."""

    def test_records_of_version_0_know_no_client_of_version_2(self, broker):
        broker.transaction_version = 0
        producer = broker.begin()
        assert broker.send(producer, 0) == "UNSUPPORTED_VERSION"
        assert broker.end(producer, commit=False)[0] == "UNSUPPORTED_VERSION"
        assert broker.add(producer, ("t", [0])) == [("t", 0, "NONE")]
        assert broker.send(producer, 0, version=11) == "NONE"
        assert broker.end(producer, commit=True, version=4)[0] == "NONE"
        broker.crash()
        assert broker.described() == ("NONE", "CompleteCommit", [])

    @pytest.mark.parametrize("version", [0, 1])
    def test_who_is_fenced_has_the_next_epoch(self, broker, version):
        broker.transaction_version = version
        old = broker.begin(version=4)
        broker.add(old, ("t", [0]))
        assert broker.init(version=4)[0] == "CONCURRENT_TRANSACTIONS"
        assert broker.begin(version=4) == (old[0], 2)
        assert broker.end(old, commit=True, version=4)[0] == "PRODUCER_FENCED"


def test_answers_are_not_deferred(broker):
    assert not isinstance(broker.init(), Deferred)
