"""What groups may be given, by the rules between their keys and the broker's."""

from __future__ import annotations

import pytest
from ottla.broker.config import load_config
from ottla.broker.config.resource_validation import check_group
from ottla.broker.config.validators import ConfigValueError


@pytest.mark.parametrize("kind", ["consumer", "share", "streams"])
def test_a_group_has_a_session_longer_than_the_time_between_its_heartbeats(kind):
    layers = load_config(None, [f"group.{kind}.max.heartbeat.interval.ms=60000"]).layers
    overrides = {f"{kind}.session.timeout.ms": "45000", f"{kind}.heartbeat.interval.ms": "44999"}
    check_group(overrides, layers)
    with pytest.raises(ConfigValueError) as refused:
        check_group(overrides | {f"{kind}.heartbeat.interval.ms": "45000"}, layers)
    assert str(refused.value) == f"{kind}.session.timeout.ms must be greater than {kind}.heartbeat.interval.ms"
