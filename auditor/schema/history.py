"""What happens to the adapters after they were made active: steps, and what must act after each of them.

A step is a word, or a word with names: `merge`, `set(de)`, `error(mixed(a,b))`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from ..errors import UsageError
from .composition import BASE, Block, Node

NAMELESS = ("unmerge", "disable", "enable", "save_load", "unload")
NAMED = ("set", "delete")
EITHER = ("merge", "merge_and_unload")
ERROR = "error"
"""A call that fails; inside of it may stand the composition that it is told."""
WORDS = (*NAMELESS, *NAMED, *EITHER, ERROR)


@dataclass(frozen=True)
class Step:
    """One step; `names` are those of adapters, `call` is the composition of a failing call."""

    word: str
    names: tuple[str, ...] = ()
    call: str = ""

    def __str__(self) -> str:
        inside = self.call or ",".join(self.names)
        return f"{self.word}({inside})" if inside else self.word


def parse_history(texts: Sequence[str]) -> tuple[Step, ...]:
    """Read steps; raises UsageError for one that is none."""
    return tuple(_step(text.strip()) for text in texts)


def _step(text: str) -> Step:
    word, bracket, inside = text.partition("(")
    if word not in WORDS or (bracket and not inside.endswith(")")):
        near = get_close_matches(word, WORDS, 1)
        raise UsageError(
            f"{text!r} is no step of a history",
            do=f"did you mean {near[0]!r}?" if near and near[0] != word else f"known: {', '.join(WORDS)}",
        )
    inside = inside[:-1].strip()
    if word == ERROR:
        return Step(word, call=inside)
    names = tuple(name.strip() for name in inside.split(",") if name.strip())
    if (word in NAMELESS and names) or (word in NAMED and not names):
        which = "takes no adapters" if names else f"needs an adapter, for example {word}(a)"
        raise UsageError(f"the step {text!r} cannot be done", why=f"{word} {which}")
    return Step(word, names)


def expectations(tree: Block, steps: Sequence[Step], alone: str) -> list[Node | None]:
    """The composition that must act after each step; None for no adapter.

    `alone` is the kind of block of adapters that act together. A mixed batch is told in each call: it stays.
    """
    expected: list[Node | None] = []
    now: Node | None = tree
    before: Node | None = tree
    for step in steps:
        if step.word == "disable":
            before, now = now, None
        elif step.word == "enable":
            now = before
        elif step.word == "unload":
            now = None
        elif step.word in ("set", *EITHER) and step.names and tree.kind != "mixed":
            now = Block(alone, step.names)
        expected.append(now)
    return expected


def strangers(step: Step, names: Sequence[str]) -> tuple[str, ...]:
    """Names in a step that no adapter has: the library must say no."""
    return tuple(name for name in step.names if name not in (*names, BASE))
