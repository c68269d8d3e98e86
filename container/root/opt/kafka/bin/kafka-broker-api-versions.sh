#!/usr/bin/env bash
exec python -m ottla.broker.container.tools kafka-broker-api-versions.sh "$@"
