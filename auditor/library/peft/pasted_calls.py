"""A composition as the Python that a user pastes."""

from __future__ import annotations

from collections.abc import Sequence

from ...schema.composition import BASE, Block, Node
from ...schema.references import Reference
from .combinations import arguments, combined_name


def python(tree: Node) -> str:
    """Statements that make a composition active, and the call where it is told in the call."""
    if isinstance(tree, str):
        return f"model.set_adapter({tree!r})"
    made = [_combining(child) for child in _combinations(tree)]
    if tree.kind == "mixed":
        names = " + ".join(
            f"[{name_of(c)!r}] * {int(n)}" for c, n in zip(tree.children, tree.numbers or (), strict=False)
        )
        return "\n".join([*made, f"model(**inputs, adapter_names={names})"])
    names_of_children = [name_of(child) for child in tree.children]
    if tree.kind == "weighted":
        return "\n".join([*made, f"model.set_adapter({name_of(tree)!r})"])
    if len(names_of_children) == 1:
        return "\n".join([*made, f"model.set_adapter({names_of_children[0]!r})"])
    return "\n".join([*made, f"model.base_model.set_adapter({names_of_children!r})"])


def name_of(node: Node) -> str:
    """The name that the library has an adapter or a weighted combination under."""
    return node if isinstance(node, str) else combined_name(node)


def one_after_the_other(parts: Sequence[Reference], *, whole: bool) -> str:
    """A loop that runs each part alone: on the whole batch, or on its own rows only."""
    if whole:
        loop, batch = f"for name in {[_name(p) for p in parts]}:\n", "inputs"
    else:
        pairs = ", ".join(f"({_name(p)!r}, {list(p.rows)})" for p in parts)
        loop, batch = f"for name, rows in ({pairs}):\n", "{k: v[rows] for k, v in inputs.items()}"
    return (
        "from contextlib import nullcontext\n\n"
        f"outputs = []\n{loop}"
        f"    if name != {BASE!r}:\n"
        "        model.set_adapter(name)\n"
        f"    with model.disable_adapter() if name == {BASE!r} else nullcontext():\n"
        f"        outputs.append(model(**{batch}))\n"
    )


def _name(part: Reference) -> str:
    tree = part.tree
    lone = isinstance(tree, Block) and len(tree.children) == 1 and tree.kind != "weighted"
    return name_of(tree.children[0] if isinstance(tree, Block) and lone else tree)


def _combinations(tree: Block) -> list[Block]:
    """Weighted combinations in a tree, those inside of others first."""
    inner = [block for child in tree.children if isinstance(child, Block) for block in _combinations(child)]
    return [*inner, tree] if tree.kind == "weighted" else inner


def _combining(block: Block) -> str:
    names = [name_of(child) for child in block.children]
    options = "".join(f", {name}={value!r}" for name, value in arguments(block).items() if name != "weights")
    weights = arguments(block)["weights"]
    return f"model.add_weighted_adapter({names!r}, {weights!r}, {name_of(block)!r}{options})"
