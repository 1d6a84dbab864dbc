"""A composition as the Python that a user pastes."""

from __future__ import annotations

from collections.abc import Sequence

from ...schema.composition import NUMBERED, Block, Node
from ...schema.references import Reference
from .block_names import BLOCKS


def python(tree: Node, sizes: str = "", *, times: bool = False, package: str = "ac.") -> str:
    """A composition as Python with `adapters.composition` imported as `ac` (or all of it: no `package`).

    `sizes` is the text of the outermost block's numbers; with `times`, weights of an Average are written
    N times as large and not to be normalised.
    """
    if isinstance(tree, str):
        return repr(tree)
    inner = [python(c, times=times, package=package) for c in tree.children]
    if tree.kind == "average" and times:
        inner.append(
            f"weights={list(times_number(tree.numbers, len(tree.children)))}, normalize_weights=False"
        )
    elif sizes or tree.numbers is not None:
        numbers = sizes or str([n if tree.kind == "average" else int(n) for n in tree.numbers or ()])
        inner.append(f"{NUMBERED[tree.kind]}={numbers}")
    told = {} if tree.kind == "average" and times else dict(tree.options)
    inner += [f"{name}={value!r}" for name, value in told.items() if name != "config"]
    return f"{package}{BLOCKS[tree.kind]}({', '.join(inner)})"


def times_number(weights: tuple[float, ...] | None, count: int) -> tuple[float, ...]:
    """Weights of an Average that sum to the number of its children."""
    given = weights or (1.0,) * count
    return tuple(count * w / sum(given) for w in given)


def one_after_the_other(parts: Sequence[Reference], *, whole: bool) -> str:
    """A loop that runs each part alone: on the whole batch, or on its own rows only."""
    setups = [python(_lone_adapter(part.tree), package="") for part in parts]
    if whole:
        loop, batch = f"for setup in ({', '.join(setups)}):\n", "inputs"
    else:
        pairs = ", ".join(f"({s}, {list(part.rows)})" for s, part in zip(setups, parts, strict=True))
        loop, batch = f"for setup, rows in ({pairs}):\n", "{k: v[rows] for k, v in inputs.items()}"
    return (
        "from adapters.composition import *\n\n"
        f"outputs = []\n{loop}"
        "    model.set_active_adapters(setup)\n"
        f"    outputs.append(model(**{batch}))\n"
    )


def _lone_adapter(tree: Node) -> Node:
    """A Stack of one adapter as that adapter."""
    lone = isinstance(tree, Block) and tree.kind == "stack" and len(tree.children) == 1
    return tree.children[0] if lone and isinstance(tree, Block) else tree
