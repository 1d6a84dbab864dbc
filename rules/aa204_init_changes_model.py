"""AA204 init-changes-model

## What it does
Compares the model before and after `adapters.init`, without any active adapter. With peft, compares the model
with its adapters disabled to the one without, where a composition or a history asks for it (`__base__`,
`disable`, `unload`).

## Why is this bad
Every result is then that of another model than the checkpoint's, adapters or not.

## Example
LLaMA with adapters 1.2.0: an extra transpose after the attention call (pull request 829).

## Fix
Look at the first op that departs, or at the keyword that is lost (the primary location), or use a release
without it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from adapter_audit.auditor.facts.facts import Facts
from adapter_audit.auditor.probe.checks.init_parity import (
    InitChange,
    LostKeyword,
    NewParameter,
    OtherArgument,
)
from adapter_audit.auditor.schema.result import (
    Cause,
    Confidence,
    Evidence,
    Finding,
    Invariant,
    Severity,
    Verdict,
)

from ._support.values import amount, place_of, stopped
from .base import AuditRule, Case


class InitChangesModel(AuditRule):
    """`adapters.init` alone changes the outputs."""

    id, name, invariant = "AA204", "init-changes-model", Invariant.INIT_PARITY
    severity, confidence, verdict = Severity.ERROR, Confidence.CONFIRMED, Verdict.WRONG
    requires = "probe"
    reads = (InitChange, LostKeyword, NewParameter, OtherArgument)
    cases = (
        Case(
            bad=True,
            place="encoder.layer.0",
            code="states * 1.5 if prepared else states",
            says="adapters.init alone changes last_hidden_state (off by",
            verdict=Verdict.WRONG,
            spec={"model": "adapter_audit.auditor.toys.broken:changed_by_init", "compose": "parallel:2"},
        ),
        Case(
            bad=True,
            place="model.layers.0.self_attn",
            code="attn_output = attn_output.transpose(1, 2)",
            says="adapters.init alone changes logits (off by 0.66 ",
            verdict=Verdict.WRONG,
            spec={"model": "adapter_audit.auditor.toys:llama", "compose": "parallel:2"},
            release=">=1.1.1,<1.3",
        ),
        Case(
            bad=False,
            spec={"model": "adapter_audit.auditor.toys:llama", "compose": "parallel:2"},
            release=">=1.3,<1.4",
        ),
    )

    def check(self, facts: Facts) -> Iterator[Finding]:
        """The output without adapters differs from the bare model's."""
        for item in facts.observations(InitChange):
            place = place_of(facts, item)
            words = stopped(item.failure) if item.failure is not None else amount(item)
            told = _told(item)
            classes = facts.library.changes_classes
            who = "adapters.init alone changes" if classes else "disabled adapters change"
            active = ", with no adapter active" if classes else ""
            yield self.finding(
                f"{who} {item.output or 'the result'} ({words}){active}{told.words}",
                place,
                cause=told.cause,
                axis=told.axis,
                evidence=[Evidence(text=told.place, location=place)],
            )


class _Told(NamedTuple):
    """What is known about the cause, in words."""

    cause: Cause
    words: str = ""
    place: str = "the first op that departs from the bare model"
    axis: str = ""


def _told(item: InitChange) -> _Told:
    if isinstance(item, LostKeyword):
        lost = f": `{item.keyword}` is no longer taken here and falls into `**kwargs`"
        return _Told(Cause.KEYWORD_LOST, lost, "a keyword is lost here", item.keyword)
    if isinstance(item, NewParameter):
        return _Told(Cause.PARAMETER_NEW, f": {item.parameter} is there now, and was not before")
    if isinstance(item, OtherArgument):
        other = f"{item.argument} is {item.now}, and was {item.before} before"
        return _Told(Cause.ARGUMENT_OTHER, f": in the first op that departs, {other}")
    return _Told(Cause.MODEL_CHANGED)
