"""What a mutation run prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .defect import Defect
from .families import FAMILIES
from .judge import Verdict


@dataclass(frozen=True)
class Row:
    """One defect on one family."""

    defect: Defect
    family: str
    without: Verdict
    mutated: Verdict | None

    @property
    def killed(self) -> bool | None:
        """Another verdict, or a warning that the defect brings; None where nothing was proved."""
        if self.mutated is None:
            return None
        if self.mutated.verdict == "compatible":
            return bool(set(self.mutated.rules) - set(self.without.rules))
        return self.mutated.verdict not in ("unknown", "lost")

    @property
    def word(self) -> str:
        """For a cell of the table."""
        if self.mutated is None:
            return "-"
        if self.mutated.verdict == "lost":
            return "LOST"
        if self.mutated.verdict == "unknown":
            return "UNKNOWN"
        return ",".join(self.mutated.rules) or self.mutated.verdict if self.killed else "SURVIVED"

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "defect": self.defect.name,
            "family": self.family,
            "spec": dict(self.defect.specs[self.family]),
            "without": self.without.verdict,
            "killed": self.killed,
            "verdict": self.mutated.verdict if self.mutated else None,
            "rules": self.mutated.rules if self.mutated else (),
            "summary": (self.mutated or self.without).summary,
        }


def share_killed(rows: list[Row]) -> float:
    """Killed of those that prove something; 0 when nothing was proved."""
    proved = [r.killed for r in rows if r.killed is not None]
    return sum(proved) / len(proved) if proved else 0.0


def print_table(rows: list[Row], reasons: Mapping[str, str]) -> None:
    """The table, the survivors with the reason, and the figures."""
    families = [f for f in FAMILIES if any(r.family == f for r in rows)]
    names = list(dict.fromkeys(r.defect.name for r in rows))
    wide = max(map(len, names), default=0) + 2
    column = max((len(r.word) for r in rows), default=0) + 2
    print("defect".ljust(wide) + "".join(f.ljust(column) for f in families).rstrip())
    for name in names:
        words = {r.family: r.word for r in rows if r.defect.name == name}
        print(name.ljust(wide) + "".join(words.get(f, "").ljust(column) for f in families).rstrip())
    for row in (r for r in rows if r.killed is False):
        reason = reasons.get(row.defect.name, "no reason known")
        print(f"survived: {row.defect.name} on {row.family}: {reason}")
    for row in (r for r in rows if r.mutated is None):
        print(f"proves nothing: {row.defect.name} on {row.family}: without it: {row.without.summary}")
    for row in (r for r in rows if r.mutated is not None and r.mutated.verdict == "lost"):
        print(f"lost: {row.defect.name} on {row.family}: {row.mutated.summary if row.mutated else ''}")
    proved = [r for r in rows if r.killed is not None]
    killed = sum(bool(r.killed) for r in proved)
    print(f"{len(names)} defects, {len(families)} families: {killed} of {len(proved)} killed", end="")
    print(f" ({100 * share_killed(rows):.1f} %), {len(rows) - len(proved)} prove nothing")
