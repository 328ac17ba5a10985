"""How a Task waits: for an answer, for a job, or for a callback, and never longer than it may."""

from __future__ import annotations

import contextvars
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ministack.core.responses import get_region

from emulator.states.errors import TIMEOUT, Halted, StatesError
from emulator.states.execution import Execution, Scope, compact, deadline_after, seconds_until
from emulator.states.integrations import Resource
from emulator.states.tokens import Callback

logger = logging.getLogger("emulator.states")
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Task:
    """One try of a Task state: what it calls, with what, and for how long."""

    execution: Execution
    scope: Scope
    resource: Resource
    arguments: Any
    timeout_seconds: int | None
    heartbeat_seconds: int | None
    callback: Callback | None

    def perform(self) -> Any:
        """The task's result. Raises StatesError; the history tells either."""
        self._event(
            "TaskScheduled",
            region=get_region(),
            parameters=compact(self.arguments),
            **({"timeoutInSeconds": self.timeout_seconds} if self.timeout_seconds is not None else {}),
            **({"heartbeatInSeconds": self.heartbeat_seconds} if self.heartbeat_seconds is not None else {}),
        )
        self._event("TaskStarted")
        try:
            result = self._result(deadline_after(self.timeout_seconds))
        except StatesError as error:
            # Whoever reads of the failure in the history finds the token closed.
            self._close_token()
            self._event("TaskTimedOut" if error.error == TIMEOUT else "TaskFailed", **error.details())
            raise
        finally:
            self._close_token()
        self._event("TaskSucceeded", output=compact(result), outputDetails={"truncated": False})
        return result

    def _result(self, deadline: float | None) -> Any:
        if self.resource.job:
            return self._job_result(deadline)
        answer = self._answer(lambda: self.resource.call(self.arguments), deadline)
        if self.callback is None:
            return answer
        self._submitted(answer)
        return self._callback_result(self.callback, deadline)

    def _job_result(self, deadline: float | None) -> Any:
        answer, job = self.resource.job.begin(self.arguments)
        self._submitted(answer)
        try:
            while True:
                ended, output = job.result()
                if ended:
                    return output
                left = seconds_until(deadline)
                if left == 0:
                    raise StatesError(TIMEOUT)
                self.execution.wait(self.scope, lambda: False, min(_POLL_SECONDS, left or _POLL_SECONDS))
        except Halted:
            job.stop()
            raise
        except StatesError as error:
            if error.error == TIMEOUT:
                job.stop()
            raise

    def _callback_result(self, callback: Callback, deadline: float | None) -> Any:
        while True:
            with callback.changed:
                if callback.closed:
                    break
                beat = callback.last_heartbeat
                due = None if self.heartbeat_seconds is None else beat + self.heartbeat_seconds
                ends = [moment for moment in (deadline, due) if moment is not None]
                if ends and time.monotonic() >= min(ends):
                    callback.closed = True
                    raise StatesError(TIMEOUT) if deadline == min(ends) else StatesError.heartbeat_missed()
            self.execution.wait(
                self.scope,
                lambda beat=beat: callback.closed or callback.last_heartbeat != beat,
                seconds_until(min(ends)) if ends else None,
            )
        if callback.error:
            raise callback.error
        return callback.result

    def _answer(self, request: Callable[[], Any], deadline: float | None) -> Any:
        """A blocking request's answer, so waited for that a timeout or a stop need not wait for it."""
        answer: list[Any] = []
        problem: list[StatesError] = []

        def work() -> None:
            try:
                answer.append(request())
            except StatesError as error:
                problem.append(error)
            except Exception as error:  # A fault of the emulator must end the state, not hang it.
                logger.exception("%s failed inside the emulator", self.resource.arn)
                problem.append(StatesError("States.Runtime", str(error)))
            with self.execution.changed:
                self.execution.changed.notify_all()

        # The request's account and region travel in context variables, which a new thread does not inherit.
        threading.Thread(target=contextvars.copy_context().run, args=(work,), daemon=True).start()
        if not self.execution.wait(self.scope, lambda: bool(answer or problem), seconds_until(deadline)):
            raise StatesError(TIMEOUT)
        if problem:
            raise problem[0]
        return answer[0]

    def _submitted(self, answer: Any) -> None:
        self._event("TaskSubmitted", output=compact(answer), outputDetails={"truncated": False})

    def _close_token(self) -> None:
        if self.callback:
            with self.callback.changed:
                self.callback.closed = True

    def _event(self, kind: str, **details: Any) -> None:
        details_key = f"{kind[0].lower()}{kind[1:]}EventDetails"
        details = {"resourceType": self.resource.type, "resource": self.resource.action, **details}
        self.execution.event(self.scope, kind, details_key, details)
