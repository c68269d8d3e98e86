"""One module an API: authorize, validate, act, shape the reply.

A handler is a plain function `handle(request, context, services)` without awaits. It returns its response, or a
`Deferred` one that something else will complete, or None where the protocol has no answer. Errors are `ErrorCode`
values in the response; an exception is a bug. No handler imports another. `../api_table.py` lists them all.
"""
