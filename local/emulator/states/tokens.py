"""Task tokens: who waits for which callback, and how SendTask* answers ("Service integration patterns").

A token is open until its task ends. After that SendTask* answers TaskTimedOut, whether the task was answered, timed out
or was stopped: "the task has already been closed or timed out".
"""

from __future__ import annotations

import base64
import enum
import secrets
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from emulator.states.errors import StatesError
from emulator.states.execution import Scope


class Answered(enum.Enum):
    """What became of a SendTask* call."""

    ACCEPTED = "accepted"
    CLOSED = "closed"
    UNKNOWN = "unknown"


@dataclass
class Callback:
    """One task that waits for its token to come back."""

    changed: threading.Condition
    scope: Scope
    token: str = field(default_factory=lambda: base64.b64encode(secrets.token_bytes(180)).decode(), repr=False)
    closed: bool = False
    result: Any = None
    error: StatesError | None = None
    last_heartbeat: float = field(default_factory=time.monotonic)

    @property
    def open(self) -> bool:
        """Whether the task takes an answer: what stops its branch or its execution ends that at once, before the task notices."""
        return not self.closed and not self.scope.halted


class Callbacks:
    """Every token that this process has ever handed out."""

    def __init__(self) -> None:
        self._by_token: dict[str, Callback] = {}

    def expect(self, changed: threading.Condition, scope: Scope) -> Callback:
        """A new open token of a task in a scope; `changed` is notified when it is answered."""
        callback = Callback(changed, scope)
        self._by_token[callback.token] = callback
        return callback

    def of(self, token: str) -> Callback:
        """The task that waits for this token."""
        return self._by_token[token]

    def knows(self, token: str) -> bool:
        """Whether the token was handed out here."""
        return token in self._by_token

    def succeed(self, token: str, result: Any) -> Answered:
        """The task's output has come."""
        return self._answer(token, result, None)

    def fail(self, token: str, error: StatesError) -> Answered:
        """The task has failed."""
        return self._answer(token, None, error)

    def beat(self, token: str) -> Answered:
        """The task is still being worked on."""
        callback = self._by_token.get(token)
        if callback is None:
            return Answered.UNKNOWN
        with callback.changed:
            if not callback.open:
                return Answered.CLOSED
            callback.last_heartbeat = time.monotonic()
            callback.changed.notify_all()
        return Answered.ACCEPTED

    def _answer(self, token: str, result: Any, error: StatesError | None) -> Answered:
        callback = self._by_token.get(token)
        if callback is None:
            return Answered.UNKNOWN
        with callback.changed:
            if not callback.open:
                return Answered.CLOSED
            callback.closed = True
            callback.result, callback.error = result, error
            callback.changed.notify_all()
        return Answered.ACCEPTED


CALLBACKS = Callbacks()
