"""The inbox page: everything that arrived, newest first."""

import base64
import hashlib
import html
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path

from outside.inbox import Mail, Post
from outside.links import linked
from outside.slack import message_html

REPOSITORY = Path(__file__).resolve().parents[2]
# The rules and colours that all pages of the project share.
BASE_STYLE = (REPOSITORY / "crates/pages/style/base.css").read_text(encoding="utf-8")
OWN_STYLE = Path(__file__).with_name("page.css").read_text(encoding="utf-8")

LOGO = """<svg viewBox="0 0 22 22" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" aria-hidden="true"><path d="M3 11h9M3 4.5c5 0 4 6.5 9 6.5M3 17.5c5 0 4-6.5 9-6.5"/><circle cx="16.5" cy="11" r="3.5" fill="currentColor" stroke="none"/></svg>"""  # noqa: E501
ENVELOPE = """<svg viewBox="0 0 20 20" fill="none" stroke="currentColor" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><rect x="2" y="4" width="16" height="12" rx="2.5"/><path d="m2.8 5.6 7.2 5.6 7.2-5.6"/></svg>"""  # noqa: E501
HASH = """<svg viewBox="0 0 20 20" fill="none" stroke="currentColor" stroke-width="1.6" stroke-linecap="round" aria-hidden="true"><path d="M8.2 3 6 17M14 3l-2.2 14M3.6 7.4h13.2M3 12.6h13.2"/></svg>"""  # noqa: E501

SYMBOLS = """<svg width="0" height="0" class="vh" aria-hidden="true"><defs>
<symbol id="ok" viewBox="-1 -1 18 18"><circle cx="8" cy="8" r="8" fill="currentColor"/><path d="m4.6 8.3 2.3 2.3 4.6-4.9" fill="none" stroke="var(--surface)" stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round"/></symbol>
<symbol id="wait" viewBox="-1 -1 18 18"><circle cx="8" cy="8" r="6.9" fill="none" stroke="currentColor" stroke-width="2"/><path d="M8 4.6V8l2.4 1.6" fill="none" stroke="currentColor" stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round"/></symbol>
<symbol id="note" viewBox="-1 -1 18 18"><path d="M8 .8 15.8 15H.2z" fill="currentColor"/><path d="M8 6v4.2m0 2.3v.1" stroke="var(--surface)" stroke-width="1.8" stroke-linecap="round"/></symbol>
<symbol id="bad" viewBox="-1 -1 18 18"><path d="M8-.4 16.4 8 8 16.4-.4 8z" fill="currentColor"/><path d="m5.6 5.6 4.8 4.8m0-4.8-4.8 4.8" stroke="var(--surface)" stroke-width="1.8" stroke-linecap="round"/></symbol>
<symbol id="up" viewBox="-1 -1 18 18"><path d="M8 2.4 14.6 14H1.4z" fill="currentColor" stroke="currentColor" stroke-width="1.6" stroke-linejoin="round"/></symbol>
<symbol id="diamond" viewBox="-1 -1 18 18"><path d="M8 3.2 12.8 8 8 12.8 3.2 8z" fill="currentColor" stroke="currentColor" stroke-width="1.6" stroke-linejoin="round"/></symbol>
</defs></svg>"""  # noqa: E501

FAULTS = {
    "fx-down": "the exchange rates answer 503",
    "fx-missing-currency": "the exchange rates leave one currency out",
    "slack-down": "Slack answers 503",
}


def style_hash(style: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}'"


CONTENT_SECURITY_POLICY = (
    f"default-src 'none'; style-src {style_hash(BASE_STYLE)} {style_hash(OWN_STYLE)}; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def page(entries: Sequence[Mail | Post], run_date: date | None, last_published: date, faults: Mapping[str, bool]) -> str:
    mails = sum(isinstance(entry, Mail) for entry in entries)
    count = f"{counted(mails, 'mail')}, {counted(len(entries) - mails, 'Slack post')}"
    # The title counts, so that a tab in the background tells of news.
    title = f"({len(entries)}) Inbox" if entries else "Inbox"
    night = f"The night of {written(run_date)}." if run_date else ""
    listed = "\n".join(entry_html(entry) for entry in entries)
    arrived = f'<ol class="feed">\n{listed}\n</ol>' if entries else EMPTY
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="refresh" content="3">
<title>{title} · Nightly warehouse</title>
<style>{BASE_STYLE}</style>
<style>{OWN_STYLE}</style>
</head>
<body>
{SYMBOLS}
<div class="wrap">
<header class="top">{LOGO}<b>Nightly warehouse</b><span class="tag">local</span></header>
<div class="cols">
<main>
<h1>Inbox</h1>
<p class="lead">{night} {count}, newest first. Times are UTC.</p>
{faults_html(faults)}
{arrived}
</main>
<aside>
<section>
<h2>Who writes here</h2>
<p>On this machine, mails and Slack posts end here and go nowhere else.
Everything that a person would read during a night is on this page.</p>
</section>
<section>
<h2>Exchange rates</h2>
<p>The European Central Bank’s reference rates, real up to {written(last_published)}. Later weeks repeat its last one.</p>
</section>
</aside>
</div>
</div>
</body>
</html>
"""


EMPTY = f"""<div class="empty">{ENVELOPE}
<p><b>Nothing has arrived yet</b></p>
<p>The approver’s mail comes after the quality gate. This page looks again every few seconds.</p>
</div>"""


def faults_html(faults: Mapping[str, bool]) -> str:
    on = "; ".join(f"{FAULTS[name]} (<code>{name}</code>)" for name, switched_on in faults.items() if switched_on)
    note = '<svg class="ic wait" aria-hidden="true"><use href="#note"/></svg>'
    return f'<p class="faults">{note}<span>Broken on purpose: {on}.</span></p>' if on else ""


def entry_html(entry: Mail | Post) -> str:
    return mail_html(entry) if isinstance(entry, Mail) else post_html(entry)


def mail_html(mail: Mail) -> str:
    return f"""<li class="mail">
<p class="kind">{ENVELOPE}<span>Mail</span>{moment(mail.arrived)}</p>
<article>
<h2>{html.escape(mail.subject)}</h2>
<p class="people">from <b>{html.escape(mail.sender)}</b> to <b>{html.escape(mail.recipients)}</b></p>
<div class="text">{linked(mail.text)}</div>
</article>
</li>"""


def post_html(post: Post) -> str:
    return f"""<li class="post">
<p class="kind">{HASH}<span>Slack</span>{moment(post.arrived)}</p>
<article>
<div class="avatar" aria-hidden="true">{LOGO}</div>
<div class="message">
<p class="app"><b>Nightly warehouse</b><span>APP</span><time>{post.arrived:%H:%M}</time></p>
{message_html(post.payload)}{edited_html(post)}
</div>
</article>
</li>"""


def edited_html(post: Post) -> str:
    return f'\n<p class="edited">Edited at {moment(post.edited)}</p>' if post.edited else ""


def moment(instant: datetime) -> str:
    return f'<time datetime="{instant.isoformat()}">{instant:%H:%M:%S}</time>'


def written(day: date) -> str:
    return f"{day:%A} {day.day} {day:%B} {day.year}"


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
