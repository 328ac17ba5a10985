"""Executions of JSONata state machines run as AWS documents them.

AWS ("Transforming data with JSONata", "Passing data between states with variables", "Handling errors", "GetExecutionHistory"):
every state has Output and Assign; a branch's variables stay in it; TimeoutSeconds, HeartbeatSeconds and Seconds may be
expressions; Retry knows MaxDelaySeconds and jitter; a failed branch stops the others and their jobs; the history shows
the states inside branches, each event with the one before it; a state machine's TimeoutSeconds ends it as TIMED_OUT.

MiniStack 1.5.33 ignores Output and Assign on Parallel and Succeed, shares variables between branches, takes expressions
for numbers, caps back-off at 60 seconds without jitter, waits for the siblings of a failed branch, writes no events
from inside a branch and no previousEventId, and knows no timeout of an execution.

The interpreter is the package `emulator.states`; JSONPath state machines stay with MiniStack.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ministack.core.responses import error_response_json, json_response
from ministack.services import stepfunctions

from emulator.replacing import replaces
from emulator.states.execution import Execution
from emulator.states.states import run_states

_RUNNING: dict[str, Execution] = {}


@replaces("ministack.services.stepfunctions:_run_execution", "996dff84e0e0605a")
def run_execution(stock: Callable[[str], None], execution_arn: str) -> None:
    """Run an execution, on the thread that MiniStack starts for it."""
    record = stepfunctions._executions.get(execution_arn)
    state_machine = stepfunctions._state_machines.get(record["stateMachineArn"]) if record else None
    if state_machine is None or json.loads(state_machine["definition"]).get("QueryLanguage") != "JSONata":
        stock(execution_arn)
        return
    record["events"][0]["previousEventId"] = 0
    _RUNNING[execution_arn] = execution = Execution(record, state_machine)
    try:
        execution.run(run_states)
    finally:
        del _RUNNING[execution_arn]


@replaces("ministack.services.stepfunctions:_stop_execution", "44d2d84ccd5c9702")
def stop_execution(stock: Callable[[dict[str, Any]], Any], request: dict[str, Any]) -> Any:
    """StopExecution: whatever runs in it is stopped with it."""
    execution = _RUNNING.get(request.get("executionArn", ""))
    if execution is None:
        return stock(request)
    execution.end("ABORTED", error=request.get("error"), cause=request.get("cause"))
    return json_response({"stopDate": execution.record["stopDate"]})


@replaces("ministack.services.stepfunctions:_start_execution", "9923282fc76c57b9")
def start_execution(stock: Callable[[dict[str, Any]], Any], request: dict[str, Any]) -> Any:
    """StartExecution: the same name and input again, while it runs, is the same execution and no error."""
    text = request.get("input", "{}")
    try:
        json.loads(text)
    except ValueError:
        return error_response_json("InvalidExecutionInput", f"Invalid State Machine Execution Input: '{text}'", 400)
    machine = stepfunctions._resolve_state_machine_arn(request.get("stateMachineArn", ""))
    if machine and request.get("name"):
        running = stepfunctions._executions.get(f"{machine.replace(':stateMachine:', ':execution:')}:{request['name']}")
        if running and running["status"] == "RUNNING" and running["input"] == text:
            return json_response({"executionArn": running["executionArn"], "startDate": running["startDate"]})
    return stock(request)
