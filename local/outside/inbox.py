"""What arrived: mails that the local AWS left as files, Slack posts that the webhook kept."""

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Mail:
    arrived: datetime
    sender: str
    recipients: str
    subject: str
    text: str


@dataclass(frozen=True)
class Post:
    arrived: datetime
    payload: dict[str, Any]


class Inbox:
    def __init__(self, folder: Path) -> None:
        self._mail = folder / "mail"
        self._slack = folder / "slack"
        self._slack.mkdir(parents=True, exist_ok=True)

    def keep(self, post: bytes) -> None:
        """Stores a post as it came, under the nanosecond of its arrival. The page never sees half of one."""
        name = f"{time.time_ns()}.json"
        unfinished = self._slack / f".{name}"
        unfinished.write_bytes(post)
        unfinished.rename(self._slack / name)

    def newest_first(self) -> list[Mail | Post]:
        mails = [read_mail(path) for path in self._mail.glob("*.eml")]
        posts = [read_post(path) for path in self._slack.glob("[0-9]*.json")]
        return sorted([*mails, *posts], key=lambda entry: entry.arrived, reverse=True)


def read_mail(path: Path) -> Mail:
    message = message_from_bytes(path.read_bytes(), policy=policy.default)
    assert isinstance(message, EmailMessage)
    body = message.get_body(preferencelist=("plain",))
    return Mail(
        arrived=instant(path.stat().st_mtime_ns),
        sender=str(message["From"] or ""),
        recipients=str(message["To"] or ""),
        subject=str(message["Subject"] or "(no subject)"),
        text=body.get_content().strip() if body else "(no plain text)",
    )


def read_post(path: Path) -> Post:
    return Post(arrived=instant(int(path.stem)), payload=json.loads(path.read_bytes()))


def instant(nanoseconds: int) -> datetime:
    return datetime.fromtimestamp(nanoseconds / 1e9, UTC)
