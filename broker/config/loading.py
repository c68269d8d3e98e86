"""From a properties file and the command line to a BrokerConfig, or to one line that says why not.

Everything but `load_config`'s reading of the file is pure. Nothing is ignored: an unknown key, a value that cannot be
read and a wish that cannot be met each refuse the start.
"""

from __future__ import annotations

import logging
import os
import re
from typing import TYPE_CHECKING, NamedTuple

from .broker_config import BrokerConfig, broker_config
from .catalogue import BROKER_KEYS
from .checks import check_layers
from .errors import ConfigError
from .keys import ConfigType
from .layers import ConfigLayers
from .ottla_keys import CLUSTER_ID, OTTLA_KEYS, OTTLA_PREFIX, READ_ONLY
from .properties import parse_properties
from .treatment import PLUGIN_KEYS, PLUGIN_PREFIXES, Treatment, refusal, treatment
from .validators import ConfigValueError
from .values import parse, parse_default

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .validators import Value

logger = logging.getLogger(__name__)

_PER_LISTENER_RE = re.compile(r"listener\.name\.[^.]+\.(.+)")


class Setting(NamedTuple):
    """A key, its text and where it was written: `server.properties:12`, `-o`, `--port`."""

    key: str
    value: str
    origin: str

    def error(self, reason: str) -> ConfigError:
        """The refusal of this setting, in one line; secrets are not repeated."""
        key = BROKER_KEYS.get(self.key)
        shown = "[hidden]" if key is not None and key.type is ConfigType.PASSWORD else self.value
        return ConfigError(f"{self.origin}: {self.key}={shown}: {reason}".replace("\n", " "))


def load_config(
    file: str | None = None,
    overrides: Sequence[str] = (),
    *,
    port: int | None = None,
    data_dir: str | None = None,
    read_only: bool = False,
    cluster_id: str | None = None,
) -> BrokerConfig:
    """Read `file` (server.properties), then KEY=VALUE `overrides`, then the command line's own options; the last wins.

    `port` replaces the port of the one listener for clients; `data_dir` is `log.dirs`; `read_only` is
    `ottla.read.only`, `cluster_id` is `ottla.cluster.id`. Raises ConfigError.
    """
    settings = [*_read(file)] if file is not None else []
    settings += [parse_override(text) for text in overrides]
    if data_dir is not None:
        settings.append(Setting("log.dirs", data_dir, "--data-dir"))
    if read_only:
        settings.append(Setting(READ_ONLY, "true", "--read-only"))
    if cluster_id is not None:
        settings.append(Setting(CLUSTER_ID, cluster_id, "--cluster-id"))
    return build_config(settings, port=port)


def parse_override(text: str) -> Setting:
    """One `-o KEY=VALUE`."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"-o: {text}: not KEY=VALUE")
    return Setting(key.strip(), value.strip(), "-o")


def build_config(settings: Iterable[Setting], *, port: int | None = None) -> BrokerConfig:
    """The configuration that `settings` make; a later setting of a key replaces an earlier one. Raises ConfigError."""
    chosen = {setting.key: setting for setting in settings}
    own = _take_own(chosen)
    read_only = own[READ_ONLY] is True
    for setting in chosen.values():
        _check_setting(setting, read_only=read_only)
    _tie_node_id(chosen)
    if port is not None:
        chosen["listeners"] = _with_port(ConfigLayers(_texts(chosen)), port)
    layers = ConfigLayers(_texts(chosen))
    try:
        check_layers(layers)
        return broker_config(layers, own)
    except ConfigValueError as error:
        raise _blame(chosen, error) from None


def _take_own(chosen: dict[str, Setting]) -> dict[str, Value]:
    """The values of Ottla's own keys, taken out of what was chosen: Kafka's tables do not know them."""
    values = {name: parse_default(key, key.default) for name, key in OTTLA_KEYS.items()}
    for name in [name for name in chosen if name.startswith(OTTLA_PREFIX)]:
        setting = chosen.pop(name)
        if name not in OTTLA_KEYS:
            raise setting.error(f"unknown key; Ottla's own are {', '.join(OTTLA_KEYS)}")
        try:
            values[name] = parse(OTTLA_KEYS[name], setting.value)
        except ConfigValueError as error:
            raise setting.error(_reason(error, setting)) from None
    return values


def _read(file: str) -> Iterable[Setting]:
    try:
        with open(file, "rb") as stream:
            content = stream.read()
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror or error}") from None
    name = os.path.basename(file)
    return [
        Setting(entry.key, entry.value, f"{name}:{entry.line}")
        for entry in parse_properties(decode_properties(content), name)
    ]


def decode_properties(content: bytes) -> str:
    """The text of a properties file."""
    # Java reads Latin-1 there; whoever writes a path beyond ASCII today writes UTF-8 and means it.
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _check_setting(setting: Setting, *, read_only: bool = False) -> None:
    key = BROKER_KEYS.get(setting.key)
    if key is None:
        _check_unlisted(setting)
        return
    try:
        value = parse(key, setting.value)
    except ConfigValueError as error:
        raise setting.error(_reason(error, setting)) from None
    reason = refusal(setting.key, value, read_only=read_only)
    if reason is not None:
        raise setting.error(reason)
    if treatment(setting.key) is not Treatment.READ:
        logger.debug("%s: %s tunes Kafka's insides; it has no effect here", setting.origin, setting.key)


def _check_unlisted(setting: Setting) -> None:
    """Keys without an entry of their own: plug-ins', one listener's, and those that do not exist."""
    if setting.key in PLUGIN_KEYS:
        found = PLUGIN_KEYS[setting.key]
        raise setting.error(f"{found.reason}; {found.way_out}")
    if setting.key.startswith(PLUGIN_PREFIXES):
        logger.debug("%s: %s has no effect here", setting.origin, setting.key)
        return
    per_listener = _PER_LISTENER_RE.fullmatch(setting.key)
    if per_listener is not None:
        raise setting.error(f"settings of one listener are not there yet; use {per_listener[1]} if all may have it")
    raise setting.error(f"unknown key{_suggestion(setting.key)}")


def _suggestion(key: str) -> str:
    import difflib  # only a broker that does not start needs it

    near = difflib.get_close_matches(key, BROKER_KEYS, n=1, cutoff=0.75)
    return f"; did you mean {near[0]}?" if near else ""


def _reason(error: ConfigValueError, setting: Setting) -> str:
    """Kafka's sentence without the key and value that the line already has."""
    lead = f"for configuration {setting.key}: "
    return str(error).partition(lead)[2] or str(error)


def _texts(chosen: dict[str, Setting]) -> dict[str, str]:
    return {setting.key: setting.value for setting in chosen.values()}


def _tie_node_id(chosen: dict[str, Setting]) -> None:
    """`broker.id` is the older name of `node.id` (AbstractKafkaConfig.populateSynonyms)."""
    node, broker = chosen.get("node.id"), chosen.get("broker.id")
    if node is not None and broker is not None and node.value.strip() != broker.value.strip():
        raise broker.error(f"node.id says {node.value}; they are one thing, set one")
    if node is None and broker is not None:
        chosen["node.id"] = broker._replace(key="node.id")
        _check_setting(chosen["node.id"])
    if node is not None:
        chosen["broker.id"] = node._replace(key="broker.id")


def _with_port(layers: ConfigLayers, port: int) -> Setting:
    """`--port`: the listeners with the clients' one on another port."""
    origin = "--port"
    if not 0 <= port <= 65535:
        raise ConfigError(f"{origin}: {port}: not a port, which is 0 to 65535")
    value, controllers = layers.value("listeners"), layers.value("controller.listener.names")
    entries = list(value if isinstance(value, tuple) else ())
    ours = [entry for entry in entries if entry.partition("://")[0] not in (controllers or ())]  # type: ignore[operator]
    if len(ours) != 1:
        raise ConfigError(f"{origin}: {port}: listeners has {len(ours)} listeners for clients; write the ports there")
    entries[entries.index(ours[0])] = f"{ours[0].rpartition(':')[0]}:{port}"
    return Setting("listeners", ",".join(entries), origin)


def _blame(chosen: dict[str, Setting], error: ConfigValueError) -> ConfigError:
    """Put the complaint at the setting that it is about, if it was written at all."""
    reason = str(error)
    names = [error.key] if error.key is not None else reason.split()
    setting = next((chosen[name] for name in names if name in chosen), None)
    return setting.error(reason) if setting is not None else ConfigError(reason)
