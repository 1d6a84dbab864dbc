"""How far audits of `peft` agree with the oracle's kept truths.

    python benchmarks/peft_agreement.py RELEASE [--only FAMILY] [--every N]

Cells are those of `tests/oracle_peft/grid.py`; RELEASE names the file of their truths, and the installed peft
must be of it. A cell with a history, or with adapters that got on otherwise than by `get_peft_model`, is no
audit yet and is counted as such.
"""

from __future__ import annotations

import argparse
import collections
import io
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from oracle_peft import grid  # noqa: E402
from oracle_peft.language import BASE, compose  # noqa: E402

from adapter_audit.auditor.jobs.batch_lines import Line, run  # noqa: E402
from adapter_audit.auditor.schema.history import WORDS  # noqa: E402

SPEC = ("id", "model", "compose", "mode", "batch", "mask", "head", "library", "history")
GROUPS = {
    "crash": "stops",
    "refused": "stops",
    "wrong": "silent errors",
    "no-effect": "silent errors",
    "ok": "sound",
}
"""Truth of a cell -> how it is counted: errors that were found, sound ones without an alarm."""
STRANGER = "nope"
"""In the grid, the name that no adapter has. The auditor tries such a name by itself in every mixed batch."""
FITS = {
    "ok": {"compatible"},
    "wrong": {"wrong"},
    "crash": {"crash"},
    "refused": {"refused"},
    "no-effect": {"no-effect"},
}


def main() -> None:
    """Run the command line; one line for each disagreement, then the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("release")
    parser.add_argument("--only", default="", help="cells whose id begins with this")
    parser.add_argument("--every", type=int, default=1, help="each so-many-th cell")
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    truths = json.loads((ROOT / f"tests/oracle_peft/truths/peft-{options.release}.json").read_text())
    with tempfile.TemporaryDirectory() as folder:
        cells = [c for c in grid.cells(Path(folder)) if c["id"].startswith(options.only)]
        asked = [c for c in cells if is_known(truths[c["id"]]) and is_asked(c)][:: options.every]
        print(f"{len(cells)} cells, {len(asked)} audited")
        report(asked, truths, audited(asked, options.jobs))


def is_known(truth: dict[str, Any]) -> bool:
    """Whether the release has the cell, and the oracle's own reference runs."""
    return truth["truth"] != "absent" and truth.get("step") != "alone"


def is_asked(cell: dict[str, Any]) -> bool:
    """Whether the command line can ask for the cell."""
    steps = {step.partition("(")[0] for step in cell.get("history", ())}
    otherwise = any(cell.get(field) for field in ("through", "task_ids", "any_order"))
    other_names = STRANGER in cell["compose"] and not tries_name(cell)  # the audit would add such an adapter
    alone = set(compose(cell["compose"]).names) == {BASE}  # without an adapter there is nothing to audit
    return not (otherwise or other_names or alone) and steps <= set(WORDS)


def audited(cells: list[dict[str, Any]], jobs: int) -> list[dict[str, Any]]:
    """Results in the order of the cells."""
    lines = [Line(cell["id"], json.dumps(as_spec(cell))) for cell in cells]
    answers = io.StringIO()
    run(lines, answers, {"offline": True}, jobs=jobs)
    return [json.loads(line) for line in answers.getvalue().splitlines()]


def as_spec(cell: dict[str, Any]) -> dict[str, Any]:
    """The cell as a line of `batch`: adapters that are not in the composition are left out."""
    spec = {name: cell[name] for name in SPEC if cell.get(name)}
    written = cell["compose"].replace(STRANGER, "de") if tries_name(cell) else cell["compose"]
    options = "".join(f",{name}={value}" for name, value in cell.get("options", {}).items())
    spec["compose"] = written.removesuffix(")") + options + ")"
    names = compose(written).names
    everyone = "history" in spec
    return spec | {"adapters": {n: text for n, text in cell["adapters"].items() if n in names or everyone}}


def tries_name(cell: dict[str, Any]) -> bool:
    """Whether the cell is about a name in a mixed batch that no adapter has."""
    return cell["compose"].startswith("mixed") and STRANGER in cell["compose"]


def agreement(cell: dict[str, Any], truth: str, result: dict[str, Any]) -> bool:
    """Whether a result says what the oracle knows."""
    if tries_name(cell):
        found = {"AA220", "AA221"} & {f["rule"] for f in result["findings"]}
        too = any("goes through, too" in f["message"] for f in result["findings"])
        return (truth == "wrong") == bool(found and (too or "AA221" in found))
    if any(STRANGER in step for step in cell.get("history", ())):
        return (truth == "wrong") == (result.get("verdict") == "wrong")  # refused is as it should be
    return result.get("verdict", "error") in FITS[truth]


def report(cells: list[dict[str, Any]], truths: dict[str, Any], results: list[dict[str, Any]]) -> None:
    """Print disagreements and counts by family."""
    counts: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for cell, result in zip(cells, results, strict=True):
        truth, verdict = truths[cell["id"]], result.get("verdict", "error")
        agrees = agreement(cell, truth["truth"], result)
        family = cell["id"].partition("/")[0]
        counts[family]["agree" if agrees else "differ"] += 1
        counts[family][f"{truth['truth']} -> {verdict}"] += 1
        if not agrees:
            told = result.get("error") or result.get("summary")
            print(f"{truth['truth']:8} {verdict:11} {cell['id']:45} {truth.get('step', '')} {told}")
    totals = dict.fromkeys(GROUPS.values(), (0, 0))
    for cell, result in zip(cells, results, strict=True):
        truth = truths[cell["id"]]["truth"]
        right, count = totals[GROUPS[truth]]
        totals[GROUPS[truth]] = right + agreement(cell, truth, result), count + 1
    for family, count in sorted(counts.items()):
        pairs = ", ".join(f"{k}: {v}" for k, v in sorted(count.items()) if "->" in k)
        print(f"{family:12} {count['agree']} agree, {count['differ']} differ ({pairs})")
    print(", ".join(f"{group} {right}/{count}" for group, (right, count) in totals.items()))


if __name__ == "__main__":
    main()
