"""What arrived: mails that the local AWS left as files, Slack posts that the webhook kept, a bot's messages."""

import json
import re
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

TIMESTAMP = re.compile(r"[0-9]{10}\.[0-9]{6}")


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
    edited: datetime | None
    payload: dict[str, Any]


class Inbox:
    def __init__(self, folder: Path) -> None:
        self._mail = folder / "mail"
        self._slack = folder / "slack"
        self._slack.mkdir(parents=True, exist_ok=True)
        self._bot = threading.Lock()
        self._newest = 0

    def keep(self, post: bytes) -> None:
        """Stores a webhook's post as it came, under the nanosecond of its arrival."""
        self._store(time.time_ns(), post)

    def post(self, channel: str, message: dict[str, Any]) -> dict[str, Any]:
        """Stores a bot's message; gives it with the `ts` by which its channel knows it from now on."""
        with self._bot:
            # Two messages of one microsecond still have a `ts` each.
            self._newest = max(time.time_ns() // 1000, self._newest + 1)
            stored = {**message, "channel": channel, "ts": timestamp(self._newest)}
            self._store(self._newest * 1000, json.dumps(stored).encode())
        return stored

    def update(self, channel: str, ts: str, changes: dict[str, Any]) -> dict[str, Any] | None:
        """Changes a bot's message, which keeps its place and is marked as edited. None where the channel has no such message."""
        if not TIMESTAMP.fullmatch(ts):
            return None
        arrived = nanoseconds(ts)
        with self._bot:
            try:
                stored = json.loads((self._slack / f"{arrived}.json").read_bytes())
            except FileNotFoundError:
                return None
            if (stored.get("channel"), stored.get("ts")) != (channel, ts):
                return None
            changed = {**stored, **changes, "edited": {"ts": timestamp(time.time_ns() // 1000)}}
            self._store(arrived, json.dumps(changed).encode())
        return changed

    def _store(self, arrived: int, post: bytes) -> None:
        """The page never sees half of a post."""
        name = f"{arrived}.json"
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
    payload = json.loads(path.read_bytes())
    edited = None
    match payload:
        # A webhook's post may hold anything under this name.
        case {"edited": {"ts": str(ts)}} if TIMESTAMP.fullmatch(ts):
            edited = instant(nanoseconds(ts))
    return Post(arrived=instant(int(path.stem)), edited=edited, payload=payload)


def timestamp(microseconds: int) -> str:
    """A `ts` of Slack: the seconds since 1970, a point, and six digits."""
    return f"{microseconds // 1_000_000}.{microseconds % 1_000_000:06}"


def nanoseconds(ts: str) -> int:
    return int(ts.replace(".", "")) * 1000


def instant(nanoseconds: int) -> datetime:
    return datetime.fromtimestamp(nanoseconds / 1e9, UTC)
