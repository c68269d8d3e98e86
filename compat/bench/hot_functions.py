"""What a call of each hot function costs, so that a regression names its function.

    python -m compat.bench.hot_functions --json before.json
    python -m compat.bench.hot_functions --against before.json

A broker stands in this process on a directory of its own, without sockets: frames are handed to where they come in.
The time of a call is the least of many repeats; `--instructions` counts instructions beside it, with `perf stat` where
the processor's counters can be read, else with valgrind (slow), each as the difference between few calls and many.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import timeit
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from .broker_process import print_table, progress
from .comparison.hot import calls_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

REPEATS, REPEAT_S = 25, 0.02
SLOWER_MAX = 1.1
# So many that what differs between two starts of a process is little beside them.
_FEW_CALLS, _MANY_CALLS = 500, 4500
_COUNTED = re.compile(r"I\s+refs:\s+([\d,]+)|^([\d,]+)\s+instructions|^(\d+),,instructions", re.MULTILINE)
_COUNT_TIMEOUT_S = 600


class Cost(NamedTuple):
    """Of one call."""

    us: float
    instructions: float | None = None


def main() -> int:
    """Measure, print, compare; 1 where a function became slower."""
    options = _options()
    if options.calls:
        asyncio.run(_call_only(options.only, options.calls))
        return 0
    found = asyncio.run(_measure(options.only, options.repeats))
    if options.instructions:
        found = {name: cost._replace(instructions=_instructions(name)) for name, cost in found.items()}
    if options.json:
        costs = {name: cost._asdict() for name, cost in found.items()}
        options.json.write_text(json.dumps(costs, indent=1) + "\n")
    before = _read(options.against) if options.against else {}
    print_table(("one call", "us", "instructions", "us before", "ratio"), _rows(found, before))
    slower = regressions(found, before)
    for name in slower:
        print(f"slower: {name}")
    return 1 if slower else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=REPEATS, help=f"repeats, of which the least counts ({REPEATS})")
    parser.add_argument("--only", metavar="TEXT", default="", help="functions with this in their name")
    parser.add_argument("--instructions", action="store_true", help="count instructions too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was found")
    parser.add_argument("--against", type=Path, metavar="FILE", help="compare with an earlier --json")
    parser.add_argument("--calls", type=int, default=0, help="only call so often; for counters around this process")
    return parser.parse_args()


def _read(path: Path) -> dict[str, Cost]:
    return {name: Cost(**cost) for name, cost in json.loads(path.read_text()).items()}


def _rows(found: Mapping[str, Cost], before: Mapping[str, Cost]) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for name, cost in found.items():
        earlier = before.get(name)
        counted = None if cost.instructions is None else round(cost.instructions)
        rows.append((name, cost.us, counted, earlier and earlier.us, earlier and cost.us / earlier.us))
    return rows


def regressions(found: Mapping[str, Cost], before: Mapping[str, Cost]) -> list[str]:
    """Functions that cost more than before, by instructions where both have counted them, else by time."""
    slower = []
    for name, cost in found.items():
        earlier = before.get(name)
        if earlier is None:
            continue
        if cost.instructions is not None and earlier.instructions is not None:
            ratio = cost.instructions / earlier.instructions
        else:
            ratio = cost.us / earlier.us
        if ratio > SLOWER_MAX:
            slower.append(name)
    return slower


async def _measure(only: str, repeats: int) -> dict[str, Cost]:
    with tempfile.TemporaryDirectory(prefix="ottla-bench-") as home:
        async with calls_of(Path(home)) as calls:
            return {name: Cost(_call_us(call, repeats)) for name, call in calls.items() if only in name}


async def _call_only(only: str, count: int) -> None:
    with tempfile.TemporaryDirectory(prefix="ottla-bench-") as home:
        async with calls_of(Path(home)) as calls:
            gc.disable()
            for name, call in calls.items():
                if only in name:
                    for _ in range(count):
                        call()


def _call_us(call: Callable[[], object], repeats: int) -> float:
    timer = timeit.Timer(call)
    number = 1
    while (taken_s := timer.timeit(number)) < REPEAT_S / 2:
        number *= 2
    number = max(1, round(number * REPEAT_S / taken_s))
    return min(timer.repeat(repeats, number)) / number * 1e6


def _instructions(name: str) -> float | None:
    """Of one call; None where nothing here can count them."""
    progress(f"counting {name}")
    few, many = _count(name, _FEW_CALLS), _count(name, _MANY_CALLS)
    return None if few is None or many is None else (many - few) / (_MANY_CALLS - _FEW_CALLS)


def _count(name: str, calls: int) -> int | None:
    program = [sys.executable, "-m", "compat.bench.hot_functions", "--only", name, "--calls", str(calls)]
    counters = {
        "perf": ["perf", "stat", "-x,", "-e", "instructions:u"],
        "valgrind": ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"],
    }
    for tool, command in counters.items():
        if shutil.which(tool):
            # Without a seed of its own, each process hashes in another way.
            environment = {**os.environ, "PYTHONHASHSEED": "0"}
            said = subprocess.run(
                [*command, *program], capture_output=True, text=True, timeout=_COUNT_TIMEOUT_S, env=environment
            ).stderr
            counted = _COUNTED.search(said)
            if counted:
                return int(next(filter(None, counted.groups())).replace(",", ""))
    return None


if __name__ == "__main__":
    sys.exit(main())
