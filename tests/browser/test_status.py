"""The status page after every kind of night, as the function writes it, in a browser that holds it to its own policy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import State, hung, keep, show
from playwright.sync_api import Page, Request, expect

AUDIT = (Path(__file__).parent / "audit.js").read_text()


@pytest.fixture(scope="session")
def nights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, State]:
    """The page after each kind of night by its name, brought about by the function's own code."""
    return hung("nights", tmp_path_factory.mktemp("nights"))


@pytest.mark.parametrize("width", [360, 1440])
def test_every_night_can_be_read(nights: dict[str, State], open_page: Callable[..., Page], width: int) -> None:
    # As many courses as there are to tell apart, at least: none of them is looked at where the gallery is empty.
    assert len(nights) >= 16
    page = open_page(width)
    for name, state in nights.items():
        show(page, state)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            found = page.evaluate(AUDIT)
            assert found == [], f"{name}: {found}"
            keep(page, f"night-{name}-{width}-{scheme}")


def test_no_page_is_large_runs_a_script_or_loads_anything(nights: dict[str, State], open_page: Callable[..., Page]) -> None:
    for name, state in nights.items():
        assert len(state["body"].encode()) < 120_000, name
        assert "<script" not in state["body"], name
        asked: list[str] = []
        page = open_page(scripts=False)
        page.on("request", taken_down(asked))
        show(page, state)
        assert [url for url in asked if "favicon" not in url] == [page.url], name


def taken_down(asked: list[str]) -> Callable[[Request], None]:
    return lambda request: asked.append(request.url)


def test_on_a_phone_the_newest_nights_are_seen_first_and_the_oldest_can_be_reached(
    nights: dict[str, State], open_page: Callable[..., Page]
) -> None:
    page = open_page(360)
    show(page, nights["published"])
    own = page.locator(".grid .whole .own a")
    oldest = page.locator(".grid .whole a").first
    region = page.get_by_role("region", name="The last 30 nights")
    region.scroll_into_view_if_needed()
    expect(own).to_be_in_viewport(ratio=1)
    expect(oldest).not_to_be_in_viewport()
    region.focus()
    for _ in range(40):
        page.keyboard.press("ArrowLeft")
    expect(oldest).to_be_in_viewport(ratio=1)
    # The names of the steps stay beside them.
    expect(page.locator(".grid tbody th").nth(2)).to_be_in_viewport(ratio=1)


def test_the_keyboard_reaches_each_night_once_and_not_each_step(nights: dict[str, State], open_page: Callable[..., Page]) -> None:
    page = open_page()
    show(page, nights["failed"])
    stops = []
    for _ in range(45):
        page.keyboard.press("Tab")
        stops.append(page.evaluate("document.activeElement.closest('.grid') ? document.activeElement.title : ''"))
    titles = [title for title in stops if title]
    assert len(titles) == len(set(titles)) == 29
    assert all(", " in title and ":" in title.split(",")[0] for title in titles), titles


def test_a_red_step_leads_to_its_log(nights: dict[str, State], open_page: Callable[..., Page]) -> None:
    page = open_page()
    show(page, nights["failed"])
    for link in (page.get_by_role("link", name="Enrich currency: failed").first, page.locator(".grid .own .failed").nth(1)):
        assert "console.aws.amazon.com" in (link.get_attribute("href") or "")


def test_it_can_be_printed_and_seen_in_two_colours(nights: dict[str, State], open_page: Callable[..., Page]) -> None:
    page = open_page()
    show(page, nights["failed"])
    page.emulate_media(media="print")
    keep(page, "night-failed-print")
    assert page.locator(".scroll").evaluate("element => getComputedStyle(element).overflowX") == "visible"
    page.emulate_media(media="screen", forced_colors="active")
    keep(page, "night-failed-forced-colours")
    mark = page.locator(".grid .failed").first
    assert mark.evaluate("element => getComputedStyle(element, '::before').content").startswith('"✕"')
