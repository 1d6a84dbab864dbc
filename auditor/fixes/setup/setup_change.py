"""One other set-up: what to audit, and the Python to paste."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from ...request.job import Job

Step: TypeAlias = tuple[int, str]
"""When something is done, and its Python."""
LOAD, INIT, ADD, ACTIVATE, RUN = range(5)


@dataclass(frozen=True)
class SetUp:
    """Another way to the result: what to audit, and what to paste."""

    title: str
    jobs: tuple[Job, ...]
    steps: tuple[Step, ...]
    variants: tuple[str, ...] = ()
    """Names of `library_variants`: the audits call the library so."""
    merges: Job | None = None
    """The original request, whose adapters are merged: that is tried, too (see `merged_adapters`)."""

    def code(self) -> str:
        """The Python to paste, in the order in which things are done."""
        text = "".join(text for _, text in sorted(self.steps, key=lambda step: step[0]))
        return ("import adapters.composition as ac\n\n" if "ac." in text else "") + text


def active_code(job: Job, setup: str) -> str:
    """The line that makes a composition active, with the skipped layers."""
    skipped = job.spec.skip_layers
    if not skipped:
        return f"model.active_adapters = {setup}"
    return f"model.set_active_adapters({setup}, skip_layers={list(skipped)})"


def adding(methods: dict[str, str]) -> tuple[Step, ...]:
    """The lines that add adapters of these methods."""
    return tuple((ADD, f"model.add_adapter({n!r}, config={m!r})\n") for n, m in methods.items())
