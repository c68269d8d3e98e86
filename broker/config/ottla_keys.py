"""Keys of Ottla's own, which Kafka does not have: they begin with `ottla.` and are not shown by DescribeConfigs."""

from __future__ import annotations

from .keys import BOOLEAN, ConfigKey

OTTLA_PREFIX = "ottla."
READ_ONLY = "ottla.read.only"

OTTLA_KEYS = {
    key.name: key
    for key in (
        # Serve what the data directories hold and change nothing in them. A directory that belongs to a cluster of
        # several is served so whatever this says.
        ConfigKey(READ_ONLY, BOOLEAN, "false"),
    )
}
