"""SendTaskSuccess, SendTaskFailure and SendTaskHeartbeat tell closed tasks from unknown ones.

AWS ("SendTaskSuccess", Errors): TaskTimedOut for "a task that has expired or has already been closed", TaskDoesNotExist
for a token that never was, InvalidOutput for text that is not JSON.

MiniStack 1.5.33 forgets a token when its task ends, answers TaskDoesNotExist from then on, accepts any output and
accepts a second answer before the first has been read.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ministack.core.responses import error_response_json, json_response

from emulator.replacing import replaces
from emulator.states.errors import StatesError
from emulator.states.tokens import CALLBACKS, Answered

_LONGEST_OUTPUT = 262_144


@replaces("ministack.services.stepfunctions:_send_task_success", "12eff48bce57f5ab")
def send_task_success(stock: Callable[[dict[str, Any]], Any], request: dict[str, Any]) -> Any:
    """SendTaskSuccess."""
    token = request.get("taskToken", "")
    if not CALLBACKS.knows(token):
        return stock(request)
    output = request.get("output", "")
    try:
        result = json.loads(output)
    except ValueError:
        return error_response_json("InvalidOutput", f"Invalid Output: '{output}'", 400)
    if len(output.encode()) > _LONGEST_OUTPUT:
        return error_response_json("InvalidOutput", "The output is longer than 262144 bytes.", 400)
    return _response(CALLBACKS.succeed(token, result))


@replaces("ministack.services.stepfunctions:_send_task_failure", "c2a489b4ed330840")
def send_task_failure(stock: Callable[[dict[str, Any]], Any], request: dict[str, Any]) -> Any:
    """SendTaskFailure."""
    token = request.get("taskToken", "")
    if not CALLBACKS.knows(token):
        return stock(request)
    return _response(CALLBACKS.fail(token, StatesError(request.get("error", ""), request.get("cause", ""))))


@replaces("ministack.services.stepfunctions:_send_task_heartbeat", "56879a4655d159a2")
def send_task_heartbeat(stock: Callable[[dict[str, Any]], Any], request: dict[str, Any]) -> Any:
    """SendTaskHeartbeat."""
    token = request.get("taskToken", "")
    return _response(CALLBACKS.beat(token)) if CALLBACKS.knows(token) else stock(request)


def _response(answered: Answered) -> Any:
    if answered is Answered.CLOSED:
        return error_response_json("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'", 400)
    return json_response({})
