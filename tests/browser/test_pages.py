"""Every state of the approval page, as the function answers it, in a browser that holds it to its own policy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from conftest import ADDRESS, State, keep, show
from playwright.sync_api import Page, Request, Route, expect

AUDIT = (Path(__file__).parent / "audit.js").read_text()


@pytest.mark.parametrize("width", [360, 1440])
def test_every_state_can_be_read_and_used(states: dict[str, State], open_page: Callable[..., Page], width: int) -> None:
    page = open_page(width)
    for name, state in states.items():
        show(page, state)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            found = page.evaluate(AUDIT)
            assert found == [], f"{name}: {found}"
            keep(page, f"state-{name}-{width}-{scheme}")


def test_no_state_is_large_runs_a_script_or_stays_in_a_cache(states: dict[str, State]) -> None:
    assert len(states) > 40
    for name, state in states.items():
        assert len(state["body"].encode()) < 20_000, name
        assert "<script" not in state["body"], name
        assert state["headers"]["cache-control"] == "no-store", name
        assert "unsafe" not in state["headers"]["content-security-policy"], name


def test_the_audit_finds_what_is_wrong(states: dict[str, State], open_page: Callable[..., Page]) -> None:
    """The check above can fail: each of these is one of its complaints."""
    page = open_page()
    for damage, complaint in [
        ("document.querySelector('.hint').style.color = '#999'", "contrast"),
        ("document.querySelector('label[for=comment]').remove()", "no label"),
        ("document.querySelector('.go').style.cssText = 'min-height: 0; height: 20px; padding: 0'", "too small"),
        ("document.querySelector('h2').outerHTML = '<h4>x</h4>'", "comes after level"),
        ("document.querySelector('ul').removeAttribute('role')", "a list that is none"),
        ("document.querySelector('[role=img]').removeAttribute('aria-label')", "without words"),
    ]:
        show(page, states["question"])
        page.evaluate(damage)
        assert any(complaint in found for found in page.evaluate(AUDIT)), complaint


def test_what_breaks_the_policy_is_noticed(states: dict[str, State], browser_complaints: list[str], open_page: Callable[..., Page]) -> None:
    page = open_page()
    broken = {**states["question"], "body": states["question"]["body"].replace("</main>", "<script>document.title = 'ran'</script></main>")}
    show(page, broken)
    assert page.title() != "ran"
    assert any("Content Security Policy" in text for text in browser_complaints)
    browser_complaints.clear()


def test_the_keyboard_goes_through_the_answer_in_order(states: dict[str, State], open_page: Callable[..., Page]) -> None:
    page = open_page()
    show(page, states["question"])
    for expected in ["comment", "seen", "decision", "Reject this build instead…", "Let somebody else answer…", "Ask for more time…"]:
        page.keyboard.press("Tab")
        focused = page.evaluate("document.activeElement.name || document.activeElement.textContent")
        assert focused == expected
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid", f"where the focus is on {expected} can't be seen"


def test_the_forms_send_what_the_function_reads(states: dict[str, State], open_page: Callable[..., Page]) -> None:
    """Without scripts, by the words that a person or a screen reader finds."""
    for press, expected in FORMS:
        page = open_page(360, scripts=False)
        show(page, states["question"])
        sent: list[Request] = []
        page.route(ADDRESS + "**", taken_into(sent))
        press(page)
        expect(page).to_have_title("taken")
        assert [request.method for request in sent] == ["POST"]
        assert parse_qs(sent[0].post_data or "") == expected
        headers = sent[0].all_headers()
        assert headers["content-type"] == "application/x-www-form-urlencoded"
        assert "referer" not in headers


def taken_into(sent: list[Request]) -> Callable[[Route], None]:
    def take(route: Route) -> None:
        sent.append(route.request)
        route.fulfill(status=200, content_type="text/html", body="<title>taken</title>")

    return take


def approve(page: Page) -> None:
    page.get_by_label("Comment").fill("Expected.")
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("heading", level=1), "nothing is sent before the tick").to_be_visible()
    page.get_by_label("I have looked").check()
    page.get_by_role("button", name="Approve").click()


def reject(page: Page) -> None:
    page.get_by_text("Reject this build instead").click()
    page.get_by_role("button", name="Reject").click()
    expect(page.get_by_role("heading", level=1), "nothing is sent without a reason").to_be_visible()
    page.get_by_label("Reason").fill("Doubled")
    page.get_by_role("button", name="Reject").click()


def hand_on(page: Page) -> None:
    page.get_by_text("Let somebody else answer").click()
    page.get_by_label("Who is asked in your place").select_option("D. Lind")
    page.get_by_role("button", name="Hand on").click()


def extend(page: Page) -> None:
    page.get_by_text("Ask for more time").click()
    page.get_by_role("button", name="More time").click()


FORMS = [
    (approve, {"comment": ["Expected."], "seen": ["yes"], "decision": ["approve"]}),
    (reject, {"reason": ["Doubled"], "decision": ["reject"]}),
    (hand_on, {"to": ["d.lind@nordvik.example"], "decision": ["hand-on"]}),
    (extend, {"decision": ["extend"]}),
]


def test_only_an_open_question_of_ones_own_has_buttons(states: dict[str, State], open_page: Callable[..., Page]) -> None:
    page = open_page()
    asks = {"question", "request", "unticked", "no-reason", "no-deputy"}
    for name, state in states.items():
        show(page, state)
        approving = page.get_by_role("button", name="Approve").count()
        open_to_the_reader = name in asks or name.startswith("question-")
        assert (approving > 0) == open_to_the_reader, name


def test_a_form_that_was_sent_back_says_what_is_missing_where_it_is_open(states: dict[str, State], open_page: Callable[..., Page]) -> None:
    page = open_page()
    for name, field in [("no-reason", "Reason"), ("no-deputy", "Who is asked in your place")]:
        show(page, states[name])
        assert states[name]["status"] == 422
        expect(page.get_by_role("alert")).to_contain_text("othing was recorded")
        expect(page.get_by_label(field)).to_be_visible()


def test_paper_and_forced_colours_show_the_question_too(states: dict[str, State], open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.emulate_media(media="print")
    show(page, states["question"])
    expect(page.get_by_role("button")).to_have_count(0)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    keep(page, "state-question-print")
    page = open_page()
    page.emulate_media(forced_colors="active")
    show(page, states["question"])
    keep(page, "state-question-forced-colours")
