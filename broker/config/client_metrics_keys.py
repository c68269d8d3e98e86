"""Every key of a client-metrics subscription (ClientMetricsConfigs, KIP-714)."""

from __future__ import annotations

from .keys import INT, LIST, ConfigKey
from .validators import list_of

CLIENT_METRICS_KEYS = (
    ConfigKey("interval.ms", INT, "300000"),
    ConfigKey("match", LIST, "", list_of()),
    ConfigKey("metrics", LIST, "", list_of()),
)
