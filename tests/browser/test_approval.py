"""The approval page and what follows it, as a person meets them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from conftest import Night, keep
from playwright.sync_api import Page, Response, expect

APPROVER = "a.berg@nordvik.example"
OTHER = "b.osei@nordvik.example"


def visit(page: Page, address: str) -> Response:
    response = page.goto(address)
    assert response is not None
    return response


def test_two_people_click_their_mailed_links_look_approve_and_the_night_is_published(
    start_night: Callable[..., Night], open_page: Callable[..., Page]
) -> None:
    night = start_night("--date", "2026-11-19", "--orders", "3000")
    night.wait_for_question()

    # The inbox shows the mail; its link is the way in.
    inbox = open_page()
    visit(inbox, night.inbox)
    # After all the nights before, the inbox is longer than any picture can be.
    keep(inbox, "inbox-1440-light", whole=False)
    link = night.links[APPROVER]
    assert inbox.locator(f'a[href="{link}"]').count() >= 1

    for width in (360, 1440):
        for dark in (False, True):
            page = open_page(width, dark=dark)
            visit(page, link)
            expect(page.get_by_role("heading", level=1)).to_contain_text("19 November 2026")
            keep(page, f"approval-question-{width}-{'dark' if dark else 'light'}")

    # Without scripts, and by the keyboard's way: labels lead to their fields.
    page = open_page(scripts=False)
    response = visit(page, link)
    headers = response.all_headers()
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"
    assert "unsafe-inline" not in headers["content-security-policy"]
    # The browser itself holds back an approval without the tick.
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("button", name="Approve")).to_be_visible()
    page.get_by_role("checkbox").check()
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Your approval of the build")
    keep(page, "approval-counted-1440-light")

    # The other approver is told who has approved, and completes the count.
    other = open_at(open_page, night.links[OTHER], width=360)
    expect(other.locator("body")).to_contain_text("A. Berg")
    other.get_by_role("checkbox").check()
    other.get_by_role("button", name="Approve").click()
    expect(other.get_by_role("heading", level=1)).to_contain_text("You approved the build")
    keep(other, "approval-decided-360-light")
    first = open_at(open_page, link)
    expect(first.locator("body")).to_contain_text("B. Osei")
    assert first.get_by_role("button", name="Approve").count() == 0
    keep(first, "approval-decided-1440-light")

    report = night.wait_for_end()
    assert report["code"] == 0, "".join(night.lines)
    look_at_the_status_page(open_page, report)


def open_at(open_page: Callable[..., Page], address: str, width: int = 1440, *, dark: bool = False) -> Page:
    page = open_page(width, dark=dark)
    visit(page, address)
    return page


def look_at_the_status_page(open_page: Callable[..., Page], report: dict[str, Any]) -> None:
    """From the very file in the site bucket."""
    address = (Path(report["site"]) / "nights" / "2026-11-19.html").as_uri()
    for width in (360, 1440):
        for dark in (False, True):
            page = open_at(open_page, address, width, dark=dark)
            expect(page.get_by_role("heading", level=1)).to_contain_text("Published")
            expect(page.locator("body")).to_contain_text("A. Berg")
            keep(page, f"status-{width}-{'dark' if dark else 'light'}")


def test_looking_and_forging_decide_nothing_and_a_rejection_needs_a_reason(
    start_night: Callable[..., Night], open_page: Callable[..., Page]
) -> None:
    night = start_night("--date", "2026-11-18", "--orders", "1000")
    night.wait_for_question()
    link = night.links[OTHER]

    # What mail scanners do, and what a cut or a forged link gets: the same as an unknown one.
    page = open_page()
    request = page.context.request
    for _ in range(3):
        assert request.get(link).status == 200
        request.head(link)
    unknown = request.get(link.rsplit("/approvals/", 1)[0] + "/approvals/nothing/here")
    for forged in (link[:-1], link[:-1] + ("A" if link[-1] != "A" else "B"), link.rsplit("/", 1)[0] + "/short"):
        answer = request.get(forged)
        assert (answer.status, answer.text()) == (404, unknown.text())
        assert request.post(forged, form={"decision": "approve", "seen": "yes"}).status == 404
    visit(page, link[:-1])
    keep(page, "approval-unknown-1440-light")

    # A reason is asked for, by the page and by the function behind it.
    assert request.post(link, form={"decision": "reject", "reason": " "}).status == 422
    assert request.post(link, form={"decision": "approve"}).status == 422
    page = open_at(open_page, link)
    expect(page.get_by_role("button", name="Approve")).to_be_visible()
    page.get_by_text("Reject this build instead").click()
    page.get_by_role("textbox", name="reason").fill("Music fell by half, the feed of shop 12 is missing")
    page.get_by_role("button", name="Reject").click()
    expect(page.locator("body")).to_contain_text("Music fell by half")
    keep(open_at(open_page, link, dark=True), "approval-rejected-1440-dark")

    report = night.wait_for_end()
    assert (report["code"], report["night"]["error"]) == (3, "ApprovalRejected")
    assert "Music fell by half" in report["night"]["cause"]
