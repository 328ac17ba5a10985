"""A bot posts a message and changes it, and Slack's refusals come as Slack sends them."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from outside import inbox
from outside.tests.conftest import Outside
from outside.web_api import channel_id

TOKEN = "xoxb-1-local"
CHANNEL = "C0WAREHOUSE"


def call(outside: Outside, method: str, request: object, authorization: str | None = f"Bearer {TOKEN}") -> Any:
    answer = outside.post(f"/slack/api/{method}", request, {"Authorization": authorization} if authorization else {})
    assert answer.status == 200
    return answer.json


def button(**changes: Any) -> dict[str, Any]:
    return {"type": "button", "text": {"type": "plain_text", "text": "Open"}, "url": "http://127.0.0.1:8/approvals/a/b", **changes}


def asking(**changes: Any) -> dict[str, Any]:
    """A message that asks, with a button that opens the page."""
    blocks = [
        {"type": "section", "text": {"type": "mrkdwn", "text": ":hourglass_flowing_sand: *Waiting for approval*"}},
        {"type": "actions", "elements": [button(style="primary", action_id="open")]},
    ]
    return {"channel": CHANNEL, "text": "Approval asked", "unfurl_links": False, "blocks": blocks, **changes}


def test_a_bots_message_is_posted_and_known_by_its_ts(outside: Outside) -> None:
    before = datetime.now(UTC).timestamp()
    posted = call(outside, "chat.postMessage", asking())
    assert (posted["ok"], posted["channel"]) == (True, CHANNEL)
    assert re.fullmatch(r"\d{10}\.\d{6}", posted["ts"])
    assert before - 0.001 <= float(posted["ts"]) <= datetime.now(UTC).timestamp()
    assert posted["message"]["blocks"] == asking()["blocks"]
    assert outside.posts() == [{**asking(), "ts": posted["ts"]}]


def test_messages_of_one_microsecond_have_a_ts_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox.time, "time_ns", lambda: 1_795_231_440_000_000_999)
    kept = inbox.Inbox(tmp_path)
    assert [kept.post(CHANNEL, asking())["ts"] for _ in range(3)] == [f"1795231440.00000{last}" for last in (0, 1, 2)]
    assert len(kept.newest_first()) == 3


def test_a_channels_name_stands_for_its_id(outside: Outside) -> None:
    named = [call(outside, "chat.postMessage", asking(channel=name))["channel"] for name in ("#warehouse", "warehouse", "#other")]
    assert named[0] == named[1] != named[2]
    assert all(channel_id(channel) == channel for channel in named)


def test_an_updated_message_keeps_its_place_and_shows_its_newest_text_as_edited(outside: Outside) -> None:
    first = call(outside, "chat.postMessage", asking())
    outside.post("/slack/warehouse", {"text": "A post that came later"})
    page = outside.get("/").text
    assert "Edited" not in page
    assert '<a class="button primary" href="http://127.0.0.1:8/approvals/a/b"' in page

    decided = [{"type": "section", "text": {"type": "mrkdwn", "text": ":white_check_mark: *Approved by A. Berg*"}}]
    changed = call(outside, "chat.update", {"channel": CHANNEL, "ts": first["ts"], "text": "Approved", "blocks": decided})
    assert (changed["ok"], changed["channel"], changed["ts"]) == (True, CHANNEL, first["ts"])

    page = outside.get("/").text
    assert "2 Slack posts" in page
    assert page.index("A post that came later") < page.index("Approved by A. Berg")
    assert "Waiting for approval" not in page and "approvals/a/b" not in page
    assert page.count("Edited at <time") == 1


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        # "If the text argument is provided and blocks are not provided, the blocks will be removed."
        ({"text": "new"}, {"text": "new", "blocks": []}),
        ({"blocks": [{"type": "divider"}]}, {"text": "Approval asked", "blocks": [{"type": "divider"}]}),
        ({"text": "new", "blocks": []}, {"text": "new", "blocks": []}),
        ({"text": "new", "blocks": None, "attachments": None}, {"text": "new", "blocks": []}),
    ],
)
def test_what_an_update_leaves_out_is_kept_or_removed_as_slack_says(
    outside: Outside, changes: dict[str, Any], left: dict[str, Any]
) -> None:
    ts = call(outside, "chat.postMessage", asking())["ts"]
    assert call(outside, "chat.update", {"channel": CHANNEL, "ts": ts, **changes})["ok"]
    (kept,) = outside.posts()
    assert {name: kept[name] for name in left} == left
    assert kept["unfurl_links"] is False


@pytest.mark.parametrize(
    ("authorization", "error"),
    [(None, "not_authed"), ("Basic eDp5", "not_authed"), ("Bearer ", "invalid_auth"), ("Bearer xoxp-a-person", "invalid_auth")],
)
def test_without_a_bots_token_nothing_is_posted(outside: Outside, authorization: str | None, error: str) -> None:
    for method in ("chat.postMessage", "chat.update"):
        assert call(outside, method, asking(), authorization) == {"ok": False, "error": error}
    assert outside.posts() == []


@pytest.mark.parametrize(
    ("request_body", "error"),
    [
        (b"{", "invalid_json"),
        ([], "json_not_object"),
        (asking(channel="#No Such Channel"), "channel_not_found"),
        ({"text": "hello"}, "channel_not_found"),
        ({"channel": CHANNEL}, "no_text"),
        (asking(blocks="none"), "invalid_blocks_format"),
        (asking(blocks=[7]), "invalid_blocks"),
    ],
)
def test_a_wrong_message_is_refused_by_name_and_not_kept(outside: Outside, request_body: object, error: str) -> None:
    refused = call(outside, "chat.postMessage", request_body)
    assert (refused["ok"], refused["error"]) == (False, error)
    assert outside.posts() == []


def test_a_form_is_refused(outside: Outside) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/x-www-form-urlencoded"}
    assert outside.post("/slack/api/chat.postMessage", b"channel=C0WAREHOUSE", headers).json["error"] == "invalid_post_type"


def test_an_unknown_method_is_refused(outside: Outside) -> None:
    assert call(outside, "chat.delete", {}) == {"ok": False, "error": "unknown_method"}


def test_only_a_bots_message_of_that_channel_can_be_updated(outside: Outside) -> None:
    ts = call(outside, "chat.postMessage", asking())["ts"]
    outside.post("/slack/warehouse", {"text": "by the webhook"})
    names = [path.stem for path in (outside.inbox / "slack").glob("*.json")]
    before = outside.posts()
    for changes, error in (
        ({"channel": "C0ELSEWHERE"}, "message_not_found"),
        ({"channel": "#warehouse"}, "channel_not_found"),
        ({"ts": "1700000000.000000"}, "message_not_found"),
        ({"ts": "../" + ts}, "message_not_found"),
        ({"ts": None}, "message_not_found"),
        *(({"ts": f"{name[:10]}.{name[10:16]}", "channel": "C0ELSEWHERE"}, "message_not_found") for name in names),
    ):
        refused = call(outside, "chat.update", {"channel": CHANNEL, "ts": ts, "text": "new", **changes})
        assert refused == {"ok": False, "error": error}, changes
    assert outside.posts() == before


def test_slack_that_is_down_takes_no_message_and_no_update(outside: Outside) -> None:
    ts = call(outside, "chat.postMessage", asking())["ts"]
    outside.post("/faults", {"slack-down": True})
    headers = {"Authorization": f"Bearer {TOKEN}"}
    assert outside.post("/slack/api/chat.postMessage", asking(), headers).status == 503
    assert outside.post("/slack/api/chat.update", asking(ts=ts, text="new", blocks=[]), headers).status == 503
    assert outside.posts() == [{**asking(), "ts": ts}]


def test_a_message_cannot_claim_to_be_edited(outside: Outside) -> None:
    call(outside, "chat.postMessage", asking(edited={"ts": "soon"}, ts="1700000000.000000"))
    outside.post("/slack/warehouse", {"text": "by the webhook", "edited": {"ts": "soon"}, "ts": 7})
    assert "Edited" not in outside.get("/").text


def test_no_token_is_kept(outside: Outside) -> None:
    call(outside, "chat.postMessage", asking(token=TOKEN))
    assert not any(TOKEN in path.read_text(encoding="utf-8") for path in (outside.inbox / "slack").iterdir())


def texts(length: int, kind: str = "plain_text") -> dict[str, str]:
    return {"type": kind, "text": "x" * length}


@pytest.mark.parametrize(
    ("fits", "is_too_much", "where"),
    [
        (button(text=texts(75)), button(text=texts(76)), "/text/text"),
        (button(), button(text=texts(4, "mrkdwn")), "/text"),
        (button(), {"type": "button", "url": "https://a.example"}, "/text"),
        (button(url="h" * 3000), button(url="h" * 3001), "/url"),
        (button(url="https://a.example"), button(url=""), "/url"),
        (button(value="v" * 2000), button(value="v" * 2001), "/value"),
        (button(style="danger"), button(style="green"), "/style"),
        (button(accessibility_label="l" * 75), button(accessibility_label="l" * 76), "/accessibility_label"),
        (button(action_id="i" * 255), button(action_id="i" * 256), "/action_id"),
        (button(), texts(4, "mrkdwn"), ""),
        (button(), "Open", ""),
        ({"type": "overflow"}, {"text": "Open"}, ""),
    ],
)
def test_a_button_keeps_to_the_documented_limits(outside: Outside, fits: Any, is_too_much: Any, where: str) -> None:
    assert call(outside, "chat.postMessage", asking(blocks=[{"type": "actions", "elements": [fits]}]))["ok"]
    refused = call(outside, "chat.postMessage", asking(blocks=[{"type": "actions", "elements": [is_too_much]}]))
    assert (refused["ok"], refused["error"]) == (False, "invalid_blocks")
    assert refused["response_metadata"]["messages"][0].endswith(f"[json-pointer:/blocks/0/elements/0{where}]")
    webhook = outside.post("/slack/warehouse", {"blocks": [{"type": "actions", "elements": [is_too_much]}]})
    assert (webhook.status, webhook.text) == (400, "invalid_blocks")


@pytest.mark.parametrize(
    ("fits", "is_too_much"),
    [
        ([{"type": "divider"}] * 50, [{"type": "divider"}] * 51),
        ([{"type": "actions", "elements": [button()] * 25}], [{"type": "actions", "elements": [button()] * 26}]),
        ([{"type": "actions", "elements": [button()]}], [{"type": "actions", "elements": []}]),
        (
            [{"type": "actions", "elements": [button(action_id="a"), button(action_id="b")]}],
            [{"type": "actions", "elements": [button(action_id="a"), button(action_id="a")]}],
        ),
        ([{"type": "divider", "block_id": "a"}, {"type": "divider"}], [{"type": "divider", "block_id": "a"}] * 2),
        ([{"type": "header", "text": texts(150)}], [{"type": "header", "text": texts(151)}]),
        ([{"type": "section", "text": texts(3000, "mrkdwn")}], [{"type": "section", "text": texts(3001, "mrkdwn")}]),
        ([{"type": "section", "fields": [texts(2000)] * 10}], [{"type": "section", "fields": [texts(2001)]}]),
        ([{"type": "section", "fields": [texts(1)] * 10}], [{"type": "section", "fields": [texts(1)] * 11}]),
        ([{"type": "section", "text": texts(1), "accessory": button()}], [{"type": "section", "text": texts(1), "accessory": 7}]),
        ([{"type": "context", "elements": [texts(1)] * 10}], [{"type": "context", "elements": [texts(1)] * 11}]),
        ([{"type": "context", "elements": [texts(1)]}], [{"type": "context", "elements": [button()]}]),
    ],
)
def test_a_message_keeps_to_the_documented_limits(outside: Outside, fits: list[Any], is_too_much: list[Any]) -> None:
    assert call(outside, "chat.postMessage", asking(blocks=fits))["ok"]
    assert call(outside, "chat.postMessage", asking(blocks=is_too_much))["error"] == "invalid_blocks"
    assert outside.get("/").status == 200
