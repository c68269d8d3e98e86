"""Ottla in a container that is spoken to as the apache/kafka image: the same variables, paths and start script.

`variables.py` turns the environment into settings and is pure; `__main__.py` is what the image starts, `health.py` what
its health check asks, and `tools.py` stands in for the two of Kafka's tools that compose files call. The image itself
is made by `container/Dockerfile`.
"""
