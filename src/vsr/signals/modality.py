"""Modality rules: does the request want text (AR), an image (DIFFUSION) or both.

Told from the request's `modalities` field, and from a verb of making close to a noun of pictures, in
English and Chinese. Exactly one of the three holds. The original also has a classifier for this.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Literal

from vsr.config.policy_signals import ModalityRule
from vsr.facts import Signal
from vsr.signals.asked import Asked

Modality = Literal["AR", "DIFFUSION", "BOTH"]
NAMES: Final[tuple[Modality, ...]] = ("AR", "DIFFUSION", "BOTH")

_NOUN: Final = (
    r"(?:image|picture|photo(?:graph)?|illustration|painting|drawing|artwork|poster|logo|icon|wallpaper"
    r"|portrait|sketch|cartoon|sticker|banner|thumbnail|cover art)s?"
)
_MAKE: Final = r"(?:draw|paint|sketch|illustrate|generate|create|make|design|render|produce|give me|show me)"
_IMAGE: Final = re.compile(
    rf"\b{_MAKE}\b[^.?!\n]{{0,40}}?\b{_NOUN}\b"
    r"|^\W*(?:please\s+)?(?:draw|paint|sketch)\s+(?:me\s+)?(?:a|an|the|some|two|three)\b"
    r"(?!\s+(?:conclusion|comparison|distinction|parallel|inference|line|lesson|plan|outline|proof))"
    rf"|\b(?:an?|the)\s+{_NOUN}\s+of\b"
    r"|(?:画|绘制|绘画|生成|制作|设计|创作|来)[^。？！\n]{0,15}?(?:图片|图像|图画|插图|插画|海报|照片|头像|壁纸|漫画|一张图|一幅画|标志|图标)"
    r"|(?:画|绘制)(?:一|两|三|个|只|张|幅)"
)
_NOT_MADE: Final = re.compile(
    rf"\b(?:describe|explain|analy[sz]e|caption|classify|compress|resize|upload|load|parse|read)\b"
    rf"[^.?!\n]{{0,30}}\b{_NOUN}\b|(?:描述|解释|分析|识别|压缩|上传|读取)[^。？！\n]{{0,12}}(?:图片|图像|照片)"
    r"|\b(?:docker|container|disk|boot|vm|iso)\s+images?\b|镜像"
)
_TEXT_TOO: Final = re.compile(
    r"\b(?:and|then|plus|also|along with|with)\b[^.?!\n]{0,40}\b(?:explain|describe|write|story|caption|text"
    r"|explanation|description|poem|summary|article|paragraph)\b"
    r"|\b(?:write|explain|describe|summari[sz]e|tell)\b[^.?!\n]{3,80}\b(?:and|with|then)\b"
    r"|(?:并|然后|同时|再|以及)[^。？！\n]{0,15}(?:写|解释|说明|描述|介绍|故事|文字|文案)"
    r"|(?:写|解释|说明|介绍)[^。？！\n]{1,30}(?:并|然后|同时|再|配)"
)


def detect(asked: Asked, modalities: Sequence[str] = ()) -> tuple[Modality, str]:
    """The modality and what told it."""
    if "image" in modalities:
        return ("BOTH" if "text" in modalities else "DIFFUSION"), "the request's modalities"
    text = asked.folded_excerpt
    if not _IMAGE.search(text) or _NOT_MADE.search(text):
        return "AR", "no image is asked for"
    if _TEXT_TOO.search(text):
        return "BOTH", "an image and text are asked for"
    return "DIFFUSION", "an image is asked for"


def evaluate(rules: Sequence[ModalityRule], asked: Asked, modalities: Sequence[str]) -> list[Signal]:
    if not rules:
        return []
    found, why = detect(asked, modalities)
    return [Signal("modality", rule.name, rule.name == found, detail=why) for rule in rules]
