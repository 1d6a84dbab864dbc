"""Mutation run: seeded defects in the library, and whether the auditor sees them.

    python benchmarks/mutants.py                          all defects on all families
    python benchmarks/mutants.py --only lora-interleaved --families bert,t5

A defect is put into a copy of the installed library at run time, in a process of its own. It is killed
when the audit of its spec says neither `compatible` nor `unknown`, or warns of it; specs whose audit
without the defect is not `compatible` prove nothing and are listed apart. Exit 1 when fewer than 95 % are
killed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from mutants.defect import Defect
from mutants.families import FAMILIES, write_models
from mutants.judge import Verdict, shared_out, verdict_of, warm_up
from mutants.library import use_mended_copy
from mutants.reasons import REASONS
from mutants.table import Row, print_table, share_killed

WANTED = 0.95


def main() -> int:
    chosen = arguments()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        use_mended_copy(Path(folder))
        write_models(Path(folder))
        rows = run(Path(folder), chosen)
    print_table(rows, REASONS)
    print(f"{time.perf_counter() - started:.0f} seconds")
    if chosen.output:
        chosen.output.write_text(json.dumps([r.plain() for r in rows], indent=1) + "\n", encoding="utf-8")
    return 0 if share_killed(rows) >= WANTED else 1


def arguments() -> Any:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", help="names of defects, separated by commas")
    parser.add_argument("--families", help="families, separated by commas", default=",".join(FAMILIES))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("-o", "--output", type=Path, help="write all verdicts as JSON")
    return parser.parse_args()


def run(models: Path, chosen: Any) -> list[Row]:
    """Audit every chosen spec without and with its defect."""
    from mutants.all_defects import DEFECTS

    families = tuple(chosen.families.split(","))
    wanted = chosen.only.split(",") if chosen.only else [d.name for d in DEFECTS]
    unknown = set(wanted) - {d.name for d in DEFECTS} | set(families) - set(FAMILIES)
    if unknown:
        raise SystemExit(f"no defect or family is named {', '.join(sorted(unknown))}")
    pairs = [(d, f) for d in DEFECTS if d.name in wanted for f in families if f in d.specs]
    warm_up(families)
    healthy = audits(models, distinct_specs(pairs), chosen.workers)
    able = [(d, f) for d, f in pairs if healthy[key(f, d.specs[f])].verdict == "compatible"]
    killed = audits(models, [(f, d.specs[f], d) for d, f in able], chosen.workers)
    return [Row(d, f, healthy[key(f, d.specs[f])], killed.get(key(f, d.specs[f], d))) for d, f in pairs]


def distinct_specs(pairs: list[tuple[Defect, str]]) -> list[tuple[str, Any, None]]:
    """Each family's specs once."""
    return list({key(f, d.specs[f]): (f, d.specs[f], None) for d, f in pairs}.values())


def key(family: str, spec: Any, defect: Defect | None = None) -> tuple[str, str, str]:
    """Names an audit."""
    return family, json.dumps(spec, sort_keys=True), defect.name if defect else ""


def audits(models: Path, jobs: list[Any], workers: int) -> dict[tuple[str, str, str], Verdict]:
    """All verdicts by `key`."""
    found = {}
    for job, verdict in shared_out(jobs, workers, lambda j: verdict_of(models, *j)):
        found[key(*job)] = verdict
        print(f"{len(found)} of {len(jobs)}", end="\r", file=sys.stderr, flush=True)
    return found


if __name__ == "__main__":
    sys.exit(main())
