"""Groups over real logs: what is acknowledged is in the files, time moves by hand."""

from __future__ import annotations

import errno

import pytest
from ottla.broker.handlers import (
    delete_groups,
    find_coordinator,
    heartbeat,
    join_group,
    leave_group,
    offset_commit,
    offset_fetch,
    sync_group,
)
from ottla.broker.request import Deferred
from ottla.broker.runtime.coordinator_partitions import partition_for
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.delete_groups import DeleteGroupsRequest
from ottla.protocol.messages.find_coordinator import FindCoordinatorRequest
from ottla.protocol.messages.heartbeat import HeartbeatRequest
from ottla.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from ottla.protocol.messages.leave_group import LeaveGroupRequest, MemberIdentity
from ottla.protocol.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from ottla.protocol.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
)
from ottla.protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment

from ..group_broker import OFFSETS_TOPIC, GroupBroker, arrived

SUBSCRIPTION = b"\x00\x00\x00\x00\x00\x01\x00\x01t\xff\xff\xff\xff"


@pytest.fixture
def broker(tmp_path):
    broker = GroupBroker(tmp_path)
    broker.create("t", 2)
    broker.ask(find_coordinator, FindCoordinatorRequest(key="g"), 3)
    return broker


def join(broker, member_id="", group="g", version=3, session_ms=10_000):
    request = JoinGroupRequest(
        group_id=group,
        session_timeout_ms=session_ms,
        rebalance_timeout_ms=60_000,
        member_id=member_id,
        protocol_type="consumer",
        protocols=[JoinGroupRequestProtocol(name="range", metadata=SUBSCRIPTION)],
    )
    return broker.ask(join_group, request, version)


def sync(broker, member_id, generation, assignments=(), group="g"):
    given = [SyncGroupRequestAssignment(member_id=who, assignment=what) for who, what in assignments]
    request = SyncGroupRequest(group_id=group, generation_id=generation, member_id=member_id, assignments=given)
    return broker.ask(sync_group, request, 4)


def beat(broker, member_id, generation, group="g"):
    request = HeartbeatRequest(group_id=group, generation_id=generation, member_id=member_id)
    return ErrorCode(broker.ask(heartbeat, request, 4).error_code)


def commit(broker, offset, group="g", topic="t", member_id="", generation=-1, metadata=None):
    partition = OffsetCommitRequestPartition(partition_index=0, committed_offset=offset, committed_metadata=metadata)
    request = OffsetCommitRequest(
        group_id=group,
        generation_id_or_member_epoch=generation,
        member_id=member_id,
        topics=[OffsetCommitRequestTopic(name=topic, partitions=[partition])],
    )
    return ErrorCode(broker.ask(offset_commit, request, 9).topics[0].partitions[0].error_code)


def fetched(broker, group="g"):
    request = OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id=group, topics=None)])
    [answer] = broker.ask(offset_fetch, request, 9).groups
    return {(t.name, p.partition_index): p.committed_offset for t in answer.topics for p in t.partitions}


def stable(broker, group="g"):
    """A stable group of one member; its id."""
    parked = join(broker, group=group)
    broker.advance(0)
    joined = arrived(parked, 3)
    assert sync(broker, joined.member_id, joined.generation_id, [(joined.member_id, b"A")], group).assignment == b"A"
    return joined.member_id


def test_a_parked_join_is_answered_by_the_timer(broker):
    parked = join(broker)
    assert isinstance(parked, Deferred)
    assert not parked.is_complete
    broker.advance(0)
    assert (arrived(parked, 3).generation_id, arrived(parked, 3).member_id) == (1, "test-1")


def test_a_parked_sync_is_answered_by_the_leaders(broker):
    parked = [join(broker), join(broker)]
    broker.advance(0)
    leader, follower = (arrived(one, 3).member_id for one in parked)
    waiting = sync(broker, follower, 1)
    assert not waiting.is_complete
    assert sync(broker, leader, 1, [(follower, b"F")]).assignment == b""
    assert arrived(waiting, 4).assignment == b"F"


def test_no_group_before_its_topic(tmp_path):
    broker = GroupBroker(tmp_path)
    broker.create("t")
    assert join(broker).error_code == ErrorCode.NOT_COORDINATOR
    assert commit(broker, 1) is ErrorCode.NOT_COORDINATOR
    assert beat(broker, "m", 1) is ErrorCode.NOT_COORDINATOR


def test_a_session_ends(broker):
    member = stable(broker)
    broker.advance(9000)
    assert beat(broker, member, 1) is ErrorCode.NONE
    broker.advance(9999)
    assert beat(broker, member, 1) is ErrorCode.NONE
    broker.advance(10_000)
    assert beat(broker, member, 1) is ErrorCode.UNKNOWN_MEMBER_ID


def test_each_group_has_one_timer_however_often_it_is_asked(broker):
    member = stable(broker)
    for _ in range(100):
        broker.advance(10)
        beat(broker, member, 1)
    broker.advance(10_000)  # each look at the group while it lives plans one more
    assert len(broker.timers._heap) <= 3


def test_everything_acknowledged_is_there_after_a_crash(broker):
    member = stable(broker)
    assert commit(broker, 42, member_id=member, generation=1) is ErrorCode.NONE
    assert commit(broker, 7, group="simple") is ErrorCode.NONE
    broker.crash()
    assert fetched(broker) == {("t", 0): 42}
    assert fetched(broker, "simple") == {("t", 0): 7}
    assert beat(broker, member, 1) is ErrorCode.NONE
    assert sync(broker, member, 1).assignment == b"A"
    assert commit(broker, 43, member_id=member, generation=1) is ErrorCode.NONE
    broker.crash()
    assert fetched(broker) == {("t", 0): 43}


def test_sessions_run_again_after_a_crash(broker):
    member = stable(broker)
    broker.advance(9_000)
    broker.crash()
    broker.advance(9_999)
    assert beat(broker, member, 1) is ErrorCode.NONE
    broker.crash()
    broker.advance(10_000)
    assert beat(broker, member, 1) is ErrorCode.UNKNOWN_MEMBER_ID
    assert broker.groups.shard_of("g").groups["g"].generation == 2


def test_a_partition_that_cannot_be_read_keeps_its_own_groups_away_and_no_others(broker, caplog):
    other = next(f"g{n}" for n in range(10) if partition_for(f"g{n}", 3) != partition_for("g", 3))
    assert commit(broker, 42) is ErrorCode.NONE
    assert commit(broker, 7, group=other) is ErrorCode.NONE
    broker.groups.stop()
    damaged = broker.folder / f"{OFFSETS_TOPIC}-{partition_for('g', 3)}" / f"{0:020d}.log"
    content = bytearray(damaged.read_bytes())
    content[61] ^= 8  # what the first record says of its length
    damaged.write_bytes(content)
    broker.groups.start()
    assert f"{damaged.parent.name}: its groups are not served, since they cannot be read" in caplog.text
    assert commit(broker, 43) is ErrorCode.NOT_COORDINATOR
    assert join(broker).error_code == ErrorCode.NOT_COORDINATOR
    assert [group.group_id for group in broker.groups.groups()] == [other]
    assert fetched(broker, other) == {("t", 0): 7}
    assert damaged.read_bytes() == content
    content[61] ^= 8
    damaged.write_bytes(content)
    broker.groups.stop()
    broker.groups.start()
    assert fetched(broker) == {("t", 0): 42}


def test_a_full_disk_refuses_and_forgets_nothing(broker):
    member = stable(broker)
    assert commit(broker, 1, member_id=member, generation=1) is ErrorCode.NONE
    broker.disk.full = True
    assert commit(broker, 2, member_id=member, generation=1) is ErrorCode.NOT_COORDINATOR
    assert join(broker, group="new").error_code == ErrorCode.NOT_COORDINATOR
    broker.disk.full = False
    assert fetched(broker) == {("t", 0): 1}
    assert commit(broker, 3, member_id=member, generation=1) is ErrorCode.NONE
    broker.crash()
    assert fetched(broker) == {("t", 0): 3}


def test_records_larger_than_the_log_takes(broker):
    broker.metadata.set_configs(2, OFFSETS_TOPIC, {"max.message.bytes": "500"})
    assert commit(broker, 1, metadata="x" * 600) is ErrorCode.UNKNOWN_SERVER_ERROR
    assert commit(broker, 1) is ErrorCode.NONE


def test_offsets_expire_by_the_timer(tmp_path):
    broker = GroupBroker(tmp_path, "offsets.retention.minutes=1", "offsets.retention.check.interval.ms=1000")
    broker.create("t")
    broker.ask(find_coordinator, FindCoordinatorRequest(key="g"), 3)
    commit(broker, 5)
    broker.advance(59_999)
    assert fetched(broker) == {("t", 0): 5}
    broker.advance(1)
    assert fetched(broker) == {}
    broker.crash()
    assert not list(broker.groups.groups())


def test_offsets_of_a_deleted_topic_go_with_it(broker):
    image = broker.create("gone")
    commit(broker, 5, topic="gone")
    commit(broker, 6)
    broker.metadata.delete_topic(image)
    assert fetched(broker) == {("t", 0): 6}
    broker.crash()
    assert fetched(broker) == {("t", 0): 6}


def test_a_deleted_group_and_its_namesake(broker):
    stable_member = stable(broker)
    leaving = LeaveGroupRequest(group_id="g", members=[MemberIdentity(member_id=stable_member)])
    assert broker.ask(leave_group, leaving, 5).members[0].error_code == 0
    [result] = broker.ask(delete_groups, DeleteGroupsRequest(groups_names=["g"]), 2).results
    assert result.error_code == 0
    # The old group's timer is still planned; the namesake's sessions must run all the same.
    member = stable(broker)
    broker.advance(10_000)
    assert beat(broker, member, 1) is ErrorCode.UNKNOWN_MEMBER_ID
    broker.crash()
    assert broker.groups.shard_of("g").groups["g"].generation == 2


def test_a_connection_that_closes_leaves_the_member_in(broker):
    parked = join(broker)
    parked.abandon()
    broker.advance(0)
    assert not parked.is_complete
    assert len(broker.groups.shard_of("g").groups["g"].members) == 1


def test_stop_answers_all_who_wait(broker):
    parked = join(broker)
    broker.groups.stop()
    assert arrived(parked, 3).error_code == ErrorCode.NOT_COORDINATOR
    assert join(broker).error_code == ErrorCode.NOT_COORDINATOR
    broker.advance(3_600_000)


class TestSyncedLog:
    """`flush.messages` on `__consumer_offsets`: nobody is told what is not on the disk."""

    @pytest.fixture
    def synced(self, broker):
        broker.metadata.set_configs(2, OFFSETS_TOPIC, {"flush.messages": "1"})
        broker.background.hold = True
        return broker

    def test_an_assignment_is_told_when_it_is_on_the_disk(self, synced):
        parked = join(synced)
        synced.advance(0)
        synced.background.finish_all()
        joined = arrived(parked, 3)
        waiting = sync(synced, joined.member_id, joined.generation_id, [(joined.member_id, b"A")])
        assert not waiting.is_complete
        synced.background.finish_all()
        assert arrived(waiting, 4).assignment == b"A"

    def test_a_disk_that_fails_sends_clients_to_look_for_the_coordinator(self, synced, monkeypatch):
        parked = join(synced)
        synced.advance(0)
        synced.background.finish_all()
        joined = arrived(parked, 3)

        def fail(descriptor):
            raise OSError(errno.EIO, "Input/output error")

        monkeypatch.setattr(synced.disk, "fsync", fail)
        waiting = sync(synced, joined.member_id, joined.generation_id, [(joined.member_id, b"A")])
        synced.background.finish_all()
        assert arrived(waiting, 4).error_code == ErrorCode.NOT_COORDINATOR

    def test_a_commit_holds_its_own_answer_back(self, synced):
        assert commit(synced, 5) is ErrorCode.NONE
        assert len(synced.commits.pending) == 1
        told = []
        synced.commits.pending.pop()(told.append)
        assert told == []
        synced.background.finish_all()
        assert told == [None]
