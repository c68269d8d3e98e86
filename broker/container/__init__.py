"""Ottla in a container that is spoken to as the apache/kafka image: the same variables, paths and start script.

`variables.py` turns the environment into settings and is pure; `__main__.py` is what the image starts, `health.py` what
its health check asks. The image itself is made by `container/Dockerfile`.
"""
