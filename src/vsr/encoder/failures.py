"""What `Encoder.read` raises beside `errors.Overloaded`. Callers treat both as "could not judge"."""

from __future__ import annotations

from vsr.errors import VSRError


class EncoderFailed(VSRError):
    """Inference raised, or the encoder is closed. The message is free of content."""


class EncoderTimeout(VSRError):
    """The request's deadline passed before all of its windows were read."""
