"""What is done in a simulated world: who is there, what befalls the broker meanwhile, and what must hold at the end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from .classic_members import ClassicMember, Ledger, check_group
from .consumer_members import ConsumerMember, Grants, check_consumer_group
from .network import Client
from .producers import IdempotentProducer
from .topics import create_topic
from .transactional import TIMEOUT_MS, TransactionalProducer, read_committed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from .world import World

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
TROUBLED_S = 15.0


MISHAPS = ("drop", "drop", "kill", "lose power", "stop")


async def befall(world: World, clients: list[Client], until_s: float) -> None:
    """Let something happen to the broker or the network every few seconds."""
    # A third of all lives lose their power again and again, in the midst of what takes several writes.
    is_unlucky = world.chance.random() < 0.35
    while world.loop.time() < until_s:
        await world.soon(3.0 if is_unlucky else 5.0)
        happening = "lose power" if is_unlucky else world.chance.choice(MISHAPS)
        if is_unlucky or world.chance.random() < 0.5:
            await world.next_good_moment()
        if happening == "drop":
            world.chance.choice(clients).drop()
            continue
        if happening == "stop":
            await world.stop()
        else:
            if world.chance.random() < 0.6:
                await world.die_within(world.chance.randint(0, 6))
            world.kill() if happening == "kill" else world.lose_power()
        await world.soon(1.0)
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
            _vanish(world, members, lives)
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
        lives = [actors.create_task(member.run()) for member in members]
        await befall(world, [member._client for member in members], TROUBLED_S)
        await check_consumer_group(members, 4)
        if world.chance.random() < 0.3:
            _vanish(world, members, lives)
            await check_consumer_group(members, 4)
        for member in members:
            member.end()


def _vanish(world: World, members: list[Any], lives: list[asyncio.Task[None]]) -> None:
    """The first member is gone without a word: the others have to find out, and to take over."""
    world.is_calm = True
    members.pop(0)
    lives.pop(0).cancel()


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
            await world.soon(8.0)

    async with asyncio.TaskGroup() as readers:
        readers.create_task(read_on())
        async with asyncio.TaskGroup() as writers:
            for producer in producers:
                writers.create_task(producer.run(6))
            writers.create_task(befall(world, [producer._client for producer in producers], TROUBLED_S))
        over.set()
    await world.sleep(2 * TIMEOUT_MS / 1000)
    values = await read_committed(world, reader, "orders", 3)
    for producer in producers:
        producer.check_all(values)
        await producer.check_offset()


STORIES: list[Callable[[World], Awaitable[None]]] = [records_and_groups, consumer_groups, transactions]
