"""The published bugs over the releases of adapters: each found where it lives, and in no other release.

    python benchmarks/published_bugs.py [--only A1,A3] [--releases 1.0.0,1.0.1] [--cache DIR]

Every row is one set-up of a user's report, audited in an environment of each release. A cell says whether an
error is explained by the row's report; anything else that an audit finds there is listed below the table.
Exit code 1 when a cell is not as published.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapter_audit.auditor.cache.store import cache_directory
from adapter_audit.auditor.environments.change import read_change
from adapter_audit.auditor.environments.installer import installer
from adapter_audit.auditor.environments.overlays import overlays_in
from adapter_audit.auditor.jobs.audits_elsewhere import audits_in
from adapter_audit.auditor.jobs.batch_lines import Line
from adapter_audit.auditor.schema.audit_options import AuditOptions
from adapter_audit.auditor.schema.result import AuditResult

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from oracle.models import write_models  # noqa: E402

RELEASES = ("0.2.2", "1.0.0", "1.0.1", "1.1.1", "1.2.0", "1.3.0")


@dataclass(frozen=True)
class Row:
    """A published bug, a set-up that shows it, and the releases in which it lives."""

    id: str
    reference: str
    model: str
    spec: dict[str, Any]
    lives: tuple[str, ...]
    absent: tuple[str, ...] = ()
    """Releases that do not know the model or the method."""


def _parallel(adapter: str = "lora[r=2]", **more: Any) -> dict[str, Any]:
    return {"compose": "parallel(a,b)", "adapter": adapter, **more}


def _alone(adapter: str, **more: Any) -> dict[str, Any]:
    return {"compose": "stack(a)", "adapter": adapter, **more}


DIES = "the process dies"
"""Was never published: told by the verdict."""
PREFIX = "prefix_tuning[prefix_length=3,bottleneck_size=8]"
REFT = "loreft[r=2]"
UP_TO_100, UP_TO_101 = ("0.2.2", "1.0.0"), ("0.2.2", "1.0.0", "1.0.1")
UP_TO_111, UP_TO_120 = (*UP_TO_101, "1.1.1"), (*UP_TO_101, "1.1.1", "1.2.0")
FROM_111_TO_120 = ("1.1.1", "1.2.0")
ROWS = (
    Row("A1", "issue 744", "t5", _parallel(), UP_TO_100),
    Row("A1", "issue 744", "mt5", _parallel("ia3"), UP_TO_100),
    Row("A2", "issue 753", "llama", _parallel(), UP_TO_100),
    Row("A3", "request 752", "bart", _parallel(), UP_TO_100),
    Row("A3", "request 752", "bart", _parallel(mask="right"), UP_TO_100),
    Row("A4", "request 752", "distilbert", _parallel(), UP_TO_100),
    Row("A4", "request 752", "mistral", _parallel(), ("1.0.0",), ("0.2.2",)),
    Row("A6", "request 829", "whisper", _parallel(), UP_TO_120[1:], ("0.2.2",)),
    Row("A7", "issue 721", "llama", _alone("seq_bn"), ("0.2.2",)),
    Row("A8", "requests 782 and 829", "llama", _alone("seq_bn"), FROM_111_TO_120),
    Row("A8", "requests 782 and 829", "mistral", _alone("seq_bn"), FROM_111_TO_120, ("0.2.2",)),
    Row("A9", "issue 819", "llama-gqa", _alone(PREFIX), FROM_111_TO_120),
    Row(
        "A10",
        "issue 794",
        "bert",
        {"compose": "batchsplit(a,b;3,0)", "adapter": PREFIX, "batch": 3},
        UP_TO_101,
    ),
    Row("A14", "issue 772", "gpt2", _alone(REFT, mode="generate"), ("1.0.0", "1.0.1"), ("0.2.2",)),
    Row("A15", "issue 732", "bert", _alone(PREFIX, gradient_checkpointing=True, mode="train"), UP_TO_101),
    Row("A16", "issue 760", "bert", _alone("lora[r=2,alpha=8]"), UP_TO_101),
    Row("A16", "issue 760", "bert", _alone("ia3[alpha=2]"), UP_TO_101),
    Row("A17", "issue 757", "gpt2", _parallel("seq_bn", mode="generate", head="CausalLM"), UP_TO_111),
    Row("A17", "issue 757", "bart", _parallel("seq_bn", mode="generate", head="Seq2SeqLM"), UP_TO_111),
    Row("A17", "issue 757", "mt5", _parallel("seq_bn", mode="generate", head="Seq2SeqLM"), ("1.0.1",)),
    Row(
        "A19",
        "request 830",
        "modernbert",
        _alone("lora[r=2,attn_matrices=['q','v','o']]"),
        ("1.2.0",),
        UP_TO_111,
    ),
    Row("A22", DIES, "bart", _parallel(), UP_TO_100),
    Row("A22", DIES, "mbart", _parallel(mask="right"), ("1.0.1", "1.1.1", "1.2.0")),
    Row("A22", DIES, "whisper", _parallel(), ("1.0.0", "1.0.1", "1.1.1", "1.2.0"), ("0.2.2",)),
)


def lines(rows: list[Row], folder: Path) -> list[Line]:
    models = write_models(folder)
    specs = [{"id": str(n), "model": str(models[row.model]), **row.spec} for n, row in enumerate(rows)]
    return [Line(spec["id"], json.dumps(spec)) for spec in specs]


def explained(row: Row, result: AuditResult) -> bool:
    if row.reference == DIES:
        return result.verdict.value == "abort"
    return any(row.reference in f.explanation for f in result.findings)


def others(row: Row, result: AuditResult) -> Iterator[str]:
    """What else the audit says, one text a finding."""
    if result.error:
        yield f"{result.verdict.value}: {result.error}"
    yield from (f"undecided: {reason}" for reason in result.unknowns)
    for found in result.findings:
        if row.reference not in found.explanation and found.severity.value != "note":
            place = f"{found.primary.file}:{found.primary.line}"
            known = f" [{found.explanation}]" if found.explanation else ""
            yield f"{found.rule} {found.severity.value} {place}: {found.message}{known}"


def cell(row: Row, release: str, result: AuditResult) -> tuple[str, bool]:
    """What the table shows, and whether it is as published."""
    found = explained(row, result)
    if release in row.absent:
        return "absent", not found and result.verdict.value != "compatible"
    if found:
        shown = "warning" if result.verdict.value == "compatible" else result.verdict.value
        return shown, release in row.lives
    return ("-" if result.verdict.value == "compatible" else "other"), release not in row.lives


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", default="")
    parser.add_argument("--releases", default=",".join(RELEASES))
    parser.add_argument("--cache", type=Path, default=None)
    asked = parser.parse_args()
    releases = asked.releases.split(",")
    rows = [row for row in ROWS if not asked.only or row.id in asked.only.split(",")]
    client, cache = installer(), cache_directory(asked.cache)
    overlays = overlays_in(cache, client)
    table: dict[str, list[AuditResult]] = {}
    with tempfile.TemporaryDirectory() as folder:
        given = lines(rows, Path(folder))
        for release in releases:
            overlay = overlays.overlay([read_change(f"adapters=={release}", client)])
            table[release] = audits_in(overlay, given, AuditOptions(), cache=cache)
    print(f"{'':42}", *(f"{release:12}" for release in releases))
    wrong, notes = 0, []
    for number, row in enumerate(rows):
        shown = []
        for release in releases:
            result = table[release][number]
            text, right = cell(row, release, result)
            wrong += not right
            shown.append(f"{text + ('' if right else ' !'):12}")
            notes += [f"{row.id} {row.model} {release}: {other}" for other in others(row, result)]
        print(f"{row.id:4}{row.model:11}{row.reference:27}", *shown)
    print(f"\n{wrong} of {len(rows) * len(releases)} cells are not as published (!)\n\nWhat else was found:")
    print(*notes, sep="\n")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
