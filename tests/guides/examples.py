"""Examples out of a page, each run by pytest as a file of its own, as somebody has it who copies it."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from pathlib import Path

PLUGIN = "ottla.broker.embedded.pytest_plugin"
DEADLINE_S = 110

FENCE_RE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
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


def examples_of(text: str) -> list[Example]:
    """Every block of Python, named by the heading that it stands under."""
    blocks = list(FENCE_RE.finditer(text))
    found = []
    for number, block in enumerate(blocks):
        after = blocks[number + 1] if number + 1 < len(blocks) else None
        if block[1] == "text":
            continue
        assert block[1] == "python", f"{block[0]}: a block is python, or the text of the failure before it"
        heading = _HEADING_RE.findall(FENCE_RE.sub("", text[: block.start()]))[-1]
        report = after[2] if after is not None and after[1] == "text" else None
        found.append(Example(f"{number}: {heading}", block[2], report))
    return found


def skip_without_its_packages(code: str) -> None:
    """Skip a test whose example needs what is not installed."""
    needed = [name for name, pattern in _PACKAGES.items() if re.search(pattern, code, re.MULTILINE)]
    absent = [name for name in needed if importlib.util.find_spec(name) is None]
    if absent:
        pytest.skip(f"not installed: {', '.join(absent)}")


def run_pytest(folder: Path, code: str) -> tuple[int, str]:
    """The status of a run with this as its only module, and what was said."""
    (folder / "test_example.py").write_text(code)
    command = [sys.executable, "-m", "pytest", "-c", "/dev/null"]
    if PLUGIN not in {entry.value for entry in entry_points(group="pytest11")}:
        command += ["-p", PLUGIN]
    command += ["--rootdir", str(folder), "-p", "no:cacheprovider", "--strict-markers", "-q", "-rA"]
    ended = subprocess.run(
        [*command, "test_example.py"], cwd=folder, capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )
    return ended.returncode, ended.stdout + ended.stderr
