"""Markdown, judged by a Markdown parser: texts from outside stay text."""

from __future__ import annotations

import re

import pytest
import report_samples as samples
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from adapter_audit.auditor.schema.result import Verdict
from adapter_audit.reports.formats.markdown import LIMIT, fenced, text
from adapter_audit.reports.report import ReportOptions, render
from adapter_audit.reports.view.prepare import shorten, visible

PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
OURS = re.compile(r"<details><summary>(How it comes about|Code)</summary>\n?|</details>\n?")


def tokens(source: str) -> list[Token]:
    found: list[Token] = []
    for token in PARSER.parse(source):
        found.append(token)
        found.extend(token.children or [])
    return found


@pytest.mark.parametrize("name", ["crash", "silent", "clean", "hostile"])
def test_there_is_no_markup_but_ours(name: str) -> None:
    for token in tokens(render("markdown", [getattr(samples, name)()])):
        assert token.type not in ("link_open", "image", "html_inline", "code_inline", "s_open"), token
        if token.type == "html_block":
            assert OURS.fullmatch(token.content), token.content


def test_hostile_text_is_shown_as_it_is() -> None:
    shown = "".join(
        token.content
        for token in tokens(render("markdown", [samples.hostile()]))
        if token.type in ("text", "text_special")
    )
    for part in (
        "</script><script>alert(1)</script>",
        "[x](javascript:alert(3))",
        "{{7*7}}",
        "\\u202e",
        "&amp;",
    ):
        assert part in shown, part


def test_a_fence_holds_any_code() -> None:
    code = "```\n# not a heading\n````"
    (token,) = PARSER.parse(fenced(code, "python"))
    assert (token.type, token.content) == ("fence", code + "\n")


@pytest.mark.parametrize(
    "value",
    [
        "@octocat",
        "#12",
        "http://example.org",
        "www.example.org",
        "- item",
        "1. item",
        "# head",
        "+ x",
        "=== x",
        "a|b",
        "$x$",
    ],
)
def test_what_github_makes_of_plain_text_is_prevented(value: str) -> None:
    written = text(value)
    (paragraph,) = [t for t in PARSER.parse(written) if t.type == "inline"]
    assert PARSER.parse(written)[0].type == "paragraph_open"
    assert "".join(t.content for t in paragraph.children or []) == value
    for active in ("@octocat", "#12", "http://", "www."):
        assert active not in written or f"\\{active}" in written


@given(st.text())
def test_any_text_stays_one_paragraph_of_text(value: str) -> None:
    expected = shorten(visible(value), 1000)
    written = text(visible(value))
    children = [t for t in tokens(written) if t.type in ("text", "text_special", "softbreak")]
    assert "".join(t.content for t in children) == expected
    assert {t.type for t in PARSER.parse(written)} <= {"paragraph_open", "inline", "paragraph_close"}


def test_a_comment_holds_it() -> None:
    many = [samples.crash().model_copy(update={"id": str(n)}) for n in range(200)]
    written = render("markdown", many)
    assert len(written) <= LIMIT + 1000
    assert "did not fit here" in written


def test_a_matrix_is_a_table_and_says_what_was_before() -> None:
    now = samples.matrix(2, 3)
    before = tuple(r.model_copy(update={"verdict": Verdict.COMPATIBLE}) for r in now)
    written = render("markdown", now, ReportOptions(baseline=before))
    assert sum(t.type == "table_open" for t in tokens(written)) == 2
    assert "crash (was compatible)" in written
