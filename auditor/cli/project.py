"""What a command knows from its options and the project's configuration together."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import rich_click as click
from click import get_current_context
from click.core import ParameterSource

from ..cache.store import Store, open_store
from ..project.baseline import Baseline, written
from ..project.policy import Policy
from ..project.rule_names import rule_id, rule_ids
from ..project.settings_file import ConfigFile, load_config
from ..schema.audit_options import AuditOptions
from ..schema.result import AuditResult
from .options import write_atomically

F = TypeVar("F", bound=Callable[..., Any])
SHOWN = 5
"""Unused baseline entries named one by one."""


def cache_options(function: F) -> F:
    """--no-cache, --cache-dir."""
    function = click.option("--no-cache", is_flag=True, help="Neither read nor keep results.")(function)
    return click.option(
        "--cache-dir", type=click.Path(path_type=Path), help="Where results are kept (ADAPTER_AUDIT_CACHE)."
    )(function)


def project_options(function: F) -> F:
    """Those of `policy_options` and --write-baseline."""
    keep = click.option(
        "--write-baseline", type=click.Path(path_type=Path), help="Keep what is open now as known."
    )
    return policy_options(keep(function))


def policy_options(function: F) -> F:
    """--config, --no-config, --baseline and those of the cache."""
    for option in reversed(
        (
            click.option("--config", type=click.Path(path_type=Path), help="Configuration file to use."),
            click.option("--no-config", is_flag=True, help="Use no configuration file."),
            click.option("--baseline", type=click.Path(path_type=Path), help="File of known findings."),
        )
    ):
        function = option(function)
    return cache_options(function)


@dataclass
class Project:
    """Everything that was decided before the first audit."""

    file: ConfigFile
    request: AuditOptions
    policy: Policy
    store: Store | None
    fail_on: str
    write_baseline: Path | None = None

    @classmethod
    def of(cls, options: dict[str, Any], *, graph: bool = False) -> Project:
        """From a command's options, which win over the configuration. Raises UsageError."""
        file = ConfigFile.none() if options["no_config"] else load_config(options["config"])
        config = file.config
        for entry in (*config.ignore, *(entry for audit in config.audits for entry in audit.ignore)):
            rule_id(entry.rule)
        request = AuditOptions(
            static_only=options["static_only"] or config.static_only,
            fixes=bool(options.get("fix")),
            releases=bool(options.get("check_releases")),
            offline=options["offline"] or config.offline,
            environments=str(chosen_directory(options, file) or ""),
            graph=graph,
            select=_rules(options["select"]) or rule_ids(config.select),
            ignore=_rules(options["ignore"]),
        )
        target = options["write_baseline"]
        if target is not None and target.exists():
            Baseline.read(target)  # something else is not to be overwritten; said before the audit
        return cls(
            file=file,
            request=request,
            policy=Policy(
                config.ignore, _baseline(options["baseline"] or file.resolve(config.baseline), target)
            ),
            store=chosen_store(options, file),
            fail_on=options["fail_on"] if _given("fail_on") else config.fail_on,
            write_baseline=target,
        )

    def baselined(self, results: Sequence[AuditResult]) -> list[AuditResult]:
        """The results, after what is open in them was written down as known, where that was asked for."""
        if self.write_baseline is None:
            return list(results)
        write_atomically(self.write_baseline, written(self.write_baseline, results))
        known = Baseline.read(self.write_baseline)
        return [known.applied(result) for result in results]

    def say(self) -> None:
        """Tell on stderr what is wrong with the project's decisions, and that nothing could be kept."""
        for line in self._words():
            click.echo(f"adapter-audit: {line}", err=True)

    def _words(self) -> Iterable[str]:
        yield from self.policy.warnings
        baseline = self.policy.baseline
        unused = list(baseline.unused()) if baseline is not None and self.write_baseline is None else []
        for audit, entry in unused[:SHOWN]:
            place = f" in {entry.module}" if entry.module else ""
            yield f"baseline: {entry.rule}{place} of {audit} is not needed any more"
        if len(unused) > SHOWN:
            yield f"baseline: and {len(unused) - SHOWN} more entries; --write-baseline removes them"
        if self.store is not None and self.store.problem:
            yield f"the result was not kept, cannot write the cache {self.store.problem}"


def chosen_store(options: dict[str, Any], file: ConfigFile | None = None) -> Store | None:
    """The cache that the options, ADAPTER_AUDIT_CACHE and the configuration ask for, in this order."""
    config = file.config if file is not None else None
    if options["no_cache"] or (config is not None and not config.cache and not options["cache_dir"]):
        return None
    return open_store(chosen_directory(options, file))


def chosen_directory(options: dict[str, Any], file: ConfigFile | None = None) -> Path | None:
    """The directory of the cache that was asked for; None for ADAPTER_AUDIT_CACHE, or the user's."""
    directory: Path | None = options["cache_dir"]
    if directory is None and file is not None and not os.environ.get("ADAPTER_AUDIT_CACHE"):
        directory = file.resolve(file.config.cache_dir)
    return directory


def _baseline(path: Path | None, target: Path | None) -> Baseline | None:
    if path is None or (target is not None and not path.exists() and path.absolute() == target.absolute()):
        return None  # it is about to be made
    return Baseline.read(path)


def _rules(text: str | None) -> frozenset[str]:
    return rule_ids(part for part in (text or "").split(",") if part.strip())


def _given(name: str) -> bool:
    source = get_current_context().get_parameter_source(name)
    return source not in (None, ParameterSource.DEFAULT)
