"""Every example of docs/testing.md, run by pytest as it stands, each as a file of its own."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import NamedTuple

import pytest

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "testing.md"
PLUGIN = "ottla.broker.embedded.pytest_plugin"
DEADLINE_S = 110

_FENCE_RE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING_RE = re.compile(r"^#+ (.*)$", re.MULTILINE)
_PACKAGES = {
    "pytest_asyncio": r"pytest\.mark\.asyncio",
    "faststream": r"^from faststream",
    "aiokafka": r"^from aiokafka",
}


class Example(NamedTuple):
    """A block of Python; `report` is the block of text that follows it: what its failure looks like."""

    name: str
    code: str
    report: str | None


def examples() -> list[Example]:
    text = GUIDE.read_text()
    blocks = list(_FENCE_RE.finditer(text))
    found = []
    for number, block in enumerate(blocks):
        after = blocks[number + 1] if number + 1 < len(blocks) else None
        if block[1] == "text":
            continue
        assert block[1] == "python", f"{block[0]}: a block is python, or the text of the failure before it"
        heading = _HEADING_RE.findall(_FENCE_RE.sub("", text[: block.start()]))[-1]
        report = after[2] if after is not None and after[1] == "text" else None
        found.append(Example(f"{number}: {heading}", block[2], report))
    return found


def missing(code: str) -> list[str]:
    """What an example needs and is not installed."""
    needed = [name for name, pattern in _PACKAGES.items() if re.search(pattern, code, re.MULTILINE)]
    return [name for name in needed if importlib.util.find_spec(name) is None]


def run_pytest(folder: Path, code: str) -> tuple[int, str]:
    (folder / "test_example.py").write_text(code)
    command = [sys.executable, "-m", "pytest", "-c", "/dev/null"]
    if PLUGIN not in {entry.value for entry in entry_points(group="pytest11")}:
        command += ["-p", PLUGIN]
    command += ["--rootdir", str(folder), "-p", "no:cacheprovider", "--strict-markers", "-q", "-rA"]
    ended = subprocess.run(
        [*command, "test_example.py"], cwd=folder, capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )
    return ended.returncode, ended.stdout + ended.stderr


@pytest.mark.parametrize("example", examples(), ids=lambda example: example.name)
def test_an_example(example, tmp_path):
    absent = missing(example.code)
    if absent:
        pytest.skip(f"not installed: {', '.join(absent)}")
    status, said = run_pytest(tmp_path, example.code)
    if example.report is None:
        assert status == 0, said
        return
    assert status == 1, said
    shown = [re.sub(r"^E\s{3}(\s*\S*(Failed|Error): )?", "", line).strip() for line in said.splitlines()]
    wanted = [line.strip() for line in example.report.splitlines()]
    places = [at for at, line in enumerate(shown) if line == wanted[0]]
    assert any(shown[at : at + len(wanted)] == wanted for at in places), said


def test_the_table_of_contents_is_complete():
    text = _FENCE_RE.sub("", GUIDE.read_text())
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    listed = re.findall(r"^- \[(.*?)\]\(#(.*?)\)", text, re.MULTILINE)
    assert [title for title, _ in listed] == headings
    for title, anchor in listed:
        assert re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") == anchor


def test_the_clients_of_the_guide():
    imported = set(re.findall(r"^from (\w+)", "\n".join(example.code for example in examples()), re.MULTILINE))
    assert imported >= {"kafka", "aiokafka", "confluent_kafka", "faststream"}
