"""What Slack takes as a message, and how it shows it.

The text format is described at https://docs.slack.dev/messaging/formatting-message-text. Blocks that a night doesn't send are named
instead of drawn, so that nothing vanishes unseen.
"""

import html
import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from outside.blocks import InvalidBlocks, check_blocks
from outside.links import link

# The signs of a night, drawn: not every machine has a font with emoji.
SIGNS = {
    "white_check_mark": ("ok", "#ok"),
    "hourglass_flowing_sand": ("wait", "#wait"),
    "small_red_triangle": ("bad", "#up"),
    "small_orange_diamond": ("wait", "#diamond"),
    "warning": ("wait", "#note"),
    "x": ("bad", "#bad"),
}
EMOJI = {
    "heavy_check_mark": "✔",
    "hourglass": "⌛",
    "no_entry": "⛔",
    "rotating_light": "🚨",
    "red_circle": "🔴",
    "large_green_circle": "🟢",
    "large_yellow_circle": "🟡",
    "information_source": "ℹ",
    "alarm_clock": "⏰",
    "tada": "🎉",
    "eyes": "👀",
    "crescent_moon": "🌙",
}

SPANS = re.compile(
    r"```(?P<pre>.+?)```"
    r"|`(?P<code>[^`\n]+)`"
    r"|<(?P<command>[^<>]+)>"
    r"|:(?P<emoji>[a-z0-9_+'-]+):"
    # A mark opens after a space or punctuation and closes before one: 2*3*4 stays as it is.
    r"|(?<![\w*])\*(?P<bold>[^\s*](?:[^*\n]*[^\s*])?)\*(?![\w*])"
    r"|(?<![\w_])_(?P<italic>[^\s_](?:[^_\n]*[^\s_])?)_(?![\w_])"
    r"|(?<![\w~])~(?P<strike>[^\s~](?:[^~\n]*[^\s~])?)~(?![\w~])",
    re.DOTALL,
)


class InvalidPayload(Exception):
    """Slack refuses a message with the name of an error; the details say what is wrong where."""

    def __init__(self, error: str, details: Sequence[str] = ()) -> None:
        super().__init__(error)
        self.error = error
        self.details = details


def checked_payload(body: bytes) -> dict[str, Any]:
    """The message in a webhook's body, refused where Slack refuses it."""
    try:
        payload = json.loads(body)
    except ValueError:
        raise InvalidPayload("invalid_payload") from None
    if not isinstance(payload, dict) or not isinstance(payload.get("blocks", []), list):
        raise InvalidPayload("invalid_payload")
    check_message(payload)
    return payload


def check_message(message: dict[str, Any]) -> None:
    """Refuses what Slack refuses, and what could not be drawn on the page."""
    if not message.get("text") and not message.get("blocks"):
        raise InvalidPayload("no_text")
    try:
        check_blocks(message.get("blocks", []))
        message_html(message)
    except InvalidBlocks as invalid:
        raise InvalidPayload("invalid_blocks", [str(invalid)]) from None
    except (AttributeError, KeyError, TypeError):
        raise InvalidPayload("invalid_blocks") from None


def message_html(payload: dict[str, Any]) -> str:
    """The message as Slack shows it: its blocks, or its text where it has none."""
    blocks = payload.get("blocks") or [{"type": "section", "text": {"type": "mrkdwn", "text": payload["text"]}}]
    return "\n".join(block_html(block) for block in blocks)


def block_html(block: dict[str, Any]) -> str:
    match block:
        case {"type": "header", "text": text}:
            return f'<p class="header">{text_html(text)}</p>'
        case {"type": "section", **parts}:
            text = f"<div>{text_html(parts['text'])}</div>" if "text" in parts else ""
            fields = "".join(f"<li>{text_html(field)}</li>" for field in parts.get("fields", []))
            return f'<div class="section">{text}{f"<ul>{fields}</ul>" if fields else ""}{element_html(parts.get("accessory"))}</div>'
        case {"type": "context", "elements": elements}:
            return f'<p class="context">{" ".join(element_html(element) for element in elements)}</p>'
        case {"type": "actions", "elements": elements}:
            return f'<p class="actions">{" ".join(element_html(element) for element in elements)}</p>'
        case {"type": "divider"}:
            return "<hr>"
    return not_drawn(block)


def element_html(element: dict[str, Any] | None) -> str:
    match element:
        case None:
            return ""
        case {"type": "mrkdwn" | "plain_text"}:
            return f"<span>{text_html(element)}</span>"
        case {"type": "button", "text": text, "url": url}:
            return link(url, text_html(text), f"button {html.escape(element.get('style', ''))}".rstrip())
    return not_drawn(element)


def not_drawn(part: dict[str, Any]) -> str:
    return f'<span class="not-drawn">{html.escape(str(part.get("type", "?")))} is not drawn here</span>'


def text_html(text: dict[str, Any]) -> str:
    if text.get("type") == "plain_text":
        plain = html.unescape(text["text"])
        return lines(re.sub(r":([a-z0-9_+'-]+):", lambda found: emoji(found[1]), html.escape(plain, quote=False)))
    return mrkdwn_html(text["text"])


def mrkdwn_html(text: str) -> str:
    quoted = re.compile(r"^(?:&gt;|>) ?(.*)$")
    parts: list[str] = []
    quote: list[str] = []
    plain: list[str] = []

    def flush(block: list[str], wrap: Callable[[str], str]) -> None:
        if block:
            parts.append(wrap(spans_html("\n".join(block))))
            block.clear()

    for line in text.split("\n"):
        if found := quoted.match(line):
            flush(plain, str)
            quote.append(found[1])
        else:
            flush(quote, lambda inner: f"<blockquote>{inner}</blockquote>")
            plain.append(line)
    flush(quote, lambda inner: f"<blockquote>{inner}</blockquote>")
    flush(plain, str)
    return "".join(parts)


def spans_html(text: str) -> str:
    written = []
    position = 0
    for found in SPANS.finditer(text):
        written.append(literal(text[position : found.start()]))
        written.append(span_html(found))
        position = found.end()
    written.append(literal(text[position:]))
    return "".join(written)


def span_html(found: re.Match[str]) -> str:
    kind = str(found.lastgroup)
    inner = found[kind]
    match kind:
        case "pre":
            return f"<pre>{escaped(inner.strip(chr(10)))}</pre>"
        case "code":
            return f"<code>{escaped(inner)}</code>"
        case "command":
            return command_html(inner)
        case "emoji":
            return emoji(inner)
        case "bold":
            return f"<b>{spans_html(inner)}</b>"
        case "italic":
            return f"<em>{spans_html(inner)}</em>"
    return f"<s>{spans_html(inner)}</s>"


def command_html(inner: str) -> str:
    """What stands between angle brackets: a link, a date, or somebody's name."""
    target, _, label = inner.partition("|")
    if target.startswith("!date^"):
        return f"<span>{escaped(label)}</span>"
    if target.startswith(("!", "@", "#")):
        return f'<span class="mention">{escaped(label or "@" + target.lstrip("!@#"))}</span>'
    return link(html.unescape(target), escaped(label or target))


def emoji(name: str) -> str:
    if name in SIGNS:
        state, symbol = SIGNS[name]
        return f'<svg class="emoji {state}" role="img" aria-label="{name.replace("_", " ")}"><use href="{symbol}"/></svg>'
    return EMOJI.get(name, f":{html.escape(name)}:")


def escaped(text: str) -> str:
    """Slack escapes three characters; whatever else is in the text, a page must not take for markup."""
    return html.escape(html.unescape(text), quote=False)


def literal(text: str) -> str:
    return lines(escaped(text))


def lines(markup: str) -> str:
    return markup.replace("\n", "<br>")
