"""Groups of every type, as their records in the log have them."""

from __future__ import annotations

from ottla.broker.inspection.stored_groups import StoredGroup, StoredGroups
from ottla.protocol.stored import classic_groups as classic
from ottla.protocol.stored import consumer_groups as consumer
from ottla.protocol.stored import share_groups as share
from ottla.protocol.stored import share_state

TOPIC_ID = b"t" * 16


def groups(*records) -> StoredGroups:
    stored = StoredGroups({TOPIC_ID: "orders"})
    for key, value in records:
        stored.replay(key, value)
    return stored


def only(*records) -> StoredGroup:
    return groups(*records).groups["g"]


def commit(partition: int, offset: int | None, group: str = "g"):
    key = classic.OffsetCommitKey(group=group, topic="orders", partition=partition)
    return key, None if offset is None else classic.OffsetCommitValue(offset=offset, commit_timestamp=5)


def members(*names: str, generation: int = 3):
    found = [classic.MemberMetadata(member_id=name) for name in names]
    value = classic.GroupMetadataValue(
        protocol_type="consumer", generation=generation, protocol="range", leader=None, members=found
    )
    return classic.GroupMetadataKey(group="g"), value


CLASSIC_TOMBSTONE = (classic.GroupMetadataKey(group="g"), None)
CONSUMER = (consumer.ConsumerGroupMetadataKey(group_id="g"), consumer.ConsumerGroupMetadataValue(epoch=4))
CONSUMER_TOMBSTONE = (consumer.ConsumerGroupMetadataKey(group_id="g"), None)


def consumer_member(name: str, *, there: bool = True):
    key = consumer.ConsumerGroupMemberMetadataKey(group_id="g", member_id=name)
    value = consumer.ConsumerGroupMemberMetadataValue(
        instance_id=None, rack_id=None, subscribed_topic_regex=None, server_assignor="uniform"
    )
    return key, value if there else None


def target(epoch: int):
    key = consumer.ConsumerGroupTargetAssignmentMetadataKey(group_id="g")
    return key, consumer.ConsumerGroupTargetAssignmentMetadataValue(assignment_epoch=epoch)


def current(name: str, epoch: int, state: int = 0):
    key = consumer.ConsumerGroupCurrentMemberAssignmentKey(group_id="g", member_id=name)
    return key, consumer.ConsumerGroupCurrentMemberAssignmentValue(member_epoch=epoch, state=state)


def test_classic():
    group = only(members("a", "b"), commit(0, 7))
    assert (group.type, group.state, group.epoch, group.members) == ("classic", "Stable", 3, {"a", "b"})
    assert group.offsets["orders", 0].offset == 7
    assert only(members("a"), members(generation=4)).state == "Empty"


def test_offsets_alone_are_a_group():
    group = only(commit(1, 9))
    assert (group.type, group.state, group.epoch) == ("classic", "Empty", -1)


def test_tombstones_end_what_they_name():
    group = only(members("a"), commit(0, 1), commit(1, 2), commit(0, None), CLASSIC_TOMBSTONE)
    assert (group.epoch, group.members) == (-1, set())
    assert set(group.offsets) == {("orders", 1)}
    assert groups(commit(0, None, "unknown")).groups == {}


def test_consumer_states():
    assert only(CONSUMER).state == "Empty"
    joined = [CONSUMER, consumer_member("a")]
    assert only(*joined, target(3)).state == "Assigning"
    assert only(*joined, target(4), current("a", 3)).state == "Reconciling"
    assert only(*joined, target(4), current("a", 4, state=1)).state == "Reconciling"
    group = only(*joined, target(4), current("a", 4))
    assert (group.type, group.state, group.protocol) == ("consumer", "Stable", "uniform")
    assert only(*joined, consumer_member("a", there=False)).state == "Empty"


def test_a_group_that_changed_its_type():
    """The tombstone of the old type does not end the new one."""
    group = only(members("a"), commit(0, 1), CLASSIC_TOMBSTONE, CONSUMER, consumer_member("a"), CLASSIC_TOMBSTONE)
    assert (group.type, group.epoch, group.members) == ("consumer", 4, {"a"})
    back = only(CONSUMER, consumer_member("a"), CONSUMER_TOMBSTONE, members("b"))
    assert (back.type, back.members) == ("classic", {"b"})


def test_share_groups_and_their_offsets():
    group_key = share.ShareGroupMetadataKey(group_id="g")
    snapshot = share_state.ShareSnapshotKey(group_id="g", topic_id=TOPIC_ID, partition=2)
    update = share_state.ShareUpdateKey(group_id="g", topic_id=TOPIC_ID, partition=2)
    member = share.ShareGroupMemberMetadataKey(group_id="g", member_id="m")
    started = [
        (group_key, share.ShareGroupMetadataValue(epoch=2)),
        (member, share.ShareGroupMemberMetadataValue(rack_id=None)),
        (snapshot, share_state.ShareSnapshotValue(start_offset=10, write_timestamp=99)),
    ]
    group = only(*started)
    assert (group.type, group.state) == ("share", "Stable")
    assert (group.offsets["orders", 2].offset, group.offsets["orders", 2].committed_ms) == (10, 99)
    moved = only(*started, (update, share_state.ShareUpdateValue(start_offset=15)))
    assert moved.offsets["orders", 2].offset == 15
    kept = only(*started, (update, share_state.ShareUpdateValue(start_offset=-1)))
    assert kept.offsets["orders", 2].offset == 10
    assert only(*started, (snapshot, None)).offsets == {}
