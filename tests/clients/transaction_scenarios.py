"""Rows of requests about transactions; `Scenario` sends them and writes down what is answered."""

from __future__ import annotations

import time

from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
    TopicPartitions,
)
from ottla.protocol.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from ottla.protocol.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse
from ottla.protocol.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse

from .transaction_requests import SETTLE_S, Scenario, name_of


def classic_member(s: Scenario) -> tuple[str, int]:
    """Someone alone in the scenario's group, by the classic protocol: member id and generation."""
    request = JoinGroupRequest(
        group_id=s.group,
        session_timeout_ms=30_000,
        rebalance_timeout_ms=30_000,
        protocol_type="consumer",
        protocols=[JoinGroupRequestProtocol(name="range", metadata=b"\0\0\0\0\0\0\0\0\0\0")],
    )
    joined = s.client.ask(request, JoinGroupResponse, 5)
    request.member_id = joined.member_id
    joined = s.client.ask(request, JoinGroupResponse, 5)
    assignment = [SyncGroupRequestAssignment(member_id=joined.member_id, assignment=b"")]
    sync = SyncGroupRequest(
        group_id=s.group,
        generation_id=joined.generation_id,
        member_id=joined.member_id,
        assignments=assignment,
    )
    s.note("joined", name_of(joined.error_code), name_of(s.client.ask(sync, SyncGroupResponse, 3).error_code))
    return joined.member_id, joined.generation_id


def consumer_member(s: Scenario) -> tuple[str, int]:
    """Someone alone in the scenario's group, by KIP-848, with its partitions: member id and epoch."""
    member_id = f"member-{s.run}"
    request = ConsumerGroupHeartbeatRequest(
        group_id=s.group,
        member_id=member_id,
        member_epoch=0,
        rebalance_timeout_ms=30_000,
        subscribed_topic_names=[s.topic],
        topic_partitions=[],
    )
    joined = answer = s.client.ask(request, ConsumerGroupHeartbeatResponse, 1)
    owned: list[TopicPartitions] = []
    deadline = time.monotonic() + SETTLE_S
    while sum(len(topic.partitions) for topic in owned) < 3 or answer.assignment is not None:
        assert time.monotonic() < deadline, "the consumer gets no partitions"
        if answer.assignment is not None:
            owned = [
                TopicPartitions(topic_id=topic.topic_id, partitions=topic.partitions)
                for topic in answer.assignment.topic_partitions
            ]
        beat = ConsumerGroupHeartbeatRequest(
            group_id=s.group, member_id=member_id, member_epoch=answer.member_epoch, topic_partitions=owned
        )
        time.sleep(0.05)
        answer = s.client.ask(beat, ConsumerGroupHeartbeatResponse, 1)
    epoch = answer.member_epoch
    s.note("joined", name_of(joined.error_code))
    return member_id, epoch


def of_members(s: Scenario, member_id: str, generation: int) -> None:
    producer = s.init()
    for offset, (label, who, epoch) in enumerate(
        (
            ("itself", member_id, generation),
            ("itself, later", member_id, generation + 1),
            ("itself, earlier", member_id, generation - 1),
            ("a stranger", "stranger", generation),
            ("nobody", "", -1),
            ("itself without a generation", member_id, -1),
            ("a stranger without a generation", "stranger", -1),
            ("nobody with a generation", "", generation),
        ),
        1,
    ):
        s.commit_offset(producer, offset, label=label, member_id=who, generation_id=epoch)
    s.fetch_offset(stable=True)
    s.end(producer, commit=True)
    s.fetch_offset(stable=True, wanted=5)


# ---- the scenarios


def offsets_of_a_classic_member(s: Scenario) -> None:
    """Whose offsets a classic group takes (KIP-447)."""
    of_members(s, *classic_member(s))


def offsets_of_a_consumer(s: Scenario) -> None:
    """Whose offsets a consumer group takes (KIP-848)."""
    of_members(s, *consumer_member(s))


def lost_batches(s: Scenario) -> None:
    """Batches that come without those before them."""
    producer = s.init(version=4)
    s.send(producer, 5, version=11)
    s.send(producer, 3, version=11)
    s.add(producer, ("t", [0, 1]))
    s.send(producer, 5, version=11)
    s.send(producer, 3, version=11)
    s.send(producer, 4, version=11)
    s.send(producer, 7, version=11, partition=1)
    s.end(producer, commit=True, version=4)
    s.described("CompleteCommit")
    s.send(producer, 0, version=11, partition=1)
    s.add(producer, ("t", [1]))
    s.send(producer, 0, version=11, partition=1)
    s.send(producer, 8, version=11, partition=1)
    s.end(producer, commit=False, version=4)
    s.described("CompleteAbort")
    producer = s.init(name="y")
    s.send(producer, 2, name="y", partition=2)
    s.send(producer, 0, name="y", partition=2)
    s.send(producer, 2, name="y", partition=2)
    s.send(producer, 1, name="y", partition=2)
    s.send(producer, 0, name="y", partition=2, acks=7)
    s.producers(0, 1, 2)


def versions_mixed(s: Scenario) -> None:
    """A client that changes its version within a transaction, as one that is upgraded does."""
    producer = s.init(version=4)
    s.add(producer, ("t", [0]))
    s.send(producer, 0)
    s.send(producer, 0, partition=1)
    producer = s.end(producer, commit=True)
    s.described("CompleteCommit")
    s.send(producer, 0)
    s.end(producer, commit=True, version=4)
    s.described("CompleteCommit")
    s.end(producer, commit=True, version=4)
    s.end(producer, commit=True)
    s.add(producer, ("t", [0]))
    s.send(producer, 1, version=11)
    s.end(producer, commit=False)
    s.described("CompleteAbort")
    s.end(producer, commit=False, version=4)
    s.end((producer[0], producer[1] + 1), commit=False, version=4)
    s.listed(2, transactional_id_pattern="(")
    s.producers(0, 1)


def version_2(s: Scenario) -> None:
    """Begin, commit, abort, and again, as a client of transaction version 2."""
    producer = s.init()
    s.described()
    s.end(producer, commit=True)
    producer = s.end(producer, commit=False)
    s.described("CompleteAbort")
    s.send(producer, 0, count=2)
    s.send(producer, 0, partition=1)
    s.described("Ongoing")
    s.fetched(wanted_end=0)
    s.end_offset(0)
    s.end_offset(1)
    before = producer
    producer = s.end(producer, commit=True)
    s.described("CompleteCommit")
    s.end(before, commit=True)
    s.end(before, commit=False)
    s.end(producer, commit=True)
    s.end((before[0], before[1] - 1), commit=True)
    s.fetched(wanted_end=3)
    s.producers(0, 1, 2, 9)
    s.send(before, 2)
    s.send(producer, 0)
    s.send(producer, 1, partition=2)
    s.send(producer, 0, partition=2)
    s.send(producer, 1)
    s.send(producer, 3)
    s.send(producer, 2, transactional=False)
    before = producer
    producer = s.end(producer, commit=False)
    s.described("CompleteAbort")
    s.end(before, commit=False)
    s.end(before, commit=True)
    s.fetched(wanted_end=6)
    s.fetched(wanted_end=6, committed=False)
    s.end_offset(0)
    s.end_offset(1)
    producer = s.end(producer, commit=False)
    s.described("CompleteAbort")
    s.producers(0)


def version_1(s: Scenario) -> None:
    """The same as a client from before."""
    producer = s.init(version=4)
    s.end(producer, commit=True, version=4)
    s.end(producer, commit=False, version=4)
    s.send(producer, 0, version=9)
    s.send(producer, 0, version=11)
    s.add(producer, ("t", [0, 1]))
    s.described("Ongoing")
    s.send(producer, 0, version=9)
    s.send(producer, 1, version=11)
    s.send(producer, 0, version=9, partition=2)
    s.end(producer, commit=True, version=4)
    s.described("CompleteCommit")
    s.end(producer, commit=True, version=4)
    s.end(producer, commit=False, version=4)
    s.fetched(wanted_end=3)
    s.fetched(partition=1, wanted_end=1)
    s.send(producer, 2, version=9)
    s.add(producer, ("t", [0]))
    s.send(producer, 2, version=9)
    s.send(producer, 3, version=9, transactional=False)
    s.end(producer, commit=False, version=3)
    s.described("CompleteAbort")
    s.end(producer, commit=False, version=3)
    s.fetched(wanted_end=5)
    s.producers(0, 1)


def fencing(s: Scenario) -> None:
    """A second producer with the same transactional id."""
    old = s.init()
    s.send(old, 0)
    s.init(wait=False)
    new = s.init()
    s.send(old, 1)
    s.end(old, commit=True)
    s.add(old, ("t", [0]))
    s.add(old, ("t", [0]), version=1)
    s.end(old, commit=True, version=4)
    s.end(old, commit=True, version=1)
    s.init(producer=old)
    s.init(producer=old, version=3)
    s.send(new, 0)
    s.end(new, commit=True)
    s.described("CompleteCommit")
    s.fetched(wanted_end=4)
    s.producers(0)


def fencing_of_version_1(s: Scenario) -> None:
    """The same, with clients from before."""
    old = s.init(version=4)
    s.add(old, ("t", [0]))
    s.send(old, 0, version=9)
    s.init(version=4, wait=False)
    new = s.init(version=4)
    s.send(old, 1, version=9)
    s.add(old, ("t", [1]))
    s.end(old, commit=True, version=4)
    s.add(new, ("t", [0]))
    s.send(new, 0, version=9)
    s.end(new, commit=True, version=4)
    s.described("CompleteCommit")
    s.fetched(wanted_end=4)
    s.producers(0)


def coming_back(s: Scenario) -> None:
    """A producer that says who it was (KIP-360)."""
    producer = s.init()
    first = s.init(producer=producer)
    s.init(producer=producer)
    s.init(producer=(first[0], 7))
    s.init(producer=(first[0] + 1000, 0))
    s.send(first, 0)
    s.init(producer=first, wait=False)
    s.described("CompleteAbort")
    s.init(producer=first)
    last = s.init(name="y", producer=(123_456_789, 3))
    s.init(name="y", producer=last)
    s.init(producer=(1, -1))
    s.init(producer=(-1, 1))
    s.init(name="")
    for timeout_ms in (0, -1, 900_000, 900_001):
        s.init(name="z", timeout_ms=timeout_ms)


def strangers(s: Scenario) -> None:
    """Ids and epochs that are wrong."""
    s.add((4000, 0), ("t", [0]))
    s.end((4000, 0), commit=True)
    s.end((4000, 0), commit=True, version=4)
    s.send((4000, 0), 0, wait=False)
    s.send((4000, 0), 0, version=11, wait=False)
    s.send((4000, 0), 0, version=9, wait=False)
    s.send((4000, 0), 0, name=None)
    s.send((4000, 0), 0, name="", wait=False)
    s.add((4000, 0), ("t", [0]), name="")
    s.end((4000, 0), commit=True, name="")
    s.described(name="")
    s.described(name="nobody")
    producer = s.init()
    for other in ((producer[0] + 1000, 0), (producer[0], producer[1] + 1), (producer[0], -1), (-1, -1)):
        s.add(other, ("t", [0]))
        s.end(other, commit=True)
        s.end(other, commit=False)
        s.end(other, commit=False, version=4)
        s.send((max(other[0], 0), max(other[1], 0)), 0, wait=False)
    s.add(producer, ("t", [0, 9]), ("nothing", [0]), wait=False)
    s.add(producer, ("t", []), ("t", [0]))
    s.add(producer, ("t", [0, 0]))
    s.described("Ongoing")
    s.end(producer, commit=False)


def offsets(s: Scenario) -> None:
    """Offsets as part of a transaction."""
    producer = s.init()
    s.commit_offset(producer, 5, version=5)
    s.fetch_offset(stable=True)
    s.fetch_offset(stable=False)
    before = producer
    producer = s.end(producer, commit=True)
    s.fetch_offset(stable=True, wanted=5)
    s.commit_offset(before, 6)
    s.commit_offset(producer, 7)
    s.commit_offset(producer, 8, metadata="m" * 5000)
    s.commit_offset(producer, 8, topic="nothing", wait=False)
    s.commit_offset(producer, 8, group="")
    s.commit_offset(producer, 8, generation_id=3, member_id="nobody")
    s.commit_offset(producer, 8, member_id="nobody")
    s.commit_offset(producer, 8, group_instance_id="nobody")
    s.commit_offset((producer[0], 100), 8)
    producer = s.end(producer, commit=False)
    s.described("CompleteAbort")
    s.fetch_offset(stable=True, wanted=5)


def offsets_of_version_1(s: Scenario) -> None:
    """The same, with a client that adds them first."""
    producer = s.init(version=4)
    s.commit_offset(producer, 5, version=3)
    s.commit_offset(producer, 5, version=4)
    s.add_offsets(producer)
    s.commit_offset(producer, 5, version=3)
    s.commit_offset(producer, 6, version=2)
    s.fetch_offset(stable=True)
    s.end(producer, commit=True, version=4)
    s.fetch_offset(stable=True, wanted=6)
    s.add_offsets((producer[0], 7))
    s.add_offsets((producer[0], 7), version=1)
    s.add_offsets((producer[0] + 1000, 0))


def batched(s: Scenario) -> None:
    """AddPartitionsToTxn as brokers send it."""
    one, two = s.init(name="one"), s.init(name="two")
    s.batched(("one", one, False, [0]), ("two", two, True, [0]), version=4)
    s.batched(("one", one, True, [0, 1]), ("two", two, False, [1]))
    s.batched(("one", (one[0], 9), True, [0]), ("two", (one[0], 0), False, [1]))
    s.batched(("one", one, False, [0, 9]), ("nobody", two, True, [1]))
    s.described("Ongoing", name="one")
    s.described("Ongoing", name="two")
    s.end(one, commit=True, name="one")
    s.end(two, commit=True, name="two")


def timing_out(s: Scenario) -> None:
    """A transaction that lasts longer than its producer allowed."""
    producer = s.init(timeout_ms=1000)
    s.send(producer, 0)
    s.described("CompleteAbort")
    s.send(producer, 1)
    s.end(producer, commit=True)
    s.end(producer, commit=False)
    s.end((producer[0], producer[1] + 1), commit=True)
    s.init(producer=producer)
    s.fetched(wanted_end=2)
    s.producers(0)


def aborted_lists(s: Scenario) -> None:
    """Which aborted transactions a fetch is told of."""
    first, second = s.init(name="one"), s.init(name="two")
    for _ in range(3):
        s.send(first, 0, name="one", count=2)
        s.send(second, 0, name="two")
        first = s.end(first, commit=False, name="one")
        s.described("CompleteAbort", name="one")
        s.send(first, 0, name="one")
        first = s.end(first, commit=True, name="one")
        s.described("CompleteCommit", name="one")
        second = s.end(second, commit=False, name="two")
        s.described("CompleteAbort", name="two")
    s.fetched(wanted_end=21)
    for offset in (3, 4, 6, 7, 9, 14, 20, 21):
        s.fetched(offset=offset)
    for max_bytes in (100, 400, 800):
        s.fetched(offset=0, max_bytes=max_bytes)
        s.fetched(offset=7, max_bytes=max_bytes)


def admins(s: Scenario) -> None:
    """What an admin sees, and the abort of a transaction that hangs."""
    producer = s.init(name="open")
    s.init(name="idle")
    s.send(producer, 0, name="open")
    s.listed(0)
    s.listed(1, duration_filter=3_600_000)
    s.listed(1, duration_filter=-1)
    s.listed(2, state_filters=["Ongoing"])
    s.listed(2, state_filters=["Ongoing", "Asleep", "PrepareEpochFence", "Dead"])
    s.listed(2, state_filters=["Asleep"])
    s.listed(2, producer_id_filters=[producer[0]])
    s.listed(2, transactional_id_pattern="idle.*")
    s.listed(2, transactional_id_pattern="idle")
    s.listed(2, transactional_id_pattern="")
    s.producers(0, 1)
    s.mark((producer[0], 0), commit=False, partitions=(0, 9))
    s.fetched(wanted_end=2)
    s.producers(0)
    s.mark((producer[0], 0), commit=False, version=1)
    s.mark((producer[0], 0), commit=True, coordinator_epoch=-1)
    s.mark((producer[0], 0), commit=False, transaction_version=2)
    s.mark((producer[0], 5), commit=False, transaction_version=2, coordinator_epoch=3)
    s.mark((producer[0], 4), commit=False, transaction_version=2, coordinator_epoch=3)
    s.mark((producer[0], 5), commit=False, coordinator_epoch=2)
    s.mark((producer[0] + 1000, 0), commit=True, partitions=(1,))
    s.producers(0, 1)


def epochs_running_out(s: Scenario) -> None:
    """A producer that has had every epoch of its id goes on with a new one (KIP-360, KIP-890)."""
    producer = s.init()
    request = InitProducerIdRequest(transactional_id=s.id(), transaction_timeout_ms=60_000)
    while producer[1] < 32_765:
        request.producer_id, request.producer_epoch = producer
        answer = s.client.ask(request, InitProducerIdResponse, 5)
        if answer.error_code != ErrorCode.CONCURRENT_TRANSACTIONS:
            assert answer.error_code == 0, answer
            producer = answer.producer_id, answer.producer_epoch
    s.send(producer, 0)
    producer = s.end(producer, commit=True)
    s.described("CompleteCommit")
    s.send(producer, 0)
    before = producer
    producer = s.end(producer, commit=True)
    s.described("CompleteCommit")
    s.end(before, commit=True)
    s.end(before, commit=False)
    s.fetched(wanted_end=4)
    s.producers(0)
    s.send(producer, 0)
    s.end(producer, commit=False)
    s.described("CompleteAbort")
    s.fetched(wanted_end=6)
    s.producers(0)
    s.init(producer=before)
    s.init()


SCENARIOS = {
    scenario.__name__: scenario
    for scenario in (
        version_2,
        version_1,
        versions_mixed,
        lost_batches,
        offsets_of_a_classic_member,
        offsets_of_a_consumer,
        fencing,
        fencing_of_version_1,
        coming_back,
        strangers,
        offsets,
        offsets_of_version_1,
        batched,
        timing_out,
        aborted_lists,
        admins,
        epochs_running_out,
    )
}
