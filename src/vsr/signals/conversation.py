"""Conversation rules: counts of messages, tools, tool loops and images."""

from __future__ import annotations

from collections.abc import Sequence

from vsr.chat.conversation import Conversation
from vsr.config.policy_signals import ConversationRule
from vsr.facts import Signal


def evaluate(rules: Sequence[ConversationRule], conversation: Conversation) -> list[Signal]:
    return [_evaluate_rule(rule, conversation) for rule in rules]


def _evaluate_rule(rule: ConversationRule, conversation: Conversation) -> Signal:
    count = count_of(rule.source, rule.role, conversation)
    value = float(count if rule.feature == "count" else count > 0)
    matched = value > 0 if rule.predicate is None else rule.predicate.holds(value)
    return Signal("conversation", rule.name, matched, detail=f"{rule.source} {count}", value=value)


def count_of(source: str, role: str, conversation: Conversation) -> int:
    """role: of messages; `non_user` is every other than user, none at all counts all."""
    match source:
        case "message":
            return _messages(role, conversation)
        case "tool_definition":
            return conversation.tool_definitions
        case "assistant_tool_call":
            return conversation.tool_calls
        case "assistant_tool_cycle":
            return conversation.tool_cycles
        case "active_tool_loop":
            return int(conversation.in_tool_loop)
        case "image_content":
            return conversation.images
        case "tool_choice_required":
            return int(conversation.tool_choice == "required")
        case "tool_choice_none":
            return int(conversation.tool_choice == "none")
    raise ValueError(f"no such source: {source}")


def _messages(role: str, conversation: Conversation) -> int:
    if not role:
        return conversation.messages
    if role == "non_user":
        return conversation.messages - conversation.roles.get("user", 0)
    return conversation.roles.get(role, 0)
