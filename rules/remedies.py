"""Remedies that hold for every composition of a kind, with the Python to paste."""

from __future__ import annotations

from adapter_audit.auditor.compose import NUMBERED, Node, lane_reference
from adapter_audit.auditor.facts import Facts
from adapter_audit.auditor.result import Fix


def one_by_one(facts: Facts) -> tuple[Fix, ...]:
    """Instead of a Parallel: every lane alone, which gives the same rows. Empty without lanes.

    It is verified when the probe ran each lane's reference to its end.
    """
    if facts.axes.lanes < 2:
        return ()
    setups = ", ".join(_python(lane_reference(facts.tree, lane)) for lane in range(facts.axes.lanes))
    code = (
        "from adapters.composition import *\n\n"
        "outputs = []\n"
        f"for setup in ({setups}):\n"
        "    model.set_active_adapters(setup)\n"
        "    outputs.append(model(**inputs))\n"
    )
    ran = facts.probe is not None and not facts.probe.died and not facts.probe.reference_failures
    if facts.probe is not None and facts.probe.reference_failures:
        return ()
    return (
        Fix(
            title="run the adapters one after the other, for the same rows",
            kind="setup-change",
            code=code,
            status="verified" if ran else "unverified",
            reason="each was run alone on the small model" if ran else "nothing was run",
        ),
    )


def _python(tree: Node) -> str:
    """The composition as Python."""
    if isinstance(tree, str):
        return repr(tree)
    inner = ", ".join(_python(child) for child in tree.children)
    if tree.kind == "stack" and len(tree.children) == 1:
        return inner
    names = {"batchsplit": "BatchSplit", "multitask": "MultiTask"}
    block = names.get(tree.kind, tree.kind.capitalize())
    if tree.numbers is None:
        return f"{block}({inner})"
    numbers = [n if tree.kind == "average" else int(n) for n in tree.numbers]
    return f"{block}({inner}, {NUMBERED[tree.kind]}={numbers})"
