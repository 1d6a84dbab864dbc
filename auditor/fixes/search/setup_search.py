"""Set-ups that give the wanted result with the library as it is, each verified by audits.

What they are is said by `setup_options`; here they are tried, the nearest first: a probe of the small
model sorts out most of them, then static half and probe decide.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from itertools import islice

from ...library.adapters.adapters_library import AdaptersLibrary
from ...request.job import Job
from ...schema.composition import as_block
from ...schema.result import AuditResult, Finding, Fix, Invariant
from ..setup.candidates import bases, options
from ..setup.setup_change import SetUp
from ..trial.trial_process import Outcome, Request, run

MAX_TRIED = 28
PLAIN = "seq_bn"
"""A method that every model takes."""


def set_up_fix(job: Job, findings: Sequence[Finding] = ()) -> Fix | None:
    """The first set-up whose audits all find the wanted results; None when there is none.

    Candidates are blocks, methods and calls of `adapters`: there are none for other libraries.
    """
    if not isinstance(job.library, AdaptersLibrary):
        return None
    if not any(f.invariant is Invariant.INIT_PARITY and f.status == "open" for f in findings):
        with contextlib.suppress(_InitChanges):  # where the set-up fails, the audit could not say so
            return _first(job, None, look_at_init=True)
    return _first(job, _base(job))


class _InitChanges(Exception):
    """An option fails because `adapters.init` alone changes the model."""


def _first(job: Job, base: SetUp | None, *, look_at_init: bool = False) -> Fix | None:
    """The first option that works, on top of a base if there is one.

    Raises _InitChanges, when that is looked at, as soon as an option shows that there should be a base.
    """
    for option in islice(options(job, base), MAX_TRIED):
        outcome = _probed(option)
        if look_at_init and Invariant.INIT_PARITY in outcome.broken:
            raise _InitChanges
        results = _audited(option) if _is_good(outcome) else None
        if results is not None:
            return Fix(
                title=option.title,
                kind="setup-change",
                code=option.code(),
                status="verified",
                reason=_proof(option, results),
            )
    return None


def _base(job: Job) -> SetUp | None:
    """What makes the model with adapters, but none active, the one it was."""
    name = job.names[0]
    alone = job.changed(
        compose=str(as_block(name)),
        adapter=None,
        adapters={name: PLAIN},  # the spec's own may be what fails
        skip_layers=None,  # it would skip what is put back, too
    )
    for base in bases(alone, str((job.source.config or {}).get("hidden_act", "gelu"))):
        outcome = _probed(base)
        if not outcome.trouble and Invariant.INIT_PARITY not in outcome.broken:
            return base
    return None


def _is_good(outcome: Outcome) -> bool:
    """Whether the small model has nothing against it, and merged adapters are what they are made of."""
    return not outcome.trouble and not any(outcome.others.values()) and not outcome.merging


def _probed(option: SetUp) -> Outcome:
    also = tuple(job.spec.plain() for job in option.jobs)
    return run(
        Request.of(
            option.jobs[0],
            also=also,
            audit=False,
            alone=False,
            variants=option.variants,
            merges=option.merges.spec.plain() if option.merges else {},
        )
    )


def _audited(option: SetUp) -> list[AuditResult] | None:
    """The results of both halves; None when one is not compatible."""
    results = []
    for job in option.jobs:
        result = run(Request.of(job, alone=False, variants=option.variants)).result
        if result is None or result.verdict.value != "compatible":
            return None
        results.append(result)
    return results


def _proof(option: SetUp, results: Sequence[AuditResult]) -> str:
    audited = ", ".join(dict.fromkeys(job.spec.compose for job in option.jobs))
    warned = dict.fromkeys(f.message for r in results for f in r.findings if f.severity.value == "warning")
    proofs = [f"audited, set up so: {audited} is compatible"]
    if option.merges:
        proofs.append("merged with all weight on one adapter, it gives that adapter's results")
    proofs += [f"a warning stays: {next(iter(warned))}"] if warned else []
    return "; ".join(proofs)


__all__ = ["set_up_fix"]
