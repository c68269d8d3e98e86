"""A group under churn, the same for every client: members are added, killed, paused past their session, and leave.

What must hold is written out in `Churn.check`: every record is delivered, no partition is read by two members that
live, no committed offset is lost, and after each step the group becomes stable with every partition in one hand.
"""

from __future__ import annotations

import itertools
import math
import random
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from confluent_kafka import Producer

from .churn_members import ChurnMember
from .churn_ownership import check_one_reader_each, was_out
from .churn_watch import GroupWatch
from .group_members import wait_until
from .test_transactions import PATIENT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PARTITIONS = 6
MEMBERS_AT_FIRST = 3
RECORDS_PER_BEAT = 12
BEAT_S = 0.05
SETTLE_TIMEOUT_S = 60

ACCIDENTS = ("kill", "leave", "pause")
# Some take session timeouts to be noticed, so that four accidents are what a test has time for.
COUNTED_TWICE = ("kill", "pause")


class Step(NamedTuple):
    """What is done at once, before the group may become stable."""

    accident: str
    """A member that is paused stays so past its session."""
    place: int
    """Of the victim among the living."""
    newcomer: bool
    """Whether somebody joins right before."""


class Client(NamedTuple):
    protocol: str
    command: tuple[str, ...]
    """The member program; it is given BOOTSTRAP GROUP TOPIC CLIENT_ID PROTOCOL."""


def script_of(seed: int) -> list[Step]:
    """Every accident in some order in which somebody always stays, some of them while somebody joins."""
    chance = random.Random(seed)
    while True:
        accidents = chance.sample([*ACCIDENTS, chance.choice(COUNTED_TWICE)], 4)
        script = [Step(accident, chance.randrange(8), chance.random() < 0.5) for accident in accidents]
        if _somebody_stays(script) and len({step.newcomer for step in script}) == 2:
            return script


def _somebody_stays(script: list[Step]) -> bool:
    living = MEMBERS_AT_FIRST
    for step in script:
        living += step.newcomer
        if living < 2:
            return False
        living -= step.accident != "pause"
    return True


class Feeder:
    """Produces to every partition, a few records each beat, until it is stopped; knows what was acknowledged."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self.acknowledged: set[tuple[int, int]] = set()
        """Partition and offset."""
        self._topic = topic
        settings = {"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 0, **PATIENT}
        self._producer = Producer(settings)
        self._problems: list[object] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._feed)
        self._thread.start()

    def _feed(self) -> None:
        numbers = itertools.count()
        while not self._stopping.wait(BEAT_S):
            for number in itertools.islice(numbers, RECORDS_PER_BEAT):
                self._producer.produce(self._topic, b"%d" % number, partition=number % PARTITIONS, callback=self._note)
            self._producer.poll(0)

    def _note(self, error: object, message: Any) -> None:
        if error is not None:
            self._problems.append(error)
        else:
            self.acknowledged.add((message.partition(), message.offset()))

    def stop(self) -> None:
        if not self._stopping.is_set():
            self._stopping.set()
            self._thread.join()
            assert self._producer.flush(30) == 0
            assert not self._problems, self._problems[:3]

    def log_ends(self) -> dict[int, int]:
        return {
            partition: 1 + max(offset for index, offset in self.acknowledged if index == partition)
            for partition in range(PARTITIONS)
        }


class Churn:
    def __init__(self, client: Client, broker: Any, topic: str, home: Path) -> None:
        self._client = client
        self._broker = broker
        self._topic = topic
        self._home = home
        self._group = f"{topic}-group"
        self._members: list[ChurnMember] = []
        self._living: list[ChurnMember] = []
        self._agreed_since_s = math.inf
        self._watch = GroupWatch(broker, self._group, client.protocol)
        self._feeder = Feeder(broker.bootstrap, topic)

    def run(self, seed: int) -> None:
        try:
            for _ in range(MEMBERS_AT_FIRST):
                self._add()
            self._settle()
            for step in script_of(seed):
                self._do(step)
                self._settle()
            self._feeder.stop()
            self._wait(self._all_read_and_committed, "everything is read and committed")
            self._watch.close()
            self.check()
        except BaseException:
            print(f"seed {seed}: {script_of(seed)}")  # noqa: T201 (pytest shows it beside the failure)
            for member in self._members:
                print(member.complaints())  # noqa: T201
            raise
        finally:
            self._close()

    def _close(self) -> None:
        for member in self._members:
            member.close()
        self._feeder.stop()
        self._watch.close()

    def _do(self, step: Step) -> None:
        victim = self._living[step.place % len(self._living)]
        if step.newcomer:
            newcomer = self._add()
            self._wait(lambda: newcomer.name in self._watch.joined, f"{newcomer.name} joins")
        if step.accident == "pause":
            victim.pause()
        else:
            self._living.remove(victim)
            victim.kill() if step.accident == "kill" else victim.leave()
        self._wait(lambda: victim.name not in self._watch.last.members, f"{victim.name} is out of the group")
        if step.accident == "pause":
            victim.resume()

    def _add(self) -> ChurnMember:
        client = self._client
        name = f"member-{len(self._members)}"
        command = [*client.command, self._broker.bootstrap, self._group, self._topic, name, client.protocol]
        member = ChurnMember(name, command, self._home)
        self._members.append(member)
        self._living.append(member)
        return member

    def _settle(self) -> None:
        """Wait until the broker and all living members agree on who reads what, and everybody has read since then."""
        self._agreed_since_s = math.inf
        self._wait(self._settled, f"{[each.name for each in self._living]} share the topic")

    def _settled(self) -> bool:
        for member in self._living:
            member.look()
        if not self._agreed():
            self._agreed_since_s = math.inf
            return False
        self._agreed_since_s = min(self._agreed_since_s, time.time())
        return all(member.last_read_s > self._agreed_since_s for member in self._living)

    def _agreed(self) -> bool:
        last = self._watch.last
        described = {name: owner.partitions for name, owner in last.members.items()}
        return (
            last.state == "STABLE"
            and described == {member.name: member.owned for member in self._living}
            and sum(map(len, described.values())) == PARTITIONS
        )

    def _all_read_and_committed(self) -> bool:
        for member in self._living:
            member.look()
        return self._feeder.acknowledged <= self._read() and self._watch.last.committed == self._feeder.log_ends()

    def _read(self) -> set[tuple[int, int]]:
        return set().union(*(member.read for member in self._members))

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        def so_or_hopeless() -> bool:
            dead = [member for member in self._living if not member.alive()]
            assert not dead, f"{[member.name for member in dead]} ended while waiting until {what}"
            return condition()

        wait_until(so_or_hopeless, what, SETTLE_TIMEOUT_S)

    def check(self) -> None:
        assert self._feeder.acknowledged == self._read(), "records were read that were never written"
        committed = self._watch.last.committed
        for member in self._members:
            for partition, offset in member.acknowledged.items():
                assert committed[partition] >= offset, f"{member.name}'s commit of {partition} at {offset} is lost"
        check_one_reader_each(self._members, lambda name, at_s: was_out(self._watch.snapshots, name, at_s))
