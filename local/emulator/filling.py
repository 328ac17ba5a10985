"""Fills the gaps: imports every gap, puts its replacements in place, and calls its `set_up` where it has one."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Collection

from ministack.services.cloudformation import provisioners

from emulator import gaps
from emulator.replacing import REPLACEMENTS, put_in_place, stock_function


def gap_names() -> list[str]:
    """The names of all gaps."""
    return sorted(module.name for module in pkgutil.iter_modules(gaps.__path__))


def fill(left_out: Collection[str] = ()) -> None:
    """Fill every gap but those left out, which a test does to see that the gap is still there."""
    unknown = set(left_out) - set(gap_names())
    if unknown:
        raise ValueError(f"There is no gap named {', '.join(sorted(unknown))}.")
    modules = {name: importlib.import_module(f"{gaps.__name__}.{name}") for name in gap_names() if name not in left_out}
    for replacement in REPLACEMENTS:
        if replacement.gap in modules:
            put_in_place(replacement)
            _replace_in_templates(stock_function(replacement), replacement.owner_and_name())
    for module in modules.values():
        if hasattr(module, "set_up"):
            module.set_up()


def _replace_in_templates(stock: object, owner_and_name: tuple[object, str]) -> None:
    """CloudFormation's table of handlers holds the functions themselves."""
    for handlers in provisioners._RESOURCE_HANDLERS.values():
        for operation, function in handlers.items():
            if function is stock:
                handlers[operation] = getattr(*owner_and_name)
