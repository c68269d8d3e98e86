"""Samples of stacks become shares: of the house's parts, of the kernel, of functions."""

from __future__ import annotations

import pytest

from compat.bench.comparison.profiles import (
    FUNCTIONS_MAX,
    KERNEL,
    OTHER_THREADS,
    as_json,
    as_text,
    dearest,
    from_json,
    from_text,
    part_of,
    profile_of,
    readable,
    what_holds,
)

LOOP = "asyncio/base_events.py:1922 BaseEventLoop._run_once"
RECEIVE = "broker/connection.py:102 Connection.receive"
WRITE = "storage/segment.py:217 Segment.write"
STACKS = {
    (LOOP,): 1000,
    (LOOP, RECEIVE): 500,
    (LOOP, "broker/connection.py:110 Connection.receive"): 1500,
    (LOOP, RECEIVE, WRITE): 1000,
    (LOOP, RECEIVE, WRITE, KERNEL): 4000,
    (OTHER_THREADS,): 2000,
}


def profile():
    return profile_of("produce", {"CPU us/message": 1.234, "p50 ms": 2.0}, STACKS)


def test_time_belongs_to_the_part_where_the_stack_ends_and_to_the_kernel_within_a_system_call():
    found = profile()
    assert list(found.parts.items()) == [
        ("kernel", 0.4),
        ("connections", 0.2),
        ("other threads", 0.2),
        ("event loop", 0.1),
        ("storage", 0.1),
    ]
    assert found.samples == 100
    assert found.figures == {"CPU us/message": 1.234}


def test_a_function_has_its_own_time_with_its_system_calls_at_its_dearest_line():
    first, second, third = profile().functions
    assert first == ("Segment.write", "storage/segment.py:217", 0.5, 0.4)
    assert second == ("Connection.receive", "broker/connection.py:110", 0.2, 0.0)
    assert third.name == "BaseEventLoop._run_once"


def test_compiled_codecs_have_a_file_with_spaces_in_its_name():
    (found,) = profile_of("fetch", {}, {(LOOP, "<ottla FetchResponse v16>:35 encode_FetchResponse"): 100}).functions
    assert (found.name, found.place) == ("encode_FetchResponse", "<ottla FetchResponse v16>:35")


def test_no_more_functions_are_kept_than_can_be_read():
    stacks = {(f"storage/log.py:{line} f{line}",): 100 for line in range(FUNCTIONS_MAX + 5)}
    assert len(profile_of("many", {}, stacks).functions) == FUNCTIONS_MAX


@pytest.mark.parametrize(
    ("place", "part"),
    [
        ("selectors.py:468 EpollSelector.select", "event loop"),
        ("protocol/frames.py:70 FrameSplitter.frames", "connections"),
        ("broker/dispatch.py:68 Dispatcher.answer_repeated", "connections"),
        ("broker/handlers/produce.py:1 handle", "handlers"),
        ("broker/coordinators/group_shard.py:206 GroupShard.heartbeat", "coordinators"),
        ("broker/runtime/group_coordinators.py:321 GroupCoordinators._now", "coordinators"),
        ("broker/runtime/long_poll.py:328 partition_grew", "partitions and waiting"),
        ("protocol/records.py:5 build_batch", "protocol"),
        ("<ottla FetchRequest v12>:7 decode", "protocol"),
        ("socket.py:497 socket._real_close", "libraries"),
    ],
)
def test_a_file_belongs_to_a_part(place, part):
    assert part_of((LOOP, place)) == part


def test_what_has_no_file_belongs_to_its_caller():
    assert part_of((LOOP, RECEIVE, "<string>:1 <lambda>")) == "connections"
    assert part_of((LOOP, RECEIVE, "<string>:1 <lambda>", KERNEL)) == "kernel"


def test_stacks_are_written_as_flame_graphs_want_them_and_read_again():
    text = as_text({**STACKS, (LOOP, "never met"): 0})
    assert f"{LOOP};{RECEIVE};{WRITE};{KERNEL} 4000\n" in text
    assert from_text(text) == STACKS


def test_a_profile_can_be_read():
    found = profile()
    assert what_holds(found) == (
        "kernel 40%, connections 20%, other threads 20%, event loop 10%, storage 10%; CPU us/message 1.23; 100 samples"
    )
    assert dearest(found, 2) == (
        "Segment.write (storage/segment.py:217) 50%, Connection.receive (broker/connection.py:110) 20%"
    )
    lines = readable(found).splitlines()
    assert lines[0] == "produce"
    assert lines[3].split() == ["50.0%", "40.0%", "storage/segment.py:217", "Segment.write"]


def test_a_few_samples_say_nothing():
    assert what_holds(profile_of("idle", {}, {(LOOP,): 300})) == "3 samples are too few to say"
    assert what_holds(profile_of("idle", {}, {})) == "0 samples are too few to say"


def test_a_profile_is_read_again_from_the_results():
    found = profile()
    assert from_json(as_json(found)) == found
