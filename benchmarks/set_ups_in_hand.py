"""Set-ups that a spec cannot say yet, as models in hand: heads, options of blocks, dtypes, inputs.

    python benchmarks/set_ups_in_hand.py --size 60

Every case names the fields that a spec would need for it (`WAITING`), so that it can join the grid of
`tests/oracle` once the spec has them. The truth is made by running every adapter alone
(`tests/oracle/in_hand.py`).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import adapters
import adapters.composition as ac
import torch
import transformers
from adapters import AutoAdapterModel

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from agreement import Record, audit_of, audit_of_spec, report, truth_of, warm  # noqa: E402
from oracle.inputs import make_inputs  # noqa: E402
from oracle.judge import quiet  # noqa: E402
from oracle.models import MODELS, write_models  # noqa: E402

WAITING: dict[str, dict[str, Any]] = {
    "heads": {"heads": {"a": "classification[num_labels=2]", "b": "classification[num_labels=3]"}},
    "active_head": {"heads": {"a": "classification", "b": "classification"}, "active_head": "b"},
    "task_ids": {"task_ids": ["a", "b", "a"]},
    "fusion": {"fusions": {"own": "fuse(a,b)"}, "fusion": "static"},
    "average": {"compose": "average(a,b;0.5,1.5;raw)"},
    "dtype": {"dtype": "bfloat16", "adapter_dtype": "float32"},
    "nested": {},
    "inputs": {"shapes": {"position_ids": "[1,S]", "attention_mask": "[B,S,S]"}},
    "large": {},
    "saved": {},
    "long": {},
}
"""Fields that a spec would need for a kind of case; none where it can say it already."""
BATCH = 3


@dataclass(frozen=True)
class Case:
    """A name, its kind, and what makes the model with its inputs."""

    name: str
    kind: str
    make: Callable[[], tuple[Any, dict[str, Any]]]
    spec: Callable[[], Record] | None = None
    """The request, where the case is one of the command line."""


def _config(name: str, **more: Any) -> Any:
    return transformers.AutoConfig.for_model(**(MODELS[name].config | more))


def _with(model: Any, names: str, method: str = "seq_bn[reduction_factor=4]") -> Any:
    for name in names:
        model.add_adapter(name, config=method)
    return model.eval()


def _bert(names: str, method: str = "seq_bn[reduction_factor=4]", head: bool = False, **more: Any) -> Any:
    torch.manual_seed(0)
    kind = transformers.AutoModelForSequenceClassification if head else transformers.AutoModel
    model = kind.from_config(_config("bert", **more))
    adapters.init(model)
    return _with(model, names, method)


def _inputs(model: Any, rows: int = BATCH) -> dict[str, Any]:
    made = make_inputs(model, {"batch": rows, "seq_len": 7})
    if "input_ids" in made.arguments and "decoder_input_ids" in made.arguments:
        # classification heads of encoder-decoders read the decoder where the input ends
        made.arguments["decoder_input_ids"] = made.arguments["input_ids"].clone()
    return {k: v.float() if v.is_floating_point() else v for k, v in made.arguments.items()}


def _active(model: Any, block: Any) -> tuple[Any, dict[str, Any]]:
    model.set_active_adapters(block)
    return model, _inputs(model)


def _heads(name: str, block: Any, same: bool = False) -> tuple[Any, dict[str, Any]]:
    torch.manual_seed(0)
    model = _with(AutoAdapterModel.from_config(_config(name)), "ab")
    kinds = ("classification", "image_classification", "seq2seq_lm", "causal_lm", "masked_lm")
    add = next(getattr(model, f"add_{k}_head") for k in kinds if k in model.head_types)
    labels = {"num_labels": 2}, {"num_labels": 2 if same else 3}
    for adapter, more in zip("ab", labels, strict=True):
        add(adapter, **(more if "classification" in add.__name__ else {}))
    return _active(model.eval(), block)


def _head_of_other(nan: bool) -> tuple[Any, dict[str, Any]]:
    model, inputs = _heads("bert", ac.Stack("a"))
    model.active_head = "b"
    if nan:
        for parameter in model.heads["b"].parameters():
            parameter.data.fill_(float("nan"))
    return model, inputs


def _tasks(ids: Any) -> tuple[Any, dict[str, Any]]:
    model, inputs = _active(_bert("ab", "lora[r=2]", head=True), ac.MultiTask("a", "b"))
    return model, inputs | {"task_ids": ids}


def _fused(block: ac.Fuse, names: str, config: str = "dynamic", fused: ac.Fuse | None = None) -> Any:
    model = _bert(names)
    for fusion in ([fused] if fused else []) + [
        ac.Fuse(*[c if isinstance(c, str) else c.last() for c in block], name=block.name)
    ]:
        model.add_adapter_fusion(fusion, config=config)
    return _active(model, block)


def _in_dtype(base: torch.dtype, own: torch.dtype, method: str, block: Any) -> tuple[Any, dict[str, Any]]:
    model = _bert("ab", method).to(base)
    for name, parameter in model.named_parameters():
        if {"a", "b"} & set(name.split(".")[:-1]):
            parameter.data = parameter.data.to(own)
    return _active(model, block)


def _given(**more: Any) -> tuple[Any, dict[str, Any]]:
    model, inputs = _active(_bert("ab"), ac.Parallel("a", "b"))
    return model, inputs | more


def _encoded() -> tuple[Any, Any]:
    model, inputs = _active(_bert("ab"), ac.Parallel("a", "b"))
    return model, transformers.BatchEncoding(inputs)


def _saved(block: Any, folder: str) -> Record:
    model = _bert("abc")
    model.save_adapter_setup(folder, block)
    directory = write_models(Path(folder) / "models")["bert"]
    return {"model": str(directory), "compose": folder, "adapter": "seq_bn[reduction_factor=4]"}


def _long(folder: str) -> Record:
    directory = write_models(Path(folder) / "models")["bert"]
    names = ",".join(f"an_adapter_with_a_long_name_{i}" for i in range(12))
    return {"model": str(directory), "compose": f"parallel({names})", "adapter": "lora[r=2]"}


def _many_names() -> tuple[Any, dict[str, Any]]:
    torch.manual_seed(0)
    model = transformers.AutoModel.from_config(_config("bert"))
    adapters.init(model)
    names = [f"an_adapter_with_a_long_name_{i}" for i in range(12)]
    for name in names:
        model.add_adapter(name, config="lora[r=2]")
    return _active(model.eval(), ac.Parallel(*names))


def cases(folder: str) -> list[Case]:
    """All kinds once, then heads for every model type that has them."""
    nested = ac.Stack("a", ac.Parallel(ac.Stack("b", "c"), "d"))
    two = ac.Parallel("a", "b")
    stacks = ac.Fuse(ac.Stack("a", "b"), ac.Stack("c", "d"))
    named = ac.Fuse("a", "b", name="own")
    mask = torch.ones(BATCH, 7, 7).tril().long()
    bf16, f32 = torch.bfloat16, torch.float32
    found = [
        Case("stack-parallel-stack", "nested", lambda: _active(_bert("abcd"), nested)),
        Case("stack-parallel-stack-lora", "nested", lambda: _active(_bert("abcd", "lora[r=2]"), nested)),
        Case(
            "parallel-stacks",
            "nested",
            lambda: _active(_bert("abcd"), ac.Parallel(ac.Stack("a", "b", "c"), "d")),
        ),
        Case("manual-head", "active_head", lambda: _head_of_other(False)),
        Case("head-of-nan", "active_head", lambda: _head_of_other(True)),
        Case("names", "task_ids", lambda: _tasks(["a", "b", "a"])),
        Case("numbers", "task_ids", lambda: _tasks(torch.tensor([0, 1, 0]))),
        Case("named", "fusion", lambda: _fused(named, "ab")),
        Case("named-beside-unnamed", "fusion", lambda: _fused(named, "ab", fused=ac.Fuse("a", "b"))),
        Case("static", "fusion", lambda: _fused(ac.Fuse("a", "b"), "ab", "static")),
        Case("of-one", "fusion", lambda: _fused(ac.Fuse("a"), "a")),
        Case("of-stacks", "fusion", lambda: _fused(stacks, "abcd")),
        Case("raw", "average", lambda: _active(_bert("ab"), _average([0.5, 1.5]))),
        Case("raw-lora", "average", lambda: _active(_bert("ab", "lora[r=2]"), _average([0.5, 1.5]))),
        Case("negative", "average", lambda: _active(_bert("ab"), _average([-0.5, 1.5]))),
        Case("bf16-f32-bn", "dtype", lambda: _in_dtype(bf16, f32, "seq_bn[reduction_factor=4]", two)),
        Case("bf16-f32-lora", "dtype", lambda: _in_dtype(bf16, f32, "lora[r=2]", two)),
        Case("bf16", "dtype", lambda: _in_dtype(bf16, bf16, "lora[r=2]", two)),
        Case("bf16-loreft", "dtype", lambda: _in_dtype(bf16, bf16, "loreft[r=2]", ac.Stack("a"))),
        Case("shared-positions", "inputs", lambda: _given(position_ids=torch.arange(7)[None])),
        Case("head-mask", "inputs", lambda: _given(head_mask=torch.ones(2, 4))),
        Case("mask-3d", "inputs", lambda: _given(attention_mask=mask)),
        Case("batch-encoding", "inputs", _encoded),
        Case("above-50-million", "large", lambda: _active(_bert("abcd", vocab_size=1_600_000), nested)),
        Case("healthy-50-million", "large", lambda: _active(_bert("ab", vocab_size=1_600_000), two)),
        Case("parallel", "saved", lambda: _active(_bert("ab"), two), partial(_saved, two, f"{folder}/one")),
        Case(
            "nested",
            "saved",
            lambda: _active(_bert("abc"), ac.Stack("a", ac.Parallel("b", "c"))),
            partial(_saved, ac.Stack("a", ac.Parallel("b", "c")), f"{folder}/two"),
        ),
        Case("expression", "long", _many_names, partial(_long, f"{folder}/long")),
        Case("in-hand", "long", _many_names),
    ]
    for name in MODELS:
        if _has_heads(name):
            found.append(Case(f"{name}-parallel", "heads", partial(_heads, name, two)))
            split = ac.BatchSplit("a", "b", batch_sizes=[1, 2])
            found.append(Case(f"{name}-batchsplit", "heads", partial(_heads, name, split)))
    return found


def _average(weights: list[float]) -> Any:
    return ac.Average("a", "b", weights=weights, normalize_weights=False)


def _has_heads(name: str) -> bool:
    try:
        model = AutoAdapterModel.from_config(_config(name))
    except Exception:  # a type without flexible heads, or one that is not known by a single configuration
        return False
    return bool(getattr(model, "head_types", ()))


def examine(case: Case) -> Record | None:
    """The truth and the auditor's answer; None, and a printed line, where the library refuses the set-up."""
    try:
        model, inputs = case.make()
    except ValueError as error:
        print(f"  {case.name} is no model in hand: {error}")
        return None
    truth = truth_of(model, inputs, "forward")
    audit = audit_of_spec(case.spec()) if case.spec else audit_of(model, inputs, "forward")
    return {
        "name": case.name,
        "kind": case.kind,
        "fields": WAITING[case.kind],
        "setup": str(model.active_adapters),
        "truth": truth,
        "audit": audit,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=0, help="number of cases (0: all)")
    parser.add_argument("--kind", default="", help=f"only cases of these kinds: {', '.join(WAITING)}")
    parser.add_argument("--work", type=Path, default=Path("build/set-ups-in-hand"))
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    quiet()
    warm()
    records, started = [], time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, (options.work / "all.jsonl").open("w") as log:
        asked = [c for c in cases(folder) if not options.kind or c.kind in options.kind.split(",")]
        for case in asked[: options.size or None]:
            if record := examine(case):
                records.append(record)
                log.write(json.dumps(record) + "\n")
                log.flush()
    print(f"{len(records)} cases in {time.perf_counter() - started:.0f} s")
    report(records, "kind", options.work / "disagreements.jsonl")


if __name__ == "__main__":
    main()
