"""What would work instead of what the library refuses, as far as its own tables of support tell."""

from __future__ import annotations

from collections.abc import Iterator

from adapter_audit.auditor.facts.facts import Facts
from adapter_audit.auditor.schema.composition import Block, walk
from adapter_audit.auditor.schema.result import Fix

MOST = 8
"""Methods that are named, at most."""


def instead(facts: Facts) -> tuple[Fix, ...]:
    """Other methods or blocks for the same model; nothing was run, so each is unverified."""
    return tuple(
        Fix(
            title=title,
            kind="setup-change",
            status="unverified",
            reason="as the library declares it, nothing was run",
        )
        for title in dict.fromkeys((*_methods_of_the_model(facts), *_blocks(facts), *_nesting(facts)))
    )


def _methods_of_the_model(facts: Facts) -> Iterator[str]:
    """Where the model takes no adapters of this kind."""
    for config in dict.fromkeys(facts.methods.values()):
        names = {part.strip().partition("[")[0] for part in config.split("|")}
        if facts.supported and not names & set(facts.supported) and not any("/" in n for n in names):
            yield f"another method than {config}: this model takes {_some(facts.supported)}; train them anew"


def _blocks(facts: Facts) -> Iterator[str]:
    """Where a block is not for these methods, or not for this type of model."""
    kinds = frozenset(b.kind for b in walk(facts.tree))
    known = [facts.library.tables.blocks_of(config) for config in dict.fromkeys(facts.methods.values())]
    able = (
        frozenset.intersection(*(k for k in known if k is not None)) if None not in known and known else None
    )
    barred = frozenset(k for k in kinds if not facts.library.tables.allows(k, facts.model_type))
    if able is None or not (kinds - able or barred):
        return
    free = sorted(k for k in able - kinds if facts.library.tables.allows(k, facts.model_type))
    if free:
        yield f"the same adapters in another block: this model and these methods take {_some(free)}"
    if kinds - able and not barred:
        methods = [
            m for m in facts.library.tables.methods_with(kinds) if not facts.supported or m in facts.supported
        ]
        if methods:
            yield f"{_some(sorted(kinds - able))} with another method: {_some(methods)}; train them anew"


def _nesting(facts: Facts) -> Iterator[str]:
    """Where a block stands inside one that does not take it."""
    tables = facts.library.tables
    for outer in walk(facts.tree):
        for inner in outer.children:
            if isinstance(inner, Block) and not tables.nests(outer.kind, inner.kind):
                within = [k for k in tables.kinds() if tables.nests(k, inner.kind) and k != outer.kind]
                taken = [k for k in tables.kinds() if tables.nests(outer.kind, k)]
                if taken:
                    yield f"{_some(taken)} inside {outer.kind}, which takes no {inner.kind}"
                if within:
                    yield f"{inner.kind} inside {_some(within)}, which take it"


def _some(names: list[str] | tuple[str, ...]) -> str:
    more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    return ", ".join(names[:MOST]) + more
