"""The command line: `ottla serve`, `ottla storage`.

What a person did wrong is answered with one line on standard error and exit status 1 (2 for the command line
itself), before anything on disk was changed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import logging
import shutil
import signal
import sys
import tempfile
from typing import TYPE_CHECKING

from .config import ConfigError, load_config
from .event_loop import new_event_loop
from .inspection.command import add_storage_commands
from .version import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .app import Broker
    from .config import BrokerConfig

_SWITCH_INTERVAL_S = 0.001
_LOG_LEVELS = ("debug", "info", "warning", "error")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    options = _parser().parse_args(arguments)
    return int(options.run(options))


def _run_serve(options: argparse.Namespace) -> int:
    logging.basicConfig(
        level=options.log_level.upper(),
        stream=sys.stderr,
        format="%(asctime)s %(levelname)-7s %(message)s",
    )
    try:
        with _data_dir(options) as data_dir:
            config = load_config(
                options.config,
                options.override,
                port=options.port,
                data_dir=data_dir,
                read_only=options.read_only,
                cluster_id=options.cluster_id,
            )
            return serve(config, use_uvloop=options.uvloop)
    except ConfigError as error:
        return _refuse(str(error))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ottla", description="A Kafka broker in Python.")
    parser.add_argument("--version", action="version", version=f"ottla {VERSION}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    serve = commands.add_parser("serve", help="start a broker", description="Start a broker; stop it with Ctrl-C.")
    serve.add_argument("--port", type=_port, metavar="P", help="the port to listen on; 0 takes a free one (9092)")
    where = serve.add_mutually_exclusive_group()
    where.add_argument("--data-dir", metavar="D", help="where the data is kept (./ottla-data)")
    where.add_argument("--ephemeral", action="store_true", help="keep the data only until the broker stops")
    serve.add_argument(
        "--read-only", action="store_true", help="serve what the data directory holds and change nothing in it"
    )
    serve.add_argument(
        "--cluster-id", metavar="ID", help="give a new data directory this cluster id; refuse one with another"
    )
    serve.add_argument("--config", metavar="FILE", help="a server.properties file with Kafka's broker keys")
    serve.add_argument(
        "-o", dest="override", action="append", default=[], metavar="KEY=VALUE", help="set one of Kafka's broker keys"
    )
    serve.add_argument(
        "--uvloop", action="store_true", help="run on uvloop; needs the extra: pip install 'ottla[uvloop]'"
    )
    serve.add_argument("--log-level", choices=_LOG_LEVELS, default="info", help="how much to say (info)")
    serve.set_defaults(run=_run_serve)
    storage = commands.add_parser(
        "storage",
        help="look into a data directory",
        description="Look into a data directory without starting a broker.",
    )
    add_storage_commands(storage)
    return parser


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"{port} is not a port; ports are 0 to 65535")
    return port


@contextlib.contextmanager
def _data_dir(options: argparse.Namespace) -> Iterator[str | None]:
    """The directory that the options ask for; an ephemeral one is removed at the end."""
    if not options.ephemeral:
        yield options.data_dir
        return
    directory = tempfile.mkdtemp(prefix="ottla-")
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def serve(
    config: BrokerConfig, *, use_uvloop: bool = False, announce: Callable[[Broker], str] = lambda it: it.describe()
) -> int:
    """Run a broker until a signal ends it; the exit status. `announce` makes what is printed once it answers."""
    from .app import Broker, StartError

    async def run() -> None:
        broker = Broker(config)
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        # What a start makes stays: the collector need not walk ten thousand partitions again and again.
        gc.disable()
        await broker.start()
        gc.freeze()
        gc.enable()
        try:
            print(announce(broker), flush=True)  # noqa: T201 - the line that says it answers
            await stop.wait()
        finally:
            await broker.stop()

    # A thread that compacts gives the interpreter back to the loop after this long; the default is five times it.
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
    try:
        with asyncio.Runner(loop_factory=_uvloop() if use_uvloop else new_event_loop) as runner:
            runner.run(run())
    except StartError as error:
        return _refuse(str(error))
    return 0


def _uvloop() -> Callable[[], asyncio.AbstractEventLoop]:
    try:
        import uvloop  # an extra, loaded when asked for
    except ImportError as error:
        raise ConfigError("--uvloop: uvloop is not installed; pip install 'ottla[uvloop]'") from error
    return uvloop.new_event_loop


def _refuse(reason: str) -> int:
    print(f"ottla: {reason}", file=sys.stderr)  # noqa: T201 - what a person did wrong, not a log line
    return 1
