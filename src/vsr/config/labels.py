"""Names that a configuration may use for what the encoder's heads say. Names only."""

from __future__ import annotations

from typing import Final

DOMAINS: Final = (
    "biology",
    "business",
    "chemistry",
    "computer science",
    "economics",
    "engineering",
    "health",
    "history",
    "law",
    "math",
    "other",
    "philosophy",
    "physics",
    "psychology",
)

PII_TYPES: Final = (
    "AGE",
    "CREDIT_CARD",
    "DATE_TIME",
    "DOMAIN_NAME",
    "EMAIL_ADDRESS",
    "GPE",
    "IBAN_CODE",
    "IP_ADDRESS",
    "NRP",
    "ORGANIZATION",
    "OTHER_ID",
    "PASSWORD",
    "PERSON",
    "PHONE_NUMBER",
    "STREET_ADDRESS",
    "US_DRIVER_LICENSE",
    "US_SSN",
    "ZIP_CODE",
)

NO_PII: Final = "NO_PII"
TITLE: Final = "TITLE"
"""A type of the original since 0.4 that nothing here finds: allowing it changes nothing."""
"""The original lists this class among the types; allowing it means nothing, so it is accepted."""

FACT_CHECKS: Final = ("needs_fact_check", "no_fact_check_needed")
FEEDBACKS: Final = ("satisfied", "need_clarification", "wrong_answer", "want_different")
MODALITIES: Final = ("AR", "DIFFUSION", "BOTH")
LANGUAGES: Final = (
    "am", "ar", "bg", "bn", "ca", "cs", "da", "de", "el", "en", "es", "fa", "fi", "fr", "gu", "he",
    "hi", "hr", "hu", "hy", "id", "it", "ja", "ka", "km", "kn", "ko", "lo", "ml", "my", "nl", "no",
    "pa", "pl", "pt", "ro", "ru", "si", "sk", "sv", "ta", "te", "th", "tr", "uk", "ur", "vi", "zh",
)  # fmt: skip
"""ISO 639-1 codes of the languages that are told apart."""


def domain_label(name: str) -> str:
    """`computer_science` and `Computer Science` are written for the label `computer science`."""
    return name.replace("_", " ").lower()
