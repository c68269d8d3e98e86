"""What a container starts: variables and mounted files in, a running broker out.

    /etc/kafka/docker/run [NAME=VALUE ...]

The settings that came of it are written where the apache/kafka image has them, for people who look there and for the
health check. Testcontainers and others wait until a line of the log tells that Kafka has started; it is said here too.
"""

from __future__ import annotations

import logging
import os
import sys
from functools import partial
from typing import TYPE_CHECKING

from ..cli import serve
from ..config import ConfigError
from ..config.loading import Setting, build_config, decode_properties
from ..config.ottla_keys import CLUSTER_ID
from .paths import FINAL_PROPERTIES, MOUNTED_PROPERTIES
from .variables import container_settings, to_properties, with_arguments

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..app import Broker
    from ..config import BrokerConfig
    from .variables import ContainerSettings

logger = logging.getLogger(__name__)


def main(arguments: Sequence[str], variables: Mapping[str, str]) -> int:
    """Start a broker and wait for its end; the exit status."""
    try:
        asked = container_settings(with_arguments(variables, arguments), _mounted())
        logging.basicConfig(
            level=asked.log_level, stream=sys.stdout, format="[%(asctime)s] %(levelname)s %(message)s (%(name)s)"
        )
        if asked.ignored:
            logger.warning("without effect: %s", ", ".join(asked.ignored))
        config = _config(asked)
        _write(to_properties(asked.settings))
    except ConfigError as error:
        print(f"ottla: {error}", file=sys.stderr)  # noqa: T201 - what a person did wrong, not a log line
        return 1
    return serve(config, announce=partial(_announcement, config.node_id))


def _config(asked: ContainerSettings) -> BrokerConfig:
    """The configuration. The cluster id is for new directories alone; the image formats none that is formatted."""
    config = build_config(asked.settings)
    is_formatted = any(os.path.exists(os.path.join(path, "meta.properties")) for path in config.log_dirs)
    if asked.cluster_id is None or is_formatted:
        return config
    return build_config([*asked.settings, Setting(CLUSTER_ID, asked.cluster_id, "CLUSTER_ID")])


def _mounted() -> str | None:
    try:
        with open(MOUNTED_PROPERTIES, "rb") as stream:
            return decode_properties(stream.read())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"{MOUNTED_PROPERTIES}: {error.strerror or error}") from None


def _write(text: str) -> None:
    try:
        with open(FINAL_PROPERTIES, "w", encoding="utf-8", errors="surrogateescape") as stream:
            stream.write(text)
    except OSError as error:
        raise ConfigError(f"{FINAL_PROPERTIES}: {error.strerror or error}") from None


def _announcement(node_id: int, broker: Broker) -> str:
    """The broker's own line, and the words that modules for containers of Kafka look for in its log."""
    awaited = f"[KafkaServer id={node_id}] started: Kafka Server started, Transitioning from RECOVERY to RUNNING"
    return f"{broker.describe()}\n{awaited}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], os.environ))
