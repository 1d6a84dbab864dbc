"""The configuration as a project writes it: `[tool.adapter-audit]` or `adapter-audit.toml`.

Keys are spelled with hyphens. `python -m adapter_audit.auditor.project.settings` prints the JSON Schema.
"""

from __future__ import annotations

import json
import sys
from difflib import get_close_matches
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import UsageError
from ..schema.result import Verdict
from ..schema.spec import AuditSpec
from .fail_on import PATTERN

PUBLISHED = Path(__file__).with_name("settings.schema.json")

FailOn = Annotated[str, Field(pattern=PATTERN)]


def _hyphens(name: str) -> str:
    return name.replace("_", "-")


_STRICT = ConfigDict(extra="forbid", frozen=True, alias_generator=_hyphens)


class Ignore(BaseModel):
    """A rule whose findings do not count, and why."""

    model_config = _STRICT

    rule: Annotated[str, Field(min_length=1, description="Id or name of the rule.")]
    reason: Annotated[str, Field(min_length=1, pattern=r"\S", description="Why; required.")]


class DeclaredAudit(AuditSpec):
    """One audit that the project declares: the fields of a spec, with a name."""

    model_config = _STRICT

    id: Annotated[str, Field(alias="name", min_length=1, description="Name of the audit, once per project.")]
    expect: Verdict | None = None
    """The verdict that is right for the project; findings then do not fail, another verdict does."""
    ignore: tuple[Ignore, ...] = ()

    def spec(self) -> AuditSpec:
        """The request without what only a declaration has."""
        return AuditSpec(**{name: getattr(self, name) for name in AuditSpec.model_fields})


class Config(BaseModel):
    """All of `[tool.adapter-audit]`."""

    model_config = _STRICT

    audits: tuple[DeclaredAudit, ...] = ()
    """Audited by `adapter-audit` without a model."""
    select: tuple[str, ...] = ()
    """Only these rules."""
    ignore: tuple[Ignore, ...] = ()
    """Not these rules, each with the reason."""
    fail_on: FailOn = "error"
    """The least severity of an open finding that fails the run; `,unknown=CODE` for that verdict."""
    baseline: str | None = None
    """File of known findings, relative to the configuration file."""
    cache_dir: str | None = None
    """Directory of the cache, relative to the configuration file."""
    cache: bool = True
    """Whether results are kept and found again."""
    static_only: bool = False
    """Shapes only, nothing is executed."""
    offline: bool = False
    """Do not ask the Hub."""


def read_config(data: Any, source: str) -> Config:
    """Validate plain data; raises UsageError that names the key and the nearest name."""
    if not isinstance(data, dict):
        raise UsageError(f"{source} is not a table", why=f"got {type(data).__name__}")
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        raise UsageError(f"{source} is not valid", why=_first_problem(error)) from error
    _check_names(config, source)
    return config


def _check_names(config: Config, source: str) -> None:
    seen: set[str] = set()
    for audit in config.audits:
        if audit.id in seen:
            raise UsageError(f"{source} declares two audits named {audit.id!r}", do="give each its own name")
        seen.add(audit.id)


_IN_TOML = {
    "model_type": 'should be a table; an ignore for example { rule = "AA203", reason = "..." }',
    "dict_type": "should be a table",
    "tuple_type": "should be a list",
}
"""Kind of a pydantic error -> what it means to who writes TOML."""


def _first_problem(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_input=False)
    # An unknown key first: it is the cause when another one is then missing.
    first = next((p for p in problems if p["type"] == "extra_forbidden"), problems[0])
    where = _path(first["loc"])
    if first["type"] == "extra_forbidden":
        known = _known_keys(first["loc"][:-1])
        near = get_close_matches(_hyphens(str(first["loc"][-1])).lower(), known, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
        return f"unknown key {where!r}; {hint}"
    if first["type"] == "missing":
        return f"{where!r} is missing"
    if first["type"] == "string_pattern_mismatch" and first["loc"][-1] == "reason":
        return f"{where!r} is empty; say why the rule does not count here"
    return f"{where}: {_IN_TOML.get(first['type'], first['msg'])}"


def _path(loc: tuple[int | str, ...]) -> str:
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _known_keys(loc: tuple[int | str, ...]) -> list[str]:
    """Keys of the table at this place of the configuration."""
    table: type[BaseModel] = Config
    for part in loc:
        fields = {field.alias or name: field for name, field in table.model_fields.items()}
        if part in fields:
            inner = next(_tables_in(fields[str(part)].annotation), None)
            table = inner or table
    return sorted(field.alias or name for name, field in table.model_fields.items())


def _tables_in(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in (tuple, Union, UnionType):
        for inner in get_args(annotation):
            yield from _tables_in(inner)


def schema_text() -> str:
    """The JSON Schema of the configuration, as it has to stand in `PUBLISHED`."""
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "adapter-audit configuration",
        **{k: v for k, v in _draft7(Config.model_json_schema()).items() if k != "title"},
    }
    return json.dumps(schema, indent=2, ensure_ascii=True) + "\n"


def _draft7(schema: Any) -> Any:
    """TOML editors read draft 7, which calls `$defs` `definitions`."""
    if isinstance(schema, dict):
        return {("definitions" if k == "$defs" else k): _draft7(v) for k, v in schema.items()}
    if isinstance(schema, list):
        return [_draft7(v) for v in schema]
    return schema.replace("#/$defs/", "#/definitions/") if isinstance(schema, str) else schema


if __name__ == "__main__":
    sys.stdout.write(schema_text())
