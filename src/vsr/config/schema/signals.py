"""`routing.signals`: what is looked for in a request, §2.2 of the original's reference."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field, model_validator

from vsr.config.policy_signals import MAX_EXAMPLES
from vsr.config.schema.base import (
    Effort,
    KeywordOperator,
    Name,
    Number,
    Probability,
    Section,
    Whole,
    refuse_bool,
)
from vsr.config.schema.decisions import Rule

_TOKENS: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([KkMm]?)")
_THOUSANDS: Final = {"": 1, "k": 1_000, "m": 1_000_000}


def _tokens(value: object) -> object:
    """`4096`, `32K`, `1.5M`; K is a thousand, as in the names of models' contexts."""
    if not isinstance(value, str):
        return refuse_bool(value)
    parts = _TOKENS.fullmatch(value.strip())
    if parts is None:
        raise ValueError("must be a number of tokens such as 4096, 32K or 1M")
    return round(float(parts[1]) * _THOUSANDS[parts[2].lower()])


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


Tokens = Annotated[int, BeforeValidator(_tokens, json_schema_input_type=int | str), Field(ge=0)]
Cosine = Annotated[float, BeforeValidator(refuse_bool), Field(ge=-1, le=1)]
Texts = tuple[Name, ...]
Examples = Annotated[Texts, Field(max_length=MAX_EXAMPLES)]


class SignalSection(Section):
    name: Name
    description: str = ""


class Bounds(Section):
    """All that are given must hold."""

    gt: Number | None = None
    gte: Number | None = None
    lt: Number | None = None
    lte: Number | None = None


class PrototypeScoring(Section):
    """How example texts become prototypes, and how a text is scored against them."""

    enabled: bool = True
    cluster_similarity_threshold: Probability = 0.9
    max_prototypes: Annotated[Whole, Field(ge=0)] = 8
    best_weight: Probability = 0.75
    top_m: Annotated[Whole, Field(ge=1)] = 2
    margin_threshold: Probability = 0.0


# ---------------------------------------------------------------- without a model


class KeywordSignal(SignalSection):
    operator: KeywordOperator = "OR"
    keywords: tuple[Name, ...]
    case_sensitive: bool = False
    method: Literal["regex", "bm25", "ngram", "fuzzy"] | None = None
    fuzzy_match: bool = False
    fuzzy_threshold: Annotated[Whole, Field(ge=0, le=100)] = 2
    bm25_threshold: Annotated[Number, Field(gt=0)] = 0.1
    ngram_threshold: Annotated[Probability, Field(gt=0)] = 0.4
    ngram_arity: Annotated[Whole, Field(ge=2, le=8)] = 3


class LanguageSignal(SignalSection):
    threshold: Probability = 0.0


class ContextSignal(SignalSection):
    min_tokens: Tokens = 0
    max_tokens: Tokens | None = None


class StructureSource(Section):
    type: Literal["regex", "keyword_set", "sequence", "text_bytes"]
    pattern: str = ""
    keywords: Texts = ()
    case_sensitive: bool = False
    sequences: tuple[tuple[Name, ...], ...] = ()


class StructureFeature(Section):
    type: Literal["exists", "count", "density", "sequence"]
    source: StructureSource


class StructureSignal(SignalSection):
    feature: StructureFeature
    predicate: Bounds | None = None


class ConversationSource(Section):
    type: Literal[
        "message",
        "tool_definition",
        "assistant_tool_call",
        "assistant_tool_cycle",
        "active_tool_loop",
        "image_content",
        "tool_choice_required",
        "tool_choice_none",
    ]
    role: Literal["user", "assistant", "system", "developer", "tool", "function", "non_user"] | None = None


class ConversationFeature(Section):
    type: Literal["exists", "count"]
    source: ConversationSource


class ConversationSignal(SignalSection):
    feature: ConversationFeature
    predicate: Bounds | None = None


class MetadataPredicate(Section):
    """Exactly one of the three."""

    equals: str | None = None
    in_: tuple[str, ...] | None = Field(None, alias="in")
    exists: bool | None = None

    @model_validator(mode="after")
    def _one(self) -> MetadataPredicate:
        if [self.equals, self.in_, self.exists].count(None) != 2:
            raise ValueError("needs exactly one of equals, in, exists")
        return self


class MetadataSignal(SignalSection):
    key: Name
    predicate: MetadataPredicate


class EventSignal(SignalSection):
    event_types: Texts = ()
    severities: tuple[
        Annotated[Literal["critical", "high", "medium", "low"], BeforeValidator(_lower)], ...
    ] = ()
    action_codes: Texts = ()
    temporal: bool = False


class Subject(Section):
    kind: Literal["User", "Group"]
    name: Name


class RoleBinding(SignalSection):
    """The binding's name is what rules refer to; the original refers to its role, which works too."""

    role: str = ""
    subjects: Annotated[tuple[Subject, ...], Field(min_length=1)]


class ModalitySignal(SignalSection):
    pass


# ---------------------------------------------------------------- from the encoder


class ModelScore(Section):
    model: Name
    score: Number
    use_reasoning: bool = False
    reasoning_effort: Effort | None = None
    lora_name: str = ""


class DomainSignal(SignalSection):
    mmlu_categories: tuple[str, ...] = ()
    model_scores: tuple[ModelScore, ...] = ()


class EmbeddingSignal(SignalSection):
    threshold: Cosine
    candidates: Annotated[Examples, Field(min_length=1)]
    negative_candidates: Examples = ()
    aggregation_method: Literal["mean", "max", "any"] | None = None
    query_modality: Literal["text"] = "text"
    prototype_scoring: PrototypeScoring | None = None


class ComplexityExamples(Section):
    candidates: Annotated[Examples, Field(min_length=1)]


class ComplexitySignal(SignalSection):
    """threshold: the same distance from the middle both ways; hard_above and easy_below set each."""

    threshold: Annotated[Number, Field(ge=0, le=2)] = 0.1
    hard_above: Cosine | None = None
    easy_below: Cosine | None = None
    hard: ComplexityExamples
    easy: ComplexityExamples
    composer: Rule | None = None
    prototype_scoring: PrototypeScoring | None = None


class JailbreakSignal(SignalSection):
    method: Literal["classifier", "contrastive", "hybrid"] = "classifier"
    threshold: Probability | None = None
    include_history: bool = True
    jailbreak_patterns: Examples = ()
    benign_patterns: Examples = ()


class PiiSignal(SignalSection):
    threshold: Probability | None = None
    pii_types_allowed: tuple[str, ...] = ()
    include_history: bool = True


class FactCheckSignal(SignalSection):
    threshold: Probability = 0.6


class FeedbackSignal(SignalSection):
    threshold: Probability | None = None


class ReaskSignal(SignalSection):
    threshold: Cosine = 0.8
    lookback_turns: Annotated[Whole, Field(ge=1, le=16)] = 1


class PreferenceSignal(SignalSection):
    examples: Examples = ()
    threshold: Cosine | None = None
    prototype_scoring: PrototypeScoring | None = None


class KbTarget(Section):
    kind: Literal["label", "group"]
    value: Name


class KbSignal(SignalSection):
    kb: Name
    target: KbTarget
    match: Literal["best", "threshold"] = "best"


class ClassifierSignal(SignalSection):
    type: Literal["local", "llm", "sequence_classifier", "mcp"]
    labels: Texts = ()
    model_path: str = ""
    model: str = ""
    instructions: str = ""


class Signals(Section):
    keywords: tuple[KeywordSignal, ...] = ()
    embeddings: tuple[EmbeddingSignal, ...] = ()
    domains: tuple[DomainSignal, ...] = ()
    fact_check: tuple[FactCheckSignal, ...] = ()
    user_feedbacks: tuple[FeedbackSignal, ...] = ()
    reasks: tuple[ReaskSignal, ...] = ()
    preferences: tuple[PreferenceSignal, ...] = ()
    language: tuple[LanguageSignal, ...] = ()
    context: tuple[ContextSignal, ...] = ()
    structure: tuple[StructureSignal, ...] = ()
    complexity: tuple[ComplexitySignal, ...] = ()
    modality: tuple[ModalitySignal, ...] = ()
    role_bindings: tuple[RoleBinding, ...] = ()
    jailbreak: tuple[JailbreakSignal, ...] = ()
    pii: tuple[PiiSignal, ...] = ()
    kb: tuple[KbSignal, ...] = ()
    conversation: tuple[ConversationSignal, ...] = ()
    events: tuple[EventSignal, ...] = ()
    metadata: tuple[MetadataSignal, ...] = ()
    classifiers: tuple[ClassifierSignal, ...] = ()
