"""A whole broker on a disk that loses its power after any step, or fails in any call: its word holds.

OTTLA_DISK_STRIDE says how many steps and calls are passed over between two that are tried (1: none).
"""

from __future__ import annotations

import errno
import os
import random
import tempfile
import traceback
from pathlib import Path

import pytest

from ..harness.faulty_files import FULL_DISK, Fault, FaultyFiles, NamesWithoutBytes, NothingLost, PartlyLost, PowerLoss
from .broker_story import Aftermath, BrokerStory

STRIDE = int(os.environ.get("OTTLA_DISK_STRIDE", "40"))
LOSSES = {
    "everything unsynced": lambda step: PowerLoss(),
    "the bytes": lambda step: NamesWithoutBytes(),
    "a part": lambda step: PartlyLost(random.Random(step)),
    "nothing": lambda step: NothingLost(),
}
FAULTS = {"an i/o error": Fault(errno.EIO), "a full disk": FULL_DISK, "a torn write": Fault(errno.EIO, 0.5)}


def lived(folder: Path, call: int = -1, fault: Fault | None = None) -> BrokerStory:
    folder.mkdir()
    files = FaultyFiles(folder)
    if fault is not None:
        files.fail(call, fault)
    story = BrokerStory(folder, files)
    story.live()
    story.stop()
    return story


@pytest.fixture(scope="module")
def story(tmp_path_factory):
    story = lived(tmp_path_factory.mktemp("broker") / "data")
    assert not story.refusals
    return story


def check_after(story: BrokerStory, step: int, loss: PowerLoss, *, all_written: bool) -> str:
    """What is wrong after the loss, in a line; empty where nothing is."""
    with tempfile.TemporaryDirectory(prefix="broker-disk-") as folder:
        story.files.after_power_loss(Path(folder), step, loss)
        aftermath = None
        try:
            aftermath = Aftermath(Path(folder))
            aftermath.check(story, step, all_written=all_written)
        except Exception as problem:  # noqa: BLE001 (all steps are tried, and all that go wrong are shown)
            where = traceback.extract_tb(problem.__traceback__)[-1]
            return f"step {step}, {os.path.basename(where.filename)}:{where.lineno}: {problem!r}"
        finally:
            if aftermath is not None:
                aftermath.stop()
    return ""


@pytest.mark.timeout(900)
@pytest.mark.parametrize("lost", LOSSES)
def test_what_was_promised_survives_a_loss_of_power(story, lost):
    first = list(LOSSES).index(lost) * 7 % STRIDE
    problems = [
        problem
        for step in range(first, story.files.steps + 1, STRIDE)
        if (problem := check_after(story, step, LOSSES[lost](step), all_written=lost == "nothing"))
    ]
    assert not problems, f"{len(problems)} problems\n" + "\n".join(problems[:20])


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", FAULTS)
def test_any_call_may_fail(tmp_path, story, name, caplog):
    problems = []
    for call in range(list(FAULTS).index(name) * 3 % STRIDE, len(story.files.calls), STRIDE):
        caplog.clear()
        try:
            unlucky = lived(tmp_path / f"{call}", call, FAULTS[name])
        except Exception as problem:  # noqa: BLE001 (all calls are tried, and all that go wrong are shown)
            where = traceback.extract_tb(problem.__traceback__)[-1]
            problems.append(f"call {call}, {os.path.basename(where.filename)}:{where.lineno}: {problem!r}")
            continue
        failed = unlucky.files.failed[:1]
        tracebacks = [record.getMessage() for record in caplog.records if record.exc_info]
        wrong = [
            *tracebacks,
            check_after(unlucky, unlucky.files.steps, NothingLost(), all_written=True),
            check_after(unlucky, unlucky.files.steps, PowerLoss(), all_written=False),
        ]
        problems += [f"call {call}, {failed}: {problem}" for problem in wrong if problem]
    assert not problems, f"{len(problems)} problems\n" + "\n".join(problems[:30])
