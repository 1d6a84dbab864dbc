"""One other set-up: what to audit, and the Python to paste."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from ...schema.spec import AuditSpec

Step: TypeAlias = tuple[int, str]
"""When something is done, and its Python."""
LOAD, INIT, ADD, ACTIVATE, RUN = range(5)


@dataclass(frozen=True)
class SetUp:
    """Another way to the result: what to audit, and what to paste."""

    title: str
    specs: tuple[AuditSpec, ...]
    steps: tuple[Step, ...]
    ways: tuple[str, ...] = ()
    """Names of `library_variants`: the audits call the library so."""
    merges: AuditSpec | None = None
    """The original request, whose adapters are merged: that is tried, too (see `merged_adapters`)."""

    def code(self) -> str:
        """The Python to paste, in the order in which things are done."""
        text = "".join(text for _, text in sorted(self.steps, key=lambda step: step[0]))
        return ("import adapters.composition as ac\n\n" if "ac." in text else "") + text


def active_code(spec: AuditSpec, setup: str) -> str:
    """The line that makes a composition active, with the spec's skipped layers."""
    if not spec.skip_layers:
        return f"model.active_adapters = {setup}"
    return f"model.set_active_adapters({setup}, skip_layers={list(spec.skip_layers)})"


def adding(methods: dict[str, str]) -> tuple[Step, ...]:
    """The lines that add adapters of these methods."""
    return tuple((ADD, f"model.add_adapter({n!r}, config={m!r})\n") for n, m in methods.items())
