"""The one exception of a configuration that the broker cannot start with."""

from __future__ import annotations


class ConfigError(Exception):
    """One line for whoever wrote the configuration: where it stands, what it says, what is wrong, the way out."""
