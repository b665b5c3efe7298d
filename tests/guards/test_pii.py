"""What the PII guard does with personal data that a policy forbids."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vsr.chat.passages import join
from vsr.config.patterns import raw_pattern
from vsr.config.policy import PiiGuard
from vsr.content import Content
from vsr.facts import Entity, Facts, Leaf, Passage, Readings
from vsr.guards.masking import placeholder
from vsr.guards.pii import assess_pii
from vsr.route import ALLOW_ALL, PiiAction, PiiPolicy

TEXT = "Ann, ann@example.com"
MAIL = Entity("EMAIL_ADDRESS", 0, 5, 20, 0.99, "pattern")
PERSON = Entity("PERSON", 0, 0, 3, 0.6)
PASSAGE = Passage("user", Content(TEXT), (Leaf(0, len(TEXT), ("messages", 0, "content")),))
FACTS = Facts((PASSAGE,), Readings(), {}, entities=(PERSON, MAIL))
UNREAD = Facts((PASSAGE,), None, {}, encoder_error="too slow")
GUARD = PiiGuard()


def only(*allowed: str, action: PiiAction = "block") -> PiiPolicy:
    return PiiPolicy(frozenset(allowed), action)


def test_a_forbidden_type_is_refused_and_named_without_its_value() -> None:
    assessment = assess_pii(FACTS, GUARD, only("PERSON"))
    assert (assessment.finding.state, assessment.finding.types) == ("violating", ("EMAIL_ADDRESS",))
    assert assessment.finding.score == 0.99
    assert "example.com" not in repr(assessment)


def test_allowed_types_pass() -> None:
    for policy in (only("PERSON", "EMAIL_ADDRESS"), ALLOW_ALL):
        finding = assess_pii(FACTS, GUARD, policy).finding
        assert (finding.state, finding.types) == ("clean", ())


def test_masking_names_what_to_replace_and_lets_the_request_pass() -> None:
    assessment = assess_pii(FACTS, GUARD, only("PERSON", action="mask"))
    assert (assessment.finding.state, assessment.mask) == ("clean", (MAIL,))
    assert assessment.finding.types == ("EMAIL_ADDRESS",)
    assert placeholder(MAIL) == "[EMAIL_ADDRESS]"


def test_logging_reports_types_and_nothing_else() -> None:
    assessment = assess_pii(FACTS, GUARD, only(action="log"))
    assert (assessment.finding.state, assessment.mask) == ("clean", ())
    assert assessment.finding.types == ("EMAIL_ADDRESS", "PERSON")


def test_what_is_too_unsure_is_passed_over() -> None:
    finding = assess_pii(FACTS, PiiGuard(threshold=0.9), only()).finding
    assert finding.types == ("EMAIL_ADDRESS",)


def test_a_value_of_the_allow_list_is_no_personal_data_only_as_a_whole() -> None:
    whole = PiiGuard(allow_list=(raw_pattern(r"\w+@example\.com"),))
    part = PiiGuard(allow_list=(raw_pattern("ann"),))
    assert assess_pii(FACTS, whole, only("PERSON")).finding.state == "clean"
    assert assess_pii(FACTS, part, only("PERSON")).finding.state == "violating"


def test_data_that_cannot_be_replaced_is_refused_instead_of_masked() -> None:
    for leaves in ((Leaf(0, len(TEXT), ()),), ()):
        stuck = replace(FACTS, passages=(replace(PASSAGE, leaves=leaves),))
        assert assess_pii(stuck, GUARD, only(action="mask")).finding.state == "violating"


@pytest.mark.timeout(10)  # walking the strings again for every entity would take minutes
def test_many_strings_with_personal_data_are_quickly_found_replaceable() -> None:
    passage = join("user", [(("messages", 0, "content", index), "a@b.co", 0) for index in range(30_000)])
    assert passage is not None
    found = tuple(replace(MAIL, start=leaf.start, end=leaf.end) for leaf in passage.leaves)
    facts = replace(FACTS, passages=(passage,), entities=found)
    assert assess_pii(facts, GUARD, only(action="mask")).mask == found


def test_shadow_mode_neither_refuses_nor_masks() -> None:
    shadow = PiiGuard(mode="shadow")
    assert not assess_pii(FACTS, shadow, only()).finding.acts
    assert assess_pii(FACTS, shadow, only()).finding.state == "violating"
    masked = assess_pii(FACTS, shadow, only(action="mask"))
    assert masked.mask == ()
    assert masked.finding.types == ("EMAIL_ADDRESS", "PERSON")


def test_a_guard_that_is_off_lets_everything_pass() -> None:
    assessment = assess_pii(FACTS, PiiGuard(mode="off"), only(action="mask"))
    assert (assessment.finding.state, assessment.mask) == ("clean", ())


@pytest.mark.parametrize("action", ["block", "mask"])
def test_an_unread_request_is_unavailable_where_something_is_to_be_enforced(action: PiiAction) -> None:
    finding = assess_pii(UNREAD, GUARD, only(action=action)).finding
    assert (finding.state, finding.acts) == ("unavailable", True)
    assert assess_pii(UNREAD, PiiGuard(on_unavailable="allow"), only(action=action)).finding.state == "clean"


def test_an_unread_request_passes_where_nothing_is_to_be_enforced() -> None:
    assert assess_pii(UNREAD, GUARD, ALLOW_ALL).finding.state == "clean"
    assert assess_pii(UNREAD, GUARD, only(action="log")).finding.state == "clean"


def test_what_patterns_found_is_enforced_without_the_encoder() -> None:
    facts = replace(UNREAD, entities=(MAIL,))
    assert assess_pii(facts, GUARD, only()).finding.state == "violating"
    lenient = PiiGuard(on_unavailable="allow")
    assert assess_pii(facts, lenient, only()).finding.state == "violating"
    assert assess_pii(facts, lenient, only(action="mask")).mask == (MAIL,)
