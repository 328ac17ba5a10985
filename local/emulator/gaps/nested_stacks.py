"""A nested stack is updated with what it has.

AWS ("Update behaviors of stack resources"): a resource whose properties stay the same is left alone, and its attributes stay known.

MiniStack 1.5.33 keeps the attributes of a stack's own unchanged resources, and forgets those of a nested stack's: whatever refers to
one (`Fn::GetAtt`) fails the update.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ministack.services import cloudformation

from emulator.replacing import replaces


@replaces("ministack.services.cloudformation.provisioners:_update_resource", "21b9b1207f59a864")
def update_resource(
    stock: Callable[..., Any],
    resource_type: str,
    physical_id: str,
    old: dict[str, Any],
    new: dict[str, Any],
    stack_name: str,
    logical_id: str | None = None,
    old_attrs: dict[str, Any] | None = None,
) -> Any:
    """Update one resource. A nested stack hands over no attributes: the stack itself still has them."""
    if old_attrs is None:
        resources = cloudformation._stacks.get(stack_name, {}).get("_resources", {})
        old_attrs = resources.get(logical_id, {}).get("Attributes")
    return stock(resource_type, physical_id, old, new, stack_name, logical_id, old_attrs)
