"""Set-ups that keep the adapters: other settings of the run, other calls with the same meaning."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ...library.adapters.pasted_code import python
from ...request.job import Job
from ...schema.composition import DIVIDED, Block, Node, adapter_names, as_block, walk
from ...schema.references import references
from .setup_change import ACTIVATE, ADD, LOAD, RUN, SetUp, Step, active_code

TIMES = "Average with weights times their number, by which the library divides once too often"


def batch_split(job: Job) -> Iterator[SetUp]:
    """Parallel at the top is a BatchSplit of the batch written N times."""
    tree = job.tree
    if tree.kind != "parallel" or job.spec.mode in ("generate", "beam"):
        return
    rows, lanes = job.rows, len(tree.children)
    split = Block("batchsplit", tree.children, (float(rows),) * lanes)
    code = (
        f"n, rows = {lanes}, next(iter(batch.values())).shape[0]\n"
        f"{active_code(job, python(split, sizes='[rows] * n'))}\n"
        "batch = {k: v.repeat(n, *[1] * (v.dim() - 1)) for k, v in batch.items()}  # all tensors\n"
        "output = model(**batch)  # rows i * rows to (i + 1) * rows: adapter i\n"
    )
    changed = job.changed(compose=str(split), batch=rows * lanes)
    yield SetUp("split a batch that is written N times, instead of Parallel", (changed,), ((RUN, code),))


def settings(job: Job) -> list[SetUp]:
    """One setting of the run at a time that does not change its result."""
    found = []
    for attn in ("eager", "sdpa"):
        if job.spec.attn != attn:
            steps = ((LOAD, f'model = AutoModel.from_pretrained(..., attn_implementation="{attn}")\n'),)
            changed = job.changed(attn=attn)
            found.append(SetUp(f"attention implementation {attn}", (changed,), steps))
    if job.spec.gradient_checkpointing:
        changed = job.changed(gradient_checkpointing=False)
        steps = ((ADD, "model.gradient_checkpointing_disable()\n"),)
        found.append(SetUp("no gradient checkpointing", (changed,), steps))
    if "labels" in job.spec.inputs:
        kept = tuple(name for name in job.spec.inputs if name != "labels")
        changed = job.changed(inputs=kept)
        code = 'labels = batch.pop("labels")  # the loss is taken from output.logits, adapter by adapter\n'
        found.append(
            SetUp("no labels in the forward, the loss taken from the logits", (changed,), ((ACTIVATE, code),))
        )
    if job.spec.mode in ("generate", "beam"):
        code = "model.generation_config.use_cache = False  # slower: every token is computed anew\n"
        found.append(SetUp("generate without a cache", (job,), ((ADD, code),), ("no-cache",)))
    return found


def all_settings(job: Job) -> list[SetUp]:
    """All settings at once that may stand in the way."""
    used = [s for s in settings(job) if s.title != "attention implementation sdpa"]
    attn = "eager" if job.spec.attn != "eager" else job.spec.attn
    kept = tuple(name for name in job.spec.inputs if name != "labels")
    changed = job.changed(attn=attn, gradient_checkpointing=False, inputs=kept)
    if not used:
        return []
    steps = tuple(step for s in used for step in s.steps)
    variants = tuple(way for s in used for way in s.variants)
    return [SetUp(" and ".join(s.title for s in used), (changed,), steps, variants)]


def one_by_one(job: Job, *, times: bool = False) -> Iterator[SetUp]:
    """Every lane and every part of the batch in a run of its own (`times`: with large Average weights)."""
    tree = job.tree
    parts = references(tree, job.rows, _tasks(tree, job.rows))
    if len(parts) == 1 and parts[0].tree == tree:
        return
    alone: dict[object, Job] = {}
    for part in parts:
        one = job.changed(
            compose=str(as_block(part.tree)),
            batch=len(part.rows),
            adapters={n: job.methods[n] for n in adapter_names(part.tree)},
        )
        alone.setdefault((_shape(part.tree), tuple(one.methods.values()), one.rows), one)
    lines = [f"    ({python(part.tree, times=times)}, {list(part.rows)})," for part in parts]
    run = (
        "model.generate(**own)"
        if job.spec.mode in ("generate", "beam")
        else "model(**own)  # in training: one backward for each"
    )
    code = (
        "outputs = []\nfor setup, rows in [\n" + "\n".join(lines) + "\n]:\n"
        f"    {active_code(job, 'setup')}\n"
        "    own = {k: v[rows] for k, v in batch.items()}  # v: tensors of the batch\n"
        f"    output = {run}\n"
        "    outputs.append(output)\n"
    )
    title, variants = "run the adapters one after the other", ("times-number",) if times else ()
    yield SetUp(f"{title}, {TIMES}" if times else title, tuple(alone.values()), ((RUN, code),), variants)


def one_row(job: Job) -> Iterator[SetUp]:
    """A loop over the rows, as they are or cut to their own length."""
    if any(b.kind in DIVIDED for b in walk(job.tree)):
        return
    run = "model.generate" if job.spec.mode in ("generate", "beam") else "model"
    if job.rows > 1:
        changed = job.changed(batch=1)
        code = f"outputs = [{run}(**{{k: v[i : i + 1] for k, v in batch.items()}}) for i in range(rows)]\n"
        yield SetUp("one row at a time", (changed,), ((RUN, code),))
    if job.spec.mask != "none":
        changed = job.changed(batch=1, mask="none")
        code = (
            "outputs = []\n"
            'for ids, mask in zip(batch["input_ids"], batch["attention_mask"]):\n'
            f"    outputs.append({run}(input_ids=ids[mask.bool()][None]))  # its own tokens only\n"
        )
        yield SetUp("one row at a time, without padding and mask", (changed,), ((RUN, code),))


def other_words(job: Job) -> Iterator[SetUp]:
    """Other calls that set up the same composition: one at a time, then all that apply."""
    tree = job.tree
    blocks = list(walk(tree))
    averages = any(b.kind == "average" for b in blocks)
    fuses = any(b.kind == "fuse" for b in blocks)
    active = (ACTIVATE, f"{active_code(job, python(tree))}\n")
    found: list[SetUp] = []
    if averages:
        steps: tuple[Step, ...] = ((ACTIVATE, f"{active_code(job, python(tree, times=True))}\n"),)
        found.append(SetUp(TIMES, (job,), steps, ("times-number",)))
    if job.spec.mode == "train" and not fuses and not all(isinstance(c, str) for c in tree.children):
        code = f"model.train_adapter(ac.Stack{adapter_names(tree)})\n"
        title = "train_adapter with the adapters' names, the composition made active afterwards"
        found.append(SetUp(title, (job,), ((ADD, code), active), ("named-training",)))
    yield from found
    if len(found) > 1:
        kept = tuple(step for s in reversed(found) for step in s.steps if step != active or not averages)
        variants = tuple(way for s in found for way in s.variants)
        yield SetUp("; ".join(s.title for s in found), (job,), kept, variants)
    if averages:
        yield from one_by_one(job, times=True)


def _tasks(tree: Node, rows: int) -> list[int] | None:
    counts = [len(b.children) for b in walk(tree) if b.kind == "multitask"]
    return [(rows - 1 - r) % max(counts) for r in range(rows)] if counts else None


def _shape(tree: Node) -> str:
    return "." if isinstance(tree, str) else str(replace(tree, children=tuple(map(_shape, tree.children))))
