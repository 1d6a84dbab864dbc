"""Specs with heads under names: the library's own model class, judged like a model in hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers

from .blame import blame
from .expr import Expr
from .in_hand import judge_in_hand
from .inputs import Inputs, make_inputs
from .judge import Verdict
from .subject import Spec, activate, adapter_config, no_dropout, randomise_base, share_tasks, to_block

ADDERS = {"question_answering": "add_qa_head"}
"""Types of heads whose method has another name."""
TASKS = {
    "classification": "SequenceClassification",
    "image_classification": "ImageClassification",
    "question_answering": "QuestionAnswering",
    "tagging": "TokenClassification",
    "masked_lm": "MaskedLM",
    "causal_lm": "CausalLM",
    "seq2seq_lm": "Seq2SeqLM",
}
"""Type of a head -> the task head of transformers that takes the same inputs and labels."""


def judge_heads(spec: Spec, expr: Expr) -> Verdict:
    """The verdict on a spec with `heads`: every row is its adapter alone with the head of its own name."""
    from adapters import AutoAdapterModel

    config = transformers.AutoConfig.from_pretrained(Path(spec["model"]))
    torch.manual_seed(0)
    attention = {"attn_implementation": spec["attn"]} if spec.get("attn") else {}
    try:
        model = AutoAdapterModel.from_config(config, **attention).eval()
    except ValueError as error:
        return Verdict("invalid", str(error), phase="base")
    randomise_base(model)
    no_dropout(model)
    try:
        _set_up(model, spec, expr)
    except Exception as error:
        found = blame(error)
        kind = "refused" if found.refused else "crash"
        return Verdict(kind, found.text, found.file, found.line, found.code, "activate")
    inputs = _inputs(model, spec)
    tasks = [node for node in expr.walk() if node.kind == "multitask"]
    given = inputs.arguments | inputs.labels
    if tasks:
        given["task_ids"] = torch.arange(inputs.batch).remainder(len(tasks[0].children))
    return judge_in_hand(model, given, spec.get("mode") or "forward")


def _set_up(model: Any, spec: Spec, expr: Expr) -> None:
    for name in expr.adapters():
        model.add_adapter(name, config=adapter_config(spec, name))
    for node in expr.walk():
        if node.kind == "fuse":
            model.add_adapter_fusion(to_block(node))
    share_tasks(model, spec, expr)
    for name, written in spec["heads"].items():
        kind, _, arguments = written.partition("[")
        pairs = [pair.split("=") for pair in arguments.rstrip("]").split(",") if pair]
        getattr(model, ADDERS.get(kind, f"add_{kind}_head"))(name, **{k: int(v) for k, v in pairs})
    activate(model, expr, spec.get("skip_layers"))
    if spec.get("mode") == "train":
        has_fusion = any(node.kind == "fuse" for node in expr.walk())
        (model.train_adapter_fusion if has_fusion else model.train_adapter)(to_block(expr))
        activate(model, expr, spec.get("skip_layers"))


def _inputs(model: Any, spec: Spec) -> Inputs:
    """As for the task head of the same kind; a decoder that models a language is always fed, too."""
    kind = next(iter(spec["heads"].values())).partition("[")[0]
    asked = spec | {"head": TASKS[kind]}
    inputs = make_inputs(model, asked)
    if kind == "seq2seq_lm" and "labels" in (spec.get("inputs") or ()):
        fed = make_inputs(model, asked | {"inputs": [n for n in spec["inputs"] if n != "labels"]})
        inputs.arguments = fed.arguments
    return inputs
