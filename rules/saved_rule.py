"""What a rule about saved adapters is: it reads what lies in a directory and what its base model takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

from adapter_audit.auditor.facts.saved_facts import SavedFacts, Target
from adapter_audit.auditor.schema.verdicts import Confidence, Invariant, Severity, Verdict

from .base import Case, Fidelity, Rule

if TYPE_CHECKING:
    from adapter_audit.auditor.schema.result import Finding

__all__ = ["FILE", "A", "B", "Case", "Confidence", "SavedFacts", "SavedRule", "Severity", "Target", "Verdict"]

FILE = "adapter_model.safetensors"
A = "base_model.model.layers.0.q.lora_A.weight"
B = "base_model.model.layers.0.q.lora_B.weight"
"""A file of the rules' cases, and the two halves of a LoRA in it."""
SHOWN = 3
"""Names that a message tells; the finding has all of them."""


class SavedRule(Rule):
    """Base of the rules about saved adapters."""

    invariant: ClassVar[Invariant] = Invariant.SAVED
    requires: ClassVar[Fidelity] = "saved"

    def check(self, facts: SavedFacts) -> Iterator[Finding]:
        """Yield what is wrong with what was saved."""
        raise NotImplementedError

    def about(
        self, facts: SavedFacts, names: Sequence[str], message: str, shapes: dict[str, str] | None = None
    ) -> Finding:
        """One finding about all these tensors or modules; `{names}` in the message are the first of them."""
        from adapter_audit.auditor.schema.result import Location

        rest = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        text = message.replace("{names}", ", ".join(names[:SHOWN]) + rest)
        modules = tuple(dict.fromkeys(facts.modules.get(name, name) for name in names))
        place = Location(module=modules[0], file=facts.file, code=names[0])
        return self.finding(text, place, modules=modules, shapes=shapes)
