#!/usr/bin/env bash
exec python -m ottla.broker.container.tools kafka-topics.sh "$@"
