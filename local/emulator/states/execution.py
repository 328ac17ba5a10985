"""One execution: its history, its scopes, and the one way in which it ends."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import ChainMap
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from ministack.services import stepfunctions

from emulator.states.errors import TIMEOUT, Halted, StatesError

logger = logging.getLogger("emulator.states")

_ENDINGS = {
    "SUCCEEDED": ("ExecutionSucceeded", "executionSucceededEventDetails"),
    "FAILED": ("ExecutionFailed", "executionFailedEventDetails"),
    "TIMED_OUT": ("ExecutionTimedOut", "executionTimedOutEventDetails"),
    "ABORTED": ("ExecutionAborted", "executionAbortedEventDetails"),
}
_NEVER_SECONDS = 10 * 365 * 86_400


class Scope:
    """Where states run: the execution itself, one branch of a Parallel, or one item of a Map.

    A scope reads the variables of the scopes around it and assigns only its own ("Passing data between states with
    variables", Workflow variables scope). Each continues its own chain of events.
    """

    def __init__(self, parent: Scope | None = None, *, last_event: int = 0, item: dict[str, Any] | None = None) -> None:
        self.variables: ChainMap[str, Any] = parent.variables.new_child() if parent else ChainMap()
        self.last_event = last_event
        self.item = item or (parent.item if parent else None)
        self._parent = parent
        self._halted = False

    @property
    def halted(self) -> bool:
        """Whether this scope or one around it has been stopped."""
        return self._halted or (self._parent is not None and self._parent.halted)

    @property
    def is_branch(self) -> bool:
        """Whether the scope is a part of a Parallel or a Map."""
        return self._parent is not None

    def halt(self) -> None:
        """Stop everything that runs in this scope; the execution's `changed` has to be notified."""
        self._halted = True


class Execution:
    """One run of a state machine, kept in MiniStack's own record of it."""

    def __init__(self, record: dict[str, Any], state_machine: dict[str, Any]) -> None:
        self.record = record
        self.definition: dict[str, Any] = json.loads(state_machine["definition"])
        self.changed = threading.Condition()
        self.scope = Scope()
        self._role = state_machine.get("roleArn", "")
        self._state_machine = {"Id": record["stateMachineArn"], "Name": state_machine["name"]}
        self._input = json.loads(record["input"])

    def run(self, states: Callable[[Execution, Scope, dict[str, Any], Any], Any]) -> None:
        """Run to the end. `states` walks the definition's states and gives the output."""
        clock = threading.Timer(self.definition.get("TimeoutSeconds", _NEVER_SECONDS), self._time_out)
        clock.daemon = True
        clock.start()
        try:
            output = states(self, self.scope, self.definition, self._input)
            self.end("SUCCEEDED", output=output)
        except StatesError as error:
            self.end("FAILED", error=error.error, cause=error.cause)
        except Halted:
            pass
        except Exception as problem:  # A fault of the emulator must end the execution, not leave it running.
            logger.exception("The execution %s failed inside the emulator", self.record["executionArn"])
            self.end("FAILED", error="States.Runtime", cause=str(problem))
        finally:
            clock.cancel()

    def end(self, status: str, *, output: Any = None, error: str | None = None, cause: str | None = None) -> bool:
        """End the execution; False when it had ended already. Everything that still runs in it is stopped."""
        event, details_key = _ENDINGS[status]
        with self.changed:
            if self.record["status"] != "RUNNING":
                return False
            details: dict[str, Any] = {}
            if status == "SUCCEEDED":
                self.record["output"] = compact(output)
                details = {"output": self.record["output"], "outputDetails": {"truncated": False}}
            else:
                self.record.update({key: value for key, value in (("error", error), ("cause", cause)) if value})
                details = {key: value for key, value in (("error", error), ("cause", cause)) if value}
            self.event(self.scope, event, details_key, details)
            self.record["stopDate"] = now()
            self.record["status"] = status
            self.scope.halt()
            self.changed.notify_all()
        stepfunctions._emit_execution_status_event(self.record)
        return True

    def _time_out(self) -> None:
        self.end("TIMED_OUT", error=TIMEOUT)

    def context(self, scope: Scope, state: dict[str, Any], task_token: str | None) -> dict[str, Any]:
        """The context object of a state ("Accessing execution data from the Context object")."""
        return {
            "Execution": {
                "Id": self.record["executionArn"],
                "Input": self._input,
                "Name": self.record["name"],
                "RoleArn": self._role,
                "StartTime": self.record["startDate"],
                "RedriveCount": 0,
            },
            "State": state,
            "StateMachine": self._state_machine,
            **({"Task": {"Token": task_token}} if task_token else {}),
            **({"Map": {"Item": scope.item}} if scope.item else {}),
        }

    def event(self, scope: Scope, kind: str, details_key: str = "", details: dict[str, Any] | None = None) -> int:
        """Add an event to the history, after the scope's last one; gives its id."""
        with self.changed:
            if self.record["status"] != "RUNNING":
                raise Halted
            event_id = len(self.record["events"]) + 1
            event: dict[str, Any] = {
                "id": event_id,
                "previousEventId": scope.last_event,
                "type": kind,
                "timestamp": now(),
            }
            if details_key:
                event[details_key] = details or {}
            self.record["events"].append(event)
            scope.last_event = event_id
            return event_id

    def wait(self, scope: Scope, until: Callable[[], bool], seconds: float | None = None) -> bool:
        """Wait until something holds; False when the time ran out first. Raises Halted when the scope is stopped."""
        with self.changed:
            self.changed.wait_for(lambda: scope.halted or until(), seconds)
            if scope.halted:
                raise Halted
            return until()

    def sleep(self, scope: Scope, seconds: float) -> None:
        """Let time pass; MiniStack's SFN_WAIT_SCALE shortens it for tests."""
        self.wait(scope, lambda: False, seconds * stepfunctions._SFN_WAIT_SCALE)

    def halt(self, scope: Scope) -> None:
        """Stop what runs in a scope."""
        with self.changed:
            scope.halt()
            self.changed.notify_all()


def now() -> str:
    """The present instant, as the history and the context object show it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def deadline_after(seconds: float | None) -> float | None:
    """The moment of `time.monotonic()` that lies so far ahead."""
    return None if seconds is None else time.monotonic() + seconds


def seconds_until(deadline: float | None) -> float | None:
    """How long it still is until a deadline."""
    return None if deadline is None else max(0.0, deadline - time.monotonic())


def compact(value: Any) -> str:
    """JSON text, as Step Functions writes it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
