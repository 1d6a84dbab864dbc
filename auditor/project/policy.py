"""What a project has decided about findings: ignores with a reason, inline comments, a baseline.

Applied to a result after the audit (and after the cache), so that a decision needs no new audit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ..schema.result import AuditResult, Finding, Verdict
from .baseline import Baseline
from .ignore_comments import comment_about
from .rule_names import rule_id
from .settings import Ignore


@dataclass
class Policy:
    """All decisions that hold for a run; `warnings` collects what is wrong with the decisions themselves."""

    ignores: Sequence[Ignore] = ()
    baseline: Baseline | None = None
    warnings: list[str] = field(default_factory=list)

    def applied(self, result: AuditResult, own: Sequence[Ignore] = ()) -> AuditResult:
        """The result with the status of its findings set; `own` are the ignores of this audit alone."""
        reasons = {rule_id(entry.rule): entry.reason for entry in (*self.ignores, *own)}
        findings = tuple(self._decided(f, reasons) for f in result.findings)
        changed = _without_ignored(result.model_copy(update={"findings": findings}), result)
        return self.baseline.applied(changed) if self.baseline is not None else changed

    def _decided(self, finding: Finding, reasons: dict[str, str]) -> Finding:
        if finding.status != "open":
            return finding
        reason = reasons.get(finding.rule) or self._inline_reason(finding)
        if not reason:
            return finding
        return finding.model_copy(update={"status": "ignored", "status_reason": reason})

    def _inline_reason(self, finding: Finding) -> str:
        comment = comment_about(finding)
        if comment is None:
            return ""
        if not comment.reason:
            text = f"{comment.file}:{comment.line}: ignore[{finding.rule}] has no reason and does nothing"
            if text not in self.warnings:
                self.warnings.append(text)
        return comment.reason


def _without_ignored(result: AuditResult, before: AuditResult) -> AuditResult:
    """The verdict of what is left; an audit that was not decided stays so."""
    if result.findings == before.findings or result.error:
        return result
    order = list(Verdict)
    left = [f.verdict for f in result.findings if f.status != "ignored"]
    verdict = max(left, key=order.index, default=Verdict.COMPATIBLE)
    if verdict is Verdict.COMPATIBLE and result.unknowns:
        verdict = Verdict.UNKNOWN
    if verdict is before.verdict:
        return result
    count = sum(f.status == "ignored" for f in result.findings)
    rest = f"{verdict.value} beside what is ignored ({count}); with it: {before.summary}"
    return result.model_copy(update={"verdict": verdict, "summary": rest})
