"""Which other set-ups come near to the wanted result, the nearest first, with the Python to paste.

First those that keep the adapters and their results, then those that keep the adapters but not quite the
result, then those with other adapters, to be trained anew. A title says what it costs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from ..compose import Block, Node, adapter_names, as_block, walk
from ..composition_code import python
from ..references import references
from ..spec import AuditSpec
from . import restored

COMMON_METHODS = ("lora", "seq_bn", "par_bn", "prefix_tuning")
"""Methods that most models and compositions support, cheap ones first."""
ANEW = "needs training anew"
MERGED = "merged"


Step: TypeAlias = tuple[int, str]
"""When something is done, and its Python."""
LOAD, INIT, ADD, ACTIVATE, RUN = range(5)


@dataclass(frozen=True)
class SetUp:
    """Another way to the result: what to audit, and what to paste."""

    title: str
    specs: tuple[AuditSpec, ...]
    steps: tuple[Step, ...]
    ways: tuple[str, ...] = ()
    """How the library is told (see `ways`): the audits run so."""
    merges: AuditSpec | None = None
    """The original request, whose adapters are merged: that is tried, too (see `merging`)."""

    def code(self) -> str:
        """The Python to paste, in the order in which things are done."""
        text = "".join(text for _, text in sorted(self.steps, key=lambda step: step[0]))
        return ("import adapters.composition as ac\n\n" if "ac." in text else "") + text


def options(spec: AuditSpec, base: SetUp | None = None) -> Iterator[SetUp]:
    """All set-ups that come into question, each once; all of them on top of `base`, if it is given."""
    seen: set[tuple[str, ...]] = {_identity(SetUp("", (spec,), ()))}
    for option in _options(spec) if base is None else _on(base, spec):
        if _identity(option) not in seen:
            seen.add(_identity(option))
            yield option


_ZERO_ADDED = """\
own = {n for n, _ in model.named_parameters()}  # before adapters.init(model)
adapters.init(model)
for name, parameter in model.named_parameters():
    if name not in own:
        parameter.data.zero_()
"""


def bases(spec: AuditSpec, act: str) -> Iterator[SetUp]:
    """What can be done where `adapters.init` alone changes the model (`act`: its activation function)."""
    yield SetUp(
        "parameters that adapters.init adds to the model's own modules set to zero",
        (spec,),
        ((INIT, _ZERO_ADDED),),
        ("zero-added",),
    )
    yield SetUp(
        "the model's small modules, which adapters.init takes out, put back as an adapter below all others",
        (spec,),
        ((INIT, restored.code(act)),),
        ("restored",),
    )


def _identity(option: SetUp) -> tuple[str, ...]:
    return (*option.ways, *(s.model_dump_json() for s in option.specs))


def _options(spec: AuditSpec) -> Iterator[SetUp]:
    settings, plain = _settings(spec), _plain(spec)
    yield from _batch_split(spec)
    yield from (*settings, *plain)
    yield from _other_words(spec)
    yield from _one_by_one(spec)
    yield from _one_row(spec)
    for setting in plain or settings:
        for inner in (_one_by_one, _one_row, _other_words):
            yield from _after(setting, inner(setting.specs[0]))
    yield from _merged(spec)
    others = [*_all_layers(spec), *_other_methods(spec)]
    yield from others
    for within in WITHIN:
        for other in others:
            yield from _after(other, within(other.specs[0]))
    yield from _unnested(spec)


def _on(base: SetUp, spec: AuditSpec) -> Iterator[SetUp]:
    """The composition as it is, then all options, on top of a base."""
    active = (ACTIVATE, f"{_active(spec, python(spec.composition()))}\n")
    for same in _after(base, [SetUp("", (spec,), (active,))]):
        yield replace(same, title=base.title)
    yield from _after(base, _options(spec))


def _after(first: SetUp, then: Iterable[SetUp]) -> Iterator[SetUp]:
    """Both changes, one on top of the other."""
    for second in then:
        title = f"{second.title}, with {first.title}"
        ways = tuple(dict.fromkeys((*first.ways, *second.ways)))
        then_do = second.steps
        if "restored" in first.ways:
            then_do = tuple((when, restored.put_below(text)) for when, text in then_do)
        yield SetUp(title, second.specs, first.steps + then_do, ways, second.merges)


def _batch_split(spec: AuditSpec) -> Iterator[SetUp]:
    """Parallel at the top is a BatchSplit of the batch written N times."""
    tree = spec.composition()
    if tree.kind != "parallel" or spec.mode in ("generate", "beam"):
        return
    rows, lanes = spec.rows(), len(tree.children)
    split = Block("batchsplit", tree.children, (float(rows),) * lanes)
    code = (
        f"n, rows = {lanes}, next(iter(batch.values())).shape[0]\n"
        f"{_active(spec, python(split, sizes='[rows] * n'))}\n"
        "batch = {k: v.repeat(n, *[1] * (v.dim() - 1)) for k, v in batch.items()}  # all tensors\n"
        "output = model(**batch)  # rows i * rows to (i + 1) * rows: adapter i\n"
    )
    changed = spec.model_copy(update={"compose": str(split), "batch": rows * lanes})
    yield SetUp("split a batch that is written N times, instead of Parallel", (changed,), ((RUN, code),))


def _settings(spec: AuditSpec) -> list[SetUp]:
    """One setting of the run at a time that does not change its result."""
    found = []
    for attn in ("eager", "sdpa"):
        if spec.attn != attn:
            steps = ((LOAD, f'model = AutoModel.from_pretrained(..., attn_implementation="{attn}")\n'),)
            changed = spec.model_copy(update={"attn": attn})
            found.append(SetUp(f"attention implementation {attn}", (changed,), steps))
    if spec.gradient_checkpointing:
        changed = spec.model_copy(update={"gradient_checkpointing": False})
        steps = ((ADD, "model.gradient_checkpointing_disable()\n"),)
        found.append(SetUp("no gradient checkpointing", (changed,), steps))
    if "labels" in spec.inputs:
        kept = tuple(name for name in spec.inputs if name != "labels")
        changed = spec.model_copy(update={"inputs": kept})
        code = 'labels = batch.pop("labels")  # the loss is taken from output.logits, adapter by adapter\n'
        found.append(
            SetUp("no labels in the forward, the loss taken from the logits", (changed,), ((ACTIVATE, code),))
        )
    if spec.mode in ("generate", "beam"):
        code = "model.generation_config.use_cache = False  # slower: every token is computed anew\n"
        found.append(SetUp("generate without a cache", (spec,), ((ADD, code),), ("no-cache",)))
    return found


def _plain(spec: AuditSpec) -> list[SetUp]:
    """All settings at once that may stand in the way."""
    used = [s for s in _settings(spec) if s.title != "attention implementation sdpa"]
    attn = "eager" if spec.attn != "eager" else spec.attn
    kept = tuple(name for name in spec.inputs if name != "labels")
    changed = spec.model_copy(update={"attn": attn, "gradient_checkpointing": False, "inputs": kept})
    if not used:
        return []
    steps = tuple(step for s in used for step in s.steps)
    ways = tuple(way for s in used for way in s.ways)
    return [SetUp(" and ".join(s.title for s in used), (changed,), steps, ways)]


def _one_by_one(spec: AuditSpec, *, times: bool = False) -> Iterator[SetUp]:
    """Every lane and every part of the batch in a run of its own (`times`: with large Average weights)."""
    tree = spec.composition()
    parts = references(tree, spec.rows(), _tasks(tree, spec.rows()))
    if len(parts) == 1 and parts[0].tree == tree:
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
    lines = [f"    ({python(part.tree, times=times)}, {list(part.rows)})," for part in parts]
    run = (
        "model.generate(**own)"
        if spec.mode in ("generate", "beam")
        else "model(**own)  # in training: one backward for each"
    )
    code = (
        "outputs = []\nfor setup, rows in [\n" + "\n".join(lines) + "\n]:\n"
        f"    {_active(spec, 'setup')}\n"
        "    own = {k: v[rows] for k, v in batch.items()}  # v: tensors of the batch\n"
        f"    output = {run}\n"
        "    outputs.append(output)\n"
    )
    title, ways = "run the adapters one after the other", ("times-number",) if times else ()
    yield SetUp(f"{title}, {TIMES}" if times else title, tuple(specs.values()), ((RUN, code),), ways)


def _one_row(spec: AuditSpec) -> Iterator[SetUp]:
    """A loop over the rows, as they are or cut to their own length."""
    if any(b.kind in ("batchsplit", "multitask") for b in walk(spec.composition())):
        return
    run = "model.generate" if spec.mode in ("generate", "beam") else "model"
    if spec.rows() > 1:
        changed = spec.model_copy(update={"batch": 1})
        code = f"outputs = [{run}(**{{k: v[i : i + 1] for k, v in batch.items()}}) for i in range(rows)]\n"
        yield SetUp("one row at a time", (changed,), ((RUN, code),))
    if spec.mask != "none":
        changed = spec.model_copy(update={"batch": 1, "mask": "none"})
        code = (
            "outputs = []\n"
            'for ids, mask in zip(batch["input_ids"], batch["attention_mask"]):\n'
            f"    outputs.append({run}(input_ids=ids[mask.bool()][None]))  # its own tokens only\n"
        )
        yield SetUp("one row at a time, without padding and mask", (changed,), ((RUN, code),))


TIMES = "Average with weights times their number, by which the library divides once too often"


def _other_words(spec: AuditSpec) -> Iterator[SetUp]:
    """Other ways to tell the library the same composition: one at a time, then all that apply."""
    tree = spec.composition()
    blocks = list(walk(tree))
    averages = any(b.kind == "average" for b in blocks)
    fusions = [[adapter_names(c)[-1] for c in b.children] for b in blocks if b.kind == "fuse"]
    active = (ACTIVATE, f"{_active(spec, python(tree))}\n")
    found: list[SetUp] = []
    if averages:
        steps: tuple[Step, ...] = ((ACTIVATE, f"{_active(spec, python(tree, times=True))}\n"),)
        found.append(SetUp(TIMES, (spec,), steps, ("times-number",)))
    if any(b.kind == "fuse" and not all(isinstance(c, str) for c in b.children) for b in blocks):
        code = "".join(f"model.add_adapter_fusion({names})\n" for names in fusions)
        title = "fusion layers added by the names of the last adapters, not by the block"
        found.append(SetUp(title, (spec,), ((ADD, code), active), ("named-fusion",)))
    if spec.mode == "train" and not fusions and not all(isinstance(c, str) for c in tree.children):
        code = f"model.train_adapter(ac.Stack{adapter_names(tree)})\n"
        title = "train_adapter with the adapters' names, the composition made active afterwards"
        found.append(SetUp(title, (spec,), ((ADD, code), active), ("named-training",)))
    yield from found
    if len(found) > 1:
        kept = tuple(step for s in reversed(found) for step in s.steps if step != active or not averages)
        ways = tuple(way for s in found for way in s.ways)
        yield SetUp("; ".join(s.title for s in found), (spec,), kept, ways)
    if averages:
        yield from _one_by_one(spec, times=True)


def _merged(spec: AuditSpec) -> Iterator[SetUp]:
    """Adapters of an Average merged into one beforehand: their weights are averaged, not their outputs."""
    tree = spec.composition()
    blocks = [b for b in walk(tree) if b.kind == "average"]
    plain = [b for b in blocks if all(isinstance(c, str) for c in b.children)]
    methods = {spec.method_of(n) for b in plain for n in adapter_names(b)}
    if not plain or plain != blocks or len(methods) != 1:
        return
    changed, lines = merged_tree(tree, plain), []
    for number, block in enumerate(plain):
        weights = f", weights={list(block.numbers)}" if block.numbers is not None else ""
        names = [c for c in block.children if isinstance(c, str)]
        lines.append(f"model.average_adapter({MERGED + str(number)!r}, {names}{weights})\n")
    steps = ((ADD, "".join(lines)), (ACTIVATE, f"{_active(spec, python(changed))}\n"))
    (method,) = methods
    own = {n: method if n.startswith(MERGED) else spec.method_of(n) for n in adapter_names(changed)}
    audited = spec.model_copy(update={"compose": str(as_block(changed)), "adapter": None, "adapters": own})
    yield SetUp(
        "merge the adapters by average_adapter; it averages their weights, not their outputs",
        (audited,),
        steps,
        merges=spec,
    )


def merged_tree(tree: Node, blocks: Sequence[Block]) -> Node:
    """The tree with each block replaced by one adapter, `merged0`, `merged1`, ..."""
    if isinstance(tree, str):
        return tree
    if tree in blocks:
        return f"{MERGED}{list(blocks).index(tree)}"
    return replace(tree, children=tuple(merged_tree(c, blocks) for c in tree.children))


def _all_layers(spec: AuditSpec) -> Iterator[SetUp]:
    """Adapters in all layers: other adapters, to be trained anew."""
    methods = {n: spec.method_of(n) for n in adapter_names(spec.composition())}
    everywhere = {n: _without_leave_out(m) for n, m in methods.items()}
    if everywhere == methods and not spec.skip_layers:
        return
    changed = spec.model_copy(update={"adapter": None, "adapters": everywhere, "skip_layers": None})
    title = f"adapters in all layers (no leave_out, no skip_layers); {ANEW}"
    yield SetUp(title, (changed,), _adding(everywhere))


def _other_methods(spec: AuditSpec) -> Iterator[SetUp]:
    """The same composition of adapters of one method, one that is there already before the common ones."""
    names = adapter_names(spec.composition())
    own = dict.fromkeys(_without_leave_out(spec.method_of(n)) for n in names)
    mixed = list(own) if len(own) > 1 else []
    for method in dict.fromkeys((*mixed, *COMMON_METHODS)):
        if any(spec.method_of(n) != method for n in names):
            changed = spec.model_copy(update={"adapter": method, "adapters": {}, "skip_layers": None})
            yield SetUp(
                f"{method} adapters in the same composition; {ANEW}",
                (changed,),
                _adding(dict.fromkeys(names, method)),
            )


def _unnested(spec: AuditSpec) -> Iterator[SetUp]:
    """A Stack inside a Fuse: what its adapters but the last do is put below the Fuse, for all of it."""
    tree = spec.composition()
    for block in (b for b in walk(tree) if b.kind == "fuse"):
        stacks = [c for c in block.children if isinstance(c, Block) and c.kind == "stack"]
        if not stacks or not all(isinstance(g, str) for s in stacks for g in s.children):
            continue
        below = [g for s in stacks for g in s.children[:-1]]
        flat = Block("fuse", tuple(c.children[-1] if c in stacks else c for c in block.children))
        lifted = Block("stack", (*below, flat))
        if tree != block or not all(isinstance(c, str) for c in flat.children):
            continue
        names = ", ".join(str(n) for n in below)
        for method in COMMON_METHODS:
            changed = spec.model_copy(
                update={"compose": str(lifted), "adapter": method, "adapters": {}, "skip_layers": None}
            )
            title = f"{method} adapters, {names} below the whole Fuse instead of a Stack inside it; {ANEW}"
            steps = (
                *_adding(dict.fromkeys(adapter_names(lifted), method)),
                (ADD, f"model.add_adapter_fusion({python(flat)})\n"),
                (ACTIVATE, f"{_active(changed, python(lifted))}\n"),
            )
            yield SetUp(title, (changed,), steps)


def _active(spec: AuditSpec, setup: str) -> str:
    if not spec.skip_layers:
        return f"model.active_adapters = {setup}"
    return f"model.set_active_adapters({setup}, skip_layers={list(spec.skip_layers)})"


def _adding(methods: dict[str, str]) -> tuple[Step, ...]:
    return tuple((ADD, f"model.add_adapter({n!r}, config={m!r})\n") for n, m in methods.items())


def _without_leave_out(method: str) -> str:
    return re.sub(r"\[\s*\]", "", re.sub(r",?\s*leave_out=\[[^\]]*\]", "", method).replace("[,", "["))


def _tasks(tree: Node, rows: int) -> list[int] | None:
    counts = [len(b.children) for b in walk(tree) if b.kind == "multitask"]
    return [(rows - 1 - r) % max(counts) for r in range(rows)] if counts else None


def _shape(tree: Node) -> str:
    return "." if isinstance(tree, str) else str(replace(tree, children=tuple(map(_shape, tree.children))))


WITHIN: tuple[Callable[[AuditSpec], Iterable[SetUp]], ...] = (_other_words, _one_by_one, _one_row, _plain)
"""What may be needed on top of other adapters."""

__all__ = ["SetUp", "bases", "merged_tree", "options"]
