"""Opens the reports in Chromium, from disk. There is no skip: without a browser these tests fail."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Dialog, Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "reports"))

import report_samples as samples

from adapter_audit.auditor.schema.result import AuditResult, Verdict
from adapter_audit.reports.report import ReportOptions, render

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "browser: needs Chromium")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker("browser")


def chromium() -> str:
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if not path:
        pytest.fail("Chromium is not there: apt-get install chromium, or set CHROMIUM to its path")
    return path


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        yield running
        running.close()


def distinct_graph() -> AuditResult:
    """20,002 ops of which no two are equal, so that nothing can be folded."""
    graph = samples.layered_graph(80, 250)
    nodes = tuple(node.model_copy(update={"line": n}) for n, node in enumerate(graph.nodes))
    return samples.crash().model_copy(update={"graph": graph.model_copy(update={"nodes": nodes})})


def compared() -> str:
    results = samples.matrix()
    before = [r.model_copy(update={"verdict": Verdict.COMPATIBLE}) for r in results[:300]]
    return render("matrix", results, ReportOptions(baseline=tuple(before)))


PAGES: dict[str, Callable[[], str]] = {
    "crash": lambda: render("html", [samples.crash()]),
    "silent": lambda: render("html", [samples.silent()]),
    "clean": lambda: render("html", [samples.clean()]),
    "hostile": lambda: render("html", [samples.hostile()]),
    "matrix": lambda: render("matrix", samples.matrix()),
    "compared": compared,
    "huge": lambda: render("html", [distinct_graph()]),
}


@dataclass
class Opened:
    """A page, and what it complained about or asked for."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


def _refused(opened: Opened, dialog: Dialog) -> None:
    opened.complaints.append(f"a dialog: {dialog.message}")
    dialog.dismiss()


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The file of a named page, written once a session."""
    folder = tmp_path_factory.mktemp("pages")

    def file(name: str) -> Path:
        path = folder / f"{name}.html"
        if not path.exists():
            path.write_text(PAGES[name](), encoding="utf-8")
        return path

    return file


@pytest.fixture
def open_page(browser: Browser, files: Callable[[str], Path]) -> Iterator[Callable[..., Opened]]:
    """Open a named page from disk; options go to the browser context."""
    contexts = []

    def opened(name: str, **options: Any) -> Opened:
        options.setdefault("viewport", {"width": 1280, "height": 800})
        context = browser.new_context(**options)
        contexts.append(context)
        result = Opened(context.new_page())
        result.page.set_default_timeout(10_000)
        result.page.on("console", lambda message: result.complaints.append(f"{message.type}: {message.text}"))
        result.page.on("pageerror", lambda error: result.complaints.append(f"error: {error}"))
        result.page.on("dialog", lambda dialog: _refused(result, dialog))
        result.page.on("request", lambda request: result.requests.append(request.url))
        result.page.goto(files(name).as_uri())
        return result

    yield opened
    for context in contexts:
        context.close()
