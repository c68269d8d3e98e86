"""The paths of the apache/kafka image that a container of Ottla reads and writes."""

from __future__ import annotations

from typing import Final

MOUNTED_PROPERTIES: Final = "/mnt/shared/config/server.properties"
"""Settings that the person who runs the container has mounted."""

FINAL_PROPERTIES: Final = "/opt/kafka/config/server.properties"
"""The settings that the broker was started with, those of the variables included."""
