"""The life of a consumer group, the same for every client: members come, leave and die, and so does the broker.

A client family gives `produce(topic, numbers)`, which returns when all are acknowledged (the key of number n is
`key_of(n)`, its value is n), `member_command(group, topic)`, the process that reads as a member, and
two facts: `leaves_while_reading`, whether that process prints all that it has taken before it leaves, and
`ends_with_the_broker`, whether it gives up when there is no broker.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from .group_members import Member, Seen, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Answer = TypeVar("Answer")

PARTITIONS = 6
KEYS = 997
CHUNK = 2_000

BEFORE_THE_GROUP = range(30_000)
WHILE_ONE_JOINS = range(30_000, 50_000)
WHILE_ONE_LEAVES = range(50_000, 70_000)
WHILE_A_MEMBER_DIES = range(70_000, 84_000)
BEFORE_THE_CRASH = range(84_000, 92_000)
AFTER_THE_CRASH = range(92_000, 100_000)


def key_of(number: int) -> str:
    return f"k{number % KEYS}"


class Observer:
    """Looks at the group from outside, with one client for all families: librdkafka."""

    def __init__(self, bootstrap: str, group: str, topic: str) -> None:
        self._group = group
        self._admin = AdminClient({"bootstrap.servers": bootstrap})
        # A consumer that never joins, since the admin's own question crashes librdkafka 2.16 while a coordinator loads.
        self._reader = Consumer({"bootstrap.servers": bootstrap, "group.id": group})
        self._partitions = [TopicPartition(topic, index) for index in range(PARTITIONS)]

    def stable_members(self) -> int:
        """How many members have an assignment; 0 while the group is not stable, or not there yet."""
        try:
            description = self._admin.describe_consumer_groups([self._group])[self._group].result(10)
        except KafkaException:
            return 0
        return len(description.members) if description.state.name == "STABLE" else 0

    def committed(self) -> dict[int, int]:
        answer = patiently(lambda: self._reader.committed(self._partitions, timeout=20))
        assert not [each.error for each in answer if each.error]
        return {each.partition: max(each.offset, 0) for each in answer}

    def log_ends(self) -> dict[int, int]:
        return {each.partition: self._reader.get_watermark_offsets(each, timeout=20)[1] for each in self._partitions}

    def close(self) -> None:
        self._reader.close()


def patiently(ask: Callable[[], Answer], timeout_s: float = 20) -> Answer:
    """The answer, once the coordinator that has just started is ready: Apache Kafka takes a while."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            return ask()
        except KafkaException as problem:
            if time.monotonic() > deadline or problem.args[0].code() != KafkaError.NOT_COORDINATOR:
                raise
            time.sleep(0.05)


class GroupScenario:
    def __init__(self, family, broker, topic: str, home: Path) -> None:
        self.family = family
        self.broker = broker
        self.topic = topic
        self.group = f"{topic}-group"
        self.home = home
        self.observer = Observer(broker.bootstrap, self.group, topic)
        self.members: list[Member] = []

    def run(self) -> None:
        try:
            self._run()
        except BaseException:
            for member in self.members:
                print(member.complaints())  # noqa: T201 (pytest shows it beside the failure)
            raise
        finally:
            for member in self.members:
                member.close()
            self.observer.close()

    def _run(self) -> None:
        self.family.produce(self.topic, BEFORE_THE_GROUP)
        for _ in range(3):
            self._start_member()
        self._wait_for_members(3)
        self._members_come_and_go()
        self._a_member_dies()
        self._the_broker_dies()
        self._all_leave()

    def _members_come_and_go(self) -> None:
        with self._producing(WHILE_ONE_JOINS):
            self._start_member()
            self._wait_for_members(4)
        if not self.family.leaves_while_reading:
            self._wait_for_numbers(WHILE_ONE_JOINS.stop)
            self.members[0].leave()
        with self._producing(WHILE_ONE_LEAVES):
            self.members[0].leave()
            self._wait_for_members(3)
        self._wait_for_numbers(WHILE_ONE_LEAVES.stop)
        twice = [number for number, times in self._times_seen().items() if times != 1]
        assert not twice, f"{len(twice)} records were read more than once, the first are {sorted(twice)[:5]}"
        self._check_order_of_keys()

    def _a_member_dies(self) -> None:
        victim = self.members[1]
        before = len(victim.look())
        with self._producing(WHILE_A_MEMBER_DIES):
            wait_until(lambda: len(victim.look()) > before, "the member that will be killed reads")
            victim.kill()
        self._wait_for_numbers(WHILE_A_MEMBER_DIES.stop)
        read_by_victim = {record.number for record in victim.seen}
        twice = {number for number, times in self._times_seen().items() if times > 1}
        assert twice <= read_by_victim, "records were read twice that the killed member had never read"
        self._wait_for_members(2)
        self._wait_for_commits()

    def _the_broker_dies(self) -> None:
        self.family.produce(self.topic, BEFORE_THE_CRASH)
        committed = self.observer.committed()
        self.broker.kill()
        if self.family.ends_with_the_broker:
            wait_until(lambda: not any(member.alive() for member in self.members), "the members have given up")
        seen_before = Counter((record.partition, record.offset) for record in self._seen())
        self.broker.start()
        if self.family.ends_with_the_broker:
            self._start_member()
            self._start_member()
        self.observer.close()  # it holds an old leader epoch
        self.observer = Observer(self.broker.bootstrap, self.group, self.topic)
        after = self.observer.committed()
        assert all(after[index] >= committed[index] for index in committed), f"committed {committed}, now {after}"
        self.family.produce(self.topic, AFTER_THE_CRASH)
        self._wait_for_numbers(AFTER_THE_CRASH.stop)
        seen_since = Counter((record.partition, record.offset) for record in self._seen()) - seen_before
        again = [(index, offset) for index, offset in seen_since if offset < committed[index]]
        assert not again, f"{len(again)} records below the committed offsets were read again, as {again[:5]}"
        assert sum(self.observer.log_ends().values()) == AFTER_THE_CRASH.stop

    def _all_leave(self) -> None:
        self._wait_for_commits()
        for member in self.members:
            member.leave()
        assert self.observer.committed() == self.observer.log_ends()

    def _start_member(self) -> None:
        command, environment = self.family.member_command(self.group, self.topic)
        self.members.append(Member(command, self.home, f"member-{len(self.members)}", environment))

    def _wait_for_members(self, count: int) -> None:
        wait_until(lambda: self.observer.stable_members() == count, f"the group is stable with {count} members")

    def _wait_for_commits(self) -> None:
        wait_until(lambda: self.observer.committed() == self.observer.log_ends(), "all that was read is committed")

    def _wait_for_numbers(self, stop: int) -> None:
        """Until every number below `stop` was read by somebody."""
        wanted = set(range(stop))
        wait_until(lambda: wanted <= {record.number for record in self._seen()}, f"all of {stop} records are read")

    def _seen(self) -> list[Seen]:
        return [record for member in self.members for record in member.look()]

    def _times_seen(self) -> Counter[int]:
        return Counter(record.number for record in self._seen())

    def _check_order_of_keys(self) -> None:
        for member in self.members:
            in_partition = defaultdict(list)
            for record in member.seen:
                in_partition[record.partition].append(record.offset)
            for index, offsets in in_partition.items():
                assert offsets == sorted(offsets), f"{member.name} read partition {index} out of order"
        last_number: dict[str, int] = {}
        for record in sorted(self._seen()):
            assert record.key == key_of(record.number)
            assert record.number > last_number.get(record.key, -1), f"{record} is out of its key's order"
            last_number[record.key] = record.number

    def _producing(self, numbers: range) -> Producing:
        return Producing(self.family, self.topic, numbers)


class Producing:
    """Produces in the background, piece by piece, so that what happens meanwhile happens among moving records."""

    def __init__(self, family, topic: str, numbers: range) -> None:
        self._family = family
        self._topic = topic
        self._numbers = numbers
        self._problem: BaseException | None = None
        self._thread = threading.Thread(target=self._produce)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *exception) -> None:
        self._thread.join()
        if self._problem is not None and exception[0] is None:
            raise self._problem

    def _produce(self) -> None:
        try:
            for start in range(self._numbers.start, self._numbers.stop, CHUNK):
                self._family.produce(self._topic, range(start, min(start + CHUNK, self._numbers.stop)))
                time.sleep(0.05)
        except BaseException as problem:  # noqa: BLE001 (handed to the test's own thread)
            self._problem = problem
