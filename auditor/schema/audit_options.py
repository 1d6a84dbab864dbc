"""How an audit is done (the spec says what is audited). Light: the cache asks for it before the engine."""

from __future__ import annotations

from dataclasses import dataclass

OUTSIDE_KEY = ("offline", "environments")


@dataclass(frozen=True)
class AuditOptions:
    """Options of one audit; every field but those of `OUTSIDE_KEY` is part of the cache's key."""

    static_only: bool = False
    offline: bool = False
    graph: bool = False
    """Attach the recorded graph to the result (HTML and GraphML reports)."""
    fixes: bool = False
    """Look for remedies of what is wrong, and prove them (costs further audits)."""
    releases: bool = False
    """Where something is wrong, audit other releases of the library, in environments beside the installed."""
    environments: str = ""
    """Directory below which those environments are kept; empty for the user's cache directory."""
    select: frozenset[str] = frozenset()
    ignore: frozenset[str] = frozenset()
