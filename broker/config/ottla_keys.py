"""Keys of Ottla's own, which Kafka does not have: they begin with `ottla.` and are not shown by DescribeConfigs."""

from __future__ import annotations

from ...protocol.primitives import uuid_from_text
from .keys import BOOLEAN, STRING, ConfigKey
from .validators import Value, invalid

OTTLA_PREFIX = "ottla."
CLUSTER_ID = "ottla.cluster.id"
READ_ONLY = "ottla.read.only"


class ClusterId:
    """An id as `kafka-storage random-uuid` prints it, where one is set."""

    __slots__ = ()

    def check(self, name: str, value: Value) -> None:
        """A UUID in 22 characters of base64."""
        if value is None:
            return
        try:
            uuid_from_text(str(value))
        except ValueError:
            raise invalid(name, value, "a cluster id has 22 characters; kafka-storage random-uuid prints one") from None


OTTLA_KEYS = {
    key.name: key
    for key in (
        # What kafka-storage format is given as --cluster-id: a new directory gets it, any other must have it.
        ConfigKey(CLUSTER_ID, STRING, None, ClusterId()),
        # Serve what the data directories hold and change nothing in them. A directory that belongs to a cluster of
        # several is served so whatever this says.
        ConfigKey(READ_ONLY, BOOLEAN, "false"),
    )
}
