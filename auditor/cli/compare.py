"""`adapter-audit compare`: the same audits in two environments, and what one of them breaks."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from ..cache.store import cache_directory
from ..environments.change import Change, read_change
from ..environments.installer import Installer, NotInstallable, installer
from ..environments.overlays import HERE, Overlay, overlays_in
from ..errors import BuildError, ExitCode, UsageError
from ..jobs.audits_elsewhere import audits_in
from ..jobs.batch_lines import Line, read_lines
from ..jobs.matrix_specs import as_lines, combinations, split_list, split_lists
from ..library.find_library import library_named
from ..library.installed import release_of
from ..project.settings import Ignore
from ..project.settings_file import declared_specs
from ..request.job import requested_job
from ..schema.comparison import Comparison, Kind, Side, compared
from ..schema.result import AuditResult
from ..schema.result import Environment as Versions
from ..schema.spec import AuditSpec
from .options import give, look_of, parsed_reports
from .progress import progress_bar
from .project import Project, chosen_directory, policy_options
from .spec_options import make_spec, spec_options

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Asked:
    """The audits to do: their lines, and the ignores that a declared one has of its own."""

    lines: list[Line]
    libraries: tuple[str, ...]
    """Packages of the adapter libraries that they use."""
    ignores: Mapping[str, tuple[Ignore, ...]]
    more_path: tuple[str, ...] = ()
    """Folders for models that a function of the project makes."""


@click.command("compare")
@click.argument("model", required=False)
@click.option(
    "--against",
    multiple=True,
    metavar="RELEASE",
    help="Before: adapters==1.2.0, a wheel, git+file:///path@ref; repeatable. Default: what is installed.",
)
@click.option(
    "--candidate",
    multiple=True,
    metavar="RELEASE",
    help="After: likewise; a name alone is its newest release. Default: what is installed.",
)
@click.option("--models", multiple=True, metavar="LIST", help="A matrix, with --methods and --compose.")
@click.option("--methods", multiple=True, default=("lora",), show_default=True, metavar="LIST")
@click.option("--specs", type=click.Path(path_type=Path), help="Specs of `batch`, one a line.")
@spec_options
@click.option("--jobs", type=click.IntRange(1, 256), default=1, show_default=True, help="Processes.")
@click.option("--static-only", is_flag=True, help="Shapes only, nothing is executed.")
@click.option("--offline", is_flag=True, help="Do not ask the Hub.")
@click.option("--select", metavar="RULES", help="Only these rules.")
@click.option("--ignore", metavar="RULES", help="Not these rules.")
@policy_options
@click.option(
    "--report",
    "reports",
    multiple=True,
    metavar="KIND[=FILE]",
    help="terminal, html, markdown, junit, json; repeatable. Default: terminal.",
)
@click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto")
@click.option("--no-source", is_flag=True, help="Leave source lines out of the reports.")
@click.option("-v", "--verbose", count=True, help="-vv shows tracebacks.")
@click.option("-q", "--quiet", is_flag=True, help="No progress bar.")
def compare_command(model: str | None, **options: Any) -> int:
    """Audit with other releases of adapters, peft, transformers or torch, and tell what they break.

    The audits are that of MODEL and --compose, those of a matrix (--models), of a file (--specs), or else the
    declared ones. Environments are kept below the cache directory; the installed one is not touched. Exit
    code: 1 when something broke, 3 when something cannot be audited any more.
    """
    from adapter_audit.reports.comparison_report import comparison_kinds, render_comparison

    reports = parsed_reports(options["reports"], comparison_kinds())
    if not options["against"] and not options["candidate"]:
        raise UsageError("nothing to compare with", do="for example: --against adapters==1.2.0")
    project = Project.of({**options, "write_baseline": None})
    asked = _asked(model, options, project)
    comparison = _compared(asked, options, project)
    for kind, target in reports:
        look = look_of(target, color=options["color"], show_source=not options["no_source"])
        give(render_comparison(kind, comparison, look), target)
    if comparison.of_kind(Kind.BROKEN):
        return int(ExitCode.FINDINGS)
    return int(ExitCode.CANNOT_BUILD if comparison.of_kind(Kind.LOST) else ExitCode.CLEAN)


def _asked(model: str | None, options: dict[str, Any], project: Project) -> Asked:
    """The audits that the command line asks for. Raises UsageError."""
    ways = [name for name in ("models", "specs") if options[name]] + (["MODEL"] if model else [])
    if len(ways) > 1:
        raise UsageError("give a model, --models or --specs, not several of them")
    if options["specs"]:
        return _of_file(options["specs"])
    if options["models"]:
        return _of_specs(_matrix(options))
    if model:
        if not options["compose"]:
            raise UsageError("--compose is missing", do="for example: --compose parallel:2")
        spec = make_spec(model, options)
        requested_job(spec, project.request, sizes_must_fit=True)
        return _of_specs([spec.model_copy(update={"id": "audit"})])
    return _declared(project)


def _matrix(options: dict[str, Any]) -> list[AuditSpec]:
    fields = {name: options[name] for name in ("mode", "mask", "batch", "seq_len", "attn", "dtype")}
    composes = split_list(options["compose"] or "parallel:2")
    return combinations(split_lists(options["models"]), split_lists(options["methods"]), composes, **fields)


def _of_specs(specs: Sequence[AuditSpec]) -> Asked:
    libraries = dict.fromkeys(library_named(spec.library).package for spec in specs)
    return Asked(as_lines(specs), tuple(libraries), {})


def _of_file(path: Path) -> Asked:
    try:
        lines = read_lines(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}", why=str(error)) from error
    if not lines:
        raise UsageError(f"{path} holds no specs")
    specs = [AuditSpec.read_line(line.text) for line in lines]
    libraries = dict.fromkeys(library_named(spec.library).package for spec in specs)
    return Asked(lines, tuple(libraries), {})


def _declared(project: Project) -> Asked:
    declared = declared_specs(project.file)
    if not declared:
        raise UsageError(
            "no audit is asked for, and no configuration declares one",
            do="give MODEL and --compose, --models or --specs, or declare audits in pyproject.toml",
        )
    asked = _of_specs([d.spec.model_copy(update={"id": d.name}) for d in declared])
    ignores = {d.name: d.audit.ignore for d in declared}
    return Asked(asked.lines, asked.libraries, ignores, (str(project.file.directory.resolve()),))


def _compared(asked: Asked, options: dict[str, Any], project: Project) -> Comparison:
    client = installer()
    changes = {
        name: [read_change(text, client) for text in options[name]] for name in ("against", "candidate")
    }
    packages = dict.fromkeys(change.package for side in changes.values() for change in side)
    overlays = {
        name: environment(side, asked.libraries, client, options, project) for name, side in changes.items()
    }
    found: dict[str, list[AuditResult]] = {}
    with progress_bar(2 * len(asked.lines), options["quiet"]) as bar:
        for name, overlay in overlays.items():
            results = audits_in(
                overlay,
                asked.lines,
                project.request,
                cache=project.store.root if project.store else None,
                jobs=options["jobs"],
                more_path=asked.more_path,
                progress=lambda: bar.update(1),
            )
            found[name] = [project.policy.applied(r, asked.ignores.get(r.id or "", ())) for r in results]
    before, after = (_side(overlays[name], found[name], packages) for name in ("against", "candidate"))
    return compared(before, after, list(zip(found["against"], found["candidate"], strict=True)))


def environment(
    changes: Sequence[Change],
    libraries: Sequence[str],
    client: Installer,
    options: dict[str, Any],
    project: Project,
) -> Overlay:
    """The overlay with these changes, what is installed without any. Raises BuildError."""
    if not changes:
        return HERE
    if sys.stderr.isatty() and not options["quiet"]:
        click.echo(f"environment with {', '.join(change.label for change in changes)}", err=True)
    kept = overlays_in(cache_directory(chosen_directory(options, project.file)), client)
    try:
        return kept.overlay(changes, libraries)
    except NotInstallable as error:
        labels = ", ".join(change.label for change in changes)
        raise BuildError(f"{labels} cannot be installed here", why=str(error)) from error


def _side(overlay: Overlay, results: Sequence[AuditResult], packages: Mapping[str, None]) -> Side:
    """What a report says of one side."""
    seen = next((r.environment for r in results if r.environment.torch), Versions())
    if overlay is not HERE:
        return Side(label=overlay.label, environment=seen)
    own = ", ".join(f"{name} {release_of(name)}" for name in packages)
    return Side(label=f"{own} (installed)", environment=seen)
