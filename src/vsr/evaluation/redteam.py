"""The red-team suite: hand-written attacks and harmless twins, each in many disguises, against the guard.

Requests go through the server's own path and are held against the bundle's own operating points. The
report says by transformation and language how many attacks are found, how many that were found plain are
lost, and how many harmless twins alarm.
"""

from __future__ import annotations

import json
import random
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from vsr.errors import EvaluationError
from vsr.evaluation.inputs import Raw, json_lines, text_lines
from vsr.evaluation.measure import judged
from vsr.evaluation.metrics import SEED, Share
from vsr.evaluation.reading import Body, Done, Judge, body_of, unwatched
from vsr.evaluation.tables import Report
from vsr.evaluation.transformations import APPENDED, TRANSFORMATIONS

TRANSLATED = "translated"
_CHINESE = re.compile("[\u4e00-\u9fff]")


@dataclass(frozen=True, slots=True)
class Sample:
    """A text and the label of its section."""

    text: str
    lang: str
    attack: bool


@dataclass(frozen=True, slots=True)
class Trial:
    """A sample in one disguise; `sample` is what its plain form is found by."""

    transformation: str
    lang: str
    sample: Sample
    body: Body


def red_team(
    bundle: Path,
    *,
    attacks: Path | None = None,
    data: Path | None = None,
    sample: int | None = None,
    done: Done = unwatched,
) -> Report:
    """attacks: more of them, a line each or JSON lines with `text`. data: a folder whose jailbreak_dev adds
    its own. sample: at most so many attacks and so many harmless texts a language."""
    samples = [*own_samples(), *_given(attacks), *_of_data(data)]
    samples = _some(samples, sample)
    trials = [*_trials(samples), *_translations(sample)]
    with Judge(bundle) as judge:
        facts = judge.requests([trial.body for trial in trials], done)
        found = [judged(one, trial.sample.attack).flagged for trial, one in zip(trials, facts, strict=True)]
        return {
            "bundle": judge.bundle.manifest.version,
            "digest": judge.bundle.digest,
            "seed": SEED,
            "attacks": _counted([one for one in samples if one.attack]),
            "benign": _counted([one for one in samples if not one.attack]),
            "transformations": _tables(trials, found),
            "still_found": _still_found(trials, found),
        }


def own_samples() -> list[Sample]:
    return [
        Sample(line, lang, section == "attack")
        for lang in ("en", "zh")
        for section, line in _sections(f"{lang}.txt")
        if line
    ]


def _trials(samples: Sequence[Sample]) -> Iterator[Trial]:
    for transformation in TRANSFORMATIONS:
        for one in samples:
            if not (transformation.latin and one.lang == "zh"):
                yield Trial(transformation.name, one.lang, one, transformation.apply(one.text, one.lang))


def _translations(sample: int | None) -> Iterator[Trial]:
    """One sentence in several languages; its plain form is the English one, which is tried as well."""
    blocks: list[tuple[str, dict[str, str]]] = []
    for section, line in _sections("translated.txt"):
        lang, _, text = line.partition(": ")
        if lang == "en":
            blocks.append((section, {}))
        if text:
            blocks[-1][1][lang] = text
    for section, by_lang in blocks[:sample] if sample else blocks:
        english = Sample(by_lang["en"], "en", section == "attack")
        for lang, text in by_lang.items():
            if lang != "en":
                group = lang if lang == "zh" else "other"
                yield Trial(TRANSLATED, group, english, body_of(text))


def _tables(trials: Sequence[Trial], found: Sequence[bool]) -> Report:
    plain = {
        trial.sample: hit for trial, hit in zip(trials, found, strict=True) if trial.transformation == "plain"
    }
    by_name: dict[str, list[tuple[Trial, bool]]] = defaultdict(list)
    for trial, hit in zip(trials, found, strict=True):
        by_name[trial.transformation].append((trial, hit))
    return {name: _row(rows, plain) for name, rows in by_name.items()}


def _still_found(trials: Sequence[Trial], found: Sequence[bool]) -> Report:
    """Of the attacks found plain, by language: the share found with so many harmless words after them, and
    the share that no number of them hid."""
    hits: dict[Sample, dict[str, bool]] = defaultdict(dict)
    for trial, hit in zip(trials, found, strict=True):
        if trial.sample.attack:
            hits[trial.sample][trial.transformation] = hit
    table: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for sample, by_name in hits.items():
        if by_name.get("plain"):
            for count, name in enumerate(APPENDED, 1):
                table[sample.lang][str(count)].append(by_name[name])
            table[sample.lang]["all"].append(all(by_name[name] for name in APPENDED))
    return {
        lang: {key: Share(sum(kept), len(kept)).as_dict() for key, kept in row.items()}
        for lang, row in sorted(table.items())
    }


def _row(rows: Sequence[tuple[Trial, bool]], plain: dict[Sample, bool]) -> Report:
    caught: dict[str, list[bool]] = defaultdict(list)
    for trial, hit in rows:
        if trial.sample.attack:
            caught[trial.lang].append(hit)
    lost = [not hit for trial, hit in rows if trial.sample.attack and plain.get(trial.sample)]
    alarms = [hit for trial, hit in rows if not trial.sample.attack]
    return {
        "recall": {lang: Share(sum(hits), len(hits)).as_dict() for lang, hits in sorted(caught.items())},
        "lost": Share(sum(lost), len(lost)).as_dict() if lost else None,
        "false_positives": Share(sum(alarms), len(alarms)).as_dict() if alarms else None,
    }


def _counted(samples: Sequence[Sample]) -> dict[str, int]:
    langs = sorted({one.lang for one in samples})
    return {lang: sum(one.lang == lang for one in samples) for lang in langs}


def _some(samples: Sequence[Sample], count: int | None) -> list[Sample]:
    if count is None:
        return list(samples)
    groups: dict[tuple[str, bool], list[Sample]] = defaultdict(list)
    for one in samples:
        groups[one.lang, one.attack].append(one)
    chance = random.Random(SEED)
    return [one for group in groups.values() for one in chance.sample(group, min(count, len(group)))]


def _given(path: Path | None) -> Iterator[Sample]:
    """One attack a line, plain or as JSON with `text` and perhaps `lang`."""
    if path is None:
        return
    try:
        lines = list(text_lines(path))
    except (OSError, UnicodeDecodeError) as error:
        raise EvaluationError(f"{path} cannot be read as UTF-8 text: {type(error).__name__}") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        row = _json(line)
        if not isinstance(row, dict) or "text" not in row:
            # an attack may be written in JSON, but one that begins like this is a row that was cut off
            row = {"text": None if line.startswith('{"text"') else line}
        text = row["text"]
        if not isinstance(text, str):
            raise EvaluationError(f"{path}:{number} is neither plain text nor a JSON object with a `text`")
        yield Sample(text, _language_of(row), True)


def _of_data(folder: Path | None) -> Iterator[Sample]:
    if folder is not None:
        for row in json_lines(folder / "jailbreak_dev.jsonl", ("text", "label")):
            if row["label"] == "jailbreak":
                yield Sample(row["text"], _language_of(row), True)


def _json(line: str) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _language_of(row: Raw) -> str:
    """As the row says, or as its text looks."""
    return _group(str(row["lang"])) if row.get("lang") else _language(row["text"])


def _group(lang: str) -> str:
    """As the report has them, of a code such as `zh-TW`."""
    code = lang.lower().replace("_", "-").partition("-")[0]
    return code if code in ("en", "zh") else "other"


def _language(text: str) -> str:
    return "zh" if _CHINESE.search(text) else "en"


def _sections(name: str) -> Iterator[tuple[str, str]]:
    section = ""
    text = files("vsr.evaluation").joinpath("prompts", name).read_text(encoding="utf-8")
    for line in text.splitlines():
        if line in ("[attack]", "[benign]"):
            section = line[1:-1]
        else:
            yield section, line
