"""What a broker decides.

May import `ottla.storage` and `ottla.protocol`, which never import it. Within: `cli` starts, `app` is the one place
that wires, `server` and `connection` are the shell, `dispatch` reads `api_table`, `handlers` (one an API; none imports
another) use `services`; `runtime` runs the pure `coordinators` over logs; `metadata` is the image that the metadata
log gives; `config` knows every key. Open `app.py` first: it reads as the story of the start.
"""
