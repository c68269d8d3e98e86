"""Ottla beside Apache Kafka and kfake: the same client, the same work, in turn in one run.

    python -m compat.bench.compare                         everything, three rounds; about three quarters of an hour
    python -m compat.bench.compare --quick                 fewer and smaller rows, one round
    python -m compat.bench.compare --rows produce,latency  some subjects
    python -m compat.bench.compare --only "acks 1"         rows with this in their name
    python -m compat.bench.compare --only "acks 1" --profile         what Ottla takes its CPU time for meanwhile

Apache Kafka takes part where there is Java, kfake where the variable KFAKE names its binary; ottla-uvloop, where it is
named in `--brokers` and uvloop can be imported. Prints one table (the median of each broker, Ottla's part of the
others, what that may be at most), what is not met, by how much and what holds it, and writes `results.json` and
pictures. README.md beside this file says how to read them.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import signal
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .broker_process import progress, write_bytecode
from .comparison import opponents, profiles, python_build
from .comparison.results import Results
from .comparison.runner import Runner
from .comparison.sampling import Sampling
from .comparison.table import holders, summary, table
from .comparison.verdicts import unmet
from .comparison.workloads import catalogue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .comparison.opponents import MeasuredBroker
    from .comparison.verdicts import Verdict
    from .comparison.workload import Workload

QUICK_ROUNDS, ROUNDS = 1, 3
QUICK_WARM_UP_S, WARM_UP_S = 4.0, 25.0


def main() -> int:
    """Read the arguments, run, print; 0 when every row is met."""
    options = _options()
    rows = catalogue.chosen_rows(options.rows, options.only, options.quick)
    if not rows:
        sys.exit(f"no row has {options.only!r} in its name")
    signal.signal(signal.SIGTERM, _stop)
    sampling = Sampling(options.where, options.output / "stacks", progress)
    if options.profile:
        return _profile(sampling, rows)
    results = Results(_about(options))
    is_complete = _run(rows, results, options)
    verdicts = results.verdicts()
    _print_found(results, verdicts, options.rounds)
    results.write(options.output)
    if options.reasons and is_complete:
        _find_reasons(results, sampling)
        print(holders(verdicts, results.profiles))
        results.write(options.output)
    progress(f"{options.output / 'results.json'} and pictures are written")
    failed = [row for row in results.rows if "ottla" in row.failures]
    return 1 if unmet(verdicts) or failed else 0


def _run(rows: Sequence[Workload], results: Results, options: argparse.Namespace) -> bool:
    """Measure; False when somebody stopped it."""
    home = Path(tempfile.mkdtemp(prefix="ottla-compare-", dir=options.where))
    brokers: list[MeasuredBroker] = []
    write_bytecode()
    try:
        for kind in _present(options.brokers):
            broker, start_s = opponents.started(kind, home / kind)
            brokers.append(broker)
            progress(f"{kind} answers after {start_s:.2f} s")
        runner = Runner([broker.target for broker in brokers], results, options.rounds, progress)
        if options.warm_up_s:
            runner.warm_up(catalogue.warm_up_rows(), options.warm_up_s)
        runner.run(rows)
    except KeyboardInterrupt:
        progress("stopped; what was measured is shown")
        return False
    finally:
        for broker in brokers:
            broker.stop()
        shutil.rmtree(home, ignore_errors=True)
    return True


def _profile(sampling: Sampling, rows: Sequence[Workload]) -> int:
    """Show what Ottla does in each row, and compare nothing."""
    wanted = {row.name: row for row in rows if row.is_of_cpu}
    count = 0
    for _, profile in sampling.run(wanted):
        print(profiles.readable(profile), end="\n\n")
        count += 1
    return 0 if count == len(wanted) else 1


def _find_reasons(results: Results, sampling: Sampling) -> None:
    try:
        for name, profile in sampling.run(results.unmet_work()):
            results.profiles[name] = profile
    except KeyboardInterrupt:
        progress("stopped; what was found is shown")


def _stop(number: int, frame: object) -> None:
    """Stop the brokers too, whoever ends the run."""
    raise KeyboardInterrupt


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer and smaller rows, one round")
    parser.add_argument(
        "--rows", type=_names(catalogue.subjects()), default=[], help=f"of {','.join(catalogue.subjects())}"
    )
    parser.add_argument("--only", metavar="TEXT", default="", help="rows with this in their name, in either case")
    parser.add_argument(
        "--brokers",
        type=_names(opponents.KINDS),
        default=opponents.KINDS_BY_DEFAULT,
        help=f"which take part, of {','.join(opponents.KINDS)}",
    )
    parser.add_argument("--rounds", type=int, help=f"rounds of each row that count ({ROUNDS}; quick {QUICK_ROUNDS})")
    parser.add_argument("--warm-up-s", type=float, help=f"work before the first row ({WARM_UP_S:.0f} s a broker)")
    parser.add_argument("--output", type=Path, default=Path(".bench"), help="where results and pictures go (.bench)")
    parser.add_argument("--in", dest="where", type=Path, help="where the brokers keep their data during the run")
    parser.add_argument("--profile", action="store_true", help="compare nothing; print what Ottla does in each row")
    parser.add_argument(
        "--reasons",
        action=argparse.BooleanOptionalAction,
        help="find what holds the rows that are not met (yes; quick no)",
    )
    options = parser.parse_args()
    if options.rounds is None:
        options.rounds = QUICK_ROUNDS if options.quick else ROUNDS
    if options.warm_up_s is None:
        options.warm_up_s = QUICK_WARM_UP_S if options.quick else WARM_UP_S
    if options.reasons is None:
        options.reasons = not options.quick
    return options


def _names(known: Any) -> Any:
    def parse(text: str) -> list[str]:
        found = text.split(",")
        unknown = set(found) - set(known)
        if unknown:
            raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))} is none of {', '.join(known)}")
        return found

    return parse


def _present(wanted: list[str]) -> list[str]:
    present = []
    for kind in wanted:
        reason = opponents.why_absent(kind)
        if reason is None:
            present.append(kind)
        else:
            progress(f"{kind} takes no part: {reason}")
    return present


def _about(options: argparse.Namespace) -> dict[str, Any]:
    return {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": f"{platform.python_implementation()} {platform.python_version()}, {python_build.described()}",
        "system": platform.platform(),
        "cpus": os.cpu_count(),
        "load at the start": os.getloadavg(),
        "rounds": options.rounds,
        "quick": options.quick,
        "warm-up s": options.warm_up_s,
    }


def _head(results: Results) -> list[str]:
    """What stands above the table: who ran, and where the figures say too little of Ottla."""
    load = f"load {os.getloadavg()[0]:.1f} at the end"
    head = [f"Ottla on {results.about['python']}; {results.about['cpus']} CPUs, {load}"]
    warning = python_build.warning()
    return [*head, warning] if warning else head


def _print_found(results: Results, verdicts: Sequence[Verdict], rounds: int) -> None:
    print(*_head(results), table(verdicts), sep="\n")
    for row in results.rows:
        for broker, reason in row.failures.items():
            print(f"{row.workload.name}: {broker} could not be measured: {reason}")
    print(f"\nBy the medians of {rounds} rounds", summary(verdicts), sep="\n", flush=True)


if __name__ == "__main__":
    begun = time.monotonic()
    status = main()
    progress(f"took {time.monotonic() - begun:.0f} s")
    sys.exit(status)
