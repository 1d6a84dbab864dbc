"""The verdict on a model in hand: what is active in it is run, and every adapter alone, in plain loops."""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import adapters.composition as blocks
import numpy
import torch
from torch import nn

from . import expr as expressions
from .blame import blame
from .compare import EFFECTS, TOLERANCES, relative
from .expr import Expr
from .judge import Verdict
from .subject import (
    adapter_parameters,
    attention_on,
    equal_children,
    in_the_same_layers,
    move,
    perturbed,
    to_block,
)

Rows = dict[str, torch.Tensor]
"""Named values of one run, the rows of the batch first."""
Reader = Callable[[Any], Rows]
NEW_TOKENS = 4
HALF_TOLERANCE, HALF_EFFECT = 5e-2, 1e-4
"""The bounds for half precision: as those of `compare`, for eight bits."""
_KINDS = {
    blocks.Parallel: "parallel",
    blocks.Stack: "stack",
    blocks.BatchSplit: "batchsplit",
    blocks.Average: "average",
    blocks.Split: "split",
    blocks.Fuse: "fuse",
    blocks.MultiTask: "multitask",
}
_NUMBERS = {"batchsplit": "batch_sizes", "average": "weights", "split": "splits"}
_NOT_COMPARED = {"past_key_values", "loss"}


def from_block(block: Any) -> Expr:
    """The expression of a composition of the library; raises KeyError for a block that it does not have."""
    if isinstance(block, str):
        return expressions.adapter(block)
    kind = _KINDS[type(block)]
    numbers = tuple(float(n) for n in getattr(block, _NUMBERS.get(kind, ""), ()))
    return Expr(kind, "", tuple(from_block(child) for child in block.children), numbers)


def block_of(expr: Expr, fusions: Mapping[tuple[Any, ...], str]) -> Any:
    """The library's block, with weights as they are and fusions under the names that they have."""
    if expr.kind == "adapter":
        return expr.name
    children = [block_of(child, fusions) for child in expr.children]
    if expr.kind == "average":
        return blocks.Average(*children, weights=list(expr.numbers), normalize_weights=False)
    if expr.kind == "fuse":
        return blocks.Fuse(*children, name=fusions.get(tuple(map(str, children))))
    if expr.kind in ("batchsplit", "split"):
        return to_block(expr)
    return next(block for block, kind in _KINDS.items() if kind == expr.kind)(*children)


def judge_in_hand(model: Any, inputs: Mapping[str, Any], mode: str, read: Reader | None = None) -> Verdict:
    """Judge what is active in ``model`` with ``inputs``; ``mode`` is forward, train or generate.

    ``read`` makes named tensors, rows first, of what the forward returns. The model is not changed. Works in
    float64, and in float32 where the model cannot do that; a model in half precision runs as it is.
    """
    own = {p.dtype for p in model.parameters()}
    if own & {torch.bfloat16, torch.float16}:
        return _InHand(copy.deepcopy(model), inputs, mode, read or named_rows, torch.bfloat16).verdict()
    verdict = _judge_as(model, inputs, mode, read, torch.float64)
    if verdict.verdict == "crash" and re.search(r"dtype|scalar type|\bDouble\b|Float", verdict.detail):
        return _judge_as(model, inputs, mode, read, torch.float32)
    return verdict


def _judge_as(
    model: Any, inputs: Mapping[str, Any], mode: str, read: Reader | None, dtype: torch.dtype
) -> Verdict:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        return _InHand(copy.deepcopy(model).to(dtype), inputs, mode, read or named_rows, dtype).verdict()
    finally:
        torch.set_default_dtype(before)


@dataclass
class _Run:
    rows: list[Rows]
    """One for each head that is active, or one for all rows."""
    gradients: Rows


class _InHand:
    def __init__(
        self, model: Any, inputs: Mapping[str, Any], mode: str, read: Reader, dtype: torch.dtype
    ) -> None:
        self.model, self.mode, self.read, self.dtype = model, mode, read, dtype
        self.tolerance = TOLERANCES.get(dtype, HALF_TOLERANCE)
        self.effect = EFFECTS.get(dtype, HALF_EFFECT)
        self.inputs = {k: _as(v, dtype) for k, v in inputs.items()}
        self.expr = from_block(model.active_adapters)
        self.block, self.skipped = model.active_adapters, getattr(model.adapters_config, "skip_layers", None)
        fused = [b for b in _walk(self.block) if isinstance(b, blocks.Fuse)]
        self.fusions = {tuple(map(str, b.children)): b.name for b in fused}
        self.heads = copy.copy(getattr(model, "_active_heads", None))
        first = next(v for v in self.inputs.values() if torch.is_tensor(v) and v.dim())
        # Models with flexible heads read a vector of token ids as one row.
        self.batch = 1 if self.inputs.get("input_ids") is first and first.dim() == 1 else int(first.shape[0])
        self.violations: dict[str, str] = {}
        self.state = {name: buffer.clone() for name, buffer in self.model.named_buffers()}

    def verdict(self) -> Verdict:
        _no_dropout(self.model)
        self.model.train(self.mode == "train")
        generator = torch.Generator().manual_seed(2)
        for path, parameter in adapter_parameters(self.model, self.expr.adapters()):
            parameter.requires_grad = True
            move(path, parameter, generator)
        try:
            seen = self._as_it_is()
        except Exception as error:
            found = blame(error)
            kind = "refused" if found.refused else "crash"
            return Verdict(kind, found.text, found.file, found.line, found.code, "forward")
        try:
            self._check(seen)
        except Exception as error:
            return Verdict("unknown", f"a reference stops: {blame(error).text}", phase="reference")
        kinds = list(self.violations)
        verdict = "ok" if not kinds else "no-effect" if kinds == ["effect"] else "wrong"
        return Verdict(verdict, "; ".join(self.violations.values()), violations=kinds)

    def _as_it_is(self, **more: Any) -> _Run:
        """Run what the caller has made active, with the caller's heads."""
        self.model.set_active_adapters(self.block, skip_layers=self.skipped)
        if self.heads is not None:
            self.model._active_heads = copy.copy(self.heads)
        return self._run(self.inputs | more)

    def _reference(self, expr: Expr, head: str | None, weights: torch.Tensor | None = None) -> _Run:
        """Run a composition without lanes for the whole batch; ``weights``: how much each row counts."""
        self.model.set_active_adapters(block_of(expr, self.fusions), skip_layers=self.skipped)
        if head is not None:
            self.model.active_head = head
        tasks = any(node.kind == "multitask" for node in expr.walk())
        return self._run({k: v for k, v in self.inputs.items() if k != "task_ids" or tasks}, weights)

    def _run(self, inputs: dict[str, Any], weights: torch.Tensor | None = None) -> _Run:
        given = {k: v.clone() if torch.is_tensor(v) else v for k, v in inputs.items()}
        torch.manual_seed(0)
        self._reset_state()
        with torch.set_grad_enabled(self.mode == "train"):
            output = self._generate(given) if self.mode == "generate" else self.model(**given)
            parts = getattr(output, "head_outputs", None)
            rows = [self.read(part) for part in parts] if parts else [self.read(output)]
            gradients = self._gradients(rows, weights) if self.mode == "train" else {}
        return _Run(rows, gradients)

    def _reset_state(self) -> None:
        """Statistics that a run has moved are where they were."""
        with torch.no_grad():
            for name, buffer in self.model.named_buffers():
                if name in self.state and buffer.shape == self.state[name].shape:
                    buffer.copy_(self.state[name])

    def _generate(self, given: dict[str, Any]) -> Any:
        config = self.model.generation_config
        config.eos_token_id = config.forced_eos_token_id = None
        config.max_length = None
        output = self.model.generate(
            **given,
            max_new_tokens=NEW_TOKENS,
            do_sample=False,
            output_scores=True,
            return_dict_in_generate=True,
        )
        scores = torch.stack(output.scores, dim=1)
        scores = scores.masked_fill(scores == -torch.inf, 0.0)
        return {"sequences": output.sequences.to(self.dtype), "scores": scores}

    def _gradients(self, parts: list[Rows], weights: torch.Tensor | None) -> Rows:
        """Gradients of the adapters, where every value counts by its place in its row."""
        total = torch.zeros((), dtype=torch.float64)
        for rows in parts:
            for name, value in rows.items():
                if value.requires_grad:
                    place = torch.Generator().manual_seed(len(name))
                    factor = torch.randn(value.shape[1:], generator=place, dtype=torch.float64)
                    each = (value.double() * factor).reshape(value.shape[0], -1).sum(1)
                    total = total + (each if weights is None else each * weights).sum()
        if not total.requires_grad:
            return {}
        total.backward()
        found = {}
        for path, parameter in adapter_parameters(self.model, self.expr.adapters()):
            if parameter.grad is not None:
                found[path] = parameter.grad.clone()
            parameter.grad = None
        return found

    def _check(self, seen: _Run) -> None:
        tasks = self._tasks()
        expected = expressions.expected(self.expr, self.batch, tasks)
        self._check_rows(seen, expected)
        self._check_effect(seen)
        if self.mode == "generate":
            self._check_cache(seen)
        if self.mode == "train" and _checkpointing(self.model):
            self._check_checkpointing(seen)
        for expr in dict.fromkeys(e for lane in expected for e in lane):
            self._check_neutrality(expr)

    def _tasks(self) -> list[int] | None:
        given = self.inputs.get("task_ids")
        if given is None:
            return None
        block = next(n for n in self.expr.walk() if n.kind == "multitask")
        names = [child.name for child in block.children]
        return [names.index(t) if isinstance(t, str) else int(t) for t in given]

    def _check_rows(self, seen: _Run, expected: list[list[Expr]]) -> None:
        gradients: Rows = {}
        known: dict[tuple[Expr, str | None], _Run] = {}
        pairs = [(lane, row) for lane in range(len(expected)) for row in range(self.batch)]
        wanted = [(expected[lane][row], self._head_of(lane, row)) for lane, row in pairs]
        for key in dict.fromkeys(wanted):
            counts = torch.zeros(self.batch, dtype=torch.float64)
            for (_, row), other in zip(pairs, wanted, strict=True):
                counts[row] += other == key
            known[key] = self._reference(*key, counts)
            for path, gradient in known[key].gradients.items():
                gradients[path] = gradients.get(path, torch.zeros_like(gradient)) + gradient
        for (lane, row), key in zip(pairs, wanted, strict=True):
            self._compare_row(seen, known[key].rows[0], lane, row, len(expected))
        if self.mode == "train":
            self._compare_gradients(seen.gradients, gradients)

    def _head_of(self, lane: int, row: int) -> str | None:
        """The head that serves a row: the lane's, the part's or the one for all."""
        if not self.heads:
            return None
        if isinstance(self.heads, blocks.BatchSplit):
            ends = torch.tensor(self.heads.batch_sizes).cumsum(0)
            return str(self.heads.children[int((ends > row).nonzero()[0])])
        return str(self.heads[lane % len(self.heads)])

    def _compare_row(self, seen: _Run, alone: Rows, lane: int, row: int, lanes: int) -> None:
        part, place = self._place(lane, row, len(seen.rows))
        for name, value in seen.rows[part].items():
            wanted = alone.get(name)
            if wanted is None:
                continue
            whole = self.batch if len(seen.rows) > 1 else lanes * self.batch
            if len(seen.rows) == 1 and value.shape[0] != whole:
                if wanted.shape[0] == self.batch:
                    self._violate("lanes", f"{name} has {value.shape[0]} rows instead of {whole}")
                continue
            if value[place].shape != wanted[row].shape:
                self._violate("lanes", f"lane {lane} row {row}: {name} has another shape than alone")
                continue
            gap = relative(value[place], wanted[row], None, wanted)
            if not gap <= self.tolerance:
                self._violate("lanes", f"lane {lane} row {row}: {name} differs by {gap:.2g} from alone")

    def _place(self, lane: int, row: int, parts: int) -> tuple[int, int]:
        """Which head's output holds a row, and where in it."""
        if parts == 1:
            return 0, lane * self.batch + row
        if not isinstance(self.heads, blocks.BatchSplit):
            return lane, row
        start = 0
        for part, size in enumerate(self.heads.batch_sizes):
            if row < start + size:
                return part, row - start
            start += size
        raise ValueError(f"row {row} is served by no head")

    def _compare_gradients(self, one: Rows, other: Rows) -> None:
        scale = max((float(g.abs().max()) for g in other.values()), default=0.0) or 1.0
        for path in sorted(set(one) | set(other)):
            zero = torch.zeros(())
            gap = float((one.get(path, zero) - other.get(path, zero)).abs().max()) / scale
            if not gap <= self.tolerance:
                self._violate("gradient", f"the gradient of {path} differs by {gap:.2g} from training alone")

    def _check_effect(self, seen: _Run) -> None:
        for name in self.expr.adapters():
            with perturbed(self.model, name) as has_weights:
                moved = self._as_it_is() if has_weights else seen
            gaps = [
                _gap(new[key], old[key])
                for old, new in zip(seen.rows, moved.rows, strict=True)
                for key in old
                if key in new
            ]
            if not any(g > self.effect for g in gaps):
                self._violate("effect", f"{name} changes nothing")

    def _check_cache(self, seen: _Run) -> None:
        """Decoding with a cache is decoding without, where the bare model keeps that promise."""

        def gap(with_cache: _Run, without: _Run) -> float:
            pairs = zip(with_cache.rows, without.rows, strict=True)
            return max(_gap(one[key], other[key]) for one, other in pairs for key in other)

        off = gap(seen, self._as_it_is(use_cache=False))
        if off <= self.tolerance:
            return
        self.model.set_active_adapters(None)
        given = {k: v for k, v in self.inputs.items() if k != "task_ids"}
        if gap(self._run(given), self._run(given | {"use_cache": False})) <= self.tolerance:
            self._violate("cache", f"scores with a cache differ by {off:.2g} from scores without")

    def _check_checkpointing(self, seen: _Run) -> None:
        """Training with checkpoints is training without."""
        self.model.gradient_checkpointing_disable()
        self._compare_gradients(seen.gradients, self._as_it_is().gradients)

    def _check_neutrality(self, expr: Expr) -> None:
        """What gives everything to one child is that child; blocks of equal children are the child."""
        for node in expr.walk():
            if node.kind in ("average", "split") and "effect" not in self.violations:
                whole = sum(node.numbers) if node.kind == "split" else 1.0
                for index, child in enumerate(node.children):
                    numbers = tuple(whole * (i == index) for i in range(len(node.children)))
                    one = Expr(node.kind, "", node.children, numbers)
                    self._compare_neutral(_replaced(expr, node, one), _replaced(expr, node, child))
            if (
                node.kind == "fuse"
                and all(c.kind == "adapter" for c in node.children)
                and self._is_plain_fusion
            ):
                self._check_fusion(expr, node)

    @property
    def _is_plain_fusion(self) -> bool:
        """Whether the fusion that is active is found by its adapters' names, and has queries and keys."""
        fused = [b for b in _walk(self.block) if isinstance(b, blocks.Fuse)]
        named = all(b.name == ",".join(b.children) for b in fused)
        parts = [m for path, m in self.model.named_modules() if "adapter_fusion_layer." in path]
        return named and any(hasattr(m, "query") for m in parts)

    def _check_fusion(self, expr: Expr, node: Expr) -> None:
        with equal_children(self.model, node) as possible:
            if possible:
                self._compare_neutral(expr, _replaced(expr, node, node.children[0]))
        if "effect" in self.violations or not in_the_same_layers(self.model, node):
            return
        for index, child in enumerate(node.children):
            with attention_on(self.model, node, index):
                self._compare_neutral(expr, _replaced(expr, node, child))

    def _compare_neutral(self, block: Expr, alone: Expr) -> None:
        head = self._head_of(0, 0)
        one = self._reference(block, head).rows[0]
        other = self._reference(expressions.simplify(alone), head).rows[0]
        gap = max((_gap(one[k], other[k]) for k in other if k in one), default=0.0)
        if not gap <= self.tolerance:
            self._violate("neutrality", f"{block} differs by {gap:.2g} from {alone}")

    def _violate(self, kind: str, text: str) -> None:
        self.violations.setdefault(kind, text)


def named_rows(output: Any) -> Rows:
    """The tensors of an output by their places in it, scalars and caches left out."""
    return {
        name: value
        for name, value in _values("", output)
        if value.dim() and value.dtype not in (torch.long, torch.bool)
    }


def _values(name: str, value: Any) -> Iterator[tuple[str, torch.Tensor]]:
    if isinstance(value, numpy.ndarray):
        value = torch.from_numpy(value)
    if torch.is_tensor(value):
        yield name, value
    elif isinstance(value, Mapping):
        for key, part in value.items():
            if key not in _NOT_COMPARED:
                yield from _values(f"{name}.{key}", part)
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            yield from _values(f"{name}.{index}", part)


def _walk(block: Any) -> Iterator[Any]:
    yield block
    for child in getattr(block, "children", ()):
        if not isinstance(block, str):
            yield from _walk(child)


def _gap(one: torch.Tensor, other: torch.Tensor) -> float:
    return math.inf if one.shape != other.shape else relative(one, other, None, other)


def _as(value: Any, dtype: torch.dtype) -> Any:
    return value.to(dtype) if torch.is_tensor(value) and value.is_floating_point() else value


def _no_dropout(model: nn.Module) -> None:
    """No chance anywhere: modules, and the numbers that functional dropout reads."""
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        for name, value in vars(module).items():
            if ("dropout" in name or "layerdrop" in name) and isinstance(value, float):
                setattr(module, name, 0.0)


def _checkpointing(model: nn.Module) -> bool:
    return any(getattr(module, "gradient_checkpointing", False) for module in model.modules())


def _replaced(expr: Expr, old: Expr, new: Expr) -> Expr:
    if expr is old:
        return new
    return Expr(expr.kind, expr.name, tuple(_replaced(c, old, new) for c in expr.children), expr.numbers)
