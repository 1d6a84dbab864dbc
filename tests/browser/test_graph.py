"""The interactive graph: folding, clicking, searching, slices, the list beside it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from conftest import Opened
from playwright.sync_api import Page
from test_pages import start_graph

Open = Callable[..., Opened]


@pytest.fixture
def graph(open_page: Open) -> Page:
    page = open_page("crash").page
    start_graph(page)
    return page


def drawn(page: Page) -> set[str]:
    """Ids of all drawn nodes: `m` a module, `o` an op."""
    return set(page.evaluate("() => document.getElementById('canvas').cy.nodes().map((n) => n.id())"))


def click_node(page: Page, node: str, clicks: int = 1) -> None:
    """Click where the node is drawn."""
    page.locator("#canvas").scroll_into_view_if_needed()
    at = page.evaluate(
        "(id) => document.getElementById('canvas').cy.getElementById(id).renderedPosition()", node
    )
    box = page.locator("#canvas").bounding_box()
    assert box
    for _ in range(clicks):
        page.mouse.click(box["x"] + at["x"], box["y"] + at["y"])


def test_it_starts_closed(graph: Page) -> None:
    assert drawn(graph) == {"o0", "m1", "m2"}
    assert graph.locator("#status").inner_text() == "2 modules and 1 op shown"


def test_a_double_click_opens_a_module_and_the_list_closes_it(graph: Page) -> None:
    before = drawn(graph)
    click_node(graph, "m2", clicks=2)
    graph.get_by_label("Close encoder", exact=True).wait_for()
    assert len(drawn(graph)) > len(before)
    graph.get_by_label("Close encoder", exact=True).click()
    assert drawn(graph) == before


def test_clicking_a_node_shows_shape_twin_and_source(graph: Page) -> None:
    graph.locator("#search").fill("repeat")
    graph.keyboard.press("Enter")
    graph.locator("#details h3", has_text="aten.repeat.default").wait_for()
    graph.get_by_role("button", name="Fit").click()
    click_node(graph, "o6")
    shown = graph.locator("#details").inner_text()
    for needed in (
        "aten.repeat.default",
        "[15, 7, 768]",
        "[3, 7, 768]",
        "expanded: one copy of the rows per adapter",
        "encoder.block.1.layer.0.SelfAttention.q",
        "adapters/composition.py:302",
        "return tensor.repeat(",
    ):
        assert needed in shown, needed


def test_clicking_the_failed_op_shows_its_error(graph: Page) -> None:
    graph.get_by_label("Show").select_option("0")
    click_node(graph, "o9")
    graph.locator("#details", has_text="The size of tensor a (15) must match").wait_for()


def test_the_slice_shows_only_what_belongs_to_the_finding(graph: Page) -> None:
    graph.get_by_role("button", name="Show only this in the graph").click()
    assert {node for node in drawn(graph) if node[0] == "o"} == {"o3", "o6", "o7", "o8", "o9"}
    graph.get_by_label("Show").select_option("")
    assert drawn(graph) == {"o0", "m1", "m2"}


def test_searching_finds_modules_ops_and_source(graph: Page) -> None:
    for query, hit in (
        ("relative_attention_bias", "encoder.block.0.layer.0.SelfAttention.relative_attention_bias"),
        ("bmm", "bmm [15, 12, 7, 7] in encoder.block.1.layer.0.SelfAttention"),
        ("modeling_t5.py:163", "add [3, 12, 7, 7] in encoder.block.0.layer.0.SelfAttention"),
        ("position_bias_masked", "add_ [15, 12, 7, 7] in encoder.block.1.layer.0.SelfAttention"),
    ):
        graph.locator("#search").fill(query)
        assert hit in graph.locator("#hits li").all_inner_texts(), query
    graph.locator("#search").fill("no such thing")
    assert graph.locator("#status").inner_text() == "Nothing found"
    assert not graph.locator("#hits").is_visible()


def test_a_hit_is_opened_and_selected(graph: Page) -> None:
    graph.locator("#search").fill("bmm")
    graph.locator("#hits button").first.click()
    assert "o8" in drawn(graph)
    selected = "() => document.getElementById('canvas').cy.$(':selected').map((n) => n.id())"
    assert graph.evaluate(selected) == ["o8"]
    graph.get_by_role("button", name="Close all").click()
    assert drawn(graph) == {"o0", "m1", "m2"}


def test_repeated_layers_are_folded(open_page: Open) -> None:
    page = open_page("clean").page
    start_graph(page)
    page.get_by_label("Open model", exact=True).click()
    assert page.get_by_label("Open 0", exact=True).is_visible()
    page.get_by_role("button", name="1-11 (11x)", exact=True).click()
    assert "11 equal modules" in page.locator("#details").inner_text()


def test_lanes_have_their_colours_in_both_themes(graph: Page) -> None:
    graph.get_by_label("Show").select_option("0")
    colour = "(id) => document.getElementById('canvas').cy.getElementById(id).style('border-color')"
    light = {node: graph.evaluate(colour, node) for node in ("o3", "o7", "o9")}
    assert len(set(light.values())) == 3
    graph.get_by_role("button", name="Switch to the dark theme").click()
    dark = {node: graph.evaluate(colour, node) for node in ("o3", "o7", "o9")}
    assert len(set(dark.values())) == 3
    assert set(dark.values()).isdisjoint(light.values())


def test_the_list_works_with_the_keyboard(graph: Page) -> None:
    graph.get_by_label("Open encoder", exact=True).focus()
    graph.keyboard.press("Enter")
    close = graph.get_by_label("Close encoder", exact=True)
    assert close.get_attribute("aria-expanded") == "true"
    assert close.evaluate("(button) => document.activeElement === button"), "the focus stays on the button"


def test_a_graph_of_twenty_thousand_ops_stays_quick(open_page: Open) -> None:
    opened = open_page("huge")
    page = opened.page
    start_graph(page)
    page.get_by_label("Open model", exact=True).click()
    page.locator("#status", has_text="83 modules").wait_for(timeout=3000)
    page.locator("#search").fill("layers.79 op7")
    page.keyboard.press("Enter")
    page.locator("#details h3", has_text="aten.op7").wait_for(timeout=3000)
    assert opened.complaints == []
