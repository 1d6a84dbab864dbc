"""Mutation of the rules: each rule is broken in several ways, and one of its own cases must notice each.

    python benchmarks/rule_mutants.py [--only AA101,AA204] [-o rows.json]

The facts of a case are gathered once; the mutants judge them in this process. Mutants: the place is lost, the
severity or the verdict is another, the message is empty, the rule is silent, the rule reports always, and,
one by one, each condition of its `check` is inverted. Cases of other releases of `adapters` than the
installed one are left out. Exits with 1 when a mutant survives.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import json
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from packaging.specifiers import SpecifierSet

from adapter_audit.auditor.lint.engine import all_source_rules
from adapter_audit.auditor.lint.source_file import SourceFile
from adapter_audit.auditor.schema.result import Location, Severity, Verdict
from adapter_audit.rules._support.case_check import audit_objections, source_objections
from adapter_audit.rules._support.registry import all_rules, rules_of
from adapter_audit.rules.base import AuditRule, Case, Rule
from adapter_audit.rules.source_rule import SourceRule

NEXT_SEVERITY = {
    Severity.ERROR: Severity.WARNING,
    Severity.WARNING: Severity.NOTE,
    Severity.NOTE: Severity.WARNING,
}


@dataclass(frozen=True)
class Trial:
    """One case, what a rule is given for it, and what the other rules report."""

    case: Case
    given: Any
    """Facts or a source file; None where the rule is not run."""
    others: Sequence[Any]


@dataclass(frozen=True)
class Mutant:
    """A broken rule."""

    name: str
    check: Callable[[Any], Sequence[Any]]


def main() -> int:
    """Print a row for each rule; 1 when a mutant survives, or a rule fails its cases unbroken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", default="", help="ids of rules, separated by commas")
    parser.add_argument("-o", "--output", type=Path, help="write the rows as JSON")
    arguments = parser.parse_args()
    chosen = set(filter(None, arguments.only.split(",")))
    rows = [row(rule()) for rule in all_rules() if not chosen or rule.id in chosen]
    for one in rows:
        survivors = ", ".join(one["survivors"]) or "-"
        print(f"{one['rule']}  {one['cases']:2} cases  {one['mutants']:2} mutants  survive: {survivors}")
    alive = sum(len(one["survivors"]) for one in rows)
    print(f"{len(rows)} rules, {sum(one['mutants'] for one in rows)} mutants, {alive} survive")
    if arguments.output:
        arguments.output.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return 1 if alive or not rows else 0


def row(rule: Rule) -> dict[str, Any]:
    """What became of one rule's mutants; the rule itself counts as one that must survive."""
    trials = list(source_trials(rule) if isinstance(rule, SourceRule) else audit_trials(rule))
    wrong = [why for trial in trials for why in objections(rule, trial, Mutant("none", _own(rule)))]
    if wrong:
        raise SystemExit(f"{rule.id} fails its own cases: {wrong}")
    mutants = list(mutants_of(rule))
    return {
        "rule": rule.id,
        "cases": len(trials),
        "mutants": len(mutants),
        "survivors": [m.name for m in mutants if not any(objections(rule, t, m) for t in trials)],
    }


def audit_trials(rule: Rule) -> Iterator[Trial]:
    """The rule's cases that hold for the installed release, audited."""
    release = version("adapters")
    for case in rule.cases:
        if case.library is None and SpecifierSet(case.release).contains(release, prereleases=True):
            facts = facts_of(dict(case.spec))
            found = {other.id: _findings(other, facts) for other in rules_of(AuditRule)}
            others = [f for name, findings in found.items() if name != rule.id for f in findings]
            yield Trial(case, facts if _runs(rule, facts) else None, others)


def source_trials(rule: Rule) -> Iterator[Trial]:
    """The rule's cases, parsed."""
    for case in rule.cases:
        source = SourceFile.parse(case.source.encode(), Path("case.py"))
        others = [f for other in all_source_rules() if other.id != rule.id for f in other.check(source)]
        yield Trial(case, source, others)


def facts_of(spec: dict[str, object]) -> Any:
    """What rules read of one audit."""
    from adapter_audit.auditor.assess.gather import Timer, gather
    from adapter_audit.auditor.request.job import resolved_job
    from adapter_audit.auditor.schema.audit_options import AuditOptions
    from adapter_audit.auditor.schema.spec import AuditSpec

    return gather(resolved_job(AuditSpec.read(spec), AuditOptions(offline=True)), Timer())[1]


def _runs(rule: Rule, facts: Any) -> bool:
    needed = {"meta": facts.static, "probe": facts.probe}
    return needed.get(rule.requires, True) is not None


def _findings(rule: AuditRule, facts: Any) -> list[Any]:
    return list(rule.check(facts)) if _runs(rule, facts) else []


def objections(rule: Rule, trial: Trial, mutant: Mutant) -> list[str]:
    """What the case has against the mutant; that it fails is one thing."""
    try:
        own = list(mutant.check(trial.given)) if trial.given is not None else []
    except Exception as error:
        return [f"{type(error).__name__}: {error}"]
    judge: Any = source_objections if isinstance(rule, SourceRule) else audit_objections
    wrong: list[str] = judge(rule.id, trial.case, [*trial.others, *own])
    return wrong


def mutants_of(rule: Rule) -> Iterator[Mutant]:
    """All broken versions of a rule."""
    check, is_source = _own(rule), isinstance(rule, SourceRule)
    nowhere = {"line": 1, "column": 1, "code": ""} if is_source else {"primary": Location()}
    yield _changed("place lost", check, lambda _told: nowhere)
    yield _changed("severity changed", check, lambda told: {"severity": NEXT_SEVERITY[told.severity]})
    yield _changed("message lost", check, lambda _told: {"message": ""})
    if not is_source:
        yield _changed("verdict changed", check, lambda told: {"verdict": _other_verdict(told.verdict)})
    yield Mutant("silent", lambda _given: [])
    yield Mutant("reports always", lambda given: check(given) or [_made_up(rule, given)])
    yield from inverted(rule)


def _own(rule: Any) -> Callable[[Any], Sequence[Any]]:
    return lambda given: list(rule.check(given))


def _changed(name: str, check: Callable[[Any], Sequence[Any]], change: Callable[[Any], Any]) -> Mutant:
    def changed(told: Any) -> Any:
        fields = change(told)
        return told.model_copy(update=fields) if hasattr(told, "model_copy") else replace(told, **fields)

    return Mutant(name, lambda given: [changed(told) for told in check(given)])


def _other_verdict(verdict: Verdict) -> Verdict:
    return Verdict.WRONG if verdict is not Verdict.WRONG else Verdict.CRASH


def _made_up(rule: Any, given: Any) -> Any:
    if isinstance(rule, SourceRule):
        return rule.flaw(given, (1, 0), "made up")
    return rule.finding("made up", Location(), verdict=Verdict.WRONG)


def inverted(rule: Rule) -> Iterator[Mutant]:
    """The rule with one condition of its `check` inverted: of an `if`, or of a loop's filter."""
    file = inspect.getsourcefile(type(rule)) or ""
    text = Path(file).read_text(encoding="utf-8")
    for number in range(len(_conditions(ast.parse(text)))):
        tree = ast.parse(text)
        condition, put = _conditions(tree)[number]
        put(ast.copy_location(ast.UnaryOp(ast.Not(), condition), condition))
        name = f"not ({ast.unparse(condition)}) in line {condition.lineno}"
        yield Mutant(name, _own(_rule_in(ast.fix_missing_locations(tree), file, rule)))


def _conditions(tree: ast.Module) -> list[tuple[ast.expr, Callable[[ast.expr], None]]]:
    """Conditions of the module's `check` method, each with how to put another in its place."""
    checks = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == "check"]
    found: list[tuple[ast.expr, Callable[[ast.expr], None]]] = []
    for node in (n for check in checks for n in ast.walk(check)):
        if isinstance(node, ast.If):
            found.append((node.test, lambda new, node=node: setattr(node, "test", new)))  # type: ignore[misc]
        elif isinstance(node, ast.comprehension):
            for index, test in enumerate(node.ifs):
                found.append((test, lambda new, n=node, i=index: n.ifs.__setitem__(i, new)))  # type: ignore[misc]
    return found


def _rule_in(tree: ast.Module, file: str, rule: Rule) -> Any:
    """The rule of a changed module."""
    module = types.ModuleType(type(rule).__module__)
    module.__dict__.update(__file__=file, __package__=type(rule).__module__.rpartition(".")[0])
    sys.modules["mutant"] = module
    exec(compile(tree, file, "exec"), module.__dict__)
    return vars(module)[type(rule).__name__]()


if __name__ == "__main__":
    sys.exit(main())
