"""A condition may compare joined parameters, which is how a template asks whether a list is empty.

AWS ("Condition functions", Supported functions): Fn::Equals in Conditions takes Fn::Join, among others. Fn::Equals takes
no list, so «is this CommaDelimitedList empty?» is Fn::Equals of Fn::Join with the empty string.

MiniStack 1.5.33 compares the function's own text instead of its value, so such a condition always says that they differ.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from emulator.replacing import replaces


@replaces("ministack.services.cloudformation.language_extensions:apply", "21715c1befc72ca6")
def apply(stock: Callable[..., Any], template: dict[str, Any], parameters: dict[str, Any]) -> Any:
    """Apply the transform, with every join in the conditions replaced by the text that it makes."""
    processed = stock(template, parameters)
    if "Conditions" in processed:
        processed["Conditions"] = joined(processed["Conditions"], parameters)
    return processed


def joined(node: Any, parameters: dict[str, Any]) -> Any:
    """The same conditions without joins."""
    match node:
        case {"Fn::Join": [str(separator), {"Ref": str(name)}]} if name in parameters:
            # A list parameter is one text with commas here.
            return separator.join(item.strip() for item in str(parameters[name]).split(","))
        case {"Fn::Join": [str(separator), list(items)]}:
            return separator.join(str(value_of(item, parameters)) for item in items)
        case dict():
            return {key: joined(value, parameters) for key, value in node.items()}
        case list():
            return [joined(item, parameters) for item in node]
    return node


def value_of(item: Any, parameters: dict[str, Any]) -> Any:
    """One item of a join, which may be a parameter."""
    match item:
        case {"Ref": str(name)} if name in parameters:
            return parameters[name]
    return item
