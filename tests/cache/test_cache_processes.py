"""Sixteen processes audit the same specs with one cache, some are killed: no wrong result."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

TINY = {
    "bert": {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16},
    "t5": {"d_model": 16, "d_kv": 8, "d_ff": 16, "num_layers": 2, "num_decoder_layers": 1, "num_heads": 2},
}
EXPECTED = {
    ("bert", "seq_bn"): "compatible",
    ("bert", "lora"): "compatible",
    ("t5", "seq_bn"): "compatible",
    ("t5", "lora[leave_out=[0]]"): "crash",
}
FAMILY = """
import json, os, random, sys, time
from pathlib import Path
# before the libraries are loaded
from adapter_audit.auditor.jobs.cached_audit import audit_cached
from adapter_audit.auditor.request.job import resolved_job
from adapter_audit.auditor.schema.audit_options import AuditOptions
from adapter_audit.auditor.cache.store import Store
from adapter_audit.auditor.schema.spec import AuditSpec
import torch, adapters, transformers
import adapter_audit.auditor.build.subject, adapter_audit.auditor.assess.static_half

torch.set_num_threads(1)
folder, store = Path(sys.argv[1]), Store(Path(sys.argv[2]))
pairs = json.loads(sys.argv[3])
specs = [AuditSpec(model=str(folder / m), compose="parallel:2", adapter=a) for m, a in pairs]


def work(seed, rounds):
    choice = random.Random(seed)
    with open(folder / f"{seed}.out", "w", buffering=1) as out:
        for _ in range(rounds):
            for spec in choice.sample(specs, len(specs)):
                started = time.process_time()
                job = resolved_job(spec, AuditOptions(static_only=True))
                verdict = audit_cached(job, store).verdict.value
                answer = [Path(spec.model).name, spec.adapter, verdict, time.process_time() - started]
                print(json.dumps(answer), file=out)


pids = []
for seed in range(16):
    pid = os.fork()
    if pid == 0:
        work(seed, 10**6 if seed < 5 else 3)
        os._exit(0)
    pids.append(pid)
print(*pids, flush=True)
codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
print(*codes, flush=True)
"""


def test_no_wrong_result_and_no_damaged_entry_believed(tmp_path: Path) -> None:
    for name, sizes in TINY.items():
        (tmp_path / name).mkdir()
        config = {"model_type": name, "vocab_size": 33, "decoder_start_token_id": 0, **sizes}
        (tmp_path / name / "config.json").write_text(json.dumps(config))
    cache = tmp_path / "cache"
    family = subprocess.Popen(
        [sys.executable, "-c", FAMILY, str(tmp_path), str(cache), json.dumps(list(EXPECTED))],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
    )
    assert family.stdout is not None
    pids = [int(pid) for pid in family.stdout.readline().split()]
    assert len(pids) == 16
    choice = random.Random(0)
    for victim in pids[:5]:
        time.sleep(choice.uniform(0.2, 1.5))
        os.kill(victim, signal.SIGKILL)
        for path in choice.sample(found := sorted(cache.rglob("*.json")), min(1, len(found))):
            path.write_bytes(path.read_bytes()[: choice.randrange(400)])
    codes = [int(code) for code in family.communicate(timeout=300)[0].split()]
    assert codes == [-signal.SIGKILL] * 5 + [0] * 11
    answers = [json.loads(line) for seed in range(5, 16) for line in lines_of(tmp_path / f"{seed}.out")]
    assert len(answers) == 11 * 3 * len(EXPECTED)
    assert {(model, adapter): verdict for model, adapter, verdict, _ in answers} == EXPECTED
    assert all(EXPECTED[model, adapter] == verdict for model, adapter, verdict, _ in answers)
    # Most answers came from the cache: what is audited takes longer than what is read.
    assert sum(seconds < 0.05 for *_, seconds in answers) > len(answers) / 3
    for seed in range(5):  # what the killed ones still said was right too; the last line may be cut
        for model, adapter, verdict, _ in map(json.loads, lines_of(tmp_path / f"{seed}.out")):
            assert EXPECTED[model, adapter] == verdict


def lines_of(path: Path) -> list[str]:
    """The whole lines of a file."""
    return path.read_text().split("\n")[:-1]
