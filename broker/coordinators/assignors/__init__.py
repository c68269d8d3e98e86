"""The server's assignors: from who subscribes to what, and who was to have what, who is to have what."""
