"""A broker inside the process of its user: for tests and for laptops.

`broker.py` has the class that people use; `ottla.broker` exports it. A broker runs on an event loop of its own in a
thread of its own (`loop_thread.py`), and is the same as the one that `ottla serve` starts, but for what
`observed_broker.py` says. Whoever looks inside or acts on it does so on that loop; all calls may come from any thread.

Nothing is imported here: pytest loads the plug-in of every installed package, used or not.
"""
