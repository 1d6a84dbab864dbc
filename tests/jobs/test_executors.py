"""Audits on two workers of a cluster, one of which is killed in the middle: complete, and as audited here."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapter_audit.auditor.errors import BuildError, UsageError
from adapter_audit.auditor.jobs import executors, line_server
from adapter_audit.auditor.jobs.batch_lines import audit_lines
from adapter_audit.auditor.jobs.executors import check, elsewhere
from adapter_audit.auditor.jobs.result_lines import Line
from adapter_audit.auditor.jobs.share_groups import groups
from adapter_audit.auditor.schema.audit_options import AuditOptions

OPTIONS: dict[str, Any] = {"offline": True}
CONFIG = {"model_type": "bert", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
CONFIG |= {"intermediate_size": 64, "vocab_size": 99, "architectures": ["BertModel"]}


@pytest.fixture
def asked(tmp_path: Path) -> list[Line]:
    """Two compositions with each of four methods, and a line that is no spec."""
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    specs = [
        {"model": str(tmp_path), "compose": compose, "adapter": method}
        for method in ("lora", "seq_bn", "ia3", "prefix_tuning")
        for compose in ("parallel(a,b)", "average(a,b)")
    ]
    lines = [Line(f"{n}", json.dumps(spec)) for n, spec in enumerate(specs)]
    return [*lines[:4], Line("no spec", "{"), *lines[4:]]


def without_seconds(texts: Iterator[str]) -> list[dict[str, Any]]:
    return [{k: v for k, v in json.loads(text).items() if k != "seconds"} for text in texts]


def test_a_killed_worker_costs_nothing(asked: list[Line]) -> None:
    import distributed

    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None, silence_logs=50
    ) as cluster:
        url = cluster.scheduler_address.replace("tcp", "dask")
        together = list(groups(asked, AuditOptions()))
        texts: list[str] = []
        for group, answers in elsewhere(url, together, OPTIONS):
            if not texts:
                os.kill(cluster.workers[1].pid, signal.SIGKILL)
            assert answers is not None, group
            texts += answers
    here = (text for group in together for text in audit_lines(group, OPTIONS))
    assert without_seconds(iter(texts)) == without_seconds(here)


def test_a_line_that_kills_the_process_costs_that_line(tmp_path: Path) -> None:
    (tmp_path / "deadly.py").write_text("import os\n\nos._exit(9)\n")
    deadly = Line("deadly", json.dumps({"model": "deadly:model", "compose": "stack(a)"}))
    before = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = os.pathsep.join((str(tmp_path), before))
    try:
        found = line_server.audited_here([Line("no spec", "{"), deadly, Line("no model", "{}")], OPTIONS)
    finally:
        os.environ["PYTHONPATH"] = before
        line_server.end()
    errors = [json.loads(text)["error"] for text in found]
    assert ["not valid JSON" in errors[0], "process died" in errors[1], "missing" in errors[2]] == [True] * 3


@pytest.mark.parametrize("url", ["dask", "dask://", "slurm://here:1", "tcp://127.0.0.1:8786"])
def test_what_names_no_executor_is_one_line(url: str) -> None:
    with pytest.raises(UsageError, match="write dask://HOST:PORT or ray://HOST:PORT"):
        check(url)


def test_an_executor_that_is_not_installed_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(executors.NEEDS, "ray", ("joblib_that_is_not_there",))
    with pytest.raises(UsageError, match=r"is not installed.*pip install 'adapter-audit\[ray\]'"):
        check("ray://127.0.0.1:10001")


def test_a_scheduler_that_is_not_there_is_one_line(
    asked: list[Line], monkeypatch: pytest.MonkeyPatch
) -> None:

    monkeypatch.setattr(executors, "CONNECTING", 1)
    with pytest.raises(BuildError, match="is not reached") as caught:
        next(elsewhere("dask://127.0.0.1:9", [tuple(asked)], OPTIONS))
    assert "\n" not in caught.value.line
