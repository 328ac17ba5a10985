"""What is sent arrives, is shown as its senders meant it, and can't do anything to the page."""

import json
import os
from email.message import EmailMessage
from pathlib import Path

import pytest

from outside.links import linked
from outside.page import CONTENT_SECURITY_POLICY
from outside.slack import InvalidPayload, checked_payload, message_html, mrkdwn_html
from outside.tests.conftest import Outside


def leave_mail(inbox: Path, name: str, subject: str, text: str, seconds: int) -> None:
    message = EmailMessage()
    message["Subject"] = subject
    message["From"] = "Nightly warehouse <no-reply@warehouse.example>"
    message["To"] = "ann@example.com"
    message.set_content(text)
    path = inbox / "mail" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(bytes(message))
    os.utime(path, (seconds, seconds))


def test_a_post_is_kept_as_it_came_and_answered_as_slack_does(outside: Outside) -> None:
    post = {"text": "Published: 20 November – „fertig“", "unfurl_links": False}
    answer = outside.post("/slack/services/T0/B0/x", post)
    assert (answer.status, answer.text) == (200, "ok")
    assert outside.posts() == [post]


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (b"payload=hello", "invalid_payload"),
        (b"", "invalid_payload"),
        (b"[]", "invalid_payload"),
        (b'{"blocks": "none"}', "invalid_payload"),
        (b"{}", "no_text"),
        (b'{"blocks": [{"type": "section", "text": "bare"}]}', "invalid_blocks"),
        (b'{"blocks": [7]}', "invalid_blocks"),
    ],
)
def test_a_malformed_post_is_refused_and_not_kept(outside: Outside, body: bytes, answer: str) -> None:
    refused = outside.post("/slack/warehouse", body)
    assert (refused.status, refused.text) == (400, answer)
    assert outside.posts() == []


def test_slack_that_is_down_keeps_nothing(outside: Outside) -> None:
    outside.post("/faults", {"slack-down": True})
    assert outside.post("/slack/warehouse", {"text": "hello"}).status == 503
    assert outside.posts() == []
    assert "Slack answers 503" in outside.get("/").text


def test_a_body_without_end_is_not_read(outside: Outside) -> None:
    assert outside.post("/slack/warehouse", b"x" * ((1 << 20) + 1)).status == 413


def test_the_page_shows_the_newest_first(outside: Outside) -> None:
    assert "Nothing has arrived yet" in outside.get("/").text
    leave_mail(outside.inbox, "a.eml", "Publish the warehouse?", "Answer at http://127.0.0.1:8/approvals/a/b.", 2_000)
    leave_mail(outside.inbox, "b.eml", "Reminder", "Still waiting.", 3_000)
    outside.post("/slack/warehouse", {"text": "Published"})

    page = outside.get("/").text
    assert page.index("Published") < page.index("Reminder") < page.index("Publish the warehouse?")
    assert "2 mails, 1 Slack post" in page
    assert "The night of Thursday 29 October 2026." in page
    assert 'href="http://127.0.0.1:8/approvals/a/b"' in page
    assert '<meta http-equiv="refresh"' in page


def test_nothing_that_arrives_becomes_markup(outside: Outside) -> None:
    attack = '<script>alert("x")</script><img src=x onerror=alert(1)>'
    leave_mail(outside.inbox, "a.eml", attack, attack, 2_000)
    outside.post("/slack/warehouse", {"text": attack + " <javascript:alert(1)|here> `" + attack + '` <https://a.example/"onclick=x|b>'})

    answer = outside.get("/")
    assert "<script" not in answer.text
    assert "<img" not in answer.text
    assert 'href="javascript' not in answer.text
    assert '"onclick' not in answer.text
    assert answer.headers["Content-Security-Policy"] == CONTENT_SECURITY_POLICY
    assert "default-src 'none'" in CONTENT_SECURITY_POLICY


@pytest.mark.parametrize(
    ("text", "markup"),
    [
        ("*bold* and _italic_, ~gone~", "<b>bold</b> and <em>italic</em>, <s>gone</s>"),
        ("2*3*4 snake_case_name", "2*3*4 snake_case_name"),
        ("*Revenue*\n1 &lt; 2 &amp; 3", "<b>Revenue</b><br>1 &lt; 2 &amp; 3"),
        ("`*code*` ```a\n*b*```", "<code>*code*</code> <pre>a\n*b*</pre>"),
        ("> quoted\n> more\nafter", "<blockquote>quoted<br>more</blockquote>after"),
        (
            "<https://a.example/?x=1&amp;y=2|the night>",
            '<a href="https://a.example/?x=1&amp;y=2" target="_blank" rel="noreferrer">the night</a>',
        ),
        ("by <!date^1795231440^{time}|03:24 UTC>", "by <span>03:24 UTC</span>"),
        ("<!here> <@U012>", '<span class="mention">@here</span> <span class="mention">@U012</span>'),
        (":tada: :no_such_emoji: at 12:30:45", "🎉 :no_such_emoji: at 12:30:45"),
    ],
)
def test_the_text_format_of_slack_is_understood(text: str, markup: str) -> None:
    assert mrkdwn_html(text) == markup


def test_the_blocks_of_a_night_are_drawn() -> None:
    drawn = message_html(
        {
            "text": "only for notifications",
            "blocks": [
                {"type": "header", "text": {"type": "plain_text", "text": "Night & day *as is*"}},
                {"type": "section", "text": {"type": "mrkdwn", "text": ":white_check_mark: *Published*"}},
                {"type": "section", "fields": [{"type": "mrkdwn", "text": "*Revenue*\n12 EUR"}, {"type": "mrkdwn", "text": "*Lines*\n3"}]},
                {"type": "divider"},
                {"type": "context", "elements": [{"type": "mrkdwn", "text": "<https://a.example|Status>"}]},
                {"type": "video"},
            ],
        }
    )
    assert "only for notifications" not in drawn
    for part in (
        "Night &amp; day *as is*",
        'aria-label="white check mark"',
        "<li><b>Lines</b><br>3</li>",
        "<hr>",
        ">Status</a>",
        "video is not drawn here",
    ):
        assert part in drawn


def test_a_post_whose_blocks_cannot_be_drawn_never_reaches_the_page() -> None:
    with pytest.raises(InvalidPayload, match="invalid_blocks"):
        checked_payload(json.dumps({"blocks": [{"type": "context", "elements": [None, {}, "x"]}]}).encode())


def test_punctuation_around_an_address_is_not_part_of_it() -> None:
    assert linked("(see https://a.example/x?y=1&z=2).") == (
        '(see <a href="https://a.example/x?y=1&amp;z=2" target="_blank" rel="noreferrer">https://a.example/x?y=1&amp;z=2</a>).'
    )
