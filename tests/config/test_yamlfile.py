from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsr.config.yamlfile import MAX_BYTES, parse_yaml, to_yaml
from vsr.errors import ConfigError


def problem(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_yaml(text, "f.yaml")
    return str(caught.value)


def test_every_key_and_item_knows_its_line() -> None:
    source = parse_yaml("a:\n  b: 1\n  c:\n    - x\n    - d: 2\n", "f.yaml")
    assert source.data == {"a": {"b": 1, "c": ["x", {"d": 2}]}}
    assert source.lines[("a", "b")] == 2
    assert source.lines[("a", "c", 0)] == 4
    assert source.lines[("a", "c", 1, "d")] == 5


def test_off_and_no_are_words_and_only_true_and_false_are_booleans() -> None:
    source = parse_yaml("mode: off\nname: no\nyes: on\nflag: true\nother: False\n", "f.yaml")
    assert source.data == {"mode": "off", "name": "no", "yes": "on", "flag": True, "other": False}


def test_numbers_dates_and_nothing_follow_the_core_schema() -> None:
    text = "i: -12\nf: .5e1\nh: 0x1f\no: 0o17\nz: 007\ndate: 2024-99-99\nbig: 1e999\nq: '1'\nn:\n"
    assert parse_yaml(text, "f.yaml").data == {
        "i": -12,
        "f": 5.0,
        "h": 31,
        "o": 15,
        "z": 7,
        "date": "2024-99-99",
        "big": "1e999",
        "q": "1",
        "n": None,
    }


def test_a_duplicate_key_is_refused_with_both_lines() -> None:
    assert problem("a:\n  b: 1\n  b: 2\n") == "f.yaml:3: duplicate key 'a.b', first given in line 2"


def test_all_duplicate_keys_are_reported_at_once() -> None:
    assert problem("a: 1\na: 2\nb: 1\nb: 2\n").count("duplicate key") == 2


def test_anchors_aliases_and_merge_keys_work() -> None:
    text = "base: &b {x: 1, y: 2}\nuse: {<<: *b, y: 3}\nsame: *b\n"
    assert parse_yaml(text, "f.yaml").data == {
        "base": {"x": 1, "y": 2},
        "use": {"x": 1, "y": 3},
        "same": {"x": 1, "y": 2},
    }


def test_an_alias_bomb_is_refused_before_it_is_expanded() -> None:
    levels = "\n".join(f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 10)}]" for i in range(1, 12))
    assert "once its aliases are expanded" in problem(f"l0: &l0 [x]\n{levels}\n")


def test_an_alias_of_itself_is_refused() -> None:
    assert "no finished anchor" in problem("a: &a [*a]\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: !!python/object/apply:os.system [ls]", "tag tag:yaml.org,2002:python/object/apply:os.system"),
        ("a: !secret x", "tag !secret is not supported"),
        ("a: [1, 2", "is not YAML: "),
        ("a: b: c", "f.yaml:1: is not YAML: mapping values are not allowed in this context"),
        ("---\na: 1\n---\nb: 2\n", "more than one YAML document"),
        ("? [a, b]\n: 1\n", "a key must be plain text"),
        ("a: \x00", "is not YAML"),
        ("a: \ud800", "is not valid Unicode"),
        ("x" * (MAX_BYTES + 1), "is larger than 4 MiB"),
        ("[" * 1000 + "]" * 1000, "levels deep"),
        ("a: 1\n<<: 3\n", "needs an alias of a mapping"),
    ],
)
def test_what_is_not_a_plain_document_is_refused_in_one_sentence(text: str, expected: str) -> None:
    message = problem(text)
    assert expected in message
    assert "\n" not in message


def test_a_reference_inside_brackets_without_quotes_gets_a_hint() -> None:
    assert 'needs quotes: "${NAME}"' in problem("keys: [${KEY}]\n")


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**15), 10**15)
    | st.text(st.characters(codec="utf-8", exclude_categories=["Cc"])),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=4)
    ),
    max_leaves=15,
)


@pytest.mark.parametrize(
    "text", ["0E0", "1e5", "0o17", "12.", ".5", "~", "True", "no", "0x1F", "1_000", "12:30"]
)
def test_a_text_that_looks_like_a_number_stays_a_text(text: str) -> None:
    assert parse_yaml(to_yaml({"key": text}), "f.yaml").data == {"key": text}


@given(plain)
def test_what_is_written_reads_back(data: bool | int | str | None) -> None:
    assert parse_yaml(to_yaml({"data": data}), "f.yaml").data == {"data": data}


def test_what_merge_keys_walk_through_is_counted_over_the_whole_document() -> None:
    for base in ("{k: 1}", "{}"):
        merges = "- {<<: *l}\n" * 10
        text = f"- &b {base}\n- &l [{', '.join(['*b'] * 20_000)}]\n{merges}"
        assert "once its aliases are expanded" in problem(text)


def test_a_mapping_has_one_merge_key() -> None:
    text = "a: &a {x: 1}\nb: &b {y: 2}\nc:\n  <<: *a\n  <<: *b\n"
    assert problem(text) == "f.yaml:5: duplicate key 'c.<<', first given in line 4"
    both = parse_yaml("a: &a {x: 1}\nb: &b {y: 2}\nc: {<<: [*a, *b]}\n", "f.yaml").data
    assert isinstance(both, dict)
    assert both["c"] == {"x": 1, "y": 2}


@pytest.mark.parametrize("link", ["[*l{0}]", "{{k: *l{0}}}", "{{<<: *m{0}}}"])
def test_depth_is_bounded_through_aliases_too(link: str) -> None:
    levels = "".join(
        f"l{i}: &l{i} {link.format(i - 1)}\nm{i}: &m{i} {{k{i}: *l{i}}}\n" for i in range(1, 2000)
    )
    assert "levels deep" in problem(f"l0: &l0 [x]\nm0: &m0 {{k: 1}}\n{levels}")
