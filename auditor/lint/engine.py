"""Runs the source rules over many files, on several processes when there are many."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..runtime.garbage_collection import garbage_collection_paused
from .check import FileReport, check_file
from .discover import find_files
from .lint_report import LintReport

if TYPE_CHECKING:
    from adapter_audit.rules.source_rule import SourceRule

FILES_PER_PROCESS = 40
"""Below this many files, starting another process costs more than it saves."""


def run(
    paths: Sequence[Path | str],
    select: Sequence[str] = (),
    ignore: Sequence[str] = (),
    fix: bool = False,
    jobs: int | None = None,
) -> LintReport:
    """Check Python files and all those below folders.

    `select` and `ignore` take rule ids, their beginnings (`AA60`) and names; `fix` writes the safe fixes;
    `jobs` is the number of processes (default: one a processor, where there are enough files).
    Raises UsageError for a rule that does not exist. Files that cannot be checked are part of the report.
    """
    started = time.perf_counter()
    chosen = choose(tuple(select), tuple(ignore))
    files, problems = find_files([Path(p) for p in paths])
    reports = [FileReport(path, error=why) for path, why in problems]
    reports.extend(_checked(files, tuple(r.id for r in chosen), fix, jobs))
    return LintReport(tuple(reports), time.perf_counter() - started)


def choose(select: tuple[str, ...], ignore: tuple[str, ...]) -> tuple[SourceRule, ...]:
    """The rules that `select` and `ignore` leave; raises UsageError for an unknown one."""
    rules = all_source_rules()
    for wanted in (*select, *ignore):
        if not any(_names(rule, wanted) for rule in rules):
            from difflib import get_close_matches

            keys = [key for rule in rules for key in (rule.id, rule.name)]
            near = get_close_matches(wanted, keys, 1)
            raise UsageError(
                f"{wanted!r} is not a source rule",
                do=f"did you mean {near[0]!r}?" if near else f"known: {', '.join(r.id for r in rules)}",
            )
    return tuple(
        rule
        for rule in rules
        if (not select or any(_names(rule, s) for s in select)) and not any(_names(rule, i) for i in ignore)
    )


def _names(rule: SourceRule, key: str) -> bool:
    return bool(key) and (rule.id.startswith(key.upper()) or rule.name == key.lower())


@cache
def all_source_rules() -> tuple[SourceRule, ...]:
    """Instances of all source rules, ordered by id."""
    from .registered import source_rules

    return source_rules()


@cache
def known_keys() -> frozenset[str]:
    """Ids and names of all rules, as far as file names tell (rules of other kinds are not imported)."""
    from .registered import rule_keys

    return rule_keys()


def _checked(
    files: Sequence[Path], rule_ids: tuple[str, ...], fix: bool, jobs: int | None
) -> Iterator[FileReport]:
    processes = min(jobs or os.cpu_count() or 1, max(1, len(files) // FILES_PER_PROCESS))
    if processes <= 1:
        yield from (_check(path, rule_ids, fix) for path in files)
        return
    from concurrent.futures import ProcessPoolExecutor
    from functools import partial

    work = partial(_check, rule_ids=rule_ids, fix=fix)
    with ProcessPoolExecutor(processes) as pool:
        yield from pool.map(work, files, chunksize=max(1, len(files) // (4 * processes)))


def _check(path: Path, rule_ids: tuple[str, ...], fix: bool) -> FileReport:
    rules = [rule for rule in all_source_rules() if rule.id in rule_ids]
    with garbage_collection_paused():  # trees are large and have no cycles
        return check_file(path, rules, known_keys(), fix=fix)
