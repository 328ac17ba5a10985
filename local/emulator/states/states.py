"""What each kind of state does (Amazon States Language, with the fields that JSONata states have)."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import wait as wait_for_all
from datetime import UTC, datetime
from typing import Any

from emulator.states.errors import Halted, StatesError
from emulator.states.execution import Execution, Scope, compact, now
from emulator.states.expressions import Expressions, QueryEvaluationError
from emulator.states.integrations import Resource
from emulator.states.retries import Retries, catcher_of
from emulator.states.tasks import Task
from emulator.states.tokens import CALLBACKS

_LARGEST_OUTPUT_BYTES = 262_144
_STOPPABLE = ("Task", "Wait", "Parallel", "Map")


def run_states(execution: Execution, scope: Scope, machine: dict[str, Any], value: Any) -> Any:
    """Walk the states of a state machine or of a branch; gives the last one's output."""
    name: str | None = machine["StartAt"]
    while name is not None:
        state = machine["States"].get(name)
        if state is None:
            raise StatesError("States.Runtime", f"There is no state '{name}'.")
        value, name = Visit(execution, scope, name, state, value).perform()
    return value


class Visit:
    """One entry into one state."""

    def __init__(self, execution: Execution, scope: Scope, name: str, state: dict[str, Any], value: Any) -> None:
        self.execution = execution
        self.scope = scope
        self.name = name
        self.state = state
        self.input = value
        self.type: str = state["Type"]
        self.entered_at = now()
        self.entered_event = 0

    def perform(self) -> tuple[Any, str | None]:
        """The state's output, and the name of the next state."""
        behaviour: dict[str, Callable[[], tuple[Any, str | None]]] = {
            "Pass": self._pass,
            "Succeed": self._pass,
            "Fail": self._fail,
            "Choice": self._choice,
            "Wait": self._wait,
            "Task": lambda: self._trying(self._task),
            "Parallel": lambda: self._trying(self._parallel),
            "Map": lambda: self._trying(self._map),
        }
        if self.type not in behaviour:
            raise StatesError("States.Runtime", f"There is no state type '{self.type}'.")
        self.entered_event = self.execution.event(
            self.scope,
            f"{self.type}StateEntered",
            "stateEnteredEventDetails",
            {"name": self.name, "input": compact(self.input), "inputDetails": {"truncated": False}},
        )
        try:
            return behaviour[self.type]()
        except QueryEvaluationError as error:
            self._record(error)
            raise
        except Halted:
            self._aborted()
            raise

    # The simple states.

    def _pass(self) -> tuple[Any, str | None]:
        return self._leave(self.state, "", self._expressions(), default=self.input)

    def _fail(self) -> tuple[Any, str | None]:
        expressions = self._expressions()
        error, cause = (expressions.string(self.state.get(field, ""), field) for field in ("Error", "Cause"))
        raise StatesError(error, cause)

    def _choice(self) -> tuple[Any, str | None]:
        expressions = self._expressions()
        for index, rule in enumerate(self.state["Choices"]):
            if expressions.boolean(rule["Condition"], f"Choices[{index}]/Condition"):
                return self._leave(rule, f"Choices[{index}]/", expressions, default=self.input)
        if "Default" not in self.state:
            raise StatesError("States.NoChoiceMatched", f"No choice of the state '{self.name}' matched.")
        rule = {**self.state, "Next": self.state["Default"]}
        return self._leave(rule, "", expressions, default=self.input)

    def _wait(self) -> tuple[Any, str | None]:
        expressions = self._expressions()
        if "Seconds" in self.state:
            seconds = float(expressions.number(self.state["Seconds"], "Seconds"))
        else:
            until = expressions.instant(self.state["Timestamp"], "Timestamp")
            seconds = max(0.0, (until - datetime.now(UTC)).total_seconds())
        self.execution.sleep(self.scope, seconds)
        return self._leave(self.state, "", self._expressions(), default=self.input)

    # The states that can be tried again and caught.

    def _trying(self, attempt: Callable[[Expressions, str | None], Any]) -> tuple[Any, str | None]:
        retries = Retries(self.state.get("Retry", []))
        while True:
            callback = CALLBACKS.expect(self.execution.changed, self.scope) if self._waits_for_token() else None
            expressions = self._expressions(retries.count, callback.token if callback else None)
            try:
                result = attempt(expressions, callback.token if callback else None)
                known = expressions.knowing(result=result)
                return self._leave(self.state, "", known, default=result)
            except StatesError as error:
                if isinstance(error, QueryEvaluationError):
                    self._record(error)
                delay = retries.delay_seconds(error)
                if delay is None:
                    return self._caught(error, expressions)
                self.execution.sleep(self.scope, delay)

    def _caught(self, error: StatesError, expressions: Expressions) -> tuple[Any, str | None]:
        if self.type in ("Parallel", "Map"):
            self.execution.event(self.scope, f"{self.type}StateFailed")
        caught = catcher_of(self.state, error)
        if caught is None:
            if self.type == "Task":
                self._aborted()
            raise error
        index, catcher = caught
        known = expressions.knowing(errorOutput=error.output())
        return self._leave(catcher, f"Catch[{index}]/", known, default=error.output())

    def _task(self, expressions: Expressions, token: str | None) -> Any:
        limits = {
            field: expressions.number(self.state[field], field) if field in self.state else None
            for field in ("TimeoutSeconds", "HeartbeatSeconds")
        }
        return Task(
            execution=self.execution,
            scope=self.scope,
            resource=Resource(self.state["Resource"]),
            arguments=expressions.evaluate(self.state.get("Arguments", self.input), "Arguments"),
            timeout_seconds=limits["TimeoutSeconds"],
            heartbeat_seconds=limits["HeartbeatSeconds"],
            callback=CALLBACKS.of(token) if token else None,
        ).perform()

    def _parallel(self, expressions: Expressions, _token: str | None) -> Any:
        value = expressions.evaluate(self.state.get("Arguments", self.input), "Arguments")
        started = self.execution.event(self.scope, "ParallelStateStarted")
        branches = [
            (scope, lambda scope=scope, machine=machine: run_states(self.execution, scope, machine, value))
            for machine in self.state["Branches"]
            for scope in (Scope(self.scope, last_event=started),)
        ]
        return self._together(branches, len(branches))

    def _map(self, expressions: Expressions, _token: str | None) -> Any:
        items = expressions.array(self.state.get("Items", self.input), "Items")
        processor = self.state["ItemProcessor"]
        if processor.get("ProcessorConfig", {}).get("Mode") == "DISTRIBUTED":
            raise StatesError("States.Runtime", "A distributed Map is not supported here.")
        at_once = expressions.number(self.state.get("MaxConcurrency", 0), "MaxConcurrency") or len(items)
        started = self.execution.event(self.scope, "MapStateStarted", "mapStateStartedEventDetails", {"length": len(items)})
        iterations = []
        for index, item in enumerate(items):
            scope = Scope(self.scope, last_event=started, item={"Index": index, "Value": item})
            iterations.append((scope, lambda scope=scope, index=index, item=item: self._iteration(scope, index, item)))
        return self._together(iterations, at_once)

    def _iteration(self, scope: Scope, index: int, item: Any) -> Any:
        def event(kind: str) -> None:
            key = f"{kind[0].lower()}{kind[1:]}EventDetails"
            self.execution.event(scope, kind, key, {"name": self.name, "index": index})

        event("MapIterationStarted")
        try:
            selector = self.state.get("ItemSelector")
            value = item if selector is None else self._expressions(scope=scope).evaluate(selector, "ItemSelector")
            output = run_states(self.execution, scope, self.state["ItemProcessor"], value)
        except StatesError:
            event("MapIterationFailed")
            raise
        event("MapIterationSucceeded")
        return output

    def _together(self, branches: list[tuple[Scope, Callable[[], Any]]], at_once: int) -> list[Any]:
        """Run branches side by side; the first error stops all others ("Parallel workflow state", Error handling)."""
        results: list[Any] = [None] * len(branches)
        failures: list[tuple[Scope, StatesError]] = []
        finished: list[Scope] = []

        def run(index: int) -> None:
            scope, work = branches[index]
            try:
                if scope.halted:
                    return
                results[index] = work()
            except StatesError as error:
                with self.execution.changed:
                    failures.append((scope, error))
                    for other, _work in branches:
                        other.halt()
            except Halted:
                pass
            finally:
                with self.execution.changed:
                    finished.append(scope)
                    self.execution.changed.notify_all()

        with ThreadPoolExecutor(max_workers=max(1, at_once), thread_name_prefix=self.name) as pool:
            running = [pool.submit(contextvars.copy_context().run, run, index) for index in range(len(branches))]
            wait_for_all(running)
        if self.scope.halted:
            raise Halted
        if failures:
            self.scope.last_event = failures[0][0].last_event
            raise failures[0][1]
        last_event = finished[-1].last_event if finished else self.scope.last_event
        self.scope.last_event = last_event
        self.execution.event(self.scope, f"{self.type}StateSucceeded")
        self.scope.last_event = last_event
        return results

    # What all of them share.

    def _leave(self, fields: dict[str, Any], location: str, expressions: Expressions, default: Any) -> tuple[Any, str | None]:
        """Leave by a state, a choice rule or a catcher: its Output, its Assign, its Next."""
        output = expressions.evaluate(fields["Output"], f"{location}Output") if "Output" in fields else default
        assigned = expressions.evaluate(fields.get("Assign", {}), f"{location}Assign")
        text = compact(output)
        if len(text.encode()) > _LARGEST_OUTPUT_BYTES:
            raise StatesError(
                "States.DataLimitExceeded",
                f"The state '{self.name}' returned a result with a size exceeding the maximum number of bytes service limit.",
            )
        self.scope.variables.update(assigned)
        details: dict[str, Any] = {"name": self.name, "output": text, "outputDetails": {"truncated": False}}
        if assigned:
            details["assignedVariables"] = {name: compact(value) for name, value in assigned.items()}
            details["assignedVariablesDetails"] = {"truncated": False}
        self.execution.event(self.scope, f"{self.type}StateExited", "stateExitedEventDetails", details)
        return output, None if fields.get("End") or self.type == "Succeed" else fields["Next"]

    def _expressions(self, retry_count: int = 0, token: str | None = None, scope: Scope | None = None) -> Expressions:
        scope = scope or self.scope
        state = {"EnteredTime": self.entered_at, "Name": self.name, "RetryCount": retry_count}
        return Expressions(
            where=f"'{self.name}' (entered at the event id #{self.entered_event})",
            states={"input": self.input, "context": self.execution.context(scope, state, token)},
            variables=scope.variables,
        )

    def _waits_for_token(self) -> bool:
        return self.type == "Task" and Resource(self.state["Resource"]).waits_for_token

    def _record(self, error: QueryEvaluationError) -> None:
        if not error.recorded:
            error.recorded = True
            details = {**error.details(), "location": error.location, "state": self.name}
            self.execution.event(self.scope, "EvaluationFailed", "evaluationFailedEventDetails", details)

    def _aborted(self) -> None:
        """In a branch, a state that ends with the branch is marked as aborted."""
        if self.scope.is_branch and self.type in _STOPPABLE:
            try:
                self.execution.event(self.scope, f"{self.type}StateAborted")
            except Halted:
                return
