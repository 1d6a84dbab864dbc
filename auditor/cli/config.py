"""`adapter-audit config`: what is on, and where that was decided."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import rich_click as click

from ..cache.store import Store
from ..errors import ExitCode
from ..project.rule_names import rule_id, rule_ids
from ..project.settings import Ignore, schema_text
from ..project.settings_file import ConfigFile, declared_specs, load_config
from .project import cache_options, chosen_store

Row = tuple[str, str, str]
"""Key, value, where it was decided."""


@click.command("config")
@click.option("--config", "path", type=click.Path(path_type=Path), help="Configuration file to show.")
@click.option("--schema", is_flag=True, help="Print the JSON Schema of the configuration.")
@cache_options
def config_command(path: Path | None, schema: bool, **options: Any) -> int:
    """Show the settings that hold in this directory, and which file or variable says so."""
    if schema:
        click.echo(schema_text(), nl=False)
        return int(ExitCode.CLEAN)
    file = load_config(path)
    rows = list(_rows(file, options))
    width = max(len(value) for _, value, _ in rows)
    for key, value, source in rows:
        click.echo(f"{key:<12}  {value:<{min(width, 60)}}  {source}".rstrip())
    return int(ExitCode.CLEAN)


def _rows(file: ConfigFile, options: dict[str, Any]) -> Iterator[Row]:
    config = file.config
    yield "file", str(file.path) if file.path else "none found here or above", ""
    selected = ", ".join(sorted(rule_ids(config.select)))
    yield "select", selected or "all rules", _source(file, "select")
    yield from _ignores("ignore", config.ignore, file)
    yield "fail-on", config.fail_on, _source(file, "fail_on")
    yield "static-only", _word(config.static_only), _source(file, "static_only")
    yield "offline", _word(config.offline), _source(file, "offline")
    baseline = file.resolve(config.baseline)
    state = "" if baseline is None or baseline.is_file() else " (missing)"
    yield "baseline", f"{baseline}{state}" if baseline else "none", _source(file, "baseline")
    yield _cache(file, chosen_store(options, file), options)
    for declared in declared_specs(file):
        spec, audit = declared.spec, declared.audit
        methods = [spec.adapter or "", *(f"{name}={value}" for name, value in spec.adapters.items())]
        expected = f"expect {audit.expect.value}" if audit.expect else ""
        what = " ".join(part for part in (spec.model, spec.compose, *methods, expected) if part)
        yield "audit", f"{declared.name}: {what}", f"{declared.file}:{declared.line}"
        yield from _ignores("  ignore", audit.ignore, file)


def _ignores(key: str, ignores: tuple[Ignore, ...], file: ConfigFile) -> Iterator[Row]:
    for entry in ignores:
        yield key, f"{rule_id(entry.rule)}: {entry.reason}", str(file.path)


def _cache(file: ConfigFile, store: Store | None, options: dict[str, Any]) -> Row:
    if store is None:
        return "cache", "off", "--no-cache" if options["no_cache"] else _source(file, "cache")
    size = f"{store.root} ({store.size() / 1e6:.1f} of {store.limit / 1e6:.0f} MB)"
    if options["cache_dir"]:
        return "cache", size, "--cache-dir"
    if os.environ.get("ADAPTER_AUDIT_CACHE"):
        return "cache", size, "ADAPTER_AUDIT_CACHE"
    return "cache", size, _source(file, "cache_dir")


def _source(file: ConfigFile, name: str) -> str:
    return str(file.path) if name in file.config.model_fields_set else "default"


def _word(value: bool) -> str:
    return "yes" if value else "no"
