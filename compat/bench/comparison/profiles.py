"""What samples of a broker's stacks say: which part of it takes the CPU time, and in which functions.

Stacks are counted in hundredths of a sample, since the kernel's part of one is seldom all or nothing. A file of them
has a line for each, outermost call first and the count behind, as programs that draw flame graphs want it.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Stacks = Mapping[tuple[str, ...], int]

SAMPLE: Final = 100
"""What a sample counts."""
KERNEL: Final = "[kernel]"
"""Stands behind the line that made a system call."""
OTHER_THREADS: Final = "[other threads]"
"""Stands for all that was not done in the loop's thread."""
FUNCTIONS_MAX: Final = 15
_SAMPLES_MIN = 20
_SHARE_MIN = 0.03
_LIBRARIES = "libraries"
_PARTS: Final = (
    ("event loop", ("asyncio/", "selectors.py", "broker/epoll_loop.py")),
    ("connections", ("broker/connection.py", "broker/direct_send.py", "broker/dispatch.py", "broker/server.py")),
    ("connections", ("protocol/frames.py", "protocol/headers.py", "protocol/receive_buffers.py")),
    ("handlers", ("broker/handlers/", "broker/api_table.py")),
    ("coordinators", ("broker/coordinators/", "broker/runtime/group", "broker/runtime/transaction")),
    ("coordinators", ("broker/runtime/coordinator", "broker/runtime/concurrent_transactions.py")),
    ("partitions and waiting", ("broker/",)),
    ("storage", ("storage/",)),
    ("protocol", ("protocol/", "<ottla ")),
)
"""By how the file's name begins; the first that fits counts."""
_NO_FILE = "<string>"
"""What the standard library makes while it runs: constructors of named tuples and the like."""


class Function(NamedTuple):
    """A function, and its own share of the time."""

    name: str
    place: str
    """The file, and the line that takes the most."""
    share: float
    kernel: float
    """How much of the whole it spends in system calls; within `share`."""


class Profile(NamedTuple):
    """Where the CPU time of a row went; shares are parts of 1."""

    row: str
    """What was run."""
    figures: Mapping[str, float]
    """What that took of CPU, under the sampler."""
    samples: int
    parts: Mapping[str, float]
    """The kernel, other threads, and the parts of the house with their own time in Python; the largest first."""
    functions: Sequence[Function]
    """Those with the most time of their own."""


def as_text(stacks: Stacks) -> str:
    """A line for each stack."""
    return "".join(f"{';'.join(stack)} {count}\n" for stack, count in stacks.items() if count)


def from_text(text: str) -> dict[tuple[str, ...], int]:
    """What `as_text` wrote."""
    found = (line.rpartition(" ") for line in text.splitlines())
    return {tuple(stack.split(";")): int(count) for stack, _, count in found}


def profile_of(row: str, figures: Mapping[str, float], stacks: Stacks) -> Profile:
    """The shares of parts and functions."""
    total = sum(stacks.values())
    parts: Counter[str] = Counter()
    for stack, count in stacks.items():
        parts[part_of(stack)] += count
    shares = {part: count / total for part, count in parts.most_common() if count}
    cpu = {name: value for name, value in figures.items() if name.startswith("CPU")}
    return Profile(row, cpu, total // SAMPLE, shares, _functions(stacks, total)[:FUNCTIONS_MAX])


def part_of(stack: Sequence[str]) -> str:
    """Of which part the time is that was found at the end of a stack."""
    if stack[-1] in (KERNEL, OTHER_THREADS):
        return stack[-1].strip("[]")
    place = _innermost(stack)
    return next((part for part, beginnings in _PARTS if place.startswith(beginnings)), _LIBRARIES)


def _innermost(stack: Sequence[str]) -> str:
    """The last call that a file has."""
    calls = [call for call in stack if call != KERNEL and not call.startswith(_NO_FILE)]
    return calls[-1] if calls else stack[0]


def _functions(stacks: Stacks, total: int) -> list[Function]:
    lines: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    kernel: Counter[tuple[str, str]] = Counter()
    for stack, count in stacks.items():
        if stack[-1] == OTHER_THREADS:
            continue
        place, _, name = _innermost(stack).rpartition(" ")
        file, _, line = place.rpartition(":")
        lines[file, name][line] += count
        if stack[-1] == KERNEL:
            kernel[file, name] += count
    found = []
    for (file, name), counted in lines.items():
        place = f"{file}:{counted.most_common(1)[0][0]}"
        found.append(Function(name, place, counted.total() / total, kernel[file, name] / total))
    return sorted((each for each in found if each.share), key=lambda each: -each.share)


def what_holds(profile: Profile) -> str:
    """The parts in one line, the largest first."""
    if profile.samples < _SAMPLES_MIN:
        return f"{profile.samples} samples are too few to say"
    shown = [f"{part} {share:.0%}" for part, share in profile.parts.items() if share >= _SHARE_MIN]
    cost = [f"{name} {value:.3g}" for name, value in itertools.islice(profile.figures.items(), 1)]
    return "; ".join([", ".join(shown), *cost, f"{profile.samples} samples"])


def dearest(profile: Profile, count: int) -> str:
    """The functions that take the most, in one line."""
    return ", ".join(f"{each.name} ({each.place}) {each.share:.0%}" for each in profile.functions[:count])


def readable(profile: Profile) -> str:
    """All of it, for a terminal."""
    lines = [profile.row, f"    {what_holds(profile)}", "    own time  in the kernel"]
    for each in profile.functions:
        lines.append(f"    {each.share:8.1%}  {each.kernel:13.1%}  {each.place}  {each.name}")
    return "\n".join(lines)


def as_json(profile: Profile) -> dict[str, Any]:
    """For the file of results."""
    return {**profile._asdict(), "functions": [each._asdict() for each in profile.functions]}


def from_json(found: Mapping[str, Any]) -> Profile:
    """What `as_json` made."""
    return Profile(**{**found, "functions": [Function(**each) for each in found["functions"]]})
