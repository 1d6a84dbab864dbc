"""Makes a result fit to be shown: hostile characters spelled out, source code left out on request.

Both are done here, once, before any format sees the result, so that no format can forget it. Escaping for
the format itself (HTML, XML, workflow commands, Markdown) is the format's own job.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, ClassVar, Protocol, TypeVar

from pydantic import BaseModel

from adapter_audit.auditor.schema.result import AuditResult, Evidence, Finding, Fix, GraphData, Location

LEFT_OUT = "[source left out]"
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters, except tab and line feed
    "\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # direction and zero-width marks
    "\U000e0000-\U000e007f"  # tag characters
    "\ud800-\udfff\ufffe\uffff]"  # not characters at all
)
_SHORTEST_QUOTATION = 6
"""Code shorter than this (`x`, `pass`) is not looked for in prose: it would match ordinary words."""

M = TypeVar("M", bound=BaseModel)


class Needs(Protocol):
    """The part of a report that decides what it is given."""

    exact: ClassVar[bool]
    needs_graph: ClassVar[bool]


def prepare(result: AuditResult, report: Needs, *, show_source: bool) -> AuditResult:
    """The result as `report` may show it."""
    if not report.needs_graph and result.graph is not None:
        result = result.model_copy(update={"graph": None})
    if not show_source:
        result = without_source(result)
    return result if report.exact else _map_text(result, visible)


@cache
def _spelled_out(char: str) -> str:
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def visible(text: str) -> str:
    """The text with control, direction and zero-width characters spelled out as escapes."""
    return _UNSAFE.sub(lambda match: _spelled_out(match[0]), text)


def shorten(text: str, limit: int) -> str:
    """At most `limit` characters on one line; what was cut is counted."""
    line = " ".join(text.split())
    if len(line) <= limit:
        return line
    return f"{line[:limit].rstrip()}… ({len(line):,} characters)"


def without_source(result: AuditResult) -> AuditResult:
    """The result without source lines and library diffs, also where a message quotes them."""
    quoted = _quotations(result)

    def redact(text: str) -> str:
        return quoted.sub(LEFT_OUT, text) if quoted else text

    findings = tuple(_strip_finding(finding, redact) for finding in result.findings)
    graph = result.graph and result.graph.model_copy(update={"sources": {}})
    rest = _map_text(result.model_copy(update={"findings": (), "graph": None, "spec": {}}), redact)
    return rest.model_copy(update={"findings": findings, "graph": graph, "spec": result.spec})


def _strip_finding(finding: Finding, redact: Callable[[str], str]) -> Finding:
    finding = _map_text(finding, redact)
    return finding.model_copy(
        update={
            "primary": _strip_location(finding.primary),
            "related": tuple(_strip_location(place) for place in finding.related),
            "evidence": tuple(_strip_evidence(step) for step in finding.evidence),
            "fixes": tuple(_strip_fix(fix) for fix in finding.fixes),
        }
    )


L = TypeVar("L", bound=Location)


def _strip_location(place: L) -> L:
    return place.model_copy(update={"code": ""})


def _strip_evidence(step: Evidence) -> Evidence:
    return step.model_copy(update={"location": step.location and _strip_location(step.location)})


def _strip_fix(fix: Fix) -> Fix:
    # A set-up change is code for the reader to paste, not source of the audited program.
    return fix.model_copy(update={"diff": LEFT_OUT if fix.diff else ""})


def _quotations(result: AuditResult) -> re.Pattern[str] | None:
    codes = {code.strip() for finding in result.findings for code in _codes(finding)}
    if result.graph:
        codes.update(code.strip() for code in result.graph.sources.values())
    longest_first = sorted((c for c in codes if len(c) >= _SHORTEST_QUOTATION), key=lambda c: (-len(c), c))
    return re.compile("|".join(map(re.escape, longest_first))) if longest_first else None


def _codes(finding: Finding) -> Iterable[str]:
    yield finding.primary.code
    yield from (place.code for place in finding.related)
    yield from (step.location.code for step in finding.evidence if step.location)
    for fix in finding.fixes:
        yield from (line[1:] for line in fix.diff.splitlines() if line[:1] in ("+", "-", " "))


def _map_text(model: M, change: Callable[[str], str]) -> M:
    """A copy of the model with `change` applied to every text in it, keys of mappings included."""
    changed = {}
    for name in type(model).model_fields:
        old = getattr(model, name)
        new = _map_value(old, change)
        if new is not old:
            changed[name] = new
    return model.model_copy(update=changed) if changed else model


def _map_value(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        # Enum members are texts too, and are not from outside.
        return value if type(value) is not str else _same_or_new(value, change(value))
    if isinstance(value, GraphData):
        return value  # its texts are handled where they are interned: there are tens of thousands
    if isinstance(value, BaseModel):
        return _map_model(value, change)
    if isinstance(value, dict):
        return {_map_value(k, change): _map_value(v, change) for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        items = [_map_value(item, change) for item in value]
        return value if all(a is b for a, b in zip(items, value, strict=True)) else type(value)(items)
    return value


def _map_model(value: BaseModel, change: Callable[[str], str]) -> BaseModel:
    return _map_text(value, change)


def _same_or_new(old: str, new: str) -> str:
    return old if old == new else new
