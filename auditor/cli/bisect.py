"""`adapter-audit bisect`: the release, or the commit, in which a finding came or went."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import rich_click as click

from ..cache.store import cache_directory
from ..environments.bisection_row import commits, releases
from ..environments.change import Change, subjects
from ..environments.installer import NotInstallable, installer
from ..environments.overlays import Overlays, overlays_in
from ..errors import ExitCode, UsageError
from ..jobs.audits_elsewhere import audits_in
from ..jobs.batch_lines import Line
from ..jobs.halving import Row
from ..jobs.matrix_specs import as_lines
from ..library.find_library import library_named
from ..project.rule_names import rule_id
from ..request.job import requested_job
from ..schema.bisection import Bisection, Trial
from ..schema.result import AuditResult, Finding, Verdict
from .options import give, parsed_reports
from .project import Project, chosen_directory, policy_options
from .spec_options import make_spec, spec_options

KINDS = ("json", "terminal")


@click.command("bisect")
@click.argument("model")
@spec_options
@click.option(
    "--package",
    metavar="NAME",
    help="What is gone through: adapters, peft, transformers, torch. Default: the library.",
)
@click.option(
    "--checkout", type=click.Path(path_type=Path), help="Go through the commits of this repository."
)
@click.option("--from", "first", metavar="RELEASE|REF", help="Where to begin. Default: the oldest release.")
@click.option("--to", "last", metavar="RELEASE|REF", help="Where to end. Default: the newest, or HEAD.")
@click.option(
    "--rule", metavar="RULE", help="The finding that is looked for. Default: any that makes the verdict."
)
@click.option("--static-only", is_flag=True, help="Shapes only, nothing is executed.")
@click.option("--offline", is_flag=True, help="Do not ask the Hub.")
@click.option("--select", metavar="RULES", help="Only these rules.")
@click.option("--ignore", metavar="RULES", help="Not these rules.")
@policy_options
@click.option("--report", "reports", multiple=True, metavar="KIND[=FILE]", help="terminal, json; repeatable.")
@click.option("-v", "--verbose", count=True, help="-vv shows tracebacks.")
@click.option("-q", "--quiet", is_flag=True, help="Do not tell what is being tried.")
def bisect_command(model: str, **options: Any) -> int:
    """Find the release in which a finding came or went; with --checkout the commit.

    Every release that is tried is audited in an environment of its own, with what it asks for of other
    packages. What cannot be installed or audited is passed over, and named.
    """
    reports = parsed_reports(options["reports"], KINDS)
    if not options["compose"]:
        raise UsageError(
            "--compose is missing", do="for example: adapter-audit bisect t5-base --compose parallel:2"
        )
    project = Project.of({**options, "write_baseline": None})
    spec = make_spec(model, options)
    requested_job(spec, project.request, sizes_must_fit=True)
    search = Search(project, options, as_lines([spec.model_copy(update={"id": "bisect"})])[0], spec.library)
    found = search.bisection()
    for kind, target in reports:
        text = found.model_dump_json(indent=2) + "\n" if kind == "json" else "".join(_told(found))
        give(text, target)
    return int(ExitCode.CLEAN)


class Search:
    """One bisection: what is gone through, and what each trial said."""

    def __init__(self, project: Project, options: dict[str, Any], line: Line, library: str | None) -> None:
        self.project, self.options, self.line = project, options, line
        self.library = library_named(library)
        self.package: str = options["package"] or self.library.package
        self.rule = rule_id(options["rule"]) if options["rule"] else ""
        client = installer()
        directory = cache_directory(chosen_directory(options, project.file))
        self.overlays: Overlays = overlays_in(directory, client)
        self.row = self._candidates()
        self.results: dict[int, AuditResult] = {}
        self.trials: list[Trial] = []

    def _candidates(self) -> list[Change]:
        if self.package not in subjects():
            raise UsageError(f"--package {self.package} is none of {', '.join(subjects())}")
        first, last = self.options["first"], self.options["last"]
        if self.options["checkout"] is None:
            if self.package not in self.library.releases:
                own = ", ".join(self.library.releases)
                raise UsageError(
                    f"{self.library.package} does not stand on {self.package}", do=f"it has {own}"
                )
            return releases(self.package, self.library, self.overlays.installer, first, last)
        if not first:
            raise UsageError("--checkout needs --from", why="a repository may have thousands of commits")
        return commits(self.package, self.options["checkout"], first, last or "HEAD")

    def bisection(self) -> Bisection:
        """Try as few as possible."""
        row = Row(len(self.row), self._state)
        change = row.change()
        trials = tuple(self.trials)
        if change is None:
            return Bisection(package=self.package, trials=trials)
        low, high = change
        return Bisection(
            package=self.package,
            change="came" if row.states[high] else "went",
            last=self.row[low].label,
            first=self.row[high].label,
            before=self.results[low],
            after=self.results[high],
            between=tuple(c.label for c in self.row[low + 1 : high]),
            trials=trials,
        )

    def _state(self, position: int) -> bool | None:
        """Whether the finding is there; None where that cannot be told."""
        candidate = self.row[position]
        if not self.options["quiet"]:
            click.echo(f"adapter-audit: trying {candidate.label}", err=True)
        try:
            kept = () if self.package == self.library.package else (self.library.package,)
            overlay = self.overlays.overlay([candidate], kept)
        except NotInstallable as error:
            self.trials.append(Trial(label=candidate.label, trouble=f"cannot be installed here: {error}"))
            return None
        store = self.project.store
        (result,) = audits_in(
            overlay,
            [self.line],
            self.project.request,
            cache=store.root if store else None,
            more_path=(str(self.project.file.directory.resolve()),) if self.project.file.path else (),
        )
        result = self.project.policy.applied(result).model_copy(update={"graph": None})
        self.results[position] = result
        trouble = result.error or ("; ".join(result.unknowns) if result.verdict is Verdict.UNKNOWN else "")
        self.trials.append(Trial(label=candidate.label, verdict=result.verdict, trouble=trouble))
        return self._has(result)

    def _has(self, result: AuditResult) -> bool | None:
        if result.error:
            return None
        if self.rule:
            return any(f.rule == self.rule and f.status == "open" for f in result.findings)
        return None if result.verdict is Verdict.UNKNOWN else result.verdict is not Verdict.COMPATIBLE


def _told(found: Bisection) -> Iterator[str]:
    """The answer as lines of text."""
    if found.change is None or found.before is None or found.after is None:
        yield f"Nothing comes or goes: all that could be tried of {found.package} say the same.\n"
    else:
        there = found.after if found.change == "came" else found.before
        yield f"It {found.change} with {found.first}.\n\n"
        yield f"  {found.last}: {found.before.verdict.value}. {found.before.summary}\n"
        yield f"  {found.first}: {found.after.verdict.value}. {found.after.summary}\n\n"
        yield from (f"  {line}\n" for f in _errors(there) for line in _lines(f))
        if found.between:
            yield f"\nBetween the two, nothing can be told of {', '.join(found.between)}.\n"
    yield "\nTried:\n"
    for trial in found.trials:
        verdict = trial.verdict.value if trial.verdict else "-"
        yield f"  {trial.label}: {verdict}{f' ({trial.trouble[:300]})' if trial.trouble else ''}\n"


def _errors(result: AuditResult) -> Sequence[Finding]:
    return [f for f in result.findings if f.status == "open" and f.verdict is result.verdict][:3]


def _lines(finding: Finding) -> Iterator[str]:
    place = finding.primary
    yield f"{finding.rule} {finding.name} at {place.file}:{place.line}"
    yield f"  {place.line} | {place.code}"
    if finding.explanation:
        yield f"  {finding.explanation}"
