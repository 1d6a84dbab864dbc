"""The registry, and what every kind of report has to hold."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import report_samples as samples

from adapter_audit.auditor.errors import UsageError
from adapter_audit.auditor.schema.result import AuditResult
from adapter_audit.reports import report as base
from adapter_audit.reports.report import ReportOptions, kinds, render

OWN = {"github", "html", "json", "junit", "markdown", "matrix", "sarif", "terminal"}
ALL = {
    "crash": samples.crash,
    "silent": samples.silent,
    "clean": samples.clean,
    "hostile": samples.hostile,
}


def test_every_format_is_found_by_its_file() -> None:
    assert set(kinds()) >= OWN
    for kind in kinds():
        assert base.find(kind).suffix.startswith(".")


def test_a_new_file_is_a_new_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "haiku.py").write_text(
        "from adapter_audit.reports.report import Report\n"
        "class Haiku(Report):\n"
        "    kind, suffix = 'haiku', '.txt'\n"
        "    def render(self, results, options):\n"
        "        return results[0].verdict.value\n"
    )
    monkeypatch.setattr(base.package, "__path__", [*base.package.__path__, str(tmp_path)])
    base._registry.cache_clear()
    try:
        assert render("haiku", [samples.clean()]) == "compatible"
    finally:
        base._registry.cache_clear()
        del sys.modules[f"{base.package.__name__}.haiku"]


def test_unknown_kind_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"no report kind 'pdf'.*html.*sarif"):
        render("pdf", [samples.clean()])


@pytest.mark.parametrize("kind", sorted(OWN))
@pytest.mark.parametrize("name", sorted(ALL))
def test_renders_every_sample_the_same_way_twice(kind: str, name: str) -> None:
    assert render(kind, [ALL[name]()]) == render(kind, [ALL[name]()])


@pytest.mark.parametrize("kind", sorted(OWN))
def test_renders_none_and_many(kind: str) -> None:
    assert isinstance(render(kind, []), str)
    assert render(kind, samples.matrix(3, 4))


PROGRAM = """
import hashlib, json, sys
from adapter_audit.auditor.schema.result import AuditResult
from adapter_audit.reports.report import kinds, render
result = AuditResult.model_validate_json(sys.stdin.read())
def digest(kind):
    return hashlib.sha256(render(kind, [result]).encode()).hexdigest()
digests = {kind: digest(kind) for kind in kinds() if kind != "graph"}
heavy = {"torch", "transformers", "adapters", "numpy"} & set(sys.modules)
assert not heavy, heavy
digests["graph"] = digest("graph")  # networkx brings numpy along
heavy = {"torch", "transformers", "adapters"} & set(sys.modules)
assert not heavy, heavy
print(json.dumps(digests))
"""


@pytest.mark.parametrize("seed", ["1", "2"])
def test_other_processes_give_the_same_bytes_and_import_no_torch(seed: str) -> None:
    result = samples.crash()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=result.model_dump_json(),
        env={**os.environ, "PYTHONHASHSEED": seed, "COLUMNS": "40", "TERM": "dumb", "FORCE_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    here = {kind: hashlib.sha256(render(kind, [result]).encode()).hexdigest() for kind in kinds()}
    assert json.loads(done.stdout) == here


def test_a_saved_result_renders_like_the_fresh_one() -> None:
    fresh = samples.crash()
    saved = AuditResult.model_validate_json(render("json", [fresh], ReportOptions(include_graph=True)))
    assert render("html", [saved]) == render("html", [fresh])


@pytest.mark.parametrize("kind", sorted(OWN))
def test_time_grows_with_the_ops_and_no_faster(kind: str) -> None:
    """Four times the ops: four times the time; sixteen would be quadratic."""
    few, many = (
        samples.crash().model_copy(update={"graph": samples.layered_graph(layers, 250)})
        for layers in (20, 80)
    )
    render(kind, [few])  # imports and templates are loaded once a process
    assert rendering(kind, many) < 10 * max(rendering(kind, few), 0.01)


def rendering(kind: str, result: AuditResult) -> float:
    """Seconds of this process, the best of three."""
    seconds = []
    for _ in range(3):
        start = time.process_time()
        render(kind, [result])
        seconds.append(time.process_time() - start)
    return min(seconds)


SECRETS = (
    "scores += position_bias_masked",
    "position_bias = position_bias + mask",
    "return tensor.repeat(",
    "scores = scores + position_bias_masked",
)


@pytest.mark.parametrize("kind", sorted(OWN))
def test_no_source_leaves_no_source_anywhere(kind: str) -> None:
    quoting = samples.crash()
    finding = quoting.findings[0].model_copy(update={"message": f"It stops at `{SECRETS[0]}` in layer 1."})
    result = quoting.model_copy(update={"findings": (finding, *quoting.findings[1:])})
    with_source = render(kind, [result], ReportOptions(include_graph=True, width=200))
    without = render(kind, [result], ReportOptions(show_source=False, include_graph=True, width=200))
    leaks = [secret for secret in SECRETS if secret in without]
    assert leaks == []
    if kind != "matrix":  # it shows no source but the primary's
        assert SECRETS[0] in with_source
    assert "adapters/models/t5/modeling_t5.py" in without.replace("\\_", "_"), "where it is may be said"


def test_no_module_of_the_reports_speaks_of_torch() -> None:
    files = list(Path(base.__file__).parent.rglob("*.py"))
    assert len(files) > 20, "the folders below count, too"
    for file in files:
        assert "import torch" not in file.read_text(encoding="utf-8"), file
