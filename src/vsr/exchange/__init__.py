"""The life of one request, from its head to the last byte of its answer, whichever door it came through.

exchange   the object that a door drives
front      what the head alone decides: paths, keys, health, the list of models
outgoing   how a request is built for a back end
declined   why a request goes to no model
account    what it came to, counted and logged at its end
values     what doors and exchanges tell each other
"""

from vsr.exchange.exchange import Exchange
from vsr.exchange.front import CHAT_PATH, MODELS_PATH
from vsr.exchange.values import (
    Action,
    Answer,
    Attempt,
    Compose,
    Forward,
    Headers,
    RequestHead,
    ResponseHead,
    Services,
)

__all__ = [
    "CHAT_PATH",
    "MODELS_PATH",
    "Action",
    "Answer",
    "Attempt",
    "Compose",
    "Exchange",
    "Forward",
    "Headers",
    "RequestHead",
    "ResponseHead",
    "Services",
]
