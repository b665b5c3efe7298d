"""What is looked for in a request: the signal rules of a `Policy`, compiled.

Part of `policy`, which passes the most used names on. Patterns are compiled and thresholds resolved;
what a generation computes from the rules (vectors of examples) is not here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from re import Pattern
from typing import Final, Literal

from vsr.config.patterns import Expression
from vsr.config.policy_decisions import RuleNode
from vsr.config.policy_services import MCPServer, Service
from vsr.config.predicate import Predicate

MAX_EXAMPLES: Final = 10_000
"""In one list that texts are compared with: each example is compared with all others of its list."""

# ---------------------------------------------------------------- without a model


@dataclass(frozen=True, slots=True)
class KeywordRule:
    """patterns: one a keyword, same order as `keywords`, of the method words. expressions: those of the
    method regex. threshold: what the other methods hold a keyword's score against: edits (up to 10)
    or a similarity in per cent for fuzzy, a BM25 score, a share of common n-grams of `arity`."""

    name: str
    operator: Literal["AND", "OR", "NOR"]
    keywords: tuple[str, ...]
    patterns: tuple[Pattern[str], ...] = ()
    expressions: tuple[Expression, ...] = ()
    method: Literal["words", "regex", "bm25", "ngram", "fuzzy"] = "words"
    case_sensitive: bool = False
    threshold: float = 0.0
    arity: int = 3


@dataclass(frozen=True, slots=True)
class LikelyRule:
    """Holds where what its name says is likely enough: a language (ISO 639-1), `needs_fact_check` or
    `no_fact_check_needed`, a kind of feedback such as `wrong_answer`."""

    name: str
    threshold: float


@dataclass(frozen=True, slots=True)
class ContextRule:
    name: str
    minimum: int = 0
    maximum: int | None = None


@dataclass(frozen=True, slots=True)
class Phrase:
    """needle: folded text without which the pattern cannot match, for a quick look first."""

    needle: str
    pattern: Pattern[str]


@dataclass(frozen=True, slots=True)
class StructureRule:
    """phrases: what `keyword_set` counts. expression: what `regex` does. sequences: markers that must
    follow one another. predicate None: more than nothing."""

    name: str
    feature: Literal["exists", "count", "density", "sequence"]
    source: Literal["regex", "keyword_set", "sequence", "text_bytes"]
    phrases: tuple[Phrase, ...] = ()
    expression: Expression | None = None
    sequences: tuple[tuple[Phrase, ...], ...] = ()
    predicate: Predicate | None = None


@dataclass(frozen=True, slots=True)
class ConversationRule:
    name: str
    feature: Literal["exists", "count"]
    source: str
    role: str = ""
    predicate: Predicate | None = None


@dataclass(frozen=True, slots=True)
class MetadataRule:
    """values None: only whether the key is there counts, as `exists` says."""

    name: str
    key: str
    values: frozenset[str] | None = None
    exists: bool = True


@dataclass(frozen=True, slots=True)
class EventRule:
    """Each non-empty group is a criterion."""

    name: str
    event_types: tuple[str, ...] = ()
    severities: tuple[str, ...] = ()
    action_codes: tuple[str, ...] = ()
    temporal: bool = False
    phrases: tuple[Phrase, ...] = ()
    code_phrases: tuple[Phrase, ...] = ()


@dataclass(frozen=True, slots=True)
class RoleBindingRule:
    name: str
    role: str
    users: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ModalityRule:
    """name: AR, DIFFUSION or BOTH."""

    name: str


# ---------------------------------------------------------------- from the encoder


@dataclass(frozen=True, slots=True)
class ModelScore:
    model: str
    score: float
    use_reasoning: bool = False
    reasoning_effort: str = ""
    lora: str = ""


@dataclass(frozen=True, slots=True)
class DomainRule:
    """classes: the head's labels that count as this domain (`mmlu_categories`, or its own name)."""

    name: str
    classes: frozenset[str]
    threshold: float
    model_scores: tuple[ModelScore, ...] = ()
    description: str = ""


@dataclass(frozen=True, slots=True)
class Scoring:
    """How examples become prototypes and a text's score: `best_weight` of the best prototype and the
    rest from the mean of the `top_m` best. aggregation: `blend` as said, or only `mean` or `max`."""

    cluster: bool = True
    similarity: float = 0.9
    most: int = 8
    best_weight: float = 0.75
    top_m: int = 2
    margin: float = 0.0
    aggregation: Literal["blend", "mean", "max"] = "blend"


@dataclass(frozen=True, slots=True)
class EmbeddingRule:
    name: str
    threshold: float
    candidates: tuple[str, ...]
    negatives: tuple[str, ...] = ()
    scoring: Scoring = Scoring()


@dataclass(frozen=True, slots=True)
class EmbeddingMatching:
    """Among all embedding rules: `top_k` at most match (0: any number). soft: without a rule over its
    own threshold, those over `soft_threshold` do."""

    top_k: int = 1
    soft: bool = True
    soft_threshold: float = 0.5


@dataclass(frozen=True, slots=True)
class ComplexityRule:
    """hard from `hard_above` on, easy up to `easy_below`, of the score of the hard examples less that of
    the easy ones. composer: the rule is only asked where this holds."""

    name: str
    hard_above: float
    easy_below: float
    hard: tuple[str, ...]
    easy: tuple[str, ...]
    composer: RuleNode | None = None
    scoring: Scoring = Scoring()


@dataclass(frozen=True, slots=True)
class JailbreakRule:
    """threshold None: the bundle's operating point for the length of the request. contrast: how much
    nearer to `attacks` than to `benign` texts a request must be; None where only the head is asked."""

    name: str
    threshold: float | None = None
    include_history: bool = True
    classifier: bool = True
    contrast: float | None = None
    attacks: tuple[str, ...] = ()
    benign: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PiiRule:
    name: str
    threshold: float | None = None
    allowed: frozenset[str] = frozenset()
    include_history: bool = True


@dataclass(frozen=True, slots=True)
class ReaskRule:
    name: str
    threshold: float = 0.8
    lookback: int = 1


@dataclass(frozen=True, slots=True)
class PreferenceRule:
    name: str
    threshold: float
    description: str = ""
    examples: tuple[str, ...] = ()
    scoring: Scoring = Scoring()


@dataclass(frozen=True, slots=True)
class KnowledgeBase:
    """exemplars: by label; `source` names the file to read more of them from when the generation starts.
    stands_in: they are used only if that file does not exist. margins: metric → (positive group, negative
    group)."""

    name: str
    threshold: float = 0.5
    label_thresholds: Mapping[str, float] = field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    margins: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    exemplars: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    source: str = ""
    stands_in: bool = False
    scoring: Scoring = Scoring()


@dataclass(frozen=True, slots=True)
class KbRule:
    name: str
    kb: str
    kind: Literal["label", "group"]
    value: str
    match: Literal["best", "threshold"] = "best"


@dataclass(frozen=True, slots=True)
class ClassifierRule:
    """A model of its own: the folder of an imported one, a service that is asked for labels (llm: by
    chat), or an MCP server. labels empty: whatever the model has. The rule holds if the likeliest label
    reaches the threshold."""

    name: str
    kind: Literal["local", "llm", "sequence_classifier", "mcp"]
    labels: tuple[str, ...] = ()
    model_path: str = ""
    instructions: str = ""
    threshold: float = 0.0
    service: Service | None = None
    server: MCPServer | None = None


@dataclass(frozen=True, slots=True)
class Signals:
    """embedder: makes all vectors instead of the bundle. preferrer: names the preference of a request
    instead of examples."""

    domains: tuple[DomainRule, ...] = ()
    keywords: tuple[KeywordRule, ...] = ()
    jailbreaks: tuple[JailbreakRule, ...] = ()
    piis: tuple[PiiRule, ...] = ()
    embeddings: tuple[EmbeddingRule, ...] = ()
    matching: EmbeddingMatching = EmbeddingMatching()
    fact_checks: tuple[LikelyRule, ...] = ()
    feedbacks: tuple[LikelyRule, ...] = ()
    reasks: tuple[ReaskRule, ...] = ()
    preferences: tuple[PreferenceRule, ...] = ()
    languages: tuple[LikelyRule, ...] = ()
    contexts: tuple[ContextRule, ...] = ()
    structures: tuple[StructureRule, ...] = ()
    complexities: tuple[ComplexityRule, ...] = ()
    modalities: tuple[ModalityRule, ...] = ()
    role_bindings: tuple[RoleBindingRule, ...] = ()
    kbs: tuple[KbRule, ...] = ()
    knowledge_bases: tuple[KnowledgeBase, ...] = ()
    conversations: tuple[ConversationRule, ...] = ()
    events: tuple[EventRule, ...] = ()
    metadata: tuple[MetadataRule, ...] = ()
    classifiers: tuple[ClassifierRule, ...] = ()
    embedder: Service | None = None
    preferrer: Service | None = None
