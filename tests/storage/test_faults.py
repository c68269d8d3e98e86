"""A disk that refuses each call of a log's life once, or for good: what was promised stays, what was refused is not
there, and nothing but the refused call is lost.

OTTLA_FAULT_STRIDE says which calls: 1 is every one, the default every fifth, other ones for each fault.
"""

from __future__ import annotations

import errno
import os
import traceback

import pytest

from ..harness.faulty_files import FULL_DISK, Fault, NothingLost, PowerLoss
from .crash_place import Story

STRIDE = int(os.environ.get("OTTLA_FAULT_STRIDE", "5"))
FAULTS = {
    "an i/o error": Fault(errno.EIO),
    "an i/o error in the middle of a write": Fault(errno.EIO, 0.6),
    "no room, once": Fault(errno.ENOSPC, 0.6),
    "a short write": Fault(0, 0.4, operations=frozenset({"pwrite"})),
    "a full disk": FULL_DISK,
    "a disk that is gone": Fault(errno.EIO, 0.3, 1 << 60),
}


def live_with(path, call: int | None, fault: Fault | None) -> Story:
    story = Story(path)
    if fault is not None:
        story.files.fail(call, fault)
    story.live()
    return story


@pytest.fixture(scope="module")
def calls(tmp_path_factory) -> range:
    """The numbers of all calls after the log is open."""
    folder = tmp_path_factory.mktemp("whole")
    first = len(Story(folder / "opened").files.calls)
    return range(first, len(live_with(folder / "lived", None, None).files.calls))


@pytest.mark.parametrize("name", FAULTS)
def test_every_call_may_fail(tmp_path, calls, name):
    problems = []
    for call in calls[list(FAULTS).index(name) % STRIDE :: STRIDE]:
        path = tmp_path / f"{call}"
        story = None
        try:
            story = live_with(path, call, FAULTS[name])
            story.files.heal()
            check(story)
        except Exception as problem:  # noqa: BLE001 (every call is tried, and all that go wrong are shown)
            where = traceback.extract_tb(problem.__traceback__)[-1]
            failed = story.files.failed[:1] if story else "?"
            problems.append(f"call {call} {failed}, {os.path.basename(where.filename)}:{where.lineno}: {problem!r}")
    assert not problems, f"{len(problems)} problems\n" + "\n".join(problems[:20])


def check(story: Story) -> None:
    """What can be read now is what was written, and so it is after kill -9; a loss of power takes nothing promised."""
    if story.failure is None:
        story.compare(story.log, story.files.steps)
        assert story.log.log_end_offset == len(story.written)
    story.log.abandon()
    story.directory.unlock()
    story.aftermath(story.files.steps, NothingLost())
    story.aftermath(story.files.steps, PowerLoss())
