"""What the benchmarks of models in hand share: ask the auditor, compare with the truth, count, print."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from oracle.alone import alone
from oracle.blame import blame
from oracle.expr import Expr, parse
from oracle.in_hand import Reader, judge_in_hand
from oracle.judge import Verdict
from oracle.subject import activate, adapter_config, fusion_of, to_block

Record = dict[str, Any]
SECONDS = 120.0
SAME = {"ok": "compatible"}
"""Words of the oracle that the auditor has another one for."""


def warm() -> None:
    """Import what an audit needs, once for all the processes that are forked afterwards."""
    from adapter_audit.auditor import audit

    audit({"model": "adapter_audit.auditor.toys:bert", "compose": "stack(a)"})


def truth_of(model: Any, inputs: Mapping[str, Any], mode: str, read: Reader | None = None) -> Record:
    """The verdict of executing the model, in a process of its own; one that dies is an `abort`."""
    return _executed(lambda: judge_in_hand(model, inputs, mode, read).as_dict())


def _executed(work: Callable[[], Record]) -> Record:
    answer = alone(work, SECONDS)
    if "raised" in answer:
        return {"verdict": "unknown", "detail": answer["raised"]}
    if "died" in answer:
        kind = "unknown" if answer["died"] == "timeout" else "abort"
        return {"verdict": kind, "detail": answer["died"]}
    return answer


def audit_of(model: Any, inputs: Mapping[str, Any], mode: str) -> Record:
    """What `audit_model` says, as plain data, in a process of its own.

    Besides its verdicts: `declined` (one line for the user), `internal-error`, and `not-expressible` where
    the API has no way to ask for the mode.
    """
    return _answered(lambda: _audit(model, inputs, mode))


def _answered(work: Callable[[], Record]) -> Record:
    answer = alone(work, SECONDS)
    if "died" in answer:
        return {"verdict": "internal-error", "summary": f"the audit's process: {answer['died']}"}
    if "raised" in answer:
        return {"verdict": "internal-error", "summary": answer["raised"]}
    return answer


def _audit(model: Any, inputs: Mapping[str, Any], mode: str) -> Record:
    from adapter_audit.auditor import audit_model
    from adapter_audit.auditor.errors import AuditError

    asked = {} if mode == "forward" else {"mode": mode}
    try:
        result = audit_model(model, dict(inputs), **asked)
    except AuditError as error:
        return {"verdict": "declined", "summary": str(error)}
    except TypeError as error:
        if asked and "'mode'" in str(error):
            return {"verdict": "not-expressible", "summary": str(error)}
        raise
    return _plain(result)


def truth_of_spec(
    make: Callable[[], Any],
    inputs: Callable[[Any], Mapping[str, Any]],
    spec: Record,
    read: Reader | None = None,
) -> Record:
    """The verdict of executing a spec on the model that `make` returns, with what `inputs` makes for it."""
    return _executed(lambda: _set_up_and_judge(make(), inputs, spec, read).as_dict())


def _set_up_and_judge(
    model: Any, inputs: Callable[[Any], Mapping[str, Any]], spec: Record, read: Reader | None
) -> Verdict:
    expr = parse(spec["compose"])
    try:
        for name in expr.adapters():
            model.add_adapter(name, config=adapter_config(spec, name))
        for node in expr.walk():
            if node.kind == "fuse":
                model.add_adapter_fusion(fusion_of(node))
        activate(model, expr, spec.get("skip_layers"))
        if spec.get("mode") == "train":
            _start_training(model, expr)
            activate(model, expr, spec.get("skip_layers"))
    except Exception as error:
        found = blame(error)
        kind = "refused" if found.refused else "crash"
        return Verdict(kind, found.text, found.file, found.line, found.code, "activate")
    return judge_in_hand(model, inputs(model), spec.get("mode", "forward"), read)


def _start_training(model: Any, expr: Expr) -> None:
    has_fusion = any(node.kind == "fuse" for node in expr.walk())
    (model.train_adapter_fusion if has_fusion else model.train_adapter)(to_block(expr))


def audit_of_spec(spec: Record) -> Record:
    """What `audit` says to a spec, as `audit_of`."""
    return _answered(lambda: _audit_spec(spec))


def _audit_spec(spec: Record) -> Record:
    from adapter_audit.auditor import audit
    from adapter_audit.auditor.errors import AuditError

    try:
        return _plain(audit(spec))
    except AuditError as error:
        return {"verdict": "declined", "summary": str(error)}


def _plain(result: Any) -> Record:
    kept = {"verdict", "summary", "findings", "unknowns", "skipped"}
    return dict(result.model_dump(mode="json", include=kept))


def agree(truth: Record, audit: Record) -> bool:
    """Whether both say the same of a subject."""
    return bool(SAME.get(truth["verdict"], truth["verdict"]) == audit["verdict"])


def places(audit: Record) -> tuple[set[tuple[str, int]], set[tuple[str, int]]]:
    """File and line of the open findings: of their primary places, and of all."""
    primary, every = set(), set()
    for finding in audit.get("findings") or ():
        related = finding.get("related") or ()
        for index, place in enumerate((finding.get("primary"), *related)):
            if place and place.get("file"):
                every.add((place["file"], place["line"]))
                primary |= set() if index else {(place["file"], place["line"])}
    return primary, every


def crash_line(truth: Record, audit: Record) -> str | None:
    """`primary`, `related` or `missed`: how the line where the subject stopped is named; None without one."""
    if truth["verdict"] != "crash" or not truth.get("crash_file"):
        return None
    primary, every = places(audit)
    line = (truth["crash_file"], truth["crash_line"])
    return "primary" if line in primary else "related" if line in every else "missed"


def report(records: list[Record], group: str, path: Path) -> int:
    """Print a table (group x agreement) and the disagreements by kind; write them; returns their number.

    Every record has `truth`, `audit` and the field named by `group`.
    """
    decided = [r for r in records if r["truth"]["verdict"] not in ("unknown", "invalid")]
    wrong = [r for r in decided if not agree(r["truth"], r["audit"])]
    bad = {id(r) for r in wrong}
    print(f"\n{'':22}{'agree':>8}{'disagree':>10}{'not expressible':>17}{'undecided':>11}")
    for name in sorted({str(r[group]) for r in records}):
        mine = [r for r in records if str(r[group]) == name]
        asked = [r for r in mine if r in decided]
        silent = sum(r["audit"]["verdict"] == "not-expressible" for r in asked)
        no = sum(id(r) in bad for r in asked) - silent
        print(f"{name:22}{len(asked) - no - silent:8}{no:10}{silent:17}{len(mine) - len(asked):11}")
    share = 100 * (len(decided) - len(wrong)) / len(decided) if decided else 0.0
    errors = sum(r["audit"]["verdict"] == "internal-error" for r in records)
    print(
        f"agreement {share:.1f} % ({len(decided) - len(wrong)} of {len(decided)}), internal errors {errors}"
    )
    named = Counter(n for r in decided if (n := crash_line(r["truth"], r["audit"])))
    print("crash line: " + (", ".join(f"{k} {n}" for k, n in named.most_common()) or "no crash"))
    for (one, other), count in Counter(
        (r["truth"]["verdict"], r["audit"]["verdict"]) for r in wrong
    ).most_common():
        print(f"  {count:5}  truth {one:12} auditor {other}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(r) + "\n" for r in wrong))
    print(f"disagreements in {path}")
    return len(wrong)
