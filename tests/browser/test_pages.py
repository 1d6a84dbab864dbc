"""Every page, as a reader meets it: from disk, quiet, readable at once, with and without scripts."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Opened
from playwright.sync_api import Locator, Page

Open = Callable[..., Opened]
ALL = ["crash", "silent", "clean", "hostile", "matrix", "compared", "huge"]
WITH_GRAPH = ["crash", "clean", "hostile", "huge"]
PHONE = {"width": 375, "height": 812}


def start_graph(page: Page) -> None:
    page.locator("#graph-section").scroll_into_view_if_needed()
    page.locator("#status").filter(has_text="shown").wait_for()


def is_in_view(locator: Locator) -> bool:
    box = locator.bounding_box()
    view = locator.page.viewport_size
    assert view
    return box is not None and box["y"] >= 0 and box["y"] + box["height"] <= view["height"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ALL)
def test_opens_without_a_complaint_or_a_request(open_page: Open, name: str, scheme: str) -> None:
    opened = open_page(name, color_scheme=scheme, offline=True)
    if name in WITH_GRAPH:
        start_graph(opened.page)
    opened.page.wait_for_load_state("networkidle")
    assert opened.complaints == []
    assert [url for url in opened.requests if not url.startswith(("file:", "data:"))] == []
    assert len([url for url in opened.requests if url.startswith("file:")]) == 1


@pytest.mark.parametrize("name", ["crash", "silent"])
def test_the_finding_is_visible_without_scrolling(open_page: Open, name: str) -> None:
    page = open_page(name).page
    assert is_in_view(page.locator("h1"))
    first = page.locator("article.finding").first
    assert is_in_view(first.locator("h3"))
    assert is_in_view(first.locator(".message"))
    assert is_in_view(first.locator(".source"))
    assert is_in_view(first.locator(".shapes"))


def test_a_clean_audit_says_so_without_scrolling(open_page: Open) -> None:
    page = open_page("clean").page
    assert is_in_view(page.get_by_text("compatible", exact=True))
    assert is_in_view(page.get_by_role("heading", name="No findings"))


@pytest.mark.parametrize("name", ["matrix", "compared"])
def test_a_heat_map_fits_the_screen(open_page: Open, name: str) -> None:
    page = open_page(name).page
    cells = page.locator(".heat .cell a")
    assert cells.count() == 400
    table = page.locator(".heat").first.bounding_box()
    assert table
    assert table["x"] + table["width"] <= 1280


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("viewport", [PHONE, {"width": 1280, "height": 800}])
def test_nothing_is_wider_than_the_page(open_page: Open, name: str, viewport: dict[str, int]) -> None:
    page = open_page(name, viewport=viewport).page
    if name in WITH_GRAPH:
        start_graph(page)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= viewport["width"]


@pytest.mark.parametrize("name", ["crash", "silent", "hostile"])
def test_findings_can_be_read_without_scripts(open_page: Open, name: str) -> None:
    page = open_page(name, java_script_enabled=False).page
    first = page.locator("article.finding").first
    for part in ("h3", ".message", ".source", ".shapes"):
        assert first.locator(part).first.is_visible(), part
    assert page.locator("#graph-section:visible").count() == 0
    assert not page.locator("#theme").is_visible()


def test_the_chain_is_drawn_without_scripts(open_page: Open) -> None:
    page = open_page("crash", java_script_enabled=False).page
    dots = page.locator(".chain circle")
    assert dots.count() == 3
    assert all(dots.nth(number).bounding_box() for number in range(3))
    assert page.locator(".diff ins").first.is_visible()


@pytest.mark.parametrize("script", [True, False])
def test_a_cell_opens_its_audit(open_page: Open, script: bool) -> None:
    page = open_page("matrix", java_script_enabled=script).page
    cell = page.locator(".cell a", has_text="crash").first
    audit = page.locator(str(cell.get_attribute("href")))
    assert not audit.is_visible()
    cell.click()
    assert audit.is_visible()
    assert audit.locator(".message").first.inner_text().startswith("The attention scores")
    assert page.locator(".cell-audits:visible").count() == 1


def test_a_heat_map_can_be_filtered(open_page: Open) -> None:
    page = open_page("matrix").page
    page.get_by_label("Model", exact=True).fill("model-03")
    assert page.locator(".heat tbody tr:visible").count() == 1
    page.get_by_label("Show").select_option("crash")
    assert page.locator(".heat tbody tr:visible .cell:not(.dim)").count() == 1
    page.get_by_label("Model", exact=True).fill("")
    assert page.locator(".heat .cell:not(.dim)").all_inner_texts() == ["crash"] * 37


def test_what_changed_is_listed_and_leads_to_the_audit(open_page: Open) -> None:
    page = open_page("compared").page
    row = page.locator(".changes .change-worse").first
    assert is_in_view(row)
    row.locator("a").click()
    assert page.locator(".cell-audits:visible").count() == 1


def test_the_theme_switches_and_starts_with_the_system(open_page: Open) -> None:
    page = open_page("crash", color_scheme="dark").page
    background = "() => getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(background)
    page.get_by_role("button", name="Switch to the light theme").click()
    light = page.evaluate(background)
    assert dark != light
    assert light == open_page("crash", color_scheme="light").page.evaluate(background)
    page.get_by_role("button", name="Switch to the dark theme").click()
    assert page.evaluate(background) == dark


def test_the_keyboard_reaches_and_works_everything(open_page: Open) -> None:
    page = open_page("crash").page
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.className") == "skip"
    focused = "() => document.activeElement.id || document.activeElement.textContent.trim().slice(0, 40)"
    seen = []
    for _ in range(60):
        page.keyboard.press("Tab")
        seen.append(page.evaluate(focused))
    for needed in (
        "theme",
        "Show only this in the graph",
        "Patch",
        "search",
        "slice",
        "fit",
        "collapse",
        "encoder",
    ):
        assert needed in seen, needed
    page.locator("[data-slice]").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("#status").inner_text() == "5 ops of this finding shown"


@pytest.mark.parametrize("name", ["crash", "matrix"])
def test_print_holds_the_findings(open_page: Open, name: str, tmp_path: Path) -> None:
    page = open_page(name, color_scheme="dark").page
    page.emulate_media(media="print")
    assert page.evaluate("() => getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator("#theme").is_visible()
    assert page.locator("article.finding .message").first.is_visible()
    pdf = tmp_path / "report.pdf"
    page.pdf(path=str(pdf), format="A4")
    assert pdf.read_bytes().startswith(b"%PDF")


def test_a_huge_model_opens_nearly_as_a_small_one(open_page: Open, files: Callable[[str], Path]) -> None:
    """Twenty thousand ops against one layer: what is not looked at is not drawn."""
    assert files("huge").stat().st_size < 5_000_000
    opening(open_page, "crash")  # the browser's own first page
    assert opening(open_page, "huge") < 20 * opening(open_page, "crash")


def opening(open_page: Open, name: str) -> float:
    start = time.monotonic()
    page = open_page(name).page
    page.locator("article.finding .message").first.wait_for()
    start_graph(page)
    return time.monotonic() - start
