"""A composition as the Python that a user pastes."""

from __future__ import annotations

from ..schema.composition import KINDS, NUMBERED, Node


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
    return f"{package}{KINDS[tree.kind]}({', '.join(inner)})"


def times_number(weights: tuple[float, ...] | None, count: int) -> tuple[float, ...]:
    """Weights of an Average that sum to the number of its children."""
    given = weights or (1.0,) * count
    return tuple(count * w / sum(given) for w in given)
