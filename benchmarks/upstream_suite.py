"""The library's own test-suite as a client: what its tests run is audited, and compared with running it.

    git -C ADAPTERS archive TAG tests | tar x -C DIR
    python benchmarks/upstream_suite.py --suite DIR --size 300

Every composition, head, gradient and generation test of the suite runs as it is written, with its model calls
watched. What it calls a model with (the model in hand, what is active in it, the inputs) is the subject. The
truth is made by running it again and every adapter alone (`tests/oracle/in_hand.py`); training runs are cut
to one step.
"""

from __future__ import annotations

import argparse
import copy
import importlib
import inspect
import json
import os
import random
import sys
import time
import types
import unittest
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import torch
import transformers

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from agreement import Record, agree, audit_of, report, truth_of, warm  # noqa: E402
from oracle.alone import alone  # noqa: E402
from oracle.in_hand import NEW_TOKENS  # noqa: E402
from oracle.judge import quiet  # noqa: E402

TEST_SECONDS = 400.0
MOST_OF_ONE_TEST = 2
_OF_DATASETS = ("Dataset", "DatasetDict", "load_dataset", "load_from_disk")
_OF_SETUPS = ("fuse", "fusion", "parallel", "split", "stack", "average", "multi_task", "mtl", "forward")
_ABOUT_FILES = ("load", "save", "delete", "add", "get", "config", "convert")


@dataclass
class Case:
    """A test method of the suite."""

    module: str
    owner: str
    method: str
    kind: str
    model: str

    def test(self) -> unittest.TestCase:
        """The test, ready to run."""
        owner = getattr(sys.modules[self.module], self.owner)
        return owner(self.method)  # type: ignore[no-any-return]


@dataclass
class Subject:
    """A model as a test called it."""

    model: Any
    inputs: dict[str, Any]
    mode: str
    setup: str


def cases(suite: Path) -> list[Case]:
    """The tests whose subject is a composition, a head, a gradient or a generation."""
    found = []
    for file in [
        *sorted((suite / "tests" / "test_methods").rglob("test_on_*.py")),
        suite / "tests" / "test_misc" / "test_adapter_composition.py",
        *sorted((suite / "tests" / "test_methods" / "test_on_clip").glob("test_*.py")),
    ]:
        name = ".".join(file.relative_to(suite).with_suffix("").parts)
        module = importlib.import_module(name)
        for owner, value in sorted(vars(module).items()):
            if isinstance(value, type) and issubclass(value, unittest.TestCase):
                found += list(_of_class(name, owner, value))
    return found


def _of_class(module: str, owner: str, value: type) -> Iterator[Case]:
    config = getattr(value, "config_class", None)
    model = config.model_type if config is not None else "bert"
    for method in sorted(dir(value)):
        if method.startswith("test_") and (kind := kind_of(owner, method)):
            yield Case(module, owner, method, kind, model)


def kind_of(owner: str, method: str) -> str | None:
    """What a test is about, by its name; None for what is not asked here (files, names, configurations)."""
    words = method.split("_")
    if "generate" in words:
        return "generate"
    if "gradient" in words or "train" in words or "training" in words:
        return "gradient"
    if owner == "Heads":
        return "head"
    if any(word in _ABOUT_FILES for word in words):
        return None
    if "Composition" in owner or any(part in method for part in _OF_SETUPS):
        return "composition"
    return None


class Watch:
    """Keeps every different set-up that a test calls a model with."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, ...], Subject] = {}
        self.inside = False
        self.last: Subject | None = None

    def call(self, plain: Callable[..., Any], model: Any, *args: Any, **kwargs: Any) -> Any:
        """A call of a module, kept where it is a test's own call of a model."""
        if self.inside or not isinstance(model, transformers.PreTrainedModel):
            return plain(model, *args, **kwargs)
        self._keep(model, _named(model, args, kwargs), "forward")
        return self._within(plain, model, *args, **kwargs)

    def generate(self, plain: Callable[..., Any], model: Any, *args: Any, **kwargs: Any) -> Any:
        """A call of `generate`, cut to a few tokens."""
        if self.inside:
            return plain(model, *args, **kwargs)
        given = {model.main_input_name: args[0]} if args else {}
        given |= {k: v for k, v in kwargs.items() if torch.is_tensor(v)}
        self._keep(model, given, "generate")
        few = {k: v for k, v in kwargs.items() if k != "max_length"} | {"max_new_tokens": NEW_TOKENS}
        return self._within(plain, model, *args, **few)

    def backward(self, plain: Callable[..., Any], loss: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        """A backward pass makes the last call one of training."""
        if self.last is not None:
            self.last.mode = "train"
        return plain(loss, *args, **kwargs)

    def _within(self, plain: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self.inside = True
        try:
            return plain(*args, **kwargs)
        finally:
            self.inside = False

    def _keep(self, model: Any, inputs: dict[str, Any], mode: str) -> None:
        if not hasattr(model, "adapters_config"):
            return
        setup = f"{model.active_adapters} heads {getattr(model, '_active_heads', None)}"
        key = (type(model).__name__, setup, mode, *sorted(inputs), *sorted(model.adapters_config.adapters))
        if key not in self.kept:
            subject = Subject(copy.deepcopy(model), copy.deepcopy(inputs), mode, setup)
            self.kept[key] = subject
        self.last = self.kept[key]

    def subjects(self) -> list[Subject]:
        """The set-ups with the most adapters, gradients first; a head without an adapter gets one."""
        ready = [s for s in self.kept.values() if _with_adapter(s)]
        ready.sort(key=lambda s: (-len(s.model.active_adapters.flatten()), s.mode != "train"))
        return ready[:MOST_OF_ONE_TEST]


def _named(model: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    names = [n for n in inspect.signature(model.forward).parameters if n not in ("args", "kwargs")]
    if args and not names:
        names = [model.main_input_name]
    return dict(zip(names, args, strict=False)) | dict(kwargs)


def _with_adapter(subject: Subject) -> bool:
    """Whether the model has something to audit, after an adapter was added to one with a head only."""
    model = subject.model
    if model.active_adapters is None:
        if not getattr(model, "_active_heads", None):
            return False
        heads = copy.copy(model._active_heads)
        model.add_adapter("audited", config="seq_bn")
        model.set_active_adapters("audited")
        model._active_heads = heads
        subject.setup = f"{model.active_adapters} heads {heads}"
    return True


class OneStep:
    """Stands in for a trainer: one step on inputs of the test's own."""

    test: Any = None

    def __init__(self, model: Any, **_: Any) -> None:
        self.model = model

    def train(self) -> None:
        """Forward and backward."""
        inputs = self.test.get_input_samples(config=self.model.config)
        if hasattr(self.test, "attach_labels"):
            inputs = self.test.attach_labels(inputs)
        self.model.train()
        self.model(**inputs)["loss"].backward()


def watched(case: Case) -> tuple[str, list[Subject]]:
    """Run a test; returns `passed`, `skipped: why` or `failed: why`, and the subjects that it had."""
    watch, test = Watch(), case.test()
    OneStep.test = test
    test.get_dataset = lambda *_, **__: [None]  # type: ignore[attr-defined]
    test.get_dataset_with_task_ids = lambda *_, **__: [None]  # type: ignore[attr-defined]
    torch.manual_seed(0)
    random.seed(0)
    with (
        _patched(torch.nn.Module, "__call__", watch.call),
        _patched(torch.Tensor, "backward", watch.backward),
        _patched(transformers.GenerationMixin, "generate", watch.generate),
    ):
        result = unittest.TestResult()
        test.run(result)
    if result.skipped:
        return f"skipped: {result.skipped[0][1]}", []
    trouble = [*result.errors, *result.failures]
    outcome = f"failed: {trouble[0][1].strip().splitlines()[-1]}" if trouble else "passed"
    return outcome, watch.subjects()


class _patched:
    def __init__(self, owner: Any, name: str, replacement: Callable[..., Any]) -> None:
        self.owner, self.name, self.plain = owner, name, getattr(owner, name)
        self.replacement = replacement

    def __enter__(self) -> None:
        plain, replacement = self.plain, self.replacement

        def call(first: Any, *args: Any, **kwargs: Any) -> Any:
            return replacement(plain, first, *args, **kwargs)

        setattr(self.owner, self.name, call)

    def __exit__(self, *_: object) -> None:
        setattr(self.owner, self.name, self.plain)


def examine(case: Case, mode: str | None) -> Record:
    """Run a test, judge and audit its subjects. One answer: the outcome, and a record for each subject."""
    outcome, subjects = watched(case)
    records = []
    for subject in subjects:
        subject.mode = mode or subject.mode
        truth = truth_of(subject.model, subject.inputs, subject.mode)
        audit = audit_of(subject.model, subject.inputs, subject.mode)
        records.append(
            vars(case)
            | {"mode": subject.mode, "setup": subject.setup, "class": type(subject.model).__name__}
            | {"inputs": {k: list(v.shape) for k, v in subject.inputs.items() if torch.is_tensor(v)}}
            | {"outcome": outcome, "truth": truth, "audit": audit}
        )
    return {"outcome": outcome, "records": records}


def chosen(found: list[Case], size: int, seed: int) -> list[Case]:
    """The tests in an order that takes all kinds and model types in turn."""
    turns: dict[tuple[str, str], list[Case]] = {}
    generator = random.Random(seed)
    for case in generator.sample(found, len(found)):
        turns.setdefault((case.kind, case.model), []).append(case)
    order = []
    while any(turns.values()):
        order += [cases.pop() for cases in turns.values() if cases]
    return order if size == 0 else order[: 2 * size]


def prepare(suite: Path) -> None:
    """Make the suite importable: its folder, what only its data sets need, and one step for its trainers."""
    sys.path.insert(0, str(suite))
    importlib.import_module("tests")  # the suite's, before any other of this name
    os.chdir(suite)
    try:
        importlib.import_module("datasets")
    except ImportError:
        importlib.import_module("transformers.testing_utils")  # it asks for the real one
        stand_in = types.ModuleType("datasets")
        for name in _OF_DATASETS:
            setattr(stand_in, name, type(name, (), {}))
        stand_in.__spec__ = ModuleSpec("datasets", None)
        sys.modules["datasets"] = stand_in


def replace_trainers() -> None:
    """Every trainer that a module of the suite has imported is one step."""
    for name, module in list(sys.modules.items()):
        if name.startswith("tests."):
            for attribute in ("Trainer", "AdapterTrainer"):
                if hasattr(module, attribute):
                    setattr(module, attribute, OneStep)
            if hasattr(module, "TrainingArguments"):
                module.TrainingArguments = lambda **_: None


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--suite", type=Path, required=True, help="folder with the library's `tests`")
    parser.add_argument("--size", type=int, default=300, help="audits to make (0: all)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mode", help="audit in this mode, whatever the test does: forward, ...")
    parser.add_argument(
        "--kind", default="", help="only tests of these kinds: composition,head,gradient,generate"
    )
    parser.add_argument("--match", default="", help="only tests whose name holds this")
    parser.add_argument("--work", type=Path, default=Path("build/upstream-suite"))
    options = parser.parse_args()
    options.work = options.work.resolve()
    quiet()
    warm()
    prepare(options.suite.resolve())
    found = [c for c in cases(options.suite.resolve()) if options.match in f"{c.module}.{c.owner}.{c.method}"]
    found = [c for c in found if not options.kind or c.kind in options.kind.split(",")]
    replace_trainers()
    print(f"{len(found)} tests: {dict(Counter(c.kind for c in found))}", flush=True)
    run(chosen(found, options.size, options.seed), options)


def run(tests: list[Case], options: argparse.Namespace) -> None:
    """Examine tests until there are as many audits as asked for; print what came of it."""
    size, work = options.size, options.work
    records: list[Record] = []
    outcomes: list[tuple[Case, str]] = []
    started = time.perf_counter()
    work.mkdir(parents=True, exist_ok=True)
    with (work / "all.jsonl").open("w") as log:
        for case in tests:
            if size and len(records) >= size:
                break
            answer = alone(partial(examine, case, options.mode), TEST_SECONDS)
            outcomes.append((case, answer.get("outcome") or str(answer)))
            for record in answer.get("records", ()):
                records.append(record)
                log.write(json.dumps(record) + "\n")
                log.flush()
    print(f"{len(records)} audits of {len(outcomes)} tests in {time.perf_counter() - started:.0f} s")
    print_outcomes(outcomes)
    report(records, "kind", work / "disagreements.jsonl")
    for kind, count in Counter(
        (r["model"], r["kind"]) for r in records if not agree(r["truth"], r["audit"])
    ).most_common(12):
        print(f"  {count:5}  {kind[0]} {kind[1]}")


def print_outcomes(outcomes: list[tuple[Case, str]]) -> None:
    """The tests that upstream skips, and those that fail here."""
    for word in ("skipped", "failed", "{"):
        mine = [(c, text) for c, text in outcomes if text.startswith(word)]
        print(f"\n{len(mine)} tests {'gave no answer' if word == '{' else word}")
        for case, text in mine:
            print(f"  {case.model:18} {case.owner}.{case.method}: {text[:140]}")


if __name__ == "__main__":
    main()
