"""A table from a template lets its items expire.

AWS ("AWS::DynamoDB::Table", TimeToLiveSpecification): an item whose attribute of that name, in epoch seconds, lies in the
past is deleted.

MiniStack 1.5.33 deletes them once UpdateTimeToLive was called, and leaves a template's specification unread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ministack.services import dynamodb

from emulator.replacing import replaces


@replaces("ministack.services.cloudformation.provisioners:_ddb_create", "277586e016c693bd")
def create_from_template(stock: Callable[..., Any], logical_id: str, properties: dict[str, Any], stack_name: str) -> Any:
    """Make a table."""
    name, attributes = stock(logical_id, properties, stack_name)
    _let_expire(name, properties)
    return name, attributes


@replaces("ministack.services.cloudformation.provisioners:_ddb_update", "0665980ffdd06491")
def update_from_template(stock: Callable[..., Any], name: str, old: dict[str, Any], new: dict[str, Any], *others: Any) -> Any:
    """Change a table."""
    name, attributes = stock(name, old, new, *others)
    _let_expire(name, new)
    return name, attributes


def _let_expire(name: str, properties: dict[str, Any]) -> None:
    specification = properties.get("TimeToLiveSpecification")
    if not specification:
        dynamodb._ttl_settings.pop(name, None)
        return
    status, _headers, body = dynamodb._update_ttl({"TableName": name, "TimeToLiveSpecification": specification})
    if status >= 400:
        raise ValueError(body)
