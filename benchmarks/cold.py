"""What one audit costs from a cold start, beside bare imports and the eager run that it replaces.

    python benchmarks/cold.py [--runs 5]

Whole processes, medians of the runs, all in one sitting and in turn (the machine's speed drifts): bare
imports of torch, the T5 classes and adapters; the static audit and the full audit of t5-base with five
LoRAs in Parallel; the eager CPU run of the same composition with random weights; audits of T5-11B and
Llama-3.1-70B. Peak memory is the largest single process (children included), in MB.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass, field

IMPORTS = "import torch, adapters; from transformers import T5ForConditionalGeneration, T5Config"
EAGER = """
import torch, adapters
from adapters.composition import Parallel
from transformers import T5Config, T5ForConditionalGeneration
config = T5Config(d_model=768, d_ff=3072, num_layers=12, num_heads=12, vocab_size=32128)
model = T5ForConditionalGeneration(config).eval()
adapters.init(model)
for name in "abcde":
    model.add_adapter(name, config="lora")
model.set_active_adapters(Parallel(*"abcde"))
with torch.no_grad():
    ids = torch.arange(21).reshape(3, 7) + 10
    model(input_ids=ids, decoder_input_ids=ids[:, :5])
"""


@dataclass
class Measured:
    """Seconds and peak memory of every run of one command."""

    seconds: list[float] = field(default_factory=list)
    peak: list[float] = field(default_factory=list)


def audit(model: str, *more: str) -> list[str]:
    """The command of one audit, its report thrown away."""
    base = [sys.executable, "-m", "adapter_audit.auditor.cli", model, "--compose", "parallel:5"]
    return [*base, "--no-cache", "-q", "--offline", *more]


COMMANDS = {
    "imports": [sys.executable, "-c", IMPORTS],
    "static": audit("t5-base", "--static-only"),
    "audit": audit("t5-base"),
    "eager": [sys.executable, "-c", EAGER],
    "t5-11b": audit("t5-11b"),
    "llama-70b": audit("meta-llama/Llama-3.1-70B"),
}


def run(command: list[str]) -> tuple[float, float]:
    """Wall seconds and peak MB of one process tree's largest process."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in (0, 1):
        raise SystemExit(f"{command} ended with {process.returncode}")
    return seconds, usage.ru_maxrss / 1024


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    measured = {name: Measured() for name in COMMANDS}
    for round_number in range(runs + 1):
        for name, command in COMMANDS.items():
            seconds, peak = run(command)
            if round_number:  # the first round warms the file cache
                measured[name].seconds.append(seconds)
                measured[name].peak.append(peak)
    print(f"{'':12}{'seconds':>10}{'peak MB':>10}")
    for name, m in measured.items():
        print(f"{name:12}{statistics.median(m.seconds):10.2f}{statistics.median(m.peak):10.0f}")
    ratios(measured)


def ratios(measured: dict[str, Measured]) -> None:
    """The ratios that the project holds itself to."""

    def ratio(a: str, b: str, what: str = "seconds") -> float:
        pairs = zip(getattr(measured[a], what), getattr(measured[b], what), strict=True)
        return statistics.median(x / y for x, y in pairs)

    print(f"static audit / imports     {ratio('static', 'imports'):.2f}")
    print(f"audit / imports            {ratio('audit', 'imports'):.2f}   (at most 1.6)")
    print(f"audit / static             {ratio('audit', 'static'):.2f}   (at most 1.3)")
    print(f"audit / eager run          {ratio('audit', 'eager'):.2f}   (at most 0.6)")
    print(f"audit / eager peak memory  {ratio('audit', 'eager', 'peak'):.2f}   (at most 0.4)")
    print(f"t5-11b / t5-base           {ratio('t5-11b', 'audit'):.2f}   (at most 3)")
    print(f"llama-70b / t5-base        {ratio('llama-70b', 'audit'):.2f}   (at most 3)")


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main()
