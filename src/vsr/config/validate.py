"""A document's values against the schema, with messages for the operator who wrote the file.

pydantic says what is wrong and where in terms of its models; this turns it into a path of the file
and one sentence. Values are shown only where a short list of words was expected.
"""

from __future__ import annotations

from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from vsr.config.paths import KeyPath, Plain, Report, show, suggest
from vsr.config.pending import VALUES

Model = TypeVar("Model", bound=BaseModel)

_MAPPING: Final = "must be a mapping (lines of `key: value`)"
_LIST: Final = "must be a list (lines that begin with `- `)"
_MESSAGES: Final = {
    "missing": "is required",
    "string_type": "must be a string; put a number in quotes",
    "string_too_short": "must not be empty",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "tuple_type": _LIST,
    "dict_type": _MAPPING,
    "model_type": _MAPPING,
    "model_attributes_type": _MAPPING,
    "union_tag_not_found": "needs a `type`",
}


def validate(data: Plain, model: type[Model], report: Report) -> Model | None:
    """None if anything is wrong; every complaint is in the report then, unless it is there already."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        told = {finding.path for finding in report.errors}
        for details in error.errors(include_url=False):
            path = locate(data, details["loc"])
            if not any(path[:length] in told for length in range(len(path) + 1)):
                report.error(path, f"{show(path) or 'the document'} {describe(details)}")
        return None


def locate(data: Plain, loc: KeyPath) -> KeyPath:
    """pydantic's `loc` also names the chosen member of a union, which stands nowhere in the file."""
    path: list[str | int] = []
    current = data
    for index, step in enumerate(loc):
        inner = _child(current, step)
        if inner is not None:
            current = inner
        elif index < len(loc) - 1:
            continue
        path.append(step)
    return tuple(path)


def _child(data: Plain, step: str | int) -> Plain:
    if isinstance(data, list) and isinstance(step, int) and 0 <= step < len(data):
        return data[step]
    return data.get(step) if isinstance(data, dict) and isinstance(step, str) else None


def describe(details: ErrorDetails) -> str:
    kind, context = details["type"], details.get("ctx", {})
    if kind == "literal_error":
        return _choice(details["input"], str(context["expected"]))
    if kind == "union_tag_invalid":
        unbuilt = {value for _, value in VALUES}
        tags = [tag for tag in str(context["expected_tags"]).split(", ") if tag.strip("'") not in unbuilt]
        return "has an unknown type: it " + _choice(context["tag"], ", ".join(tags))
    if kind == "value_error":
        return str(context["error"])
    if kind == "too_long":
        return f"must have at most {context['max_length']} entries, not {context['actual_length']}"
    return _MESSAGES.get(kind) or details["msg"].replace("Input should", "must").replace("Value", "it")


def _choice(given: object, expected: str) -> str:
    known = [part.strip(" '") for part in expected.replace(" or ", ", ").split(",")]
    text = f"must be {expected}"
    if not isinstance(given, str) or len(given) > 40 or not given.isprintable():
        return text
    return f"{text}, not '{given}'{suggest(given, known)}"
