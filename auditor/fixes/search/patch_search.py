"""From proposals to a verified patch: try, audit again, take what is still found, until nothing is.

All findings are answered at once where possible, because one audit lists all problems. Where the first
proposals do not help, the next ones are tried; the number of audits is bounded.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from ...request.job import Job
from ...schema.composition import BY_ROWS, DIVIDED, walk
from ...schema.result import Finding, Severity, Verdict
from ..patch.family import SourceEdit
from ..patch.patch_state import Patch, applied, files_of, unlikely
from ..trial.judgement import changed_alone, is_comparable, objections
from ..trial.trial_process import Outcome, Request, run

MAX_TRIALS = 6
MAX_ALTERNATIVES = 4
MAX_SPARED = 4
"""A search that took more trials than this does not try to make its patch smaller."""

Proposals = Mapping[int, tuple[SourceEdit, ...]]


@dataclass
class Search:
    """One search; `trials` counts the audits that were spent."""

    job: Job
    findings: tuple[Finding, ...]
    set_up_fails: bool = False
    """Nothing runs with the installed library, so that there is nothing to leave alone."""
    trials: int = 0
    tried: set[tuple[tuple[str, str], ...]] = field(default_factory=set)
    """Patched texts that were tried."""
    strict: bool = field(init=False)
    """Whether a warning that stays speaks against a patch: only where there is nothing worse to repair."""
    best: Patch | None = None

    def __post_init__(self) -> None:
        self.strict = all(f.severity is not Severity.ERROR for f in self.findings if f.status == "open")

    def patch(self, proposals: Proposals) -> Patch | None:
        """The first verified patch; otherwise the first one that was tried, with the reason it failed."""
        return self._deeper(Patch(), self.findings, proposals) or self.best

    def _deeper(self, state: Patch, findings: tuple[Finding, ...], proposals: Proposals) -> Patch | None:
        for choice in choices(proposals):
            trial = applied(state, choice.values())
            if trial is None or self.trials >= MAX_TRIALS or not self._is_new(trial):
                continue
            outcome = self._try(trial)
            judged = self._judged(trial, outcome)
            if judged.status == "verified":
                return self._smaller(judged, state, choice, findings)
            self.best = self.best or judged
            answered = {_place(findings[n]) for n in choice}
            if outcome.result is not None and answered - {
                _place(f) for f in self._open(outcome.result.findings)
            }:
                found = self._deeper(trial, outcome.result.findings, outcome.proposals)
                if found is not None:
                    return found
        return None

    def _smaller(
        self, patch: Patch, before: Patch, last: Mapping[int, SourceEdit], findings: tuple[Finding, ...]
    ) -> Patch:
        """The patch without what it can do without: some of the last steps, or files that came with others.

        Only what came together can be needless: whatever came alone made a finding go away.
        """
        for step in _perhaps_needless(last, findings):
            rest = {n: edit for n, edit in last.items() if edit != step}
            smaller = self._verified(applied(before, rest.values()))
            if smaller is not None:
                return self._smaller(smaller, before, rest, findings)
        for file in sorted(before.jointly | unlikely(last.values())):
            files = {f: text for f, text in patch.files.items() if f != file}
            patch = self._verified(replace(patch, files=files)) or patch
        return patch

    def _verified(self, trial: Patch | None) -> Patch | None:
        """The trial if it is verified, as long as there are trials left for making patches smaller."""
        if trial is None or not trial.files or self.trials >= MAX_SPARED or not self._is_new(trial):
            return None
        judged = self._judged(trial, self._try(trial, propose=False))
        return judged if judged.status == "verified" else None

    def _is_new(self, trial: Patch) -> bool:
        """Whether no trial had the same text; now one has."""
        text = tuple(sorted(trial.files.items()))
        new = text not in self.tried
        self.tried.add(text)
        return new

    def _try(self, trial: Patch, *, propose: bool = True) -> Outcome:
        self.trials += 1
        also = tuple(other.spec.plain() for other in other_sizes(self.job))
        return run(Request.of(self.job, patched=trial.files, also=also, strict=self.strict, propose=propose))

    def _open(self, findings: tuple[Finding, ...]) -> list[Finding]:
        return objections(findings, strict=self.strict)

    def _judged(self, trial: Patch, outcome: Outcome) -> Patch:
        reason = self._objection(outcome)
        if reason:
            return replace(trial, status="failed", reason=reason)
        proof = "the audit of the patched library is compatible" + (
            ", at other batch sizes, too" if outcome.others else ""
        )
        compared = not self.set_up_fails and is_comparable(self.findings)
        kept = "; every adapter alone gives what it gave before" if compared else ""
        return replace(trial, status="verified", reason=proof + kept)

    def _objection(self, outcome: Outcome) -> str:
        if outcome.result is None:
            return outcome.trouble
        remaining = self._open(outcome.result.findings)
        if remaining:
            return f"the audit of the patched library still finds {remaining[0].rule}: {remaining[0].message}"
        if outcome.result.verdict.value != "compatible":
            return f"the audit of the patched library is undecided: {outcome.result.summary}"
        wrong = [why for why in outcome.others.values() if why]
        if wrong:
            return f"for another batch the patched library does not agree: {wrong[0]}"
        if self.set_up_fails or not is_comparable(self.findings):
            return ""
        return changed_alone(self._before, outcome.alone)

    @cached_property
    def _before(self) -> Mapping[str, object]:
        """Outputs of the installed library, adapter by adapter."""
        return run(Request.of(self.job, audit=False)).alone


def _perhaps_needless(answers: Mapping[int, SourceEdit], findings: tuple[Finding, ...]) -> list[SourceEdit]:
    """Of answers that were given together, those that the run would not stop without at once.

    Nothing else than a change of the file in which it stops can let it go on.
    """
    steps = list(dict.fromkeys(answers.values()))
    alone = {f for f, count in Counter(f for s in steps for f in files_of([s])).items() if count == 1}
    needed = [
        edit
        for n, edit in answers.items()
        if findings[n].verdict is Verdict.CRASH and findings[n].primary.file in alone & files_of([edit])
    ]
    return [s for s in steps if s not in needed] if len(steps) > 1 else []


def choices(proposals: Proposals) -> Iterator[dict[int, SourceEdit]]:
    """The first proposal for every finding, then the second ones (the last where there are fewer), ..."""
    longest = min(MAX_ALTERNATIVES, max((len(p) for p in proposals.values()), default=0))
    for rank in range(longest):
        yield {n: p[min(rank, len(p) - 1)] for n, p in proposals.items()}


def other_sizes(job: Job) -> Iterator[Job]:
    """The same request for other batch sizes: one row, a multiple of N; padded where that is another path.

    A mask of ones is left out by transformers: a decoder mask that is given has padding in other batches.
    """
    spec, tree = job.spec, job.tree
    padded = {"mask": "right"} if spec.mask == "full" and "decoder_attention_mask" in spec.inputs else {}
    divided = [b for b in walk(tree) if b.kind in DIVIDED]
    if divided:
        if divided == [tree] and tree.kind in BY_ROWS and tree.numbers:
            larger = replace(tree, numbers=(tree.numbers[0] + 1, *tree.numbers[1:]))
            yield job.changed(compose=str(larger), batch=int(sum(larger.numbers or ())), **padded)
        return
    for rows in (1, 2 * max(2, job.lanes)):
        if rows != job.rows or padded:
            yield job.changed(batch=rows, **padded)


def _place(finding: Finding) -> tuple[str, str | None, str]:
    return finding.rule, finding.primary.file, finding.primary.code
