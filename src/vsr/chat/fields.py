"""Which strings of a chat request cannot carry words to a model: the closed lists, with reasons.

Everything that is not named here is read, unknown fields included. An entry is a claim about every
back end we may forward to, so each says why it holds. Also the fields that no request may have.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Mapping

from vsr.facts import BodyPath, Role

CONTROL_FIELDS: Mapping[str, str] = {
    "model": "names the model and is rewritten here",
    "user": "the provider's abuse accounting; no chat template has it",
    "safety_identifier": "successor of `user`, accounting only",
    "metadata": "stored beside the completion, never part of the prompt",
    "service_tier": "chooses a price and a queue",
    "prompt_cache_key": "hashed into the choice of a cache",
    "prompt_cache_retention": "how long that cache lives",
    "cache_salt": "hashed into the keys of vLLM's prefix cache",
    "request_id": "an identifier in the back end's log",
    "stop": "compared with what the model writes, never shown to it",
    "bad_words": "forbidden in what the model writes, never shown to it",
}
"""Top-level fields that are not read → why they cannot reach a model as text."""

OPTION_OBJECTS = frozenset(
    {
        "chat_template_kwargs",
        "extra_body",
        "logit_bias",
        "mm_processor_kwargs",
        "reasoning",
        "stream_options",
        "thinking",
        "web_search_options",
    }
)
"""Top-level objects whose own keys name options of an API or variables of a template, which no model
sees. Their values are read, and so are the keys further down."""

_SETTINGS = OPTION_OBJECTS - {"chat_template_kwargs", "extra_body"}
"""Those that no client can add a variable of its own to: numbers directly inside are settings."""

LISTS_OF_TEXTS = frozenset({"tools", "functions", "documents"})
"""Top-level arrays whose elements are texts of their own: a passage each, so that what is known about
one tool is found again when the set of tools changes."""

ROLES: Mapping[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}
"""Any other role is `other`, and its name is read: templates copy it into the prompt."""

_SCHEMA_TYPES = ("string", "number", "integer", "boolean", "object", "array", "null")
_PART_TYPES = ("text", "input_text", "output_text", "refusal", "thinking", "image", "image_url")
_MEDIA_TYPES = ("input_image", "image_embeds", "input_audio", "audio", "audio_url", "video", "video_url")
_OTHER_TYPES = ("file", "input_file", "function", "custom", "json_object", "json_schema", "ephemeral")
_SWITCHES = ("auto", "none", "required", "enabled", "disabled", "adaptive")
_EFFORTS = frozenset({"none", "minimal", "low", "medium", "high", "xhigh", "max"})

_WORDS: Mapping[str, frozenset[str]] = {
    "type": frozenset(
        {*_SCHEMA_TYPES, *_PART_TYPES, *_MEDIA_TYPES, *_OTHER_TYPES, *_SWITCHES, "content", "approximate"}
    ),
    "detail": frozenset({"auto", "low", "high"}),
    "format": frozenset({"wav", "mp3", "pcm16", "flac", "opus", "date", "date-time", "uri", "email"}),
    "tool_choice": frozenset(_SWITCHES),
    "function_call": frozenset(_SWITCHES),
    "mode": frozenset(_SWITCHES),
    "effort": _EFFORTS,
    "reasoning_effort": _EFFORTS,
    "verbosity": _EFFORTS,
    "search_context_size": _EFFORTS,
    "truncation": frozenset(_SWITCHES),
    "modalities": frozenset({"text", "audio", "image"}),
    "voice": frozenset(
        {"alloy", "ash", "ballad", "cedar", "coral", "echo", "marin", "sage", "shimmer", "verse"}
    ),
}
"""Key → its closed vocabulary. A value from it says nothing; any other value is read, since templates
do print some of these (the effort of reasoning, for one)."""

_STRUCTURE_WORDS = """
    type function name description parameters properties required items prefixItems enum const default
    title format pattern examples nullable strict additionalProperties patternProperties propertyNames
    anyOf oneOf allOf not if then else $schema $id $ref $defs $comment definitions minimum maximum
    exclusiveMinimum exclusiveMaximum multipleOf minLength maxLength minItems maxItems uniqueItems
    minProperties maxProperties json_schema schema
    role content text id index arguments custom input output tool_calls tool_call_id function_call
    refusal reasoning reasoning_content thinking signature prefix partial cache_control
    image_url url detail input_audio data audio audio_url video_url image_embeds uuid file file_data
    file_id filename mode tools voice
    """

_STRUCTURE = frozenset(_STRUCTURE_WORDS.split())
"""Keys of JSON Schema and of the chat format itself. Every other key below the top level is read:
names of parameters and of document fields are part of a prompt."""

NAMES = frozenset(
    {*_STRUCTURE, *CONTROL_FIELDS, *OPTION_OBJECTS, *LISTS_OF_TEXTS, "messages", "stream", "tool_choice"}
)
"""What a body's own objects may call their fields, as far as we or a back end act on them."""

_PROMPTS = frozenset(
    {
        "chat_template",
        "input_embeds",
        "input_ids",
        "prompt_embeds",
        "prompt_token_ids",
        "token_data",
        "token_ids",
    }
)
"""A template is a program: it can put words together that no judge has seen. vLLM before 0.11 lets the
template's arguments replace it too (CVE-2025-61620). The others are prompts in numbers, which TensorRT-LLM,
SGLang and Dynamo (in `nvext`) take instead of the messages."""

MODEL_CHOICES = frozenset(
    {"model", "models", "fallbacks", "context_window_fallbacks", "content_policy_fallbacks"}
)
"""By these OpenRouter and LiteLLM, and whoever reads `extra_body`, answer with another model than the
route's."""

REFUSED: Mapping[tuple[str, ...], frozenset[str]] = {
    (): _PROMPTS | MODEL_CHOICES - {"model"},
    ("chat_template_kwargs",): _PROMPTS,
    ("nvext",): _PROMPTS,
    ("extra_body",): _PROMPTS | MODEL_CHOICES | {"messages"},
    ("extra_body", "chat_template_kwargs"): _PROMPTS,
    ("extra_body", "nvext"): _PROMPTS,
}
"""Where in the body an object stands → the fields that it must not have, in lower case."""

_ID_PATHS = frozenset(
    {
        ("id",),
        ("tool_call_id",),
        ("tool_calls", int, "id"),
        ("audio", "id"),
        ("content", int, "id"),
        ("content", int, "uuid"),
        ("content", int, "file_id"),
        ("content", int, "file", "file_id"),
    }
)
"""Where in a message the chat format has identifiers. Elsewhere a field of such a name is the client's."""
FEWEST_DIGITS = 7
MOST_DIGITS = 19
"""Digits of a telephone number without its area, and of the longest card number."""
_SHORT_ID = 9
"""Letters and digits of Mistral's identifiers: chance often makes a name of so few letters, and there is
hardly room for two words."""
_LONGEST_RUN = 12
"""Letters of one case that chance may put one after another in an identifier."""
_MACHINE_ID = re.compile(
    rf"(?![0-9]{{{FEWEST_DIGITS},{MOST_DIGITS}}}\Z)"
    r"(?:(?:call|toolu|fc|tool|chatcmpl-tool|file|audio)[-_])?([0-9A-Za-z]{1,40})"
    r"|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
)
_WORD = re.compile(r"[A-Za-z][a-z]{2,}|[A-Z]{5,}")

MEDIA_PARTS: Mapping[str, str] = {
    "image": "image",
    "image_url": "image",
    "image_embeds": "image",
    "input_image": "image",
    "audio": "audio",
    "audio_url": "audio",
    "input_audio": "audio",
    "video": "video",
    "video_url": "video",
    "file": "file",
    "file_data": "file",
    "input_file": "file",
}
"""Type of a content part, or the field that holds the bytes → what no head can read."""

_LINK = re.compile(r"https?://\S{1,8192}")
# in one line, or in lines as long as mail has them: words in lines of their own are shorter
_BASE64 = r"(?:[A-Za-z0-9+/]{60,}+\r?\n)*+[A-Za-z0-9+/]*+={0,2}(?:\r?\n)?"
_ENCODED = re.compile(_BASE64)
_DATA_URL = re.compile(rf"data:[!-+\--~]{{0,200}};base64,{_BASE64}")
_TEXT_URL = re.compile(r"data:(?:text/|application/(?:[^;,]+\+)?(?:json|xml);)", re.IGNORECASE)


def is_read_key(key: str) -> bool:
    return key not in _STRUCTURE


def says_nothing(path: BodyPath, value: str) -> bool:
    """Whether the string at `path` is a word of a closed vocabulary or a machine's identifier.

    Identifiers are left alone because masking one would tear a tool's result from its call.
    """
    if value in _WORDS.get(_field(path), ()):
        return True
    return is_identifier(path, value) and _looks_made(value)


def is_identifier(path: BodyPath, value: str) -> bool:
    """Whether the string at `path` has the form of a machine's identifier, where the format has one."""
    return (
        path[:1] == ("messages",) and _shape(path) in _ID_PATHS and _MACHINE_ID.fullmatch(value) is not None
    )


def _looks_made(value: str) -> bool:
    """Whether a machine may have drawn the identifier at random. Some templates print them, so words written
    together are read: nothing else in it, one longer than chance makes them, or three that fill most of it.
    """
    match = _MACHINE_ID.fullmatch(value)
    if match is None or match[1] is None or len(match[1]) <= _SHORT_ID:
        return match is not None
    words = [len(word) for word in _WORD.findall(match[1])]
    letters, length = sum(words), len(match[1])
    several = len(words) >= 3 and 4 * letters > 3 * length
    return not (several or letters == length or max(words, default=0) > _LONGEST_RUN)


def number(path: BodyPath, value: object) -> str:
    """The digits of a number that may identify somebody; "" for any other value.

    Identifiers written as bare numbers (telephones, cards) are whole and have at least FEWEST_DIGITS
    digits. Numbers at the top level and directly in options are settings of the API.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        return ""
    setting = len(path) == 1 or (len(path) == 2 and path[0] in _SETTINGS)
    if setting or value != int(value):
        return ""
    digits = str(int(value))
    return digits if FEWEST_DIGITS <= len(digits) <= MOST_DIGITS else ""


def media_kind(path: BodyPath, value: str) -> str:
    """What kind of media the string at `path` inside a content part is or points to; "" if it is text.

    The field alone is not believed: a value that is neither a link nor base64 is read.
    """
    key = path[-1]
    holder = path[-2] if key in ("url", "data") else key
    kind = MEDIA_PARTS.get(holder, "") if isinstance(holder, str) else ""
    if not kind or _LINK.fullmatch(value):
        return kind
    if _DATA_URL.fullmatch(value):
        return kind
    bare = holder not in ("image_url", "audio_url", "video_url")
    return kind if bare and _ENCODED.fullmatch(value) else ""


def text_of_file(url: str) -> str:
    """What stands in the file of text that is the data URL; "" for other media.

    Bytes that are not UTF-8 are replaced and what is too much or too little of base64 is mended, as some
    back ends do: one such byte must not hide the rest.
    """
    if not _TEXT_URL.match(url):
        return ""
    encoded = "".join(url.partition(";base64,")[2].split()).rstrip("=")
    whole = len(encoded) - (len(encoded) % 4 == 1)
    return binascii.a2b_base64(encoded[:whole] + "=" * (-whole % 4)).decode(errors="replace")


def _shape(path: BodyPath) -> tuple[str | type[int], ...]:
    """The path inside its message, whatever the indices."""
    return tuple(int if isinstance(step, int) else step for step in path[2:])


def _field(path: BodyPath) -> str:
    """The name of the field that holds the string: for an element of an array, the array's."""
    return next((step for step in reversed(path) if isinstance(step, str)), "")
