"""The benchmarks page: what an audit costs, beside what a user would do otherwise.

    python benchmarks/page.py [--runs 3] [--quick] [-o docs/benchmarks.md]

Seconds are CPU seconds of all processes together (user and system), which a busy machine changes less than
the clock's. Each number is the smallest of the runs, each ratio is of numbers of one sitting. The other ways
are the eager run of the same composition on the CPU with random weights, and a plain forward on the meta
device, which says nothing but whether shapes meet.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from cold import EAGER, IMPORTS, audit

META = EAGER.replace("config = ", 'torch.set_default_device("meta")\nconfig = ')
COLD = {
    "imports of torch, transformers, adapters": [sys.executable, "-c", IMPORTS],
    "audit, shapes only": audit("t5-base", "--static-only"),
    "audit": audit("t5-base"),
    "otherwise: eager run": [sys.executable, "-c", EAGER],
    "otherwise: plain meta forward": [sys.executable, "-c", META],
    "audit of t5-11b": audit("t5-11b"),
    "audit of Llama-3.1-70B": audit("meta-llama/Llama-3.1-70B"),
}
BLOCKS = ("parallel(a,b)", "stack(a,b)", "batchsplit(a,b;2,1)", "average(a,b)", "split(a,b;4,3)", "fuse(a,b)")
BLOCKS += ("multitask(a,b)",)
STOPS = "stops"
OFFLINE = {"offline": True}
GROWTH: dict[str, tuple[str, tuple[int, ...]]] = {
    "layers": ("num_hidden_layers", (6, 12, 24, 48, 96)),
    "width": ("hidden_size", (256, 1024, 4096, 16384)),
    "N": ("lanes", (2, 5, 10, 25, 50)),
    "B": ("batch", (3, 12, 48, 192)),
}
BASE = {"model_type": "llama", "num_hidden_layers": 6, "hidden_size": 512, "num_attention_heads": 8}
BASE |= {"num_key_value_heads": 8, "intermediate_size": 1024, "vocab_size": 320}


def cold(command: Sequence[str]) -> tuple[float, float]:
    """CPU seconds and peak MB of a whole process, with its children."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):
        raise SystemExit(f"{command} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def cpu(action: Callable[[], Any]) -> float:
    """CPU seconds of this process and its children."""

    def now() -> float:
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(u.ru_utime + u.ru_stime for u in used)

    started = now()
    action()
    return now() - started


def least(action: Callable[[], Any], runs: int) -> float:
    """The smallest of some measurements, after one that fills caches."""
    action()
    return min(cpu(action) for _ in range(runs))


class MetaForward:
    """What a user can do without the auditor on meta: build the model, activate the composition, call it."""

    def __init__(self, model: str, names: Sequence[str], batch: int) -> None:
        import adapters
        import torch
        import transformers
        from adapters.composition import Parallel

        config = transformers.AutoConfig.for_model(**_config(model))
        with torch.device("meta"):
            self.model = transformers.AutoModel.from_config(config).eval()
            adapters.init(self.model)
            for name in names:
                self.model.add_adapter(name, config="lora")
            self.model.set_active_adapters(Parallel(*names))
            self.inputs = {"input_ids": torch.zeros((batch, 7), dtype=torch.long)}
        if config.is_encoder_decoder:
            self.inputs["decoder_input_ids"] = self.inputs["input_ids"][:, :5]

    def __call__(self) -> None:
        """One forward."""
        import torch

        with torch.no_grad(), torch.device("meta"):
            self.model(**self.inputs)


def forward_seconds(model: str, names: Sequence[str], batch: int, runs: int) -> float | None:
    """Of a plain meta forward; None where it stops, as model code does that asks for values."""
    forward = MetaForward(model, names, batch)
    try:
        return least(forward, runs)
    except (RuntimeError, ValueError) as error:
        print(f"the meta forward of {model} stops: {error}", file=sys.stderr)
        return None


def _config(model: str) -> dict[str, Any]:
    from adapter_audit.auditor.request.model_source import resolve

    return dict(resolve(model, offline=True).config or {})


def static(model: str, compose: str, **fields: Any) -> Callable[[], Any]:
    """An audit of shapes only, in this process."""
    from adapter_audit.auditor import audit as audited

    spec = {"model": model, "compose": compose, "adapter": "lora", **fields}
    return lambda: audited(spec, static_only=True, offline=True)


def growth(runs: int, quick: bool) -> Iterator[str]:
    """Static audits and plain meta forwards as one size grows, and the fitted exponents."""
    yield "| what grows | sizes | audit, s | meta forward, s | exponent of the audit | of the forward |"
    yield "|---|---|---|---|---|---|"
    for axis, (field, every) in GROWTH.items():
        sizes = every[:3] if quick else every
        ours, theirs = [], []
        for size in sizes:
            with tempfile.TemporaryDirectory() as folder:
                config = BASE | ({field: size} if field in BASE else {})
                (Path(folder) / "config.json").write_text(json.dumps(config))
                lanes, batch = (size if axis == "N" else 2), (size if axis == "B" else 3)
                ours.append(least(static(folder, f"parallel:{lanes}", batch=batch), runs))
                theirs.append(forward_seconds(folder, [f"a{n}" for n in range(lanes)], batch, runs))
        yield (
            f"| {axis} | {', '.join(map(str, sizes))} | {_list(ours)} | {_list(theirs)} "
            f"| {exponent(sizes, ours):.2f} | {_of_forward(sizes, theirs)} |"
        )


def _of_forward(sizes: Sequence[int], seconds: Sequence[float | None]) -> str:
    known = [s for s in seconds if s is not None]
    return f"{exponent(sizes, known):.2f}" if len(known) == len(sizes) else STOPS


def exponent(sizes: Sequence[int], seconds: Sequence[float]) -> float:
    """k of seconds = c * size^k, by least squares over the logarithms."""
    x, y = [math.log(s) for s in sizes], [math.log(s) for s in seconds]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    above = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    return above / sum((a - mean_x) ** 2 for a in x)


def warm(runs: int) -> Iterator[str]:
    """Another composition of a model that is built, beside plain meta forwards of it; and the probe."""
    yield "| model | meta forward, s | another composition: shapes, s | in forwards | probe, s |"
    yield "|---|---|---|---|---|"
    for model in ("t5-base", "bert-base-uncased"):
        shapes, probe = _another_composition(model)
        forward = forward_seconds(model, "ab", 3, runs)
        ratio = f"{shapes / forward:.1f}" if forward else STOPS
        yield f"| {model} | {_list([forward])} | {shapes:.2f} | {ratio} | {probe:.2f} |"


def _another_composition(model: str) -> tuple[float, float]:
    """Median CPU seconds of both halves, for three compositions that were audited before on this model."""
    from adapter_audit.auditor.assess.static_half import static_half
    from adapter_audit.auditor.build.subject import default_dtype, recomposed
    from adapter_audit.auditor.jobs.shared_model import SharedModel
    from adapter_audit.auditor.probe.run_checks import examined
    from adapter_audit.auditor.request.job import resolved_job
    from adapter_audit.auditor.schema.audit_options import AuditOptions
    from adapter_audit.auditor.schema.spec import AuditSpec

    specs = [AuditSpec(model=model, compose=block, adapter="lora") for block in BLOCKS[:3]]
    shared = SharedModel([resolved_job(spec, AuditOptions(offline=True)) for spec in specs])
    shared.put_on_bench()
    seconds: list[tuple[float, float]] = []
    for job in shared.jobs * 2:
        shapes = cpu(lambda job=job: static_half(recomposed(shared.subject, job), shared.runs))
        with default_dtype(shared.bench.dtype):
            shared.bench.take(job)
            seconds.append((shapes, cpu(lambda: examined(shared.bench))))
    return statistics.median(s for s, _ in seconds[3:]), statistics.median(p for _, p in seconds[3:])


def throughput(methods: Sequence[str], models: Sequence[str]) -> Iterator[str]:
    """The same cells one by one and with shared models, in turn, and whether they came out alike."""
    from adapter_audit.auditor.jobs.result_lines import Line

    yield "| model | method | cells | alone, s a cell | shared, s a cell | ratio | equal |"
    yield "|---|---|---|---|---|---|---|"
    for model in models:
        for method in methods:
            specs = [{"model": model, "compose": block, "adapter": method} for block in BLOCKS]
            lines = [Line(spec["compose"], json.dumps(spec)) for spec in specs]
            one_by_one, alone = _audited(lines, share=False)
            together, shared = _audited(lines, share=True)
            equal = sum(map(_alike, one_by_one, together))
            yield (
                f"| {model} | {method} | {len(lines)} | {alone:.2f} | {shared:.2f} | {alone / shared:.2f} "
                f"| {equal} of {len(lines)} |"
            )


def _audited(lines: Sequence[Any], *, share: bool) -> tuple[list[str], float]:
    """The result lines, and CPU seconds a line."""
    from adapter_audit.auditor.jobs.batch_lines import audit_lines

    texts: list[str] = []
    seconds = cpu(lambda: texts.extend(audit_lines(lines, OFFLINE, share)))
    return texts, seconds / len(lines)


def _alike(one: str, other: str) -> bool:
    first, second = json.loads(one), json.loads(other)
    return bool({**first, "seconds": 0} == {**second, "seconds": 0})


def cold_table(runs: int) -> Iterator[str]:
    """Whole processes."""
    yield "| process | CPU seconds | peak MB | seconds, of the eager run's |"
    yield "|---|---|---|---|"
    found = {name: min(cold(command) for _ in range(runs + 1)) for name, command in COLD.items()}
    eager = found["otherwise: eager run"][0]
    for name, (seconds, peak) in found.items():
        yield f"| {name} | {seconds:.1f} | {peak:.0f} | {seconds / eager:.2f} |"


def _list(numbers: Sequence[float | None]) -> str:
    return ", ".join(STOPS if n is None else f"{n:.2f}" for n in numbers)


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="fewer sizes and models, no cold processes")
    parser.add_argument("-o", "--output", type=Path)
    options = parser.parse_args()
    from adapter_audit.auditor.runtime.dedicated_process import dedicate_process

    dedicate_process()
    models = ("t5-small",) if options.quick else ("t5-base", "bert-base-uncased", "distilgpt2")
    sections: list[tuple[str, Iterator[str]]] = [
        ("Warm: another composition", warm(options.runs)),
        ("Throughput: seven blocks of a model with a method", throughput(("lora", "prefix_tuning"), models)),
        ("Growth, shapes only", growth(options.runs, options.quick)),
    ]
    if not options.quick:
        sections.insert(0, ("Cold: `parallel:5` of T5-base with LoRA", cold_table(options.runs)))
    page = [f"# Benchmarks\n\nWritten by `python benchmarks/page.py` on {time.strftime('%Y-%m-%d')}.\n"]
    page += [str(__doc__).strip().partition("\n\n")[2].partition("\n\n")[2], ""]
    for title, rows in sections:
        page += [f"## {title}\n"]
        for row in rows:
            print(row, flush=True)
            page.append(row)
        page.append("")
    if options.output:
        options.output.write_text("\n".join(page), encoding="utf-8")


if __name__ == "__main__":
    main()
