"""`adapter-audit explain RESULT.json#2`: a finding, step by step, without torch."""

from __future__ import annotations

from pathlib import Path

from cli_run import Cli

from adapter_audit.auditor.schema.result import AuditResult, Environment, Evidence, Finding, Fix, Location

MADE = Location(
    module="block.0", file="lib/t5.py", line=163, code="bias = bias + mask", shape=(3, 7), axes="[B, S]"
)
MEET = Location(
    module="block.1", file="lib/t5.py", line=172, code="scores += bias", shape=(15, 7), axes="[N*B, S]"
)


def finding(rule: str, severity: str, message: str) -> Finding:
    return Finding.model_validate(
        {
            "rule": rule,
            "name": "expanded-meets-shared",
            "invariant": "meeting",
            "severity": severity,
            "confidence": "confirmed",
            "message": message,
            "primary": MEET,
            "evidence": (
                Evidence(text="made here with the caller's rows", location=MADE),
                Evidence(text="the two meet here", location=MEET),
            ),
            "lanes": (0, 1),
            "fixes": (Fix(title="run them one by one", kind="setup-change", code="for x in y:\n    ..."),),
            "verdict": "crash",
        }
    )


def written(folder: Path) -> None:
    result = AuditResult.model_validate(
        {
            "verdict": "crash",
            "spec": {"model": "t5-base", "compose": "parallel:5"},
            "environment": Environment(adapters="1.3.0"),
            "axes": {"N": 5, "B": 3},
            "findings": (finding("AA101", "error", "first\x1b[31m"), finding("AA999", "warning", "second")),
        }
    )
    (folder / "result.json").write_text(result.model_dump_json())


def test_a_finding_is_told_in_order(cli: Cli, tmp_path: Path) -> None:
    written(tmp_path)
    done = cli("explain", "result.json#1")
    assert (done.code, done.loaded) == (0, ())
    told = [
        "# AA101 expanded-meets-shared",
        "1. This was run: t5-base",
        "N = 5, B = 3",
        "2. Made here with the caller's rows.",
        "At lib/t5.py:163, in block.0.",
        "[3, 7] = [B, S]",
        "bias = bias + mask",
        "3. The two meet here.",
        "scores += bias",
        "4. So the verdict is crash.",
        "lanes 0, 1",
        "## Why this is bad",
        "## What to do",
        "run them one by one",
        "for x in y:",
    ]
    places = [done.out.find(text) for text in told]
    assert -1 not in places, told[places.index(-1)]
    assert places == sorted(places)
    assert "\x1b" not in done.out


def test_a_rule_that_is_not_known_here_is_told_without_its_page(cli: Cli, tmp_path: Path) -> None:
    written(tmp_path)
    done = cli("explain", "result.json#2")
    assert done.code == 0
    assert "# AA999" in done.out
    assert "## Why this is bad" not in done.out


def test_findings_are_listed_and_counted(cli: Cli, tmp_path: Path) -> None:
    written(tmp_path)
    assert cli("explain", "result.json").out.startswith("1. AA101 error: first")
    for topic, says in (
        ("result.json#3", "result.json has no finding 3: it has 2 open findings"),
        ("absent.json#1", "cannot read absent.json"),
        ("result.json#x", "unknown rule 'result.json#x'"),
    ):
        done = cli("explain", topic)
        assert (done.code, done.out) == (2, "")
        assert says in done.err
        assert len(done.lines) == 1
