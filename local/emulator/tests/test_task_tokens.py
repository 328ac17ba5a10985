"""Tasks that wait for their token."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
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


def assert_closed(night: Night, token: str) -> None:
    """Whatever is sent for the token comes too late."""
    for answer in (
        lambda: night.sfn.send_task_success(taskToken=token, output='"late"'),
        lambda: night.sfn.send_task_heartbeat(taskToken=token),
        lambda: night.sfn.send_task_failure(taskToken=token, error="Late"),
    ):
        with pytest.raises(night.sfn.exceptions.TaskTimedOut):
            answer()


@pytest.mark.parametrize("in_a_branch", [False, True])
def test_the_token_of_a_stopped_execution_is_closed_at_once(machine: Machine, function: Function, in_a_branch: bool) -> None:
    ask = {"Ask": asking(function("{}"))}
    both = {"Both": {"Type": "Parallel", "Branches": [{"StartAt": "Ask", "States": ask}], "End": True}}
    night = machine(both if in_a_branch else ask)
    # Several times, since what closes the token must not be a thread that may come late.
    for _ in range(5):
        execution = night.start()
        token = token_of(night, execution)
        night.sfn.stop_execution(executionArn=execution, error="Cancelled", cause="by hand")
        assert_closed(night, token)
        described = night.sfn.describe_execution(executionArn=execution)
        assert (described["status"], described["error"], described["cause"]) == ("ABORTED", "Cancelled", "by hand")
        assert "output" not in described


def test_the_token_of_a_state_that_timed_out_is_closed_while_the_execution_goes_on(machine: Machine, function: Function) -> None:
    catch = [{"ErrorEquals": ["States.Timeout"], "Next": "Settle"}]
    ask = asking(function("{}"), TimeoutSeconds=1, Catch=catch, Next="Settle")
    night = machine({"Ask": ask, "Settle": {"Type": "Wait", "Seconds": 60, "End": True}})
    execution = night.start()
    token = token_of(night, execution)
    wait_until(lambda: "TaskTimedOut" in night.kinds(execution))
    assert_closed(night, token)
    assert night.sfn.describe_execution(executionArn=execution)["status"] == "RUNNING"
    night.sfn.stop_execution(executionArn=execution)


def test_the_token_of_an_execution_that_timed_out_is_closed(machine: Machine, function: Function) -> None:
    night = machine({"Ask": asking(function("{}"))}, TimeoutSeconds=1)
    execution = night.start()
    token = token_of(night, execution)
    assert night.end_of(execution)["status"] == "TIMED_OUT"
    assert_closed(night, token)


def test_the_token_of_a_function_that_failed_is_closed(machine: Machine, function: Function) -> None:
    night = machine({"Ask": asking(function('fail("ApprovalUndeliverable", "nobody to ask")'))})
    execution = night.start()
    scheduled = wait_until(lambda: [e for e in night.events(execution) if e["type"] == "TaskScheduled"])[0]
    wait_until(lambda: "TaskFailed" in night.kinds(execution))
    assert_closed(night, json.loads(scheduled["taskScheduledEventDetails"]["parameters"])["Payload"]["token"])


def test_the_first_of_two_answers_counts_and_the_other_comes_too_late(machine: Machine, function: Function) -> None:
    night = machine({"Ask": asking(function("{}"))})
    for _ in range(5):
        execution = night.start()
        token = token_of(night, execution)

        def send(who: int, token: str = token) -> int | None:
            try:
                night.sfn.send_task_success(taskToken=token, output=str(who))
            except night.sfn.exceptions.TaskTimedOut:
                return None
            return who

        with ThreadPoolExecutor(4) as pool:
            (winner,) = [who for who in pool.map(send, range(4)) if who is not None]
        assert night.end_of(execution)["output"] == winner


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
