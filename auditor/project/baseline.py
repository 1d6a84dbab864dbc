"""Known findings: a file that says which findings of which audit do not fail a run any more.

An entry is structure (audit, rule, module role, op, axis), not a line number: it holds after edits above it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from ..cache.store import digest
from ..errors import UsageError
from ..schema.result import AuditResult, Finding
from ..schema.spec import AuditSpec


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Entry(_Model):
    """One known finding. `fingerprint` decides; the rest is for the reader of the file."""

    fingerprint: str
    rule: str
    module: str = ""
    op: str = ""
    message: str = ""


class Known(_Model):
    """The known findings of one audit."""

    spec: dict[str, Any]
    findings: tuple[Entry, ...] = ()


class _File(_Model):
    version: Literal[1]
    audits: tuple[Known, ...] = ()


@dataclass
class Baseline:
    """A baseline file in use; it remembers which entries were needed."""

    path: Path
    audits: dict[str, Known] = field(default_factory=dict)
    """Identity of the audit -> its known findings."""
    _used: set[tuple[str, str]] = field(default_factory=set)
    _seen: dict[str, frozenset[str]] = field(default_factory=dict)
    """Identity of an audit of this run -> rules that did not run in it."""

    @classmethod
    def read(cls, path: Path) -> Baseline:
        """Read a baseline; raises UsageError when it is missing or is none."""
        try:
            content = _File.model_validate_json(path.read_bytes())
        except OSError as error:
            why = error.strerror or str(error)
            raise UsageError(
                f"cannot read the baseline {path}", why=why, do="--write-baseline makes one"
            ) from error
        except ValidationError as error:
            why = error.errors(include_url=False, include_input=False)[0]["msg"]
            raise UsageError(f"{path} is not a baseline", why=why, do="--write-baseline makes one") from error
        return cls(path, {identity(known.spec): known for known in content.audits})

    def applied(self, result: AuditResult) -> AuditResult:
        """The result with its known findings marked `baselined`."""
        key = identity(described(result, self.path))
        known = self.audits.get(key)
        self._seen[key] = frozenset(skipped.rule for skipped in result.skipped)
        if known is None or result.error:
            return result
        prints = {entry.fingerprint for entry in known.findings}
        self._used |= {(key, f.fingerprint) for f in result.findings if f.fingerprint in prints}
        return result.model_copy(update={"findings": tuple(self._marked(f, prints) for f in result.findings)})

    def _marked(self, finding: Finding, prints: set[str]) -> Finding:
        if finding.status != "open" or finding.fingerprint not in prints:
            return finding
        reason = f"known, in {self.path.name}"
        return finding.model_copy(update={"status": "baselined", "status_reason": reason})

    def unused(self) -> Iterator[tuple[str, Entry]]:
        """Entries that the audits of this run did not need any more: (the audit in words, the entry).

        Entries of audits that did not run, and of rules that did not, are not judged.
        """
        for key, skipped in self._seen.items():
            known = self.audits.get(key)
            for entry in known.findings if known else ():
                if (key, entry.fingerprint) not in self._used and entry.rule not in skipped:
                    yield f"{known.spec.get('model')} {known.spec.get('compose')}" if known else "", entry


def written(path: Path, results: Sequence[AuditResult]) -> str:
    """The text of a baseline with what is open or baselined in `results`.

    What `path` already knows about other audits stays. Raises UsageError when `path` is something else.
    """
    audits = dict(Baseline.read(path).audits) if path.exists() else {}
    for result in results:
        if result.error:
            continue
        spec = described(result, path)
        known = Known(spec=spec, findings=tuple(_entries(result.findings)))
        audits.pop(identity(spec), None)
        if known.findings:
            audits[identity(spec)] = known
    ordered = sorted(audits.values(), key=lambda known: json.dumps(known.spec, sort_keys=True))
    content = _File(version=1, audits=tuple(ordered)).model_dump(mode="json")
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _entries(findings: Iterable[Finding]) -> list[Entry]:
    found = {
        f.fingerprint: Entry(
            fingerprint=f.fingerprint,
            rule=f.rule,
            module=_role(f.primary.module),
            op=f.primary.op,
            message=" ".join(f.message.split())[:200],
        )
        for f in findings
        if f.status != "ignored"
    }
    return sorted(found.values(), key=lambda entry: (entry.rule, entry.module, entry.fingerprint))


def _role(module: str) -> str:
    return ".".join("*" if part.isdigit() else part for part in module.split("."))


def described(result: AuditResult, baseline: Path) -> dict[str, Any]:
    """The audited spec without id and defaults; files are named from the baseline's directory."""
    defaults = {
        name: field.get_default(call_default_factory=True) for name, field in AuditSpec.model_fields.items()
    }
    spec = {
        name: value
        for name, value in result.spec.items()
        if name != "id" and value not in (defaults.get(name), None, [])
    }
    for name in ("model", "compose", "adapter"):
        if isinstance(spec.get(name), str):
            spec[name] = _portable(str(spec[name]), baseline.parent)
    own = spec.get("adapters")
    if isinstance(own, Mapping):
        spec["adapters"] = {name: _portable(str(value), baseline.parent) for name, value in own.items()}
    return spec


def _portable(value: str, directory: Path) -> str:
    """A path below or beside the baseline, spelled alike on every machine; other texts as they are."""
    if not value or "\0" in value or len(value) > 1000:
        return value
    try:
        if not Path(value).exists():
            return value
        relative = os.path.relpath(value, directory)
    except (OSError, ValueError):
        return value
    return relative.replace(os.sep, "/")


def identity(spec: Mapping[str, Any]) -> str:
    """What makes two audits the same."""
    return digest(json.dumps(spec, sort_keys=True, default=str))


__all__ = ["Baseline", "Entry", "Known", "described", "identity", "written"]
