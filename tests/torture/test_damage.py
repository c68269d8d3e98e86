"""Bytes flipped, cut off or zeroed in any file of a data directory: the broker says which file keeps it from starting,
or it serves; what the damage does not touch is served whole, and what it touches is never served as something else.

OTTLA_DAMAGE_SEEDS says how many random damages are tried (60), after a clean stop and after a crash.
"""

from __future__ import annotations

import os
import random
import shutil
from typing import TYPE_CHECKING

import pytest
from ottla.broker.app import StartError
from ottla.protocol.errors import ErrorCode
from ottla.protocol.messages.metadata import MetadataRequest, MetadataResponse
from ottla.protocol.record_batch import CorruptBatch, check_crc, read_headers
from ottla.protocol.records import read_records

from ..harness.broker_in_thread import BrokerInThread
from ..harness.faulty_files import FaultyFiles, NothingLost
from ..harness.raw_client import RawClient, fetch_request
from .broker_story import OPTIONS, PLAIN, SYNCED, BrokerStory

if TYPE_CHECKING:
    from pathlib import Path

SEEDS = int(os.environ.get("OTTLA_DAMAGE_SEEDS", "60"))
NOT_DAMAGED = frozenset({".lock"})


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A directory after a clean stop, and its records."""
    return _lived(tmp_path_factory.mktemp("stopped") / "data", clean=True)


@pytest.fixture(scope="module")
def crashed(tmp_path_factory):
    """A directory as kill -9 leaves it, and its records."""
    return _lived(tmp_path_factory.mktemp("crashed") / "data", clean=False)


def _lived(folder: Path, *, clean: bool):
    folder.mkdir()
    story = BrokerStory(folder, FaultyFiles(folder))
    story.live()
    assert not story.refusals
    if clean:
        story.stop()
        return folder, story.written
    copy = folder.with_name("killed")
    copy.mkdir()
    story.files.after_power_loss(copy, None, NothingLost())
    story.stop()
    return copy, story.written


def damage(path: Path, chance: random.Random) -> str:
    """Do something to a file; say what."""
    content = bytearray(path.read_bytes())
    kind = chance.choice(["flip", "cut", "zero", "empty", "rubbish"])
    at = chance.randrange(len(content)) if content else 0
    if kind == "flip" and content:
        content[at] ^= 1 << chance.randrange(8)
    elif kind == "cut":
        del content[at:]
    elif kind == "zero":
        content[at : at + 64] = bytes(len(content[at : at + 64]))
    elif kind == "empty":
        content.clear()
    else:
        content[at : at + 16] = chance.randbytes(16)
    path.chmod(0o644)
    path.write_bytes(content)
    return f"{kind} at {at} of {path.name}"


def why_not_started(broker: BrokerInThread) -> str | None:
    """Start; what the person who starts it is told if it does not."""
    try:
        broker.start()
    except StartError as refusal:
        return str(refusal)
    return None


def check(folder: Path, written: dict[str, list[bytes]], damaged: Path) -> str:
    """Start on a damaged directory; return why it was refused, or an empty string when it serves as it should."""
    broker = BrokerInThread(folder, OPTIONS)
    refusal = why_not_started(broker)
    if refusal is not None:
        assert damaged.name in refusal or damaged.parent.name in refusal, refusal
        assert "\n" not in refusal, refusal
        return refusal
    try:
        with RawClient(broker) as client:
            known = {topic.name for topic in client.ask(MetadataRequest(topics=None), MetadataResponse, 12).topics}
            for topic in (SYNCED, PLAIN):
                is_touched = damaged.parent.name == f"{topic}-0" or damaged.parent.name == "__cluster_metadata-0"
                if topic in known:
                    check_topic(client, topic, written[topic], is_touched=is_touched)
                else:
                    assert damaged.parent.name == "__cluster_metadata-0", f"{topic} is gone"
    finally:
        broker.stop()
    return ""


def check_topic(client: RawClient, topic: str, written: list[bytes], *, is_touched: bool) -> None:
    """What can be read is what was written; of a topic that was not touched, all of it."""
    found: dict[int, bytes] = {}
    offset = 0
    while True:
        answer = client.fetch(fetch_request(topic, offset=offset))
        if answer.error_code:
            assert is_touched, f"{topic}: {ErrorCode(answer.error_code).name}"
            return
        data = bytes(answer.records or b"")
        if not data:
            break
        try:
            for at, header in read_headers(data):
                check_crc(data, at, header)
                found |= {record.offset: record.value for record in read_records(data, at, header)}
                offset = header.next_offset
        except CorruptBatch:
            assert is_touched, f"{topic}: a broken batch at {offset}"
            return  # a consumer notices this itself
    assert found.items() <= dict(enumerate(written)).items()
    assert is_touched or len(found) == len(written), f"{topic} has {len(found)} of {len(written)} records"


@pytest.mark.timeout(600)
@pytest.mark.parametrize("state", ["stopped", "crashed"])
def test_damage_is_named_or_mended(request, tmp_path, caplog, state):
    source, written = request.getfixturevalue(state)
    files = sorted(
        path.relative_to(source) for path in source.rglob("*") if path.is_file() and path.name not in NOT_DAMAGED
    )
    problems = []
    for seed in range(SEEDS):
        chance = random.Random(f"{state} {seed}")
        folder = tmp_path / f"{seed}"
        shutil.copytree(source, folder)
        path = folder / files[seed % len(files)]
        what = damage(path, chance)
        caplog.clear()
        try:
            refusal = check(folder, written, path)
            if not refusal:
                check(folder, written, path)  # what was mended stays so
        except AssertionError as problem:
            problems.append(f"seed {seed}, {what} in {path.parent.name}: {problem}")
        except Exception as problem:  # noqa: BLE001 (all seeds are tried, and all that go wrong are shown)
            problems.append(f"seed {seed}, {what} in {path.parent.name}: {problem!r}")
        problems += [
            f"seed {seed}, {what} in {path.parent.name}: {record.getMessage()}"
            for record in caplog.records
            if record.exc_info
        ]
        shutil.rmtree(folder)
    assert not problems, f"{len(problems)} problems\n" + "\n".join(problems[:30])
