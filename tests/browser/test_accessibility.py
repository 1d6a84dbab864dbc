"""axe-core over every page, in both themes and on a phone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Opened
from playwright.sync_api import Page
from test_pages import ALL, PHONE, WITH_GRAPH, start_graph

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text(encoding="utf-8")


def problems(page: Page) -> list[dict[str, Any]]:
    page.add_script_tag(content=AXE)
    found: dict[str, Any] = page.evaluate("() => axe.run(document)")
    return [
        {"id": v["id"], "impact": v["impact"], "at": [n["html"][:160] for n in v["nodes"][:3]]}
        for v in found["violations"]
    ]


@pytest.mark.parametrize("viewport", [PHONE, {"width": 1280, "height": 800}])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", [name for name in ALL if name != "huge"])
def test_axe_finds_nothing(
    open_page: Callable[..., Opened], name: str, scheme: str, viewport: dict[str, int]
) -> None:
    # The page's own policy would not let the checker in.
    page = open_page(name, color_scheme=scheme, viewport=viewport, bypass_csp=True).page
    if name in WITH_GRAPH:
        start_graph(page)
        page.locator("#tree button").nth(1).click()
    elif page.locator(".cell a").count():
        page.locator(".cell a").nth(1).click()
    assert problems(page) == []


def test_axe_can_find_something(open_page: Callable[..., Opened]) -> None:
    page = open_page("clean", bypass_csp=True).page
    page.evaluate("() => document.body.append(document.createElement('button'))")
    assert [p["id"] for p in problems(page)] == ["button-name"]
