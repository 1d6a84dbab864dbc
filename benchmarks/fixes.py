"""How often a verified fix is found, and whether verified patches hold for other configurations.

    python benchmarks/fixes.py --release 1.3.0 --size 600
    python benchmarks/fixes.py --release 1.0.0 --python "env PYTHONPATH=/old/packages python"

The cases are those of the accuracy grid that the oracle (``tests/oracle``) calls a crash or wrong. Each
gets the fixes of its audit; every verified library patch is written as an overlay and judged by the
oracle, which shares no code with the auditor, on configurations other than the one it was verified on.
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
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

Record = dict[str, Any]
BROKEN = ("crash", "wrong")
MOST_AUDITS = 2
"""What a patch may cost."""


def broken_cases(options: argparse.Namespace, work: Path) -> list[Record]:
    """Spec and verdict of all cases of the grid that the oracle finds broken."""
    from oracle.grid import grid
    from oracle.pool import Cache, judge_all

    specs = grid(options.seed, options.size, options.release, options.work.resolve() / "models")
    cache = Cache(work / "oracle.jsonl", options.release)
    verdicts = judge_all(specs, shlex.split(options.python), jobs=options.jobs, cache=cache)
    cases = [{"spec": s, "oracle": v} for s, v in zip(specs, verdicts, strict=True) if v["verdict"] in BROKEN]
    return cases[: options.cases] if options.cases else cases


def find_all(cases: list[Record], options: argparse.Namespace, work: Path) -> list[Record]:
    """Every case with the fixes of its audit, found in processes of the chosen interpreter."""
    answers = work / "fixes.jsonl"
    known = (
        {r["id"]: r for r in map(json.loads, answers.read_text().splitlines())} if answers.exists() else {}
    )
    todo = [c for c in cases if c["spec"]["id"] not in known]
    command = [
        *shlex.split(options.python),
        str(Path(__file__).resolve()),
        "--worker",
        "--work",
        str(options.work),
    ]
    shares = [todo[n :: options.jobs] for n in range(options.jobs)]
    workers = []
    for number, share in enumerate(shares):
        given = work / f"todo-{number}.jsonl"
        given.write_text("".join(json.dumps(c["spec"]) + "\n" for c in share))
        workers.append(subprocess.Popen(command, stdin=given.open(), stdout=subprocess.PIPE, text=True))
    with answers.open("a", buffering=1) as file:
        for worker in workers:
            for line in worker.stdout or ():
                file.write(line)
                known[json.loads(line)["id"]] = json.loads(line)
    lost = [c["spec"]["id"] for c in cases if c["spec"]["id"] not in known]
    if lost:
        raise RuntimeError(f"no answer for {len(lost)} of {len(cases)} cases, first {lost[0]}")
    return [{**c, **known[c["spec"]["id"]]} for c in cases]


def serve() -> None:
    """Answer specs from standard input with their fixes, one JSON object a line."""
    started = time.perf_counter()
    import adapters  # noqa: F401 - an audit from the command line pays for it, too
    import torch

    imports = time.perf_counter() - started
    torch.set_num_threads(1)
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    for line in sys.stdin:
        spec = json.loads(line)
        answers.write(json.dumps({"id": spec["id"], "imports": imports, **_fixes(spec)}) + "\n")


def _fixes(data: Record) -> Record:
    from adapter_audit.auditor.errors import AuditError
    from adapter_audit.auditor.fixes import find_fixes
    from adapter_audit.auditor.fixes.trial.reaudit import facts_and_result
    from adapter_audit.auditor.request.job import resolved_job
    from adapter_audit.auditor.schema.spec import AuditSpec

    started = time.perf_counter()
    try:
        job = resolved_job(AuditSpec.read(data))
        facts, result = facts_and_result(job)
        audited = time.perf_counter()
        fixes = find_fixes(facts, result.findings)
    except AuditError as error:
        return {"verdict": "unknown", "findings": [], "fixes": [], "error": error.line}
    distinct = {json.dumps(f.model_dump(), sort_keys=True) for own in fixes.values() for f in own}
    return {
        "verdict": result.verdict.value,
        "findings": [
            f.model_dump(exclude={"fixes", "evidence"}) for f in result.findings if f.status == "open"
        ],
        "fixes": [json.loads(text) for text in sorted(distinct)],
        "seconds": {"audit": audited - started, "fixes": time.perf_counter() - audited},
    }


def verified(record: Record, kind: str = "") -> list[Record]:
    """Its verified fixes, of one kind or all."""
    return [f for f in record["fixes"] if f["status"] == "verified" and kind in ("", f["kind"])]


def print_shares(records: list[Record]) -> None:
    total = len(records)
    patched = sum(bool(verified(r, "library-patch")) for r in records)
    remedied = sum(bool(verified(r)) for r in records)
    print(f"broken cases                  {total}")
    print(f"with a verified library patch {patched:5} {100 * patched / max(1, total):5.1f} %")
    print(f"with any verified remedy      {remedied:5} {100 * remedied / max(1, total):5.1f} %")
    others = [verified(r) for r in records if verified(r) and not verified(r, "library-patch")]
    anew = sum(all("training anew" in f["title"] for f in fixes) for fixes in others)
    print(f"  by a change of the set-up   {len(others):5}, of which {anew} need other adapters")
    titles = Counter(f["title"].split("`")[0] for r in records for f in verified(r))
    for title, count in titles.most_common(12):
        print(f"  {count:5}  {title}")
    for kind, why in (("library patch", _why_no_patch), ("verified remedy", _why_no_remedy)):
        reasons = Counter(filter(None, map(why, records)))
        print(f"why no {kind}")
        for reason, count in reasons.most_common(25):
            print(f"  {count:5}  {reason}")


def _why_no_patch(record: Record) -> str:
    if verified(record, "library-patch"):
        return ""
    tried = [f for f in record["fixes"] if f["kind"] == "library-patch"]
    if tried:
        return "tried: " + tried[0]["reason"][:110]
    return "no family knows: " + _cause(record)


def _why_no_remedy(record: Record) -> str:
    return "" if verified(record) else _cause(record)


def _cause(record: Record) -> str:
    if not record["findings"]:
        return f"the audit says {record['verdict']}: {record['oracle']['detail'][:80]}"
    first = record["findings"][0]
    place = first["primary"]
    return f"{first['rule']} {place.get('file') or ''}:{place.get('line') or ''} {first['message'][:70]}"


def print_times(records: list[Record]) -> None:
    """The whole search for each verified patch, all its trials, in audits from the command line."""
    costs = sorted((_cost(r), r["id"]) for r in records if verified(r, "library-patch"))
    if not costs:
        return
    print(f"time of verified patches, in audits: median {costs[len(costs) // 2][0]:.2f}")
    above = [c for c in costs if c[0] > MOST_AUDITS]
    print(f"  above {MOST_AUDITS}: {len(above)} of {len(costs)}; the largest:")
    for cost, name in reversed(costs[-3:]):
        print(f"  {cost:5.2f}  {name}")


def _cost(record: Record) -> float:
    seconds = record["seconds"]
    return float(seconds["fixes"] / (record["imports"] + seconds["audit"]))


def other_configurations(spec: Record) -> list[Record]:
    """The same case with other sizes: one row, more rows, a longer sequence."""
    from oracle.expr import parse

    tree = parse(spec["compose"])
    fixed = {n.kind for n in tree.walk()} & {"batchsplit", "multitask", "split"}
    changed: list[Record] = [] if fixed else [{"batch": 1}, {"batch": 2}, {"batch": 7}, {"seq_len": 9}]
    if fixed and "split" not in fixed:
        changed = [{"seq_len": 9}, {"seq_len": 5}]
    found = [{**spec, **c, "id": f"{spec['id']}-{n}"} for n, c in enumerate(changed)]
    return [s for s in found if s["batch"] != spec["batch"] or s["seq_len"] != spec["seq_len"]]


def check_patches(records: list[Record], options: argparse.Namespace, work: Path) -> None:
    """Judge every distinct verified patch by the oracle, on its own case and on other configurations."""
    from oracle.pool import judge_all

    by_diff: dict[str, list[Record]] = {}
    for record in records:
        for fix in verified(record, "library-patch"):
            by_diff.setdefault(fix["diff"], []).append(record)
    counted: Counter[str] = Counter()
    bad = []
    for number, (diff, own) in enumerate(by_diff.items()):
        folder = _overlay(diff, options, work / "overlays" / str(number))
        python = ["env", f"PYTHONPATH={folder}{os.pathsep}{_python_path(options)}", *_plain(options)]
        specs = [s for r in own for s in (r["spec"], *other_configurations(r["spec"]))]
        for spec, verdict in zip(specs, judge_all(specs, python, jobs=options.jobs), strict=True):
            counted[verdict["verdict"]] += 1
            if verdict["verdict"] in ("ok", "invalid"):
                continue
            if _fails_alone(spec, options):
                counted["an adapter alone fails there, too"] += 1
                counted[verdict["verdict"]] -= 1
                continue
            bad.append({"spec": spec, "oracle": verdict, "diff": diff})
    judged = sum(counted.values()) - counted["invalid"]
    print(
        f"{len(by_diff)} distinct patches; the oracle says ok for {counted['ok']} of {judged} runs: "
        f"{dict(counted)}"
    )
    (work / "bad_patches.jsonl").write_text("".join(json.dumps(b) + "\n" for b in bad))
    for item in bad[:20]:
        print(f"  {item['oracle']['verdict']}: {item['spec']['id']} {item['oracle']['detail'][:100]}")


def _fails_alone(spec: Record, options: argparse.Namespace) -> bool:
    """Whether an adapter of the case by itself is broken in the installed library: no patch is about that."""
    from oracle.expr import parse
    from oracle.pool import judge_all

    alone = [{**spec, "compose": name, "id": name} for name in parse(spec["compose"]).adapters()]
    return any(v["verdict"] in BROKEN for v in judge_all(alone, shlex.split(options.python)))


def _overlay(diff: str, options: argparse.Namespace, folder: Path) -> Path:
    """Written by the public function, in the chosen interpreter."""
    code = (
        "import sys\nfrom adapter_audit.auditor.fixes import write_overlay\n"
        "from adapter_audit.auditor.schema.result import Fix\n"
        "fix = Fix(title='', kind='library-patch', diff=sys.stdin.read(), status='verified')\n"
        "write_overlay([fix], sys.argv[1])"
    )
    subprocess.run([*shlex.split(options.python), "-c", code, str(folder)], input=diff, text=True, check=True)
    return folder.resolve()


def _python_path(options: argparse.Namespace) -> str:
    settings = [part for part in shlex.split(options.python) if part.startswith("PYTHONPATH=")]
    return settings[0].removeprefix("PYTHONPATH=") if settings else os.environ.get("PYTHONPATH", "")


def _plain(options: argparse.Namespace) -> list[str]:
    return [p for p in shlex.split(options.python) if p != "env" and not p.startswith("PYTHONPATH=")]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--release", default="1.3.0", help="release of adapters that --python runs")
    parser.add_argument(
        "--python", default=sys.executable, help="command of the interpreter with that release"
    )
    parser.add_argument("--size", type=int, default=600, help="cases of the grid to judge")
    parser.add_argument("--cases", type=int, default=0, help="at most so many broken cases (0: all)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--no-oracle", action="store_true", help="do not judge the patches again")
    parser.add_argument("--work", type=Path, default=Path("build/fixes"), help="models, cache, results")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    options = arguments()
    if options.worker:
        serve()
        return
    work = options.work / options.release
    work.mkdir(parents=True, exist_ok=True)
    cases = broken_cases(options, work)
    records = find_all(cases, options, work)
    print_shares(records)
    print_times(records)
    if not options.no_oracle:
        check_patches(records, options, work)


if __name__ == "__main__":
    main()
