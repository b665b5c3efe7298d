"""The management API: health, what is loaded, classification and evaluation, on a port of its own.

app        the ASGI application: routes, tokens, bodies in, errors out
endpoints  the table of everything it serves
describe   what it says about itself and about what is loaded
judging    one text or request through `judge` and `decide`, without any effect
classify   the answers of /api/v1/classify/*
embeddings the answers of /api/v1/embeddings and /api/v1/similarity
evaluate   the answer of /api/v1/eval
"""

from vsr.doors.management.app import management_app

__all__ = ["management_app"]
