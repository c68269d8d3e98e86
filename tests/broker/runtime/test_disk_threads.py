"""Disk work beside a real event loop."""

from __future__ import annotations

import asyncio
import threading

from ottla.broker.runtime.disk_threads import DiskThreads


async def outcomes_of(threads, *works):
    """What came back, in the order in which it came."""
    loop_thread = threading.get_ident()
    came, everything = [], asyncio.Event()

    def keep(kind, value):
        assert threading.get_ident() == loop_thread
        came.append((kind, value))
        if len(came) == len(works):
            everything.set()

    for work in works:
        threads.run(work, lambda value: keep("done", value), lambda error: keep("failed", str(error)))
    await everything.wait()
    return came


def test_work_runs_elsewhere_and_its_outcome_comes_back_to_the_loop():
    async def main():
        threads = DiskThreads(asyncio.get_running_loop(), 1, "disk")
        [(kind, worker)] = await outcomes_of(threads, threading.get_ident)
        await threads.close()
        return kind, worker != threading.get_ident()

    assert asyncio.run(main()) == ("done", True)


def test_every_thread_runs_before_there_is_work():
    async def main():
        threads = DiskThreads(asyncio.get_running_loop(), 3, "early")
        threads.start_all()
        names = [thread.name for thread in threading.enumerate() if thread.name.startswith("early")]
        await threads.close()
        return len(names)

    assert asyncio.run(main()) == 3


def test_an_error_comes_back_as_one():
    def fail():
        raise OSError("no")

    async def main():
        threads = DiskThreads(asyncio.get_running_loop(), 2, "disk")
        came = await outcomes_of(threads, fail, lambda: 7)
        await threads.close()
        return sorted(came)

    assert asyncio.run(main()) == [("done", 7), ("failed", "no")]


def test_closing_waits_for_what_is_under_way_and_for_what_comes_of_it():
    async def main():
        threads = DiskThreads(asyncio.get_running_loop(), 1, "disk")
        gate, came = threading.Event(), []

        def again(_):
            came.append("first")
            threads.run(lambda: None, lambda _: came.append("second"), came.append)

        threads.run(gate.wait, again, came.append)
        asyncio.get_running_loop().call_soon(gate.set)
        await threads.close()
        return came

    assert asyncio.run(main()) == ["first", "second"]


def test_after_its_end_everything_is_done_at_once():
    async def main():
        threads = DiskThreads(asyncio.get_running_loop(), 1, "disk")
        await threads.close()
        came = []
        threads.run(threading.get_ident, came.append, came.append)
        return came == [threading.get_ident()]

    assert asyncio.run(main())
