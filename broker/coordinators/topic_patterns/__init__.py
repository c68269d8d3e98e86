"""Regular expressions in RE2's syntax over names of topics and others, evaluated in time linear in the name.

Kafka evaluates them with RE2/J, which never backtracks; Python's `re` does, and a hostile expression would stop the
broker. Topic names are ASCII, so a set of characters is a number of 128 bits here; other names add what they have.
"""
