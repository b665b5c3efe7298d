"""Comments survive when a document is written anew."""

from __future__ import annotations

from vsr.config.comments import with_comments
from vsr.config.paths import Plain
from vsr.config.yamlfile import parse_yaml

TEXT = """\
# what this file is

# about a
a: 1 # beside a
b:
  # about the first
  - name: x # beside x
    text: |
      # no comment, but text
      more
  - {name: "y # z"} # beside y
c: "two # lines
  of text"
# the end
"""


def written(data: Plain, text: str = TEXT) -> tuple[str, list[str]]:
    return with_comments(data, text, parse_yaml(text, "").lines)


def test_comments_stay_with_what_they_stand_at() -> None:
    data = parse_yaml(TEXT, "").data
    result, lost = written(data)
    assert lost == []
    assert parse_yaml(result, "").data == data
    assert result.startswith("# what this file is\n")
    assert "# about a\na: 1 # beside a\n" in result
    assert "# about the first\n- name: x # beside x\n" in result
    assert "# beside y" in result
    assert result.count("no comment") == 1
    assert result.endswith("# the end\n")


def test_a_comment_whose_place_is_gone_is_told() -> None:
    data = parse_yaml(TEXT, "").data
    assert isinstance(data, dict)
    del data["a"]
    result, lost = written(data)
    assert lost == ["# about a", "# beside a"]
    assert parse_yaml(result, "").data == data


def test_what_is_added_has_no_comment_and_moves_none() -> None:
    result, lost = written({"z": 0, "a": 2}, "# about a\na: 1\n")
    assert (result, lost) == ("# about a\nz: 0\na: 2\n", [])
