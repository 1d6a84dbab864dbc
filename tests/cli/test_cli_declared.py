"""`adapter-audit` without a model, baselines and inline comments, end to end."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from cli_run import Cli, import_first

from adapter_audit.auditor.source.source_files import absolute_file

CRASHES = ("t5", "--compose", "parallel:2", "--adapter", "lora[leave_out=[0]]", "--static-only")


def declare(folder: Path, *tables: str, head: str = "") -> None:
    text = f"[tool.adapter-audit]\nstatic-only = true\n{head}\n"
    for table in tables:
        text += f"[[tool.adapter-audit.audits]]\n{table}\n"
    (folder / "pyproject.toml").write_text(text)


def compose_line(folder: Path, name: str) -> int:
    """Number of the line that declares the composition, two below the audit's name."""
    lines = (folder / "pyproject.toml").read_text().splitlines()
    number = lines.index(f'name = "{name}"') + 2
    assert lines[number].startswith("compose")
    return number + 1


GOOD = 'name = "good"\nmodel = "bert"\ncompose = "parallel:2"\nadapter = "seq_bn"\n'
BAD = 'name = "bad"\nmodel = "t5"\ncompose = "parallel:2"\nadapter = "lora[leave_out=[0]]"\n'


@pytest.fixture(autouse=True)
def _models(bert: Path, t5: Path) -> None:
    """Both small models lie in the working directory."""


def test_everything_declared_is_audited_and_found_again(cli: Cli, tmp_path: Path) -> None:
    declare(tmp_path, GOOD, BAD)
    first = cli("--report", "json")
    assert first.code == 1
    assert {r["id"]: r["verdict"] for r in json.loads(first.out)} == {"good": "compatible", "bad": "crash"}
    line = compose_line(tmp_path, "bad")
    assert first.lines == [f"adapter-audit: {tmp_path}/pyproject.toml:{line}: audit 'bad': crash"]
    (tmp_path / "below").mkdir()
    second = cli("--report", "json", "--jobs", "2", cwd=tmp_path / "below")
    assert second.loaded == ()
    assert [r["verdict"] for r in json.loads(second.out)] == ["compatible", "crash"]


def test_many_processes_give_the_same(cli: Cli, tmp_path: Path) -> None:
    declare(tmp_path, GOOD, BAD)
    done = cli("--report", "json", "--jobs", "2", "--no-cache")
    assert [r["verdict"] for r in json.loads(done.out)] == ["compatible", "crash"]


def test_what_is_expected_does_not_fail_and_the_unexpected_does(cli: Cli, tmp_path: Path) -> None:
    declare(tmp_path, BAD + 'expect = "crash"\n')
    assert cli("-q").code == 0
    declare(tmp_path, BAD + 'expect = "compatible"\n')
    done = cli("-q")
    assert done.code == 1
    assert "expected compatible, but it is crash" in done.lines[0]


def test_an_audit_that_cannot_be_done_does_not_stop_the_others(cli: Cli, tmp_path: Path) -> None:
    nowhere = GOOD.replace('"bert"', '"./nowhere"').replace('"good"', '"lost"')
    unknown = GOOD.replace('"seq_bn"', '"seq_bm"').replace('"good"', '"misspelt"')
    declare(tmp_path, nowhere, unknown, GOOD)
    done = cli("--report", "json")
    assert done.code == 2
    assert json.loads(done.out)["id"] == "good"
    assert "audit 'lost': there is no model at ./nowhere" in done.lines[0]
    assert "audit 'misspelt': 'seq_bm' is not an adapter configuration" in done.lines[1]


def test_a_declared_ignore_holds_with_its_reason(cli: Cli, tmp_path: Path) -> None:
    declare(tmp_path, BAD, head='ignore = [{ rule = "AA101", reason = "upstream knows" }]')
    done = cli("--report", "json")
    findings = json.loads(done.out)["findings"]
    ignored = [f["status_reason"] for f in findings if f["status"] == "ignored"]
    assert "upstream knows" in ignored
    assert done.code == int(any(f["status"] == "open" and f["severity"] == "error" for f in findings))


def test_an_unknown_rule_in_the_configuration_is_an_error(cli: Cli, tmp_path: Path) -> None:
    declare(tmp_path, GOOD, head='ignore = [{ rule = "no-efect", reason = "x" }]')
    done = cli()
    assert done.code == 2
    assert "did you mean no-effect" in done.lines[0]
    assert done.loaded == ()


def test_a_baseline_from_writing_to_being_unused(cli: Cli, tmp_path: Path) -> None:
    assert cli(*CRASHES, "-q").code == 1
    written = cli(*CRASHES, "-q", "--write-baseline", "known.json")
    assert written.code == 0
    assert written.loaded == ()
    again = cli(*CRASHES, "--baseline", "known.json", "--report", "json")
    assert again.code == 0
    result = json.loads(again.out)
    assert result["verdict"] == "crash"
    assert {f["status"] for f in result["findings"] if f["severity"] == "error"} == {"baselined"}
    assert again.lines == []

    data = json.loads((tmp_path / "known.json").read_text())
    extra = data["audits"][0]["findings"][0] | {"fingerprint": "0" * 16}
    data["audits"][0]["findings"].append(extra)
    (tmp_path / "known.json").write_text(json.dumps(data))
    unused = cli(*CRASHES, "--baseline", "known.json", "-q")
    assert unused.code == 0
    assert len(unused.lines) == 1
    assert "is not needed any more" in unused.lines[0]


def test_a_declared_baseline_is_used_from_everywhere(cli: Cli, tmp_path: Path) -> None:
    declare(tmp_path, BAD, head='baseline = "known.json"')
    assert cli("-q").code == 2, "it does not exist yet"
    assert cli("-q", "--write-baseline", "known.json").code == 0
    (tmp_path / "below").mkdir()
    assert cli("-q", cwd=tmp_path / "below").code == 0


def test_a_comment_in_the_modeling_file(cli: Cli, tmp_path: Path) -> None:
    library = tmp_path / "library"
    source = absolute_file("adapters/__init__.py")
    assert source is not None
    shutil.copytree(Path(source).parent, library / "adapters", ignore=shutil.ignore_patterns("__pycache__"))
    env = import_first(library)
    found = json.loads(cli(*CRASHES, "--report", "json", env=env).out)["findings"]
    (first,) = [f for f in found if f["rule"] == "AA101"]
    file = library / first["primary"]["file"]
    assert file.is_file(), "the primary location lies in the copy"

    def comment(text: str) -> list[dict[str, str]]:
        lines = file.read_text().splitlines()
        at = first["primary"]["line"] - 1
        lines[at] = re.sub(r"  # adapter-audit.*", "", lines[at]) + f"  # adapter-audit: {text}"
        file.write_text("\n".join(lines) + "\n")
        done = cli(*CRASHES, "--report", "json", env=env)
        warned.append(any("has no reason" in line for line in done.lines))
        return [f for f in json.loads(done.out)["findings"] if f["rule"] == "AA101"]

    warned: list[bool] = []
    (ignored,) = comment("ignore[AA101] the bias is meant to broadcast")
    assert (ignored["status"], ignored["status_reason"]) == ("ignored", "the bias is meant to broadcast")
    (still,) = comment("ignore[AA101]")
    assert still["status"] == "open"
    assert warned == [False, True]


def test_config_shows_what_holds_and_why(cli: Cli, tmp_path: Path) -> None:
    declare(tmp_path, GOOD, head='ignore = [{ rule = "AA203", reason = "not trained" }]\nbaseline = "b.json"')
    done = cli("config")
    rows = {tuple(line.split()[:2]): line for line in done.out.splitlines()}
    assert done.code == 0
    assert done.loaded == ()
    assert str(tmp_path / "pyproject.toml") in rows["static-only", "yes"]
    assert rows["fail-on", "error"].endswith("default")
    assert "not trained" in rows["ignore", "AA203:"]
    assert "(missing)" in done.out
    assert "bert parallel:2 seq_bn" in rows["audit", "good:"]
    assert rows["audit", "good:"].endswith(f"pyproject.toml:{compose_line(tmp_path, 'good')}")
    assert "ADAPTER_AUDIT_CACHE" in done.out


def test_config_prints_the_schema(cli: Cli) -> None:
    from adapter_audit.auditor.project.settings import schema_text

    assert cli("config", "--schema").out == schema_text()


def test_a_matrix_of_models_methods_and_compositions(cli: Cli, tmp_path: Path) -> None:
    arguments = ("matrix", "--models", "bert,t5", "--methods", "seq_bn,lora[leave_out=[0],r=4]")
    options = (
        "--compose",
        "parallel:2,stack(a,b)",
        "--mode",
        "forward",
        "--static-only",
        "-o",
        "r.jsonl",
        "--jobs",
        "2",
    )
    done = cli(*arguments, *options)
    results = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    assert len(results) == 8
    verdicts = {
        (r["spec"]["model"], r["spec"]["adapter"], r["spec"]["compose"]): r["verdict"] for r in results
    }
    assert verdicts["t5", "lora[leave_out=[0],r=4]", "parallel:2"] == "crash"
    assert verdicts["bert", "seq_bn", "stack(a,b)"] == "compatible"
    assert done.code == 1
    assert "stack(a,b)" in done.out
    again = cli(*arguments, *options, "--report", "matrix=m.html", "--report", "terminal")
    assert again.loaded == ()
    assert again.out == done.out
    assert "<html" in (tmp_path / "m.html").read_text()


def test_the_cache_of_the_configuration(cli: Cli, tmp_path: Path) -> None:
    declare(tmp_path, GOOD, head='cache-dir = ".kept"')
    cli("-q", env={"ADAPTER_AUDIT_CACHE": ""})
    assert list((tmp_path / ".kept").rglob("*.json"))
    declare(tmp_path, GOOD, head="cache = false")
    assert "torch" in cli("-q").loaded
    assert not (tmp_path / "cache").exists()
