"""A whole evaluation: rows read, judged, counted, written down with what they were measured on.

`evaluate` gives data; `write_docs` renews the measured part of a documentation page. What is printed in
a terminal is the command's affair.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from vsr import __version__
from vsr.encoder.bundle import Bundle
from vsr.encoder.manifest import Manifest
from vsr.errors import EvaluationError
from vsr.evaluation.inputs import Inputs
from vsr.evaluation.markdown import markdown
from vsr.evaluation.measure import Embed, measure
from vsr.evaluation.metrics import SEED
from vsr.evaluation.reading import Done, Judge, unwatched
from vsr.evaluation.results import Results
from vsr.evaluation.tables import Report, tables

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
IMAGE_CAPTIONS = {
    "confusion-mmlu-pro-indist10pct": "Domain, exam questions in English",
    "confusion-agieval": "Domain, exam questions of AGIEval, a class each",
    "reliability": "Reliability of the heads with classes",
    "roc": "ROC of the prompt guard, by source",
    "pii": "Personal data by source and type",
    "red-team": "Red team: recall by transformation",
}


def evaluate(
    bundle: Path,
    inputs: Inputs,
    *,
    limit: int | None = None,
    base: Embed | None = None,
    done: Done = unwatched,
) -> tuple[Report, Results]:
    """limit: what the inputs were cut to, for the record. base: embeds texts with the untouched base model.
    done: is told how many more texts were judged."""
    with Judge(bundle) as judge:
        results = measure(judge, inputs, base=base, done=done)
        measured = {"languages": inputs.languages, **tables(results)}
        return {**provenance(judge.bundle, limit), **measured}, results


def provenance(bundle: Bundle, limit: int | None) -> Report:
    """What figures were measured with."""
    packages = ("openvino", "tokenizers", "numpy")
    return {
        "bundle": bundle.manifest.version,
        "name": bundle.manifest.name,
        "digest": bundle.digest,
        "engine": bundle.manifest.engine,
        "model": _model(bundle.manifest),
        "measured": datetime.now(UTC).strftime("%Y-%m-%d"),
        "seed": SEED,
        "limit": limit,
        "versions": {"vsr": __version__, "python": platform.python_version()}
        | {name: metadata.version(name) for name in packages},
        "machine": {"cpu": _processor(), "cores": os.cpu_count() or 0, "system": platform.platform()},
    }


def measured_part(report: Report, images: Sequence[str] = (), folder: str = "images") -> str:
    """The generated part of a page: provenance, tables, pictures, which lie in `folder`."""
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    machine = report["machine"]
    limited = f" At most {report['limit']} rows a source." if report["limit"] else ""
    parts = [
        f"Bundle `{report['name']}` {report['bundle']}, manifest SHA-256 `{report['digest']}`, measured on "
        f"{report['measured']} with {versions} on {machine['cpu']} ({machine['cores']} cores), "
        f"seed {report['seed']}.{limited}",
        "",
        markdown(report),
    ]
    for name in images:
        caption = IMAGE_CAPTIONS.get(name) or name.replace("confusion-", "Domain, ")
        parts += ["", f"![{caption}]({folder}/{name}.png)"]
    return "\n".join(parts)


def write_docs(page: Path, part: str) -> None:
    """Puts `part` between the marks of the page. Raises EvaluationError if it has none."""
    before, after = around(page)
    page.write_text(f"{before}{BEGIN}\n\n{part}\n\n{END}{after}", encoding="utf-8")


def around(page: Path) -> tuple[str, str]:
    """What stands before and after the marks of the page. Raises EvaluationError if it has none."""
    try:
        text = page.read_text(encoding="utf-8")
    except OSError as error:
        raise EvaluationError(f"{page} cannot be read: {error.strerror}") from None
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise EvaluationError(f"{page} needs the lines {BEGIN} and {END}, between which the figures go")
    return before, after


@contextmanager
def writing() -> Iterator[None]:
    """Around what writes files: an EvaluationError says which one cannot be."""
    try:
        yield
    except OSError as error:
        raise EvaluationError(
            f"{error.filename or 'a file'} cannot be written: {error.strerror or error}"
        ) from None


def demand_writable(path: Path) -> None:
    """Makes the folder of a file. Raises EvaluationError, before anything is measured for nothing."""
    with writing():
        path.parent.mkdir(parents=True, exist_ok=True)
        there = os.path.lexists(path)
        path.open("a").close()
        if not there:
            path.unlink()


def _model(manifest: Manifest) -> Report:
    """What a model card says of a bundle before anything is measured."""
    heads = manifest.heads
    asks = {name: list(head.labels) for name, head in heads.asks.items()}
    return {
        "base_model": manifest.base_model,
        "license": manifest.license,
        "windows": asdict(manifest.windows),
        "heads": {
            "domain": list(heads.domain.labels),
            "jailbreak": list(heads.jailbreak.labels),
            "pii": list(heads.pii.types),
            **asks,
        },
        "dimension": heads.embedding.dimension,
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())
