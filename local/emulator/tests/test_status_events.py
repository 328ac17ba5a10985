"""How executions end, on the event bus."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from emulator.tests.conftest import Emulator, Night, wait_until

WAIT = {"Type": "Wait", "Seconds": 60, "End": True}


@pytest.fixture
def ending(emulator: Emulator, name: str) -> Callable[[Night], dict[str, Any]]:
    """Gives the event of how an execution of a state machine ended."""
    events, sqs = emulator.client("events"), emulator.client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]

    def expect(night: Night) -> None:
        pattern = {"source": ["aws.states"], "detail": {"stateMachineArn": [night.arn], "status": [{"anything-but": "RUNNING"}]}}
        events.put_rule(Name=name, EventPattern=json.dumps(pattern))
        events.put_targets(Rule=name, Targets=[{"Id": "q", "Arn": f"arn:aws:sqs:us-east-1:000000000000:{name}"}])

    def receive(night: Night) -> dict[str, Any]:
        (message,) = wait_until(lambda: sqs.receive_message(QueueUrl=url, WaitTimeSeconds=2).get("Messages"))
        body = json.loads(message["Body"])
        assert body["detail-type"] == "Step Functions Execution Status Change"
        return body["detail"]

    receive.expect = expect  # type: ignore[attr-defined]
    return receive


@pytest.mark.parametrize(
    ("states", "fields", "status", "error", "redrive"),
    [
        ({"Only": {"Type": "Pass", "End": True}}, {}, "SUCCEEDED", None, "NOT_REDRIVABLE"),
        ({"Only": {"Type": "Fail", "Error": "Broken", "Cause": "c"}}, {}, "FAILED", "Broken", "REDRIVABLE"),
        ({"Only": WAIT}, {"TimeoutSeconds": 1}, "TIMED_OUT", None, "REDRIVABLE"),
        ({"Only": WAIT}, {"stop": True}, "ABORTED", "Stopped", "REDRIVABLE"),
    ],
)
def test_every_ending_is_an_event(
    machine: Callable[..., Night],
    ending: Any,
    states: dict[str, Any],
    fields: dict[str, Any],
    status: str,
    error: str | None,
    redrive: str,
) -> None:
    stop = fields.pop("stop", False)
    night = machine(states, **fields)
    ending.expect(night)
    execution = night.start({"runDate": "2026-11-20"})
    if stop:
        night.sfn.stop_execution(executionArn=execution, error="Stopped", cause="by hand")
    detail = ending(night)
    assert (detail["executionArn"], detail["status"], detail["error"]) == (execution, status, error)
    assert detail["redriveStatus"] == redrive
    assert json.loads(detail["input"]) == {"runDate": "2026-11-20"}
    assert detail["stopDate"] >= detail["startDate"] > 1_700_000_000_000
