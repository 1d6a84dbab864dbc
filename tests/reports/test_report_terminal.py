"""The terminal report at several widths, with and without colour."""

from __future__ import annotations

import re

import pytest
import report_samples as samples

from adapter_audit.auditor.schema.result import Verdict
from adapter_audit.reports.report import ReportOptions, render

ANSI = re.compile(r"\x1b\[[0-9;]*m")
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]")


@pytest.mark.parametrize("width", [60, 80, 120, 200])
@pytest.mark.parametrize("name", ["crash", "silent", "clean", "hostile"])
def test_no_line_is_wider_than_the_screen(width: int, name: str) -> None:
    text = render("terminal", [getattr(samples, name)()], ReportOptions(width=width))
    assert max(len(line) for line in text.splitlines()) <= width
    assert all(line == line.rstrip() for line in text.splitlines())


def test_a_crash_fits_a_screen_and_says_it_all() -> None:
    text = render("terminal", [samples.crash()], ReportOptions(width=120))
    assert len(text.splitlines()) <= 50
    for needed in (
        "CRASH",
        "t5-base · parallel:5 · lora[leave_out=[0]]",
        "AA101 expanded-meets-shared  error, confirmed by running it",
        "adapters/models/t5/modeling_t5.py:172",
        "encoder.block.1.layer.0.SelfAttention",
        "172 | scores += position_bias_masked",
        "[15, 12, 7, 7] = [N*B, 12, S, S]",
        "adapters/models/t5/modeling_t5.py:163",
        "encoder.block.2-11.layer.0.SelfAttention",
        "verified patch of the library",
        "failed another release",
        "6,834 ops, 93 % with a twin",
        "decoder.final_layer_norm",
        "AA301: needs a probe with a cache",
    ):
        assert needed in text, needed


def test_many_findings_do_not_fill_many_screens() -> None:
    crash = samples.crash()
    result = crash.model_copy(update={"findings": (crash.findings[0],) * 12})
    text = render("terminal", [result], ReportOptions(width=120))
    assert len(text.splitlines()) <= 120
    assert "and 9 more findings, in full with --report html=FILE:" in text
    assert text.count("AA101") == 12


@pytest.mark.parametrize("width", [80, 200])
def test_paths_and_shapes_are_not_broken(width: int) -> None:
    lines = render("terminal", [samples.crash()], ReportOptions(width=width)).splitlines()
    for whole in ("adapters/models/t5/modeling_t5.py:163", "[3, 12, 7, 7] = [B, 12, S, S]"):
        assert any(whole in line for line in lines)


@pytest.mark.parametrize("width", [80, 200])
def test_a_clean_audit_takes_five_to_ten_lines(width: int) -> None:
    text = render("terminal", [samples.clean()], ReportOptions(width=width))
    assert 5 <= len(text.splitlines()) <= 10
    assert text.lstrip().startswith("COMPATIBLE")


def test_colour_adds_codes_and_nothing_else() -> None:
    plain = render("terminal", [samples.crash()], ReportOptions(color=False))
    coloured = render("terminal", [samples.crash()], ReportOptions(color=True))
    assert "\x1b" not in plain
    assert "\x1b[" in coloured
    stripped = "\n".join(line.rstrip() for line in ANSI.sub("", coloured).splitlines())
    assert stripped.split() == plain.split()


def test_hostile_text_cannot_control_the_terminal() -> None:
    text = render("terminal", [samples.hostile()])
    assert not CONTROL.search(text)
    assert "\\x1b[31m" in text
    assert "\\u202e" in text
    assert "(10,0" in text or "(10,5" in text, "the long configuration is cut and counted"


def test_ignored_and_baselined_findings_are_counted() -> None:
    crash = samples.crash()
    first, second = crash.findings
    result = crash.model_copy(
        update={
            "findings": (
                first.model_copy(update={"status": "ignored", "status_reason": "known"}),
                second.model_copy(update={"status": "baselined"}),
            )
        }
    )
    assert "no findings; 1 ignored, 1 in the baseline" in render("terminal", [result])


@pytest.mark.parametrize("width", [80, 200])
def test_a_matrix_holds_every_cell(width: int) -> None:
    results = samples.matrix(25, 16)
    text = render("terminal", results, ReportOptions(width=width))
    assert max(len(line) for line in text.splitlines()) <= width
    heat = text.split("400 audits")[0]
    words = re.findall(r"\b(?:ok|no-eff|WRONG|CRASH|ABORT)\b|refus\.|\?", heat)
    assert len(words) == 400


def test_a_matrix_marks_what_got_worse() -> None:
    now = samples.matrix(1, 2)
    before = [r.model_copy(update={"verdict": Verdict.COMPATIBLE}) for r in now]
    text = render("terminal", now, ReportOptions(baseline=tuple(before)))
    assert "CRASH !" in text
