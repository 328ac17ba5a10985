"""Which blocks of a message Slack takes: the limits that its reference of Block Kit documents.

https://docs.slack.dev/reference/block-kit/blocks has a page per block, https://docs.slack.dev/reference/block-kit/block-elements one per
element. The kinds that a night sends are checked; Slack's other ones pass, and the inbox names them instead of drawing them.
"""

from collections.abc import Callable, Iterable
from typing import Any

MOST_BLOCKS = 50
MOST_FIELDS = 10
MOST_CONTEXT_ELEMENTS = 10
MOST_ACTIONS = 25

LONGEST_HEADER = 150
LONGEST_TEXT = 3000
LONGEST_FIELD = 2000
LONGEST_BUTTON = 75
LONGEST_ADDRESS = 3000
LONGEST_VALUE = 2000
LONGEST_IDENTIFIER = 255

TEXTS = ("plain_text", "mrkdwn")
BUTTON_STYLES = ("primary", "danger")
CONTEXT_ELEMENTS = (*TEXTS, "image")


class InvalidBlocks(Exception):
    """What is wrong, and where: the place is a JSON pointer, as Slack names it."""

    def __init__(self, problem: str, where: str) -> None:
        super().__init__(f"[ERROR] {problem} [json-pointer:{where}]")


def check_blocks(blocks: list[Any]) -> None:
    """Raises InvalidBlocks for the first thing that Slack refuses."""
    check_count(blocks, "/blocks", MOST_BLOCKS)
    for index, block in enumerate(blocks):
        check_kind(block, f"/blocks/{index}", BLOCKS)
    check_identifiers(blocks, "block_id", "/blocks")


def check_kind(part: Any, where: str, kinds: dict[str, Callable[[dict[str, Any], str], None]]) -> None:
    """Checks a part by what its type asks for; a type that is not listed passes."""
    if not isinstance(part, dict):
        raise InvalidBlocks("must be an object", where)
    kind = part.get("type")
    if not isinstance(kind, str) or not kind:
        raise InvalidBlocks("missing required field: type", where)
    if kind in kinds:
        kinds[kind](part, where)


def check_header(block: dict[str, Any], where: str) -> None:
    check_text(block.get("text"), f"{where}/text", LONGEST_HEADER, kinds=("plain_text",))


def check_section(block: dict[str, Any], where: str) -> None:
    if "text" not in block and "fields" not in block:
        raise InvalidBlocks("missing required field: text", where)
    if "text" in block:
        check_text(block["text"], f"{where}/text", LONGEST_TEXT)
    if "fields" in block:
        fields = listed(block, "fields", where, MOST_FIELDS)
        for index, field in enumerate(fields):
            check_text(field, f"{where}/fields/{index}", LONGEST_FIELD)
    if "accessory" in block:
        check_kind(block["accessory"], f"{where}/accessory", ELEMENTS)


def check_context(block: dict[str, Any], where: str) -> None:
    for index, element in enumerate(listed(block, "elements", where, MOST_CONTEXT_ELEMENTS)):
        place = f"{where}/elements/{index}"
        check_kind(element, place, ELEMENTS)
        if element["type"] not in CONTEXT_ELEMENTS:
            raise InvalidBlocks(f"unsupported type: {element['type']}", place)


def check_actions(block: dict[str, Any], where: str) -> None:
    elements = listed(block, "elements", where, MOST_ACTIONS)
    for index, element in enumerate(elements):
        place = f"{where}/elements/{index}"
        check_kind(element, place, ELEMENTS)
        if element["type"] in CONTEXT_ELEMENTS:
            raise InvalidBlocks(f"unsupported type: {element['type']}", place)
    check_identifiers(elements, "action_id", f"{where}/elements")


def check_button(button: dict[str, Any], where: str) -> None:
    check_text(button.get("text"), f"{where}/text", LONGEST_BUTTON, kinds=("plain_text",))
    for name, longest in (("url", LONGEST_ADDRESS), ("value", LONGEST_VALUE), ("accessibility_label", LONGEST_BUTTON)):
        if name in button:
            check_string(button[name], f"{where}/{name}", longest)
    if "style" in button and button["style"] not in BUTTON_STYLES:
        raise InvalidBlocks("must be a valid enum value", f"{where}/style")


def check_element_text(text: dict[str, Any], where: str) -> None:
    check_text(text, where, LONGEST_TEXT)


def check_text(text: Any, where: str, longest: int, kinds: Iterable[str] = TEXTS) -> None:
    if not isinstance(text, dict) or text.get("type") not in kinds:
        raise InvalidBlocks(f"must be a text object of the type {' or '.join(kinds)}", where)
    check_string(text.get("text"), f"{where}/text", longest)


def check_string(value: Any, where: str, longest: int) -> None:
    if not isinstance(value, str):
        raise InvalidBlocks("must be a string", where)
    if not value:
        raise InvalidBlocks("must be more than 0 characters", where)
    if len(value) > longest:
        raise InvalidBlocks(f"must be less than {longest + 1} characters", where)


def check_identifiers(parts: list[dict[str, Any]], name: str, where: str) -> None:
    """Identifiers may be left out, and no two are the same."""
    seen = set()
    for index, part in enumerate(parts):
        if name not in part:
            continue
        place = f"{where}/{index}/{name}"
        check_string(part[name], place, LONGEST_IDENTIFIER)
        if part[name] in seen:
            raise InvalidBlocks(f"`{name}` already exists", place)
        seen.add(part[name])


def listed(part: dict[str, Any], name: str, where: str, most: int) -> list[Any]:
    """A field that is a list of one to so many."""
    values = part.get(name)
    if not isinstance(values, list) or not values:
        raise InvalidBlocks(f"missing required field: {name}", where)
    check_count(values, f"{where}/{name}", most)
    return values


def check_count(values: list[Any], where: str, most: int) -> None:
    if len(values) > most:
        raise InvalidBlocks(f"no more than {most} items allowed", where)


BLOCKS = {"header": check_header, "section": check_section, "context": check_context, "actions": check_actions}
ELEMENTS = {"button": check_button, **dict.fromkeys(TEXTS, check_element_text)}
