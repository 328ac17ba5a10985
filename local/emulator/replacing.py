"""How a gap takes the place of a function of MiniStack, and how we notice that MiniStack has changed under it.

A gap decorates its own function with `replaces`, naming MiniStack's function and a digest of the source that was read
when the gap was written. The replacement receives MiniStack's own function as its first argument, so it can add to it
instead of repeating it. `tests/test_replacements.py` compares every digest with the installed version.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Replacement:
    """One function of MiniStack that a gap takes over."""

    module: str
    path: str
    digest: str
    function: Callable[..., Any]

    @property
    def target(self) -> str:
        """The function's full name, for messages."""
        return f"{self.module}:{self.path}"

    @property
    def gap(self) -> str:
        """The name of the gap that it belongs to."""
        return self.function.__module__.rsplit(".", 1)[-1]

    def owner_and_name(self) -> tuple[Any, str]:
        """The module or class that holds the function, and the function's name there."""
        owner: Any = importlib.import_module(self.module)
        *parents, name = self.path.split(".")
        for parent in parents:
            owner = getattr(owner, parent)
        return owner, name


REPLACEMENTS: list[Replacement] = []
_stock: dict[str, Callable[..., Any]] = {}


def replaces(target: str, digest: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare that the decorated function takes the place of `target` ("package.module:function" or "…:Class.method")."""
    module, _, path = target.partition(":")

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        REPLACEMENTS.append(Replacement(module, path, digest, function))
        return function

    return register


def source_digest(function: Callable[..., Any]) -> str:
    """A short digest of a function's source text."""
    return hashlib.sha256(inspect.getsource(function).encode()).hexdigest()[:16]


def stock_function(replacement: Replacement) -> Callable[..., Any]:
    """MiniStack's own function, also after it has been replaced."""
    owner, name = replacement.owner_and_name()
    return _stock.get(replacement.target) or getattr(owner, name)


def put_in_place(replacement: Replacement) -> None:
    """Replace MiniStack's function for the rest of this process."""
    owner, name = replacement.owner_and_name()
    stock = getattr(owner, name)
    # Where two gaps replace one function, the second one gets the first as its own stock.
    _stock.setdefault(replacement.target, stock)
    setattr(owner, name, _with_stock(replacement.function, stock, is_method=inspect.isclass(owner)))


def _with_stock(function: Callable[..., Any], stock: Callable[..., Any], *, is_method: bool) -> Callable[..., Any]:
    if is_method:

        @functools.wraps(stock)
        def method(self: Any, *arguments: Any, **named: Any) -> Any:
            return function(stock, self, *arguments, **named)

        return method
    return functools.partial(function, stock)
