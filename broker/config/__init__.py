"""The broker's configuration: every key that Apache Kafka 4.3 knows, and what Ottla makes of it.

Start with broker_config.py (what the broker reads) and loading.py (file and command line). The key tables are
`broker_*_keys.py`, `topic_keys.py`, `group_keys.py` and `client_metrics_keys.py`; treatment.py says what is refused,
ottla_defaults.py where a default is not Kafka's. describe.py, alter.py and topic_validation.py serve the handlers.
Nothing here opens a socket or a file, but for loading.py's one properties file.
"""

from __future__ import annotations

from .broker_config import BrokerConfig
from .errors import ConfigError
from .loading import load_config

__all__ = ["BrokerConfig", "ConfigError", "load_config"]
