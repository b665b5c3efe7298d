"""Edits of a body: new dicts, shared parts, and masks that touch nothing but their spans."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vsr.chat.edit import ask_for_usage, replace_spans, set_path, set_paths, with_model
from vsr.chat.passages import join
from vsr.content import Content
from vsr.errors import InvalidRequest, Refused
from vsr.facts import BodyPath, Entity, Leaf, Passage


def entity(start: int, end: int, kind: str = "PERSON", score: float = 0.9, passage: int = 0) -> Entity:
    return Entity(kind, passage, start, end, score)


def placeholder(found: Entity) -> str:
    return f"[{found.type}]"


def user(text: str) -> tuple[dict[str, Any], list[Passage]]:
    path = ("messages", 0, "content")
    passage = Passage("user", Content(text), (Leaf(0, len(text), path),))
    return {"messages": [{"role": "user", "content": text}]}, [passage]


def masked(text: str, *entities: Entity) -> object:
    body, passages = user(text)
    return replace_spans(body, passages, entities, placeholder)["messages"][0]["content"]


def test_setting_a_path_leaves_the_original_alone_and_shares_the_rest() -> None:
    body = {"messages": [{"content": "a"}, {"content": "b"}], "tools": [{"type": "function"}]}
    before = copy.deepcopy(body)
    after = set_path(body, ("messages", 1, "content"), "c")
    assert body == before
    assert after["messages"][1] == {"content": "c"}
    assert after["messages"][0] is body["messages"][0]
    assert after["tools"] is body["tools"]


def test_objects_missing_on_the_way_are_made() -> None:
    assert set_path({}, ("chat_template_kwargs", "thinking"), False) == {
        "chat_template_kwargs": {"thinking": False}
    }
    assert set_path({"a": None}, ("a", "b"), 1) == {"a": {"b": 1}}


def test_a_scalar_on_the_way_is_the_clients_mistake() -> None:
    with pytest.raises(InvalidRequest) as caught:
        set_path({"a": {"b": "secret"}}, ("a", "b", "c"), 1)
    assert caught.value.param == "a.b"
    assert "secret" not in caught.value.message


def test_several_paths_are_set_at_once() -> None:
    body = {"a": [1, 2, {"b": 3}]}
    assert set_paths(body, [(("a", 0), 9), (("a", 2, "b"), 8), (("c",), 7)]) == {
        "a": [9, 2, {"b": 8}],
        "c": 7,
    }


def test_no_change_is_an_equal_body() -> None:
    assert set_paths({"a": 1}, []) == {"a": 1}


def test_the_model_is_rewritten() -> None:
    body = {"model": "auto", "x": 1}
    assert with_model(body, "math-7b") == {"model": "math-7b", "x": 1}
    assert body["model"] == "auto"


@pytest.mark.parametrize("options", [None, {}, {"include_usage": False}])
def test_usage_is_asked_for_whatever_the_client_said(options: dict[str, bool] | None) -> None:
    assert ask_for_usage({"stream_options": options})["stream_options"] == {"include_usage": True}


def test_other_stream_options_stay() -> None:
    body = {"stream": True, "stream_options": {"include_obfuscation": False}}
    expected = {"include_obfuscation": False, "include_usage": True}
    assert ask_for_usage(body)["stream_options"] == expected


def test_several_spans_of_one_string_are_replaced() -> None:
    text = "Ann met Bob in Rome."
    assert (
        masked(text, entity(8, 11), entity(0, 3), entity(15, 19, "GPE")) == "[PERSON] met [PERSON] in [GPE]."
    )


def test_overlapping_spans_become_one_under_the_more_probable_name() -> None:
    found = (entity(0, 6, "PERSON", 0.6), entity(3, 9, "EMAIL_ADDRESS", 0.9), entity(8, 12, "GPE", 0.7))
    assert masked("abcdefghijklmno", *found) == "[EMAIL_ADDRESS]mno"


def test_neighbouring_spans_stay_two() -> None:
    assert masked("abcdef", entity(0, 3), entity(3, 6)) == "[PERSON][PERSON]"


def test_a_span_across_two_strings_is_replaced_in_both() -> None:
    body = {"a": "call Ann", "b": "Smith now"}
    passage = join("user", [(("a",), body["a"], 0), (("b",), body["b"], 0)])
    assert passage is not None
    found = [entity(5, 14)]
    assert replace_spans(body, [passage], found, placeholder) == {"a": "call [PERSON]", "b": "[PERSON] now"}


def test_a_span_in_an_object_key_is_refused_since_it_cannot_be_masked() -> None:
    passage = join("other", [((), "ann@example.org", 0), (("documents", 0, "ann@example.org"), "notes", 0)])
    assert passage is not None
    with pytest.raises(Refused) as caught:
        replace_spans({}, [passage], [entity(0, 15)], placeholder)
    assert "example" not in caught.value.message


def test_a_number_becomes_the_placeholder_as_a_string() -> None:
    body = {"messages": [{"role": "assistant", "content": "", "input": {"phone": 13812345678, "n": 3}}]}
    path = ("messages", 0, "input", "phone")
    passage = join("assistant", [(path, "13812345678", 0)])
    assert passage is not None
    after = replace_spans(body, [passage], [entity(0, 11, "PHONE_NUMBER")], placeholder)
    assert after["messages"][0]["input"] == {"phone": "[PHONE_NUMBER]", "n": 3}


def test_arguments_that_are_json_stay_json() -> None:
    arguments = '{"phone": 13812345678, "to": "Ann \\"A\\" Lee"}'
    number = arguments.index("138")
    name = arguments.index("Ann")
    after = masked(
        arguments,
        entity(number, number + 11, "PHONE_NUMBER"),
        entity(name, name + 5),
        entity(name + 8, len(arguments)),
    )
    assert json.loads(str(after)) == {"phone": "[PHONE_NUMBER]", "to": "[PERSON]A[PERSON]"}


NOT_JSON = st.text(min_size=1).filter(lambda text: text.lstrip()[:1] not in ("{", "[", '"'))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), texts=st.lists(NOT_JSON, min_size=1, max_size=5))
def test_nothing_outside_the_spans_changes(data: st.DataObject, texts: list[str]) -> None:
    body = {"parts": list(texts), "untouched": {"x": [1]}}
    pieces: list[tuple[BodyPath, str, int]] = [
        (("parts", index), text, 0) for index, text in enumerate(texts)
    ]
    passage = join("user", pieces)
    if passage is None:
        return
    length = len(passage.text)
    positions = st.integers(0, length)
    spans = data.draw(st.lists(st.tuples(positions, positions).map(sorted).filter(lambda s: s[0] < s[1])))
    found = [entity(start, end, score=index / 100) for index, (start, end) in enumerate(spans)]

    after = replace_spans(body, [passage], found, lambda _: "\ue000")

    covered = {position for start, end in spans for position in range(start, end)}
    assert after["untouched"] is body["untouched"]
    for leaf in passage.leaves:
        index = leaf.path[1]
        assert isinstance(index, int)
        kept = [c for i, c in enumerate(texts[index], leaf.start) if i not in covered]
        assert [c for c in after["parts"][index] if c != "\ue000"] == [c for c in kept if c != "\ue000"]
    assert body["parts"] == texts
