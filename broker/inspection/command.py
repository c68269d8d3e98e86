"""`ottla storage inspect` and `ottla storage verify`: from the command line to text or JSON on standard output."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from typing import TYPE_CHECKING, Final

from .text_table import printable

if TYPE_CHECKING:
    import argparse

    from .inspection import Inspection
    from .progress import Progress

FOUND: Final = 1
CANNOT_RUN: Final = 2
INTERRUPTED: Final = 130


def add_storage_commands(storage: argparse.ArgumentParser) -> None:
    """Give `ottla storage` its commands."""
    storage.set_defaults(run=lambda _: _show_help(storage))
    commands = storage.add_subparsers(metavar="COMMAND")
    inspect = commands.add_parser(
        "inspect",
        help="show what a data directory holds",
        description="Show what a data directory holds, of this broker or of Apache Kafka, in use or not. "
        "Nothing in it is changed.",
    )
    inspect.add_argument("directory", metavar="DIR", help="the data directory, as --data-dir or log.dirs names it")
    what = inspect.add_mutually_exclusive_group()
    what.add_argument("--topic", metavar="NAME", help="show one topic and its partitions")
    what.add_argument("--group", metavar="NAME", help="show one group and its offsets")
    what.add_argument("--json", action="store_true", help="print all of it as one JSON document")
    inspect.add_argument("--internal", action="store_true", help="show the brokers' own topics as well")
    inspect.set_defaults(run=_inspect)
    verify = commands.add_parser(
        "verify",
        help="check that a data directory is sound",
        description="Read every file of a data directory and hold it against the others: the CRC of each batch, "
        "indexes, snapshots, checkpoints. Nothing is changed. Exit status: 0 no errors, 1 errors, 2 it cannot run. "
        "What the next start puts right without loss is a note.",
    )
    verify.add_argument("directory", metavar="DIR", help="the data directory, as --data-dir or log.dirs names it")
    verify.add_argument("--shallow", action="store_true", help="check batches as a whole, not the records inside")
    verify.add_argument("--json", action="store_true", help="print the outcome as one JSON document")
    verify.set_defaults(run=_verify)


def _show_help(storage: argparse.ArgumentParser) -> int:
    storage.print_help()
    return 0


def _inspect(options: argparse.Namespace) -> int:
    # `ottla serve` need not load all this.
    from .inspection import inspect_directory
    from .inspection_json import as_json
    from .listing import NotADataDirectory

    try:
        inspection = inspect_directory(options.directory)
    except NotADataDirectory as error:
        return _cannot(str(error))
    except OSError as error:
        return _cannot(f"{error.filename or options.directory}: {error.strerror or error}")
    if options.json:
        _print(json.dumps(as_json(inspection), indent=2).splitlines())
        return 0
    return _show(inspection, options)


def _show(inspection: Inspection, options: argparse.Namespace) -> int:
    from .inspection_text import group_details, overview, topic_details

    width = _width()
    if options.topic is not None:
        topic = next((topic for topic in inspection.topics if topic.name == options.topic), None)
        if topic is None:
            return _cannot(f"{options.directory} has no topic {options.topic}")
        _print(topic_details(inspection, topic, width))
    elif options.group is not None:
        group = next((group for group in inspection.groups if group.group_id == options.group), None)
        if group is None:
            return _cannot(f"{options.directory} has no group {options.group}")
        _print(group_details(group, width))
    else:
        _print(overview(inspection, width, with_internal=options.internal))
    return 0


def _verify(options: argparse.Namespace) -> int:
    from .listing import NotADataDirectory
    from .verification import verify_directory
    from .verification_text import as_json, report

    started_s = time.monotonic()
    try:
        verification = verify_directory(options.directory, _progress_for, with_records=not options.shallow)
    except NotADataDirectory as error:
        return _cannot(str(error))
    except OSError as error:
        return _cannot(f"{error.filename or options.directory}: {error.strerror or error}")
    except KeyboardInterrupt:
        sys.stderr.write("ottla: interrupted; not everything was checked\n")
        return INTERRUPTED
    elapsed_s = time.monotonic() - started_s
    if options.json:
        _print(json.dumps(as_json(verification, elapsed_s), indent=2).splitlines())
    else:
        _print(report(verification, elapsed_s, _width()))
    return FOUND if verification.findings.errors else 0


def _progress_for(bytes_total: int) -> Progress:
    from .progress import ProgressBar, Tally

    return ProgressBar(sys.stderr, bytes_total, time.monotonic) if sys.stderr.isatty() else Tally()


def _width() -> int | None:
    """The terminal's width; a file or a pipe takes lines of any length."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _print(lines: list[str]) -> None:
    """Names of groups and members are anybody's text: what a terminal would obey, or cannot show, is escaped."""
    encoding = sys.stdout.encoding or "utf-8"
    text = "\n".join(map(printable, lines)) + "\n"
    try:
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read has seen enough; the interpreter must not try to flush the rest.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _cannot(reason: str) -> int:
    sys.stderr.write(f"ottla: {reason}\n")
    return CANNOT_RUN
