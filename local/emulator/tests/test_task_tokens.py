"""Tasks that wait for their token."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from emulator.tests.conftest import Emulator, Night, wait_until

Machine = Callable[..., Night]
Function = Callable[..., str]
PASS = {"Type": "Pass", "End": True}


def asking(function: str, **fields: Any) -> dict[str, Any]:
    """A Task whose function is told the token."""
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
        "Arguments": {"FunctionName": function, "Payload": {"token": "{% $states.context.Task.Token %}"}},
        **fields,
        **({"End": True} if "Next" not in fields else {}),
    }


def token_of(night: Night, execution: str) -> str:
    """The token that the function was told, once the task waits for it."""
    wait_until(lambda: "TaskSubmitted" in night.kinds(execution))
    scheduled = next(event for event in night.events(execution) if event["type"] == "TaskScheduled")
    return json.loads(scheduled["taskScheduledEventDetails"]["parameters"])["Payload"]["token"]


def test_the_callbacks_output_is_the_result(machine: Machine, function: Function) -> None:
    night = machine(
        {"Ask": asking(function("{}"), Assign={"verdict": "{% $states.result %}"}, Next="End"), "End": {**PASS, "Output": "{% $verdict %}"}}
    )
    execution = night.start()
    night.sfn.send_task_success(taskToken=token_of(night, execution), output='{"decision": "APPROVED"}')
    assert night.end_of(execution)["output"] == {"decision": "APPROVED"}


def test_a_callback_may_come_before_the_function_has_returned(machine: Machine, function: Function) -> None:
    night = machine({"Ask": asking(function("time.sleep(1)"))})
    execution = night.start()
    scheduled = wait_until(lambda: [e for e in night.events(execution) if e["type"] == "TaskScheduled"])[0]
    token = json.loads(scheduled["taskScheduledEventDetails"]["parameters"])["Payload"]["token"]
    night.sfn.send_task_success(taskToken=token, output='"early"')
    assert night.end_of(execution)["output"] == "early"


def test_a_failure_fails_the_task_by_its_name(machine: Machine, function: Function) -> None:
    night = machine({"Ask": asking(function("{}"))})
    execution = night.start()
    night.sfn.send_task_failure(taskToken=token_of(night, execution), error="Refused", cause="no")
    assert night.end_of(execution)["error"] == "Refused"


def test_a_throwing_function_fails_the_task(machine: Machine, function: Function) -> None:
    ended = machine({"Ask": asking(function('fail("ApprovalUndeliverable", "nobody to ask")'))}).run()
    assert ended["error"] == "ApprovalUndeliverable"
    assert json.loads(ended["cause"])["errorMessage"] == "nobody to ask"


@pytest.mark.parametrize("caught", ["States.Timeout", "States.HeartbeatTimeout"])
def test_a_missed_heartbeat_is_a_timeout(machine: Machine, function: Function, caught: str) -> None:
    catch = [{"ErrorEquals": ["States.TaskFailed"], "Next": "Wrong"}, {"ErrorEquals": [caught], "Output": "missed", "Next": "End"}]
    ask = asking(function("{}"), TimeoutSeconds=30, HeartbeatSeconds="{% $floor(3 / 2) %}", Catch=catch, Next="End")
    assert machine({"Ask": ask, "Wrong": PASS, "End": PASS}).run()["output"] == "missed"


def test_heartbeats_keep_a_task_open_until_its_timeout(machine: Machine, function: Function) -> None:
    night = machine({"Ask": asking(function("{}"), TimeoutSeconds="{% 4 %}", HeartbeatSeconds=2)})
    execution = night.start()
    token = token_of(night, execution)
    began = time.monotonic()
    beats = 0
    while night.sfn.describe_execution(executionArn=execution)["status"] == "RUNNING" and beats < 20:
        try:
            night.sfn.send_task_heartbeat(taskToken=token)
        except night.sfn.exceptions.TaskTimedOut:
            break
        beats += 1
        time.sleep(0.5)
    assert night.end_of(execution)["error"] == "States.Timeout"
    assert 2.8 < time.monotonic() - began < 6
    timed_out = next(event for event in night.events(execution) if event["type"] == "TaskTimedOut")
    assert timed_out["taskTimedOutEventDetails"] == {
        "resourceType": "lambda",
        "resource": "invoke.waitForTaskToken",
        "error": "States.Timeout",
    }


def test_a_closed_task_is_told_from_an_unknown_one(machine: Machine, function: Function) -> None:
    night = machine({"Ask": asking(function("{}"))})
    execution = night.start()
    token = token_of(night, execution)
    with pytest.raises(night.sfn.exceptions.InvalidOutput):
        night.sfn.send_task_success(taskToken=token, output="{")
    night.sfn.send_task_success(taskToken=token, output="1")
    for answer in (
        lambda: night.sfn.send_task_success(taskToken=token, output="2"),
        lambda: night.sfn.send_task_failure(taskToken=token),
        lambda: night.sfn.send_task_heartbeat(taskToken=token),
    ):
        with pytest.raises(night.sfn.exceptions.TaskTimedOut):
            answer()
    with pytest.raises(night.sfn.exceptions.TaskDoesNotExist):
        night.sfn.send_task_heartbeat(taskToken="A" * 100)
    assert night.end_of(execution)["output"] == 1


def test_the_token_of_a_stopped_execution_is_closed(machine: Machine, function: Function) -> None:
    night = machine({"Ask": asking(function("{}"))})
    execution = night.start()
    token = token_of(night, execution)
    night.sfn.stop_execution(executionArn=execution)
    wait_until(lambda: _is_closed(night, token))


def _is_closed(night: Night, token: str) -> bool:
    try:
        night.sfn.send_task_heartbeat(taskToken=token)
    except night.sfn.exceptions.TaskTimedOut:
        return True
    return False


def test_a_message_can_carry_the_token(machine: Machine, emulator: Emulator, name: str) -> None:
    sqs = emulator.client("sqs")
    queue = sqs.create_queue(QueueName=name)["QueueUrl"]
    body = {"token": "{% $states.context.Task.Token %}"}
    ask = {
        "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        "Arguments": {"QueueUrl": queue, "MessageBody": body},
        "End": True,
    }
    night = machine({"Ask": ask})
    execution = night.start()
    message = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=10)["Messages"][0]
    night.sfn.send_task_success(taskToken=json.loads(message["Body"])["token"], output="{}")
    assert night.end_of(execution)["status"] == "SUCCEEDED"
