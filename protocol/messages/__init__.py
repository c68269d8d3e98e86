"""The request and response of every client-facing API of Apache Kafka 4.3.1, one module an API.

Names, types, versions and defaults are Kafka's; a field's name is Kafka's in snake case.
"""
