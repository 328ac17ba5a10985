"""Slack's Web API, as far as a bot needs it that posts a message and changes it later.

https://docs.slack.dev/reference/methods/chat.postMessage and https://docs.slack.dev/reference/methods/chat.update. Every answer is HTTP 200
and says itself whether it is ok. Here every well-formed bot token is good, and every well-formed channel exists and has the bot in it.
"""

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any

from outside.inbox import Inbox
from outside.slack import InvalidPayload, check_message

BOT_TOKEN = re.compile(r"xoxb-[A-Za-z0-9-]+")
CHANNEL_ID = re.compile(r"[CDG][A-Z0-9]{8,}")
CHANNEL_NAME = re.compile(r"#?([a-z0-9_-]{1,80})")
# What of a call is the message itself. Slack ignores what it doesn't know.
MESSAGE_FIELDS = ("text", "blocks", "mrkdwn", "unfurl_links", "unfurl_media")


class Refused(Exception):
    """Slack answers that the call is not ok, with the name of an error and perhaps what is wrong where."""

    def __init__(self, error: str, messages: Sequence[str] = ()) -> None:
        super().__init__(error)
        self.error = error
        self.messages = list(messages)


class WebApi:
    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    def answer(self, method: str, authorization: str, content_type: str, body: bytes) -> dict[str, Any]:
        methods = {"chat.postMessage": self._post_message, "chat.update": self._update}
        try:
            if method not in methods:
                raise Refused("unknown_method")
            check_authorization(authorization)
            message = methods[method](arguments(content_type, body))
        except Refused as refused:
            details = {"response_metadata": {"messages": refused.messages}} if refused.messages else {}
            return {"ok": False, "error": refused.error, **details}
        channel = message.pop("channel")
        return {"ok": True, "channel": channel, "ts": message["ts"], "message": message}

    def _post_message(self, request: dict[str, Any]) -> dict[str, Any]:
        channel = channel_id(request.get("channel"))
        return self._inbox.post(channel, checked_message(request))

    def _update(self, request: dict[str, Any]) -> dict[str, Any]:
        channel, ts = request.get("channel"), request.get("ts")
        if not isinstance(channel, str) or not CHANNEL_ID.fullmatch(channel):
            raise Refused("channel_not_found")
        changes = checked_message(request)
        # A text alone takes the place of the blocks too. Blocks alone leave the text, which notifications show.
        changes.setdefault("blocks", [])
        changed = self._inbox.update(channel, ts, changes) if isinstance(ts, str) else None
        if changed is None:
            raise Refused("message_not_found")
        return changed


def check_authorization(authorization: str) -> None:
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise Refused("not_authed")
    if not BOT_TOKEN.fullmatch(token):
        raise Refused("invalid_auth")


def arguments(content_type: str, body: bytes) -> dict[str, Any]:
    """What the call is about. Slack takes forms as well; nothing here sends any."""
    if content_type != "application/json":
        raise Refused("invalid_post_type")
    try:
        request = json.loads(body)
    except ValueError:
        raise Refused("invalid_json") from None
    if not isinstance(request, dict):
        raise Refused("json_not_object")
    return {name: value for name, value in request.items() if value is not None}


def channel_id(channel: object) -> str:
    """A message may be posted by a channel's id or by its name; a name has the same id each time."""
    if isinstance(channel, str) and CHANNEL_ID.fullmatch(channel):
        return channel
    if isinstance(channel, str) and (named := CHANNEL_NAME.fullmatch(channel)):
        return f"C{base64.b32encode(hashlib.sha256(named[1].encode()).digest()).decode()[:10]}"
    raise Refused("channel_not_found")


def checked_message(request: dict[str, Any]) -> dict[str, Any]:
    message = {name: request[name] for name in MESSAGE_FIELDS if name in request}
    if not isinstance(message.get("blocks", []), list):
        raise Refused("invalid_blocks_format")
    try:
        check_message(message)
    except InvalidPayload as invalid:
        raise Refused(invalid.error, invalid.details) from None
    return message
