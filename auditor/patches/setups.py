"""Set-ups that give the wanted result with the library as it is, each verified by an audit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ..compose import Block, Node, adapter_names, as_block, walk
from ..models import ModelSource
from ..references import references
from ..result import Fix
from ..spec import AuditSpec
from .trial import Request, run

MAX_TRIED = 8
COMMON_METHODS = ("lora", "seq_bn", "par_bn", "prefix_tuning")
"""Methods that most models and compositions support, cheap ones first."""


@dataclass(frozen=True)
class SetUp:
    """Another way to the same result: what to audit, and what to paste."""

    title: str
    specs: tuple[AuditSpec, ...]
    code: str


def set_up_fix(spec: AuditSpec, source: ModelSource) -> Fix | None:
    """The first set-up whose audits are all clean; None when there is none."""
    for count, option in enumerate(options(spec)):
        if count >= MAX_TRIED:
            return None
        if all(_clean(s, source) for s in option.specs):
            reason = f"audited: {', '.join(dict.fromkeys(s.compose for s in option.specs))} is compatible"
            return Fix(
                title=option.title, kind="setup-change", code=option.code, status="verified", reason=reason
            )
    return None


def _clean(spec: AuditSpec, source: ModelSource) -> bool:
    from .reaudit import is_clean

    outcome = run(Request.of(spec, source, alone=False))
    return outcome.result is not None and is_clean(outcome.result)


def options(spec: AuditSpec) -> Iterator[SetUp]:
    """All set-ups that come into question, the nearest first."""
    tree = spec.composition()
    yield from _batch_split(spec, tree)
    yield from _settings(spec)
    yield from _one_by_one(spec, tree)
    yield from _one_row(spec, tree)
    yield from _all_layers(spec)
    yield from _other_methods(spec)


def _batch_split(spec: AuditSpec, tree: Block) -> Iterator[SetUp]:
    """Parallel at the top is a BatchSplit of the batch written N times."""
    if tree.kind != "parallel" or spec.mode in ("generate", "beam"):
        return
    rows, lanes = spec.rows(), len(tree.children)
    split = Block("batchsplit", tree.children, (float(rows),) * lanes)
    code = (
        f"import adapters.composition as ac\n\nn, rows = {lanes}, next(iter(batch.values())).shape[0]\n"
        f"model.active_adapters = {python(split, sizes='[rows] * n')}\n"
        "batch = {k: v.repeat(n, *[1] * (v.dim() - 1)) for k, v in batch.items()}  # all tensors\n"
        "output = model(**batch)  # rows i * rows to (i + 1) * rows: adapter i\n"
    )
    changed = spec.model_copy(update={"compose": str(split), "batch": rows * lanes})
    yield SetUp("split a batch that is written N times, instead of Parallel", (changed,), code)


def _settings(spec: AuditSpec) -> Iterator[SetUp]:
    """One setting of the run at a time that does not change its result."""
    for attn in ("eager", "sdpa"):
        if spec.attn != attn:
            code = f'model = AutoModel.from_pretrained(..., attn_implementation="{attn}")\n'
            yield SetUp(f"attention implementation {attn}", (spec.model_copy(update={"attn": attn}),), code)
    if spec.gradient_checkpointing:
        changed = spec.model_copy(update={"gradient_checkpointing": False})
        yield SetUp("no gradient checkpointing", (changed,), "model.gradient_checkpointing_disable()\n")


def _one_by_one(spec: AuditSpec, tree: Block) -> Iterator[SetUp]:
    """Every lane and every part of the batch in a run of its own."""
    parts = references(tree, spec.rows(), _tasks(tree, spec.rows()))
    if len(parts) < 2:
        return
    specs: dict[object, AuditSpec] = {}
    for part in parts:
        alone = spec.model_copy(
            update={
                "compose": str(as_block(part.tree)),
                "batch": len(part.rows),
                "adapters": {n: spec.method_of(n) for n in adapter_names(part.tree)},
            }
        )
        alike = (_shape(part.tree), tuple(alone.adapters.values()), alone.batch)
        specs.setdefault(alike, alone)
    lines = [f"    ({python(part.tree)}, {list(part.rows)})," for part in parts]
    code = (
        "import adapters.composition as ac\n\noutputs = []\nfor setup, rows in [\n"
        + "\n".join(lines)
        + "\n]:\n"
        "    model.active_adapters = setup\n"
        "    outputs.append(model(**{k: v[rows] for k, v in batch.items()}))  # v: tensors of the batch\n"
    )
    yield SetUp("run the adapters one after the other", tuple(specs.values()), code)


def _one_row(spec: AuditSpec, tree: Block) -> Iterator[SetUp]:
    if spec.rows() == 1 or any(b.kind in ("batchsplit", "multitask") for b in walk(tree)):
        return
    changed = spec.model_copy(update={"batch": 1})
    code = "outputs = [model(**{k: v[i : i + 1] for k, v in batch.items()}) for i in range(rows)]\n"
    yield SetUp("one row at a time", (changed,), code)


def _all_layers(spec: AuditSpec) -> Iterator[SetUp]:
    """Adapters in all layers: other adapters, to be trained anew; the last resort."""
    methods = {n: spec.method_of(n) for n in adapter_names(spec.composition())}
    everywhere = {n: _without_leave_out(m) for n, m in methods.items()}
    if everywhere == methods and not spec.skip_layers:
        return
    changed = spec.model_copy(update={"adapter": None, "adapters": everywhere, "skip_layers": None})
    code = "".join(f"model.add_adapter({n!r}, config={m!r})\n" for n, m in everywhere.items())
    yield SetUp(
        "adapters in all layers (no leave_out, no skip_layers); needs training anew", (changed,), code
    )


def _other_methods(spec: AuditSpec) -> Iterator[SetUp]:
    """The same composition of adapters of one other method: to be trained anew, the very last resort."""
    names = adapter_names(spec.composition())
    for method in COMMON_METHODS:
        if any(spec.method_of(n) != method for n in names):
            changed = spec.model_copy(update={"adapter": method, "adapters": {}, "skip_layers": None})
            code = "".join(f"model.add_adapter({n!r}, config={method!r})\n" for n in names)
            yield SetUp(f"{method} adapters in the same composition; needs training anew", (changed,), code)


def _without_leave_out(method: str) -> str:
    return re.sub(r"\[\s*\]", "", re.sub(r",?\s*leave_out=\[[^\]]*\]", "", method).replace("[,", "["))


def _tasks(tree: Node, rows: int) -> list[int] | None:
    counts = [len(b.children) for b in walk(tree) if b.kind == "multitask"]
    return [(rows - 1 - r) % max(counts) for r in range(rows)] if counts else None


def _shape(tree: Node) -> str:
    return "." if isinstance(tree, str) else str(replace(tree, children=tuple(map(_shape, tree.children))))


def python(tree: Node, sizes: str = "") -> str:
    """A composition as Python with `adapters.composition` imported as `ac`."""
    from ..compose import KINDS, NUMBERED

    if isinstance(tree, str):
        return repr(tree)
    inner = [python(c) for c in tree.children]
    if sizes or tree.numbers is not None:
        numbers = sizes or str([n if tree.kind == "average" else int(n) for n in tree.numbers or ()])
        inner.append(f"{NUMBERED[tree.kind]}={numbers}")
    return f"ac.{KINDS[tree.kind]}({', '.join(inner)})"


__all__ = ["SetUp", "options", "python", "set_up_fix"]
