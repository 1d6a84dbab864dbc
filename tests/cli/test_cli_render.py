"""The command `render`: reports of saved results, without the libraries that made them."""

from __future__ import annotations

import json
from pathlib import Path

from cli_run import Cli

from adapter_audit.auditor.schema.result import AuditResult, Confidence, Finding, Location, Severity, Verdict


def result(name: str, verdict: Verdict = Verdict.CRASH) -> AuditResult:
    finding = Finding(
        rule="AA101",
        name="expanded-meets-shared",
        invariant="meeting",
        severity=Severity.ERROR,
        confidence=Confidence.CONFIRMED,
        message="does not fit",
        primary=Location(module="encoder.block.1", file="x/modeling_x.py", line=3, op="aten.add.Tensor"),
        verdict=verdict,
        fingerprint="f" * 16,
    )
    spec: dict[str, object] = {"model": name, "compose": "parallel:2", "adapter": "lora"}
    findings = () if verdict is Verdict.COMPATIBLE else (finding,)
    return AuditResult(id=name, verdict=verdict, summary="words", spec=spec, findings=findings)


def test_one_result_in_several_formats(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(result("one").model_dump_json())
    done = cli(
        "render", "r.json", "--report", "terminal", "--report", "sarif=r.sarif", "--report", "html=r.html"
    )
    assert done.code == 0
    assert "AA101" in done.out
    assert json.loads((tmp_path / "r.sarif").read_text())["version"] == "2.1.0"
    assert "<html" in (tmp_path / "r.html").read_text()
    assert done.loaded == ()


def test_objects_arrays_and_lines_from_several_files(cli: Cli, tmp_path: Path) -> None:
    many = [result(name, Verdict.COMPATIBLE) for name in ("one", "two")]
    (tmp_path / "a.jsonl").write_text("".join(r.model_dump_json() + "\n" for r in many))
    (tmp_path / "b.json").write_text(json.dumps([result("three").model_dump(mode="json")]))
    done = cli("render", "a.jsonl", "b.json", "--report", "json")
    assert [r["id"] for r in json.loads(done.out)] == ["one", "two", "three"]


def test_findings_count_only_where_that_is_asked(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(result("one").model_dump_json())
    assert cli("render", "r.json").code == 0
    assert cli("render", "r.json", "--fail-on", "error").code == 1


def test_changes_since_an_earlier_run(cli: Cli, tmp_path: Path) -> None:
    for name, verdict in (("old", Verdict.COMPATIBLE), ("new", Verdict.CRASH)):
        (tmp_path / f"{name}.json").write_text(
            json.dumps([result(m, verdict).model_dump(mode="json") for m in ("m", "n")])
        )
    done = cli("render", "new.json", "--compare", "old.json")
    assert done.out.count("CRASH !") == 2


def test_what_cannot_be_written_is_said_in_one_line(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text(result("one").model_dump_json())
    (tmp_path / "out").mkdir()
    done = cli("render", "r.json", "--report", "html=out")
    assert done.code == 2
    assert len(done.lines) == 1
    assert "cannot write out" in done.lines[0]
