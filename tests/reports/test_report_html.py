"""The HTML pages as documents; what they do in a browser is tested under tests/browser."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest
import report_samples as samples

from adapter_audit.auditor.schema.result import Verdict
from adapter_audit.reports.report import ReportOptions, render
from adapter_audit.reports.view.html_page import embedded_json

VOID = {"meta", "input", "br", "col", "line", "path", "circle"}
LINKS = ("href", "src", "action", "data", "poster", "srcset", "formaction", "xlink:href")


class Document(HTMLParser):
    """Collects what a page consists of, and complains about elements that are not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.scripts: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        (self.scripts if self.open and self.open[-1] == "script" else self.texts).append(data)


PAGES = {
    "crash": lambda: render("html", [samples.crash()]),
    "silent": lambda: render("html", [samples.silent()]),
    "clean": lambda: render("html", [samples.clean()]),
    "hostile": lambda: render("html", [samples.hostile()]),
    "hostile matrix": lambda: render("matrix", [samples.hostile(), samples.clean()]),
    "matrix": lambda: render("matrix", samples.matrix()),
}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_whole_and_needs_nothing_from_outside(name: str) -> None:
    document = Document(PAGES[name]())
    for tag, attributes in document.tags:
        assert tag not in ("link", "img", "iframe", "object", "embed", "base"), tag
        for key in LINKS:
            assert (attributes.get(key) or "#").startswith("#"), (tag, attributes)
        assert not [key for key in attributes if key.startswith("on")], (tag, attributes)
    ids = [a["id"] for _, a in document.tags if "id" in a]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("name", PAGES)
def test_only_our_scripts_may_run(name: str) -> None:
    document = Document(PAGES[name]())
    (policy,) = [a["content"] for t, a in document.tags if t == "meta" and "http-equiv" in a]
    assert policy is not None
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy.split("script-src")[1]
    plain = [a for t, a in document.tags if t == "script" and "type" not in a]
    code = [s for s in document.scripts if '"recorded"' not in s[:40]]
    assert len(code) == len(plain)
    for script in code:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy


def test_hostile_text_is_shown_as_text() -> None:
    document = Document(PAGES["hostile"]())
    shown = "".join(document.texts)
    assert "</script><script>alert(1)</script><img src=x onerror=alert(2)>" in shown
    assert "{{7*7}}" in shown
    assert "&amp; ${x}" in shown, "an entity in a text is not decoded"
    assert "\\u202e" in shown
    assert "\u202e" not in shown
    assert samples.LONG in shown, "the whole configuration is there, folded"


def test_embedded_data_cannot_end_its_element() -> None:
    written = embedded_json({"a": "</script><!--<script>\u2028&"})
    assert not re.search(r"[<>&\u2028]", written)
    assert json.loads(written) == {"a": "</script><!--<script>\u2028&"}


def test_a_reader_without_scripts_sees_the_whole_finding() -> None:
    shown = " ".join("".join(Document(PAGES["crash"]()).texts).split())
    for needed in (
        "crash The forward pass stops with an error in the second encoder layer.",
        "What to do: Replicate the position bias where it meets the scores. This was tried and works.",
        "AA101 expanded-meets-shared error confirmed by running it",
        "scores += position_bias_masked",
        "The position bias is made once",
        "LoRA in layer 1",
        "scores = scores + position_bias_masked",
        "encoder.block.2-11.layer.0.SelfAttention",
        "layers 1-11",
        "decoder.final_layer_norm",
    ):
        assert needed in shown, needed


def test_twenty_thousand_distinct_ops_stay_below_five_megabytes() -> None:
    graph = samples.layered_graph(80, 250)
    nodes = tuple(n.model_copy(update={"line": i}) for i, n in enumerate(graph.nodes))
    result = samples.crash().model_copy(update={"graph": graph.model_copy(update={"nodes": nodes})})
    assert len(render("html", [result]).encode()) < 5_000_000


def test_a_matrix_of_real_size_stays_below_five_megabytes() -> None:
    assert len(render("matrix", samples.matrix()).encode()) < 5_000_000


def test_many_results_make_a_matrix_page() -> None:
    results = samples.matrix(2, 2)
    assert render("html", results) == render("matrix", results)


def test_every_cell_leads_to_its_audits() -> None:
    document = Document(render("matrix", samples.matrix(5, 4)))
    targets = {a["id"] for _, a in document.tags if "id" in a}
    links = [str(a["href"]) for t, a in document.tags if t == "a" and str(a.get("href")).startswith("#cell-")]
    assert len(links) == 20
    assert {link[1:] for link in links} <= targets


def test_two_runs_are_compared() -> None:
    now = samples.matrix(3, 4)
    before = [r.model_copy(update={"verdict": Verdict.COMPATIBLE}) for r in now[:-1]]
    gone = now[0].model_copy(update={"spec": {**now[0].spec, "model": "org/left"}})
    shown = " ".join(
        " ".join(Document(render("matrix", now, ReportOptions(baseline=(*before, gone)))).texts).split()
    )
    assert "worse org/model-00-base method_01 stack(a,b) compatible crash" in shown
    assert "new org/model-02-base method_03 stack(a,b) not audited" in shown
    assert "gone org/left method_00 stack(a,b) audited not audited" in shown
