"""A thousand short lives of a broker, each with its own mishaps; a seed that fails is run again with OTTLA_SEEDS=N.

While producers send and groups rebalance, the broker is stopped, killed, loses its power, and connections break. What
was acknowledged holds through all of it, and when peace has come back everything goes on by itself.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
from typing import TYPE_CHECKING

import pytest

from .classic_members import ClassicMember, Ledger, check_group
from .consumer_members import ConsumerMember, Grants, check_consumer_group
from .network import Client
from .producers import IdempotentProducer
from .topics import create_topic
from .transactional import TIMEOUT_MS, TransactionalProducer, read_committed
from .world import World, run_seed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

OPTIONS = {
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.num.partitions": "1",
    "group.initial.rebalance.delay.ms": "0",
    "group.consumer.min.session.timeout.ms": "10000",
    "group.consumer.session.timeout.ms": "10000",
    "group.consumer.min.heartbeat.interval.ms": "3000",
    "group.consumer.heartbeat.interval.ms": "3000",
    "log.flush.interval.messages": "1",  # so that losing the power loses nothing acknowledged either
}
TROUBLED_S = 20.0


def seeds() -> Iterator[int]:
    """Which seeds to run of each story: OTTLA_SEEDS is a number of them, or FROM-TO; without it a thousand in all."""
    asked = os.environ.get("OTTLA_SEEDS", "334")
    first, dash, last = asked.partition("-")
    return iter(range(int(first), int(last) + 1)) if dash else iter(range(int(asked)))


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """A broker that dies two thousand times has much to say, and leaves much for the collector to look through."""
    logging.disable(logging.CRITICAL)
    gc.freeze()
    yield
    gc.unfreeze()
    logging.disable(logging.NOTSET)


async def befall(world: World, clients: list[Client], until_s: float) -> None:
    """Let something happen to the broker or the network every few seconds."""
    while world.loop.time() < until_s:
        await world.soon(5.0)
        if world.chance.random() < 0.5:
            await world.next_good_moment()
        happening = world.chance.choice(("drop", "drop", "kill", "lose power", "stop"))
        if happening == "drop":
            world.chance.choice(clients).drop()
            continue
        if happening == "stop":
            await world.stop()
        else:
            if world.chance.random() < 0.7:
                await world.die_within(world.chance.randint(0, 8))
            world.kill() if happening == "kill" else world.lose_power()
        await world.soon(2.0)
        await world.start()


async def records_and_groups(world: World) -> None:
    """Two producers and a group of three."""
    admin = Client(world, "admin")
    await create_topic(world, admin, "orders", 3)
    producers = [IdempotentProducer(world, f"p{number}", "orders", number % 3) for number in range(2)]
    ledger = Ledger()
    # One member has nothing to commit, and lives by its heartbeats.
    members = [ClassicMember(world, f"m{number}", "g", "orders", 2, ledger) for number in range(3)]
    clients = [actor._client for actor in (*producers, *members)]
    async with asyncio.TaskGroup() as actors:
        lives = [actors.create_task(member.run()) for member in members]
        async with asyncio.TaskGroup() as senders:
            for producer in producers:
                senders.create_task(producer.run(10))
            senders.create_task(befall(world, clients, TROUBLED_S))
        for producer in producers:
            await producer.check()
        await check_group(members, 2)
        if world.chance.random() < 0.3:
            lives.pop().cancel()  # silently gone: the others have to find out, and to take over
            members.pop()
            await check_group(members, 2)
        for member in members:
            member.end()
    assert ledger.rebalances


async def consumer_groups(world: World) -> None:
    """Three consumers of the next-generation protocol."""
    admin = Client(world, "admin")
    topic_id = await create_topic(world, admin, "orders", 4)
    grants = Grants()
    members = [ConsumerMember(world, f"m{number}", "g", "orders", topic_id, grants) for number in range(3)]
    async with asyncio.TaskGroup() as actors:
        for member in members:
            actors.create_task(member.run())
        await befall(world, [member._client for member in members], TROUBLED_S)
        await check_consumer_group(members, 4)
        for member in members:
            member.end()


async def transactions(world: World) -> None:
    """Producers of both transaction versions, read by somebody who wants only what is committed."""
    admin, reader = Client(world, "admin"), Client(world, "reader")
    await create_topic(world, admin, "orders", 3)
    producers = [TransactionalProducer(world, f"t{version}", "orders", 3, version) for version in (1, 2)]
    over = asyncio.Event()

    async def read_on() -> None:
        while not over.is_set():
            known = [dict(producer.outcomes) for producer in producers]
            values = set(await read_committed(world, reader, "orders", 3))
            for producer, before in zip(producers, known, strict=True):
                producer.check_visible(values, before)
            await world.soon(6.0)

    async with asyncio.TaskGroup() as readers:
        readers.create_task(read_on())
        async with asyncio.TaskGroup() as writers:
            for producer in producers:
                writers.create_task(producer.run(8))
            writers.create_task(befall(world, [producer._client for producer in producers], TROUBLED_S))
        over.set()
    await world.sleep(2 * TIMEOUT_MS / 1000)
    values = await read_committed(world, reader, "orders", 3)
    for producer in producers:
        producer.check_all(values)
        await producer.check_offset()


STORIES: list[Callable[[World], Awaitable[None]]] = [records_and_groups, consumer_groups, transactions]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_what_was_acknowledged_holds(story: Callable[[World], Awaitable[None]]) -> None:
    for seed in seeds():
        run_seed(seed, OPTIONS, story)


def test_a_seed_gives_the_same_run_again() -> None:
    def ends_of(seed: int) -> list[tuple[float, int]]:
        ends = []

        async def story(world: World) -> None:
            await transactions(world)
            ends.append((world.loop.time(), world.chance.getrandbits(64)))

        run_seed(seed, OPTIONS, story)
        return ends

    assert ends_of(7) == ends_of(7) != ends_of(8)
