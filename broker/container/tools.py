"""The two of Kafka's command-line tools that compose files call: `kafka-topics.sh` and `kafka-broker-api-versions.sh`.

They make, list and delete topics, and find out whether a broker answers; what is printed is what Kafka's own print.
Anything else that those can do is refused.
"""

from __future__ import annotations

import argparse
import re
import sys
from typing import TYPE_CHECKING, Final, NoReturn

from ...protocol.errors import ErrorCode
from ...protocol.messages.api_versions import ApiVersion, ApiVersionsRequest, ApiVersionsResponse
from ...protocol.messages.create_topics import (
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
    CreateTopicsResponse,
)
from ...protocol.messages.delete_topics import DeleteTopicsRequest, DeleteTopicsResponse, DeleteTopicState
from ...protocol.messages.metadata import MetadataRequest, MetadataResponse
from ..api_table import APIS
from .client import Client

if TYPE_CHECKING:
    from collections.abc import Sequence

TOPICS: Final = "kafka-topics.sh"
API_VERSIONS: Final = "kafka-broker-api-versions.sh"

_TIMEOUT_S: Final = 30
_DEFAULT_PORT: Final = 9092
_COLLIDING_NAMES: Final = (
    "WARNING: Due to limitations in metric names, topics with a period ('.') or underscore ('_') could collide. "
    "To avoid issues it is best to use either, but not both."
)


class ToolError(Exception):
    """What Kafka's tool says before it gives up."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line; the exit status is Kafka's."""
        self.exit(1, f"{self.prog} of Ottla: {message}\n")


def main(program: str, arguments: Sequence[str]) -> int:
    """Run one of the tools; its exit status."""
    options = _topics_parser() if program == TOPICS else _Parser(prog=API_VERSIONS, allow_abbrev=False)
    options.add_argument("--bootstrap-server", required=True, metavar="HOST:PORT")
    chosen = options.parse_args(arguments)
    try:
        with _connected(chosen.bootstrap_server) as client:
            if program == TOPICS:
                _topics(client, chosen)
            else:
                _print_api_versions(client)
    except (ToolError, OSError, ValueError) as error:
        print(f"Error while executing topic command : {error}" if program == TOPICS else f"{program}: {error}")  # noqa: T201
        return 1
    return 0


def _topics_parser() -> argparse.ArgumentParser:
    parser = _Parser(prog=TOPICS, allow_abbrev=False)
    action = parser.add_mutually_exclusive_group(required=True)
    for name in ("--list", "--create", "--delete"):
        action.add_argument(name, action="store_true")
    parser.add_argument("--topic")
    parser.add_argument("--partitions", type=int, default=-1)
    parser.add_argument("--replication-factor", type=int, default=-1)
    parser.add_argument("--config", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--if-not-exists", action="store_true")
    parser.add_argument("--if-exists", action="store_true")
    parser.add_argument("--exclude-internal", action="store_true")
    return parser


def _connected(bootstrap_servers: str) -> Client:
    """A connection to the first of them that answers. Raises OSError."""
    failure: OSError | None = None
    for entry in bootstrap_servers.split(","):
        host, colon, port = entry.strip().rpartition(":")
        host, port = (host, port) if colon else (port, str(_DEFAULT_PORT))
        try:
            return Client(host.strip("[]"), int(port), "admin-client", _TIMEOUT_S)
        except OSError as error:
            failure = error
    raise failure or OSError("no server was named")


def _topics(client: Client, options: argparse.Namespace) -> None:
    if options.list:
        _say("\n".join(_names(client, options.topic, exclude_internal=options.exclude_internal)))
    elif not options.topic:
        raise ToolError('Missing required argument "[topic]"')
    elif options.create:
        _create(client, options)
    else:
        _delete(client, options)


def _names(client: Client, pattern: str | None, *, exclude_internal: bool) -> list[str]:
    """The topics whose whole names match, sorted."""
    answer = client.ask(MetadataRequest(topics=None), MetadataResponse, 12)
    found = [topic for topic in answer.topics if topic.name and not (exclude_internal and topic.is_internal)]
    names = sorted(str(topic.name) for topic in found)
    return names if pattern is None else [name for name in names if _matches(pattern, name)]


def _matches(pattern: str, name: str) -> bool:
    """Commas stand between alternatives, as in Kafka's IncludeList."""
    try:
        return re.fullmatch(pattern.strip("\"'").replace(",", "|").replace(" ", ""), name) is not None
    except re.error as error:
        raise ToolError(f"{pattern} is an invalid regex.") from error


def _create(client: Client, options: argparse.Namespace) -> None:
    if "." in options.topic or "_" in options.topic:
        _say(_COLLIDING_NAMES)
    if options.if_not_exists and options.topic in _names(client, None, exclude_internal=False):
        return
    configs = [CreatableTopicConfig(name=name, value=value) for name, value in map(_config, options.config)]
    topic = CreatableTopic(
        name=options.topic,
        num_partitions=_positive("partitions", options.partitions),
        replication_factor=_positive("replication factor", options.replication_factor),
        configs=configs,
    )
    answer = client.ask(CreateTopicsRequest(topics=[topic]), CreateTopicsResponse, 7).topics[0]
    _check(answer.error_code, answer.error_message)
    _say(f"Created topic {options.topic}.")


def _config(text: str) -> tuple[str, str]:
    name, equals, value = (part.strip() for part in text.partition("="))
    if not equals:
        raise ToolError(
            'requirement failed: Invalid topic config: all configs to be added must be in the format "key=val".'
        )
    return name, value


def _positive(what: str, number: int) -> int:
    """-1 leaves it to the broker."""
    if number != -1 and number < 1:
        raise ToolError(f"The {what} must be greater than 0")
    return number


def _delete(client: Client, options: argparse.Namespace) -> None:
    names = _names(client, options.topic, exclude_internal=False)
    if not names and not options.if_exists:
        raise ToolError(f"Topic '{options.topic}' does not exist as expected")
    request = DeleteTopicsRequest(topics=[DeleteTopicState(name=name) for name in names])
    for result in client.ask(request, DeleteTopicsResponse, 6).responses:
        _check(result.error_code, result.error_message)


def _print_api_versions(client: Client) -> None:
    """What the broker serves, of all that we know by name."""
    broker = client.ask(MetadataRequest(topics=[]), MetadataResponse, 12).brokers[0]
    served = client.ask(ApiVersionsRequest(), ApiVersionsResponse, 0)
    _check(served.error_code, None)
    lines = [
        f"\t{APIS[row.api_key].request.__name__.removesuffix('Request')}({row.api_key}): "
        f"{_range(row)} [usable: {min(row.max_version, APIS[row.api_key].highest)}]"
        for row in sorted(served.api_keys, key=lambda row: row.api_key)
        if row.api_key in APIS
    ]
    _say(f"{broker.host}:{broker.port} (id: {broker.node_id} rack: {broker.rack or 'null'} isFenced: false) -> (")
    _say(",\n".join(lines) + "\n)")


def _range(row: ApiVersion) -> str:
    return f"{row.min_version}" + ("" if row.min_version == row.max_version else f" to {row.max_version}")


def _check(code: int, message: str | None) -> None:
    if code:
        raise ToolError(message or ErrorCode(code).name)


def _say(text: str) -> None:
    print(text)  # noqa: T201 - it is a command


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
