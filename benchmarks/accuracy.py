"""How right the auditor is: oracle and auditor over one grid of cases, compared.

    python benchmarks/accuracy.py --release 1.3.0 --size 5000
    python benchmarks/accuracy.py --release 1.0.1 --python "env PYTHONPATH=/old/packages python" --size 800

The oracle (``tests/oracle``) executes every composition on a tiny random model; the auditor is run through
its public command. Verdicts of the oracle are cached, so that a second run costs the auditor's time
only.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from oracle.grid import grid, head_cases, open_cases  # noqa: E402
from oracle.pool import Cache, judge_all  # noqa: E402

Record = dict[str, Any]
STOPS = ("crash", "abort", "refused")
SILENT = ("wrong", "no-effect")
ORACLE_VERDICTS = ("ok", "no-effect", "wrong", "crash", "abort", "refused", "unknown", "invalid")
HOTSPOTS = 15
"""So many kinds of disagreement are printed; the file has them all."""
AUDITOR_VERDICTS = ("compatible", "no-effect", "wrong", "crash", "abort", "refused", "unknown", "missing")


def group(verdict: str) -> str:
    """Fold verdicts of both sides to ``healthy``, ``silent``, ``stop`` or ``undecided``."""
    if verdict in STOPS:
        return "stop"
    if verdict in SILENT:
        return "silent"
    return "healthy" if verdict in ("ok", "compatible") else "undecided"


@dataclass
class Share:
    """A ratio that remembers what it was made of."""

    hits: int = 0
    total: int = 0

    def add(self, hit: bool) -> None:
        """Count one case."""
        self.hits += hit
        self.total += 1

    def __str__(self) -> str:
        return (
            f"{100 * self.hits / self.total:6.2f} %  ({self.hits} of {self.total})"
            if self.total
            else "   none"
        )


@dataclass
class Score:
    """Everything the benchmark reports, counted case by case."""

    matrix: Counter[tuple[str, str]] = field(default_factory=Counter)
    stop_recall: Share = field(default_factory=Share)
    false_stops: Share = field(default_factory=Share)
    silent_recall: Share = field(default_factory=Share)
    false_alarms: Share = field(default_factory=Share)
    primary_lines: Share = field(default_factory=Share)
    """Crashes whose line is the primary place of an error."""
    any_lines: Share = field(default_factory=Share)
    """Crashes whose line is any place of a finding, related ones included."""
    same_verdict: Share = field(default_factory=Share)
    recall_by_violation: dict[str, Share] = field(default_factory=dict)

    def add(self, oracle: Record, audit: Record) -> list[str]:
        """Count one case; returns the names of what the two sides disagree about."""
        truth, said = group(oracle["verdict"]), group(audit["verdict"])
        self.matrix[oracle["verdict"], audit["verdict"]] += 1
        if truth == "undecided":
            return []
        disagreements = self._groups(truth, said, oracle, audit)
        same = oracle["verdict"] == audit["verdict"] or (truth == said == "healthy")
        self.same_verdict.add(same)
        if not same and truth == said:
            disagreements.append("kind")
        if oracle["verdict"] == "crash" and oracle["crash_file"]:
            line = (oracle["crash_file"], oracle["crash_line"])
            self.primary_lines.add(line in primary_places(audit))
            self.any_lines.add(line in places(audit))
            if line not in primary_places(audit):
                disagreements.append("related-line" if line in places(audit) else "location")
        return disagreements

    def _groups(self, truth: str, said: str, oracle: Record, audit: Record) -> list[str]:
        disagreements = []
        if truth == "stop":
            self.stop_recall.add(said == "stop")
            if said != "stop":
                disagreements.append("missed-stop")
        else:
            self.false_stops.add(said == "stop")
            if said == "stop":
                disagreements.append("false-stop")
        if truth == "silent":
            found = said == "silent" or _names_silent_error(audit)
            self.silent_recall.add(found)
            for violation in oracle["violations"]:
                self.recall_by_violation.setdefault(violation, Share()).add(found)
            if not found:
                disagreements.append("missed-silent")
        if truth == "healthy":
            self.false_alarms.add(said == "silent")
            if said == "silent":
                disagreements.append("false-alarm")
        return disagreements


def _names_silent_error(audit: Record) -> bool:
    """Whether a result says that values are wrong, beside something worse: corrupted memory may do both."""
    findings = audit.get("findings") or ()
    return any(
        f["severity"] == "error" and f["status"] == "open" and f["verdict"] in SILENT for f in findings
    )


def primary_places(audit: Record) -> set[tuple[str, int]]:
    """File and line that the open errors of a result name as their cause."""
    errors = [f for f in audit.get("findings") or () if f["severity"] == "error" and f["status"] == "open"]
    return {(p["file"], p["line"]) for f in errors if (p := f.get("primary")) and p.get("file")}


def places(audit: Record) -> set[tuple[str, int]]:
    """File and line of all locations of all findings of a result."""
    found = audit.get("findings") or ()
    every = [p for f in found for p in (f.get("primary"), *(f.get("related") or ()))]
    return {(p["file"], p["line"]) for p in every if p and p.get("file")}


def run_auditor(specs: list[Record], options: argparse.Namespace, work: Path) -> tuple[list[Record], float]:
    """Run ``batch`` over the specs; returns one result per spec and the seconds it took."""
    lines, results = work / "specs.jsonl", work / "results.jsonl"
    lines.write_text("".join(json.dumps(s) + "\n" for s in specs))
    results.unlink(missing_ok=True)
    auditor = options.auditor or f"{options.python} -m adapter_audit.auditor.cli"
    command = [
        *shlex.split(auditor),
        "batch",
        str(lines),
        "-o",
        str(results),
        "--jobs",
        str(options.jobs),
        "--no-cache",
    ]
    command += ["--static-only"] if options.static_only else []
    started = time.perf_counter()
    ended = subprocess.run(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, check=False)
    seconds = time.perf_counter() - started
    if not results.exists():
        raise SystemExit(f"the auditor wrote no results (exit {ended.returncode}): {shlex.join(command)}")
    by_id = {r["id"]: r for r in map(json.loads, results.read_text().splitlines())}
    return [by_id.get(s["id"], {"id": s["id"], "verdict": "missing", "findings": []}) for s in specs], seconds


def run_oracle(
    specs: list[Record], options: argparse.Namespace, cache: Cache | None
) -> tuple[list[Record], float]:
    """Run the oracle over the specs; returns verdicts and seconds."""
    started = time.perf_counter()
    verdicts = judge_all(specs, shlex.split(options.python), jobs=options.jobs, cache=cache)
    return verdicts, time.perf_counter() - started


def print_distribution(verdicts: list[Record], seconds: float) -> None:
    counted = Counter(v["verdict"] for v in verdicts)
    print(f"oracle: {len(verdicts)} cases in {seconds:.1f} s (cached ones included)")
    for verdict in ORACLE_VERDICTS:
        if counted[verdict]:
            print(f"  {verdict:10} {counted[verdict]:6}  {100 * counted[verdict] / len(verdicts):5.1f} %")
    violations = Counter(name for v in verdicts for name in v["violations"])
    print("  broken invariants: " + ", ".join(f"{k} {n}" for k, n in violations.most_common()))


def print_score(score: Score) -> None:
    print("\nconfusion matrix (rows: oracle, columns: auditor)")
    columns = [a for a in AUDITOR_VERDICTS if any(score.matrix[o, a] for o in ORACLE_VERDICTS)]
    print(" " * 12 + "".join(f"{c:>12}" for c in columns))
    for verdict in ORACLE_VERDICTS:
        if any(score.matrix[verdict, c] for c in columns):
            print(f"{verdict:12}" + "".join(f"{score.matrix[verdict, c]:12}" for c in columns))
    print(f"""
stops found             {score.stop_recall}
false stops             {score.false_stops}
silent errors found     {score.silent_recall}
false alarms (healthy)  {score.false_alarms}
crash line is primary   {score.primary_lines}
crash line named        {score.any_lines}
same verdict            {score.same_verdict}""")
    for violation, share in sorted(score.recall_by_violation.items()):
        print(f"  found, {violation:15} {share}")


def write_disagreements(path: Path, records: list[Record]) -> None:
    path.write_text("".join(json.dumps(r) + "\n" for r in records))
    kinds = Counter(k for r in records for k in r["disagree"])
    print(
        f"\n{len(records)} disagreements in {path}: " + ", ".join(f"{k} {n}" for k, n in kinds.most_common())
    )
    for (kind, said, place), count in Counter(hotspot(r) for r in records).most_common(HOTSPOTS):
        print(f"  {count:5}  {kind:14} {said:24} {place}")


def hotspot(record: Record) -> tuple[str, str, str]:
    """Name what a disagreement is about, so that alike ones are counted together."""
    spec, oracle, audit = record["spec"], record["oracle"], record["auditor"]
    methods = {part.split("[")[0] for c in spec["adapters"].values() for part in c.split("|")}
    block = spec["compose"].split("(")[0]
    broken = f"{oracle['crash_file']}:{oracle['crash_line']}" if oracle["crash_file"] else ""
    place = broken or ",".join(oracle["violations"]) or f"{block} of {'+'.join(sorted(methods))}"
    return record["disagree"][0], f"{oracle['verdict']} / {audit['verdict']}", place


def print_throughput(specs: list[Record], options: argparse.Namespace, work: Path) -> None:
    """Time both sides on the same cases, one process each, nothing cached."""
    single = argparse.Namespace(**{**vars(options), "jobs": 1})
    _, oracle_seconds = run_oracle(specs, single, None)
    _, audit_seconds = run_auditor(specs, single, work)
    print(
        f"\nthroughput on {len(specs)} cases, one process: oracle {len(specs) / oracle_seconds:.1f}/s, "
        f"auditor {len(specs) / audit_seconds:.1f}/s, ratio {oracle_seconds / audit_seconds:.2f}"
    )


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--release", default="1.3.0", help="release of adapters that --python runs")
    parser.add_argument(
        "--python", default=sys.executable, help="command of the interpreter with that release"
    )
    parser.add_argument(
        "--auditor", help="command of the auditor (default: the module of adapter-audit under --python)"
    )
    parser.add_argument("--size", type=int, default=5000, help="number of cases")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--heads", action="store_true", help="only compositions with heads under names")
    parser.add_argument("--open", action="store_true", help="only the nests that are not judged right yet")
    parser.add_argument("--jobs", type=int, default=1, help="processes for either side")
    parser.add_argument("--static-only", action="store_true", help="run the auditor without its probe")
    parser.add_argument("--oracle-only", action="store_true", help="print the oracle's verdicts and stop")
    parser.add_argument(
        "--throughput", type=int, default=0, metavar="N", help="also time both sides on N cases"
    )
    parser.add_argument("--work", type=Path, default=Path("build/accuracy"), help="models, cache, results")
    return parser.parse_args(argv)


def check_release(options: argparse.Namespace) -> None:
    """Stop early when the interpreter has another release than the grid is made for."""
    code = "import importlib.metadata as m; print(m.version('adapters'))"
    found = subprocess.run(
        [*shlex.split(options.python), "-c", code], capture_output=True, text=True, check=False
    )
    if found.stdout.strip() != options.release:
        raise SystemExit(
            f"--python has adapters {found.stdout.strip() or 'not installed'}, "
            f"--release says {options.release}; "
            "make them agree"
        )


def main(argv: list[str] | None = None) -> None:
    options = arguments(argv)
    check_release(options)
    work = options.work / options.release
    work.mkdir(parents=True, exist_ok=True)
    models = options.work.resolve() / "models"
    if options.open:
        specs = open_cases(options.seed, options.release, models)[: options.size]
    elif options.heads:
        specs = head_cases(options.seed, options.release, models)[: options.size]
    else:
        specs = grid(options.seed, options.size, options.release, models)
    verdicts, seconds = run_oracle(specs, options, Cache(work / "oracle.jsonl", options.release))
    (work / "verdicts.jsonl").write_text(
        "".join(json.dumps({"spec": s, "oracle": v}) + "\n" for s, v in zip(specs, verdicts, strict=True))
    )
    print_distribution(verdicts, seconds)
    if options.oracle_only:
        return
    audits, _ = run_auditor(specs, options, work)
    score, records = Score(), []
    for spec, oracle, audit in zip(specs, verdicts, audits, strict=True):
        disagree = score.add(oracle, audit)
        if disagree:
            records.append({"disagree": disagree, "spec": spec, "oracle": oracle, "auditor": audit})
    print_score(score)
    write_disagreements(work / "disagreements.jsonl", records)
    if options.throughput:
        print_throughput(specs[: options.throughput], options, work)


if __name__ == "__main__":
    main()
