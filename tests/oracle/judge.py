"""The verdict on one spec: run the composition and what it should be equal to, compare."""

from __future__ import annotations

import gc
import logging
import math
import re
import warnings
from dataclasses import dataclass, field
from typing import Any

import torch
import transformers

from . import expr as expressions
from .blame import Blame, blame
from .compare import finite, relative, smallest_effect, tolerance, worst_difference
from .expr import Expr, ExprError
from .inputs import Inputs, make_inputs
from .observe import Seen, run, train_loss
from .subject import (
    Spec,
    activate,
    adapter_parameters,
    add_adapters,
    attention_on,
    build_model,
    equal_children,
    in_the_same_layers,
    perturbed,
    to_block,
)


@dataclass
class Verdict:
    """What the oracle found; ``violations`` are broken invariants, ``gap`` the largest difference."""

    verdict: str
    detail: str = ""
    crash_file: str | None = None
    crash_line: int | None = None
    crash_code: str = ""
    phase: str = ""
    violations: list[str] = field(default_factory=list)
    gap: float = 0.0
    notes: list[str] = field(default_factory=list)
    """What could not be decided and does not count."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return dict(self.__dict__)


def judge(spec: Spec) -> dict[str, Any]:
    """Judge one spec; never raises for anything the library or the model does."""
    quiet()
    try:
        return _judge(spec).as_dict()
    finally:
        # Memory that was corrupted by in-place writes is noticed when it is freed: let that be here.
        gc.collect()


def quiet() -> None:
    """Set what every run needs: one thread, no progress bars and no warnings."""
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    logging.getLogger("adapters").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")


def _judge(spec: Spec) -> Verdict:
    """Judge in float64, and in float32 where the model itself cannot do float64."""
    verdict = _judge_in(spec, torch.float64)
    return _judge_in(spec, torch.float32) if _is_about_dtype(verdict) else verdict


def _is_about_dtype(verdict: Verdict) -> bool:
    """Whether float64 is to blame: masks that overflow in a float32 softmax, or operands of two dtypes."""
    stopped = verdict.verdict in ("crash", "invalid")
    return stopped and bool(re.search(r"not finite|dtype|scalar type|\bDouble\b", verdict.detail))


def _judge_in(spec: Spec, dtype: torch.dtype) -> Verdict:
    torch.set_default_dtype(dtype)
    try:
        expr = expressions.parse(spec["compose"])
    except ExprError as error:
        return Verdict("invalid", str(error), phase="spec")
    if spec.get("heads"):
        from .heads import judge_heads  # it judges with what is built on this module

        return judge_heads(spec, expr)
    try:
        model = build_model(spec)
        inputs = make_inputs(model, spec)
        base = run(model, spec, _copies(inputs), None)
        if not finite(base, everywhere=dtype == torch.float64 or spec.get("mode") == "train"):
            return Verdict("invalid", "the model alone returns numbers that are not finite", phase="base")
    except Exception as error:
        return _stopped(error, "base", verdict="invalid")
    return _Case(spec, expr, model, inputs, base).verdict()


def _stopped(error: Exception, phase: str, verdict: str | None = None) -> Verdict:
    found: Blame = blame(error)
    kind = verdict or ("refused" if found.refused else "crash")
    return Verdict(kind, found.text, found.file, found.line, found.code, phase)


def _copies(inputs: Inputs) -> Inputs:
    arguments = {k: v.clone() for k, v in inputs.arguments.items()}
    return Inputs(
        arguments, inputs.output_mask, inputs.batch, {k: v.clone() for k, v in inputs.labels.items()}
    )


class _Case:
    """One spec under judgement: the model is built once and used for every run."""

    def __init__(self, spec: Spec, expr: Expr, model: Any, inputs: Inputs, base: Seen) -> None:
        self.spec, self.expr, self.model, self.inputs, self.base = spec, expr, model, inputs, base
        self.training = spec.get("mode") == "train"
        self.violations: dict[str, str] = {}
        self.idle: set[str] = set()
        self.notes: list[str] = []
        self.gap = 0.0
        tasks = [n for n in expr.walk() if n.kind == "multitask"]
        self.tasks = (
            torch.tensor([expressions.task_of_row(r, len(tasks[0].children)) for r in range(inputs.batch)])
            if tasks
            else None
        )

    def verdict(self) -> Verdict:
        try:
            add_adapters(self.model, self.spec, self.expr)
        except Exception as error:
            return _stopped(error, "add")
        try:
            self._check_init()
            self._activate(self.expr)
        except Exception as error:
            return _stopped(error, "activate")
        try:
            seen = self._composition()
        except Exception as error:
            return _stopped(error, "forward")
        try:
            self._check_results(seen)
        except Exception as error:
            return _stopped(error, "reference", verdict="unknown")
        return self._result()

    def _result(self) -> Verdict:
        kinds = list(self.violations)
        verdict = "ok" if not kinds else "no-effect" if kinds == ["effect"] else "wrong"
        detail = "; ".join(f"{k}: {v}" for k, v in self.violations.items())
        return Verdict(verdict, detail, violations=kinds, gap=self.gap, notes=self.notes)

    def _activate(self, expr: Expr | None) -> None:
        activate(self.model, expr, self.spec.get("skip_layers"))

    def _run(self, expr: Expr | None, **more: Any) -> Seen:
        """Run with another composition active; no task ids are needed without MultiTask."""
        self._activate(expr)
        has_tasks = expr is not None and any(n.kind == "multitask" for n in expr.walk())
        return run(self.model, self.spec, _copies(self.inputs), self.tasks if has_tasks else None, **more)

    def _check_init(self) -> None:
        same = worst_difference(self._run(None).main, self.base.main, self.base.masks)
        if same > tolerance():
            self.violations["init"] = f"adapters.init alone changes the output by {same:.2g}"

    def _composition(self) -> Seen:
        """Run the composition under test, in the way a user would."""
        if self.training:
            self._start_training()
        inputs = _copies(self.inputs)
        seen = run(self.model, self.spec, inputs, self.tasks)
        changed = [k for k, v in inputs.arguments.items() if not torch.equal(v, self.inputs.arguments[k])]
        if changed:
            self.violations["purity"] = f"the caller's {changed} were changed in place"
        if self.training:
            share = torch.ones(seen.rows(), dtype=torch.float64)
            torch.autograd.backward(train_loss(seen, share))
            self.gradients = self._take_gradients()
        return seen

    def _start_training(self) -> None:
        has_fusion = any(n.kind == "fuse" for n in self.expr.walk())
        train = self.model.train_adapter_fusion if has_fusion else self.model.train_adapter
        train(to_block(self.expr))
        self._activate(self.expr)
        self.model.train()
        for _, parameter in adapter_parameters(self.model, self.expr.adapters()):
            parameter.requires_grad = True
        if self.spec.get("gradient_checkpointing"):
            self._checkpoint()

    def _checkpoint(self) -> None:
        self.model.gradient_checkpointing_enable()
        if "adapters." not in type(self.model).gradient_checkpointing_enable.__module__:
            # Releases before 1.1.0 leave this to the user; without it a frozen model has no gradients at all.
            self.model.enable_input_require_grads()

    def _take_gradients(self) -> dict[str, torch.Tensor]:
        taken = {}
        for path, parameter in adapter_parameters(self.model, self.expr.adapters()):
            if parameter.grad is not None:
                taken[path] = parameter.grad.clone()
            parameter.grad = None
        return taken

    def _check_results(self, seen: Seen) -> None:
        if self.training and self.spec.get("gradient_checkpointing"):
            self.model.gradient_checkpointing_disable()
        expected = expressions.expected(self.expr, self.inputs.batch)
        rows = len(expected) * self.inputs.batch
        if seen.rows() != rows:
            self.violations["lanes"] = f"{seen.rows()} rows instead of {rows}"
        else:
            self._check_lanes(seen, expected)
            self._check_effect(seen, expected)
        for expr in dict.fromkeys(e for lane in expected for e in lane):
            self._check_neutrality(expr)
        if self.spec.get("mode") == "generate":
            self._check_cache(seen)

    def _check_lanes(self, seen: Seen, expected: list[list[Expr]]) -> None:
        """Row by row: the composition equals the lane-free composition that serves the row."""
        references: dict[Expr, Seen] = {}
        gradients: dict[str, torch.Tensor] = {}
        for expr in dict.fromkeys(e for lane in expected for e in lane):
            references[expr] = self._run(expr)
            if self.training:
                share = torch.tensor(
                    [float(sum(lane[r] == expr for lane in expected)) for r in range(self.inputs.batch)]
                )
                torch.autograd.backward(train_loss(references[expr], share))
                for path, gradient in self._take_gradients().items():
                    gradients[path] = gradients.get(path, torch.zeros_like(gradient)) + gradient
        for lane, row_exprs in enumerate(expected):
            for row, expr in enumerate(row_exprs):
                self._compare_row(
                    seen, references[expr], lane * self.inputs.batch + row, row, f"lane {lane} row {row}"
                )
        if self.training:
            self._compare_gradients(gradients)
        self._compare_loss(seen, expected, references)

    def _compare_row(self, seen: Seen, reference: Seen, row: int, source: int, where: str) -> None:
        rows = seen.rows()
        for name, value in (seen.main | seen.secondary).items():
            wanted = (reference.main | reference.secondary).get(name)
            if value.shape[0] != rows or wanted is None:
                continue
            if value.shape[1:] != wanted.shape[1:]:
                self._violate(
                    "lanes",
                    f"{where}: {name} has shape {list(value.shape[1:])}, alone {list(wanted.shape[1:])}",
                )
                continue
            mask = reference.masks.get(name)
            gap = relative(value[row], wanted[source], None if mask is None else mask[source], wanted)
            self.gap = max(self.gap, gap if math.isfinite(gap) else self.gap)
            if not gap <= tolerance():
                self._violate("lanes", f"{where}: {name} differs by {gap:.2g} from the adapter alone")

    def _violate(self, kind: str, text: str) -> None:
        """Keep the first violation of each kind."""
        self.violations.setdefault(kind, text)

    def _compare_gradients(self, expected: dict[str, torch.Tensor]) -> None:
        scale = max((float(g.abs().max()) for g in expected.values()), default=0.0)
        for path in sorted(set(expected) | set(self.gradients)):
            zero = torch.zeros(())
            one, other = self.gradients.get(path, zero), expected.get(path, zero)
            if not bool(torch.isfinite(other).all()) and not bool(torch.isfinite(one).all()):
                self._violate("gradient", f"{path} is not finite, and not when trained alone either")
                continue
            gap = float((one - other).abs().max()) / (scale or 1.0)
            if not gap <= tolerance():
                self._violate("gradient", f"{path} differs by {gap:.2g} from training alone")

    def _compare_loss(self, seen: Seen, expected: list[list[Expr]], references: dict[Expr, Seen]) -> None:
        """The loss of whole lanes is the mean of the losses alone; parts of a batch have no reference."""
        if seen.loss is None or any(len(set(lane)) > 1 for lane in expected):
            return
        alone = [references[lane[0]].loss for lane in expected]
        if any(x is None for x in alone):
            return
        wanted = sum(float(x) for x in alone if x is not None) / len(alone)
        if not abs(float(seen.loss) - wanted) <= tolerance() * max(abs(wanted), 1e-6):
            self._violate("loss", f"{float(seen.loss):.4g} instead of {wanted:.4g}")

    def _check_effect(self, seen: Seen, expected: list[list[Expr]]) -> None:
        batch = self.inputs.batch
        for name in self.expr.adapters():
            rows = [
                lane * batch + r
                for lane, exprs in enumerate(expected)
                for r in range(batch)
                if name in exprs[r].adapters()
            ]
            if not rows:
                continue
            with perturbed(self.model, name) as has_weights, torch.no_grad():
                moved = self._run(self.expr) if has_weights else seen
            if not any(self._changed(seen, moved, row) for row in rows):
                self.idle.add(name)
                self._violate(
                    "effect", f"{name} changes nothing" + ("" if has_weights else " (it has no weights)")
                )

    def _changed(self, one: Seen, other: Seen, row: int) -> bool:
        rows = one.rows()
        for name, value in (one.main | one.secondary).items():
            moved = (other.main | other.secondary).get(name)
            if moved is None or value.shape != moved.shape:
                return True
            mask = one.masks.get(name)
            row_mask = None if mask is None else mask[row % mask.shape[0]]
            if (
                value.shape[0] == rows
                and relative(moved[row], value[row], row_mask, value) > smallest_effect()
            ):
                return True
        return False

    def _check_neutrality(self, expr: Expr) -> None:
        """A block all of whose children are equal is that child; so is one that gives everything to it."""
        for node in expr.walk():
            if node.kind in ("average", "split"):
                for child in dict.fromkeys(node.children):
                    same = Expr(node.kind, "", (child,) * len(node.children), node.numbers)
                    self._compare_neutral(_replaced(expr, node, same), _replaced(expr, node, child), same)
                self._check_one_sided(expr, node)
            if node.kind == "fuse" and all(c.kind == "adapter" for c in node.children):
                self._check_fusion(expr, node)

    def _check_one_sided(self, expr: Expr, node: Expr) -> None:
        """An Average with all its weight on a child, a Split that gives it all tokens, are that child.

        Where one of them changes nothing at all, that is what there is to say.
        """
        if len(set(node.children)) < 2 or self.idle & set(node.adapters()):
            return
        whole = sum(node.numbers) if node.kind == "split" else 1.0
        for index, child in enumerate(node.children):
            numbers = tuple(whole * (i == index) for i in range(len(node.children)))
            one = Expr(node.kind, "", node.children, numbers)
            self._compare_neutral(_replaced(expr, node, one), _replaced(expr, node, child), one)

    def _check_fusion(self, expr: Expr, node: Expr) -> None:
        """Equal adapters fused are that adapter; of others, the one that gets all the attention."""
        with equal_children(self.model, node) as possible:
            if possible:
                self._compare_neutral(expr, _replaced(expr, node, node.children[0]), node)
        if self.idle & set(node.adapters()) or not in_the_same_layers(self.model, node):
            return  # where an adapter is missing, it cannot get attention
        for index, child in enumerate(node.children):
            with attention_on(self.model, node, index):
                self._compare_neutral(expr, _replaced(expr, node, child), node)

    def _compare_neutral(self, with_block: Expr, without: Expr, node: Expr) -> None:
        try:
            with torch.no_grad():
                block = self._run(with_block)
                alone = self._run(expressions.simplify(without))
        except Exception as error:
            # Not the composition under test: that it stops proves nothing about the one that runs.
            self.notes.append(f"{node} instead of the block stops: {blame(error).text}")
            return
        gap = worst_difference(block.main, alone.main, alone.masks)
        if not gap <= tolerance():
            self._violate("neutrality", f"{node} differs by {gap:.2g} from the one adapter that it should be")

    def _check_cache(self, seen: Seen) -> None:
        """Decoding with a cache gives what full forwards give (unless the bare model fails at that, too)."""
        full = self._run(self.expr, use_cache=False)
        gap = worst_difference(seen.main, full.main, {})
        if gap <= tolerance():
            return
        if worst_difference(self._run(None).main, self._run(None, use_cache=False).main, {}) <= tolerance():
            self._violate("cache", f"scores with a cache differ by {gap:.2g} from scores without")


def _replaced(expr: Expr, old: Expr, new: Expr) -> Expr:
    if expr is old:
        return new
    children = tuple(_replaced(c, old, new) for c in expr.children)
    return Expr(expr.kind, expr.name, children, expr.numbers)
