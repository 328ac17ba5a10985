"""Alarms and rules from a template: who hears of an execution that ended badly."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from emulator.tests.conftest import Emulator, Night, wait_until
from emulator.tests.stacks import stack
from emulator.tests.test_services import arn_of, log_of

Machine = Callable[..., Night]
Function = Callable[..., str]
WAIT = {"Type": "Wait", "Seconds": 60, "End": True}


def events_told(emulator: Emulator, function: str) -> list[dict[str, Any]]:
    """The events that a function was called with."""
    log = log_of(emulator, function)
    lines = log.read_text().splitlines() if log.exists() else []
    return [json.loads(line.removeprefix("event ")) for line in lines if line.startswith("event ")]


def bad_endings(emulator: Emulator, function: str, machine: str) -> dict[str, Any]:
    """A rule that tells a function of executions that ended badly."""
    return {
        "BadEndings": {
            "Type": "AWS::Events::Rule",
            "Properties": {
                "Description": "Executions that ended badly.",
                "EventPattern": {
                    "source": ["aws.states"],
                    "detail-type": ["Step Functions Execution Status Change"],
                    "detail": {"status": ["FAILED", "TIMED_OUT", "ABORTED"], "stateMachineArn": [machine]},
                },
                "State": "ENABLED",
                "Targets": [
                    {
                        "Id": "watch",
                        "Arn": arn_of(emulator, function),
                        "RetryPolicy": {"MaximumRetryAttempts": 4, "MaximumEventAgeInSeconds": 3600},
                    }
                ],
            },
        },
        "MayCall": {
            "Type": "AWS::Lambda::Permission",
            "Properties": {
                "Action": "lambda:InvokeFunction",
                "FunctionName": function,
                "Principal": "events.amazonaws.com",
                "SourceArn": {"Fn::GetAtt": ["BadEndings", "Arn"]},
            },
        },
    }


@pytest.mark.parametrize(
    ("states", "fields", "status"),
    [
        ({"Only": {"Type": "Fail", "Error": "Broken", "Cause": "c"}}, {}, "FAILED"),
        ({"Only": WAIT}, {"TimeoutSeconds": 1}, "TIMED_OUT"),
        ({"Only": WAIT}, {}, "ABORTED"),
    ],
)
def test_a_rule_calls_a_function_when_an_execution_ends_badly(
    emulator: Emulator, machine: Machine, function: Function, name: str, states: dict[str, Any], fields: dict[str, Any], status: str
) -> None:
    told = function("{}")
    night = machine(states, **fields)
    good = machine({"Only": {"Type": "Pass", "End": True}})
    with stack(emulator, name, bad_endings(emulator, told, night.arn)):
        execution = night.start({"runDate": "2026-11-20"})
        if status == "ABORTED":
            night.sfn.stop_execution(executionArn=execution, error="Cancelled", cause="by hand")
        good.run()
        (event,) = wait_until(lambda: events_told(emulator, told))
        assert (event["source"], event["detail-type"]) == ("aws.states", "Step Functions Execution Status Change")
        assert event["resources"] == [execution]
        assert (event["detail"]["executionArn"], event["detail"]["status"]) == (execution, status)
        assert json.loads(event["detail"]["input"]) == {"runDate": "2026-11-20"}


def test_a_rule_ends_with_its_stack(emulator: Emulator, machine: Machine, function: Function, name: str) -> None:
    told = function("{}")
    night = machine({"Only": {"Type": "Fail", "Error": "Broken"}})
    events = emulator.client("events")

    def rules() -> list[str]:
        return events.list_rule_names_by_target(TargetArn=arn_of(emulator, told))["RuleNames"]

    with stack(emulator, name, bad_endings(emulator, told, night.arn)):
        assert len(rules()) == 1
    wait_until(lambda: not rules())
    night.run()
    assert events_told(emulator, told) == []


def test_a_template_makes_an_alarm(emulator: Emulator, name: str) -> None:
    topic = {"Type": "AWS::SNS::Topic", "Properties": {}}
    properties = {
        "AlarmName": name,
        "AlarmDescription": "Approvers cannot be reached.",
        "Namespace": "NightlyWarehouse",
        "MetricName": "ApproversUnreachable",
        "Dimensions": [{"Name": "Environment", "Value": "local"}],
        "Statistic": "Maximum",
        "Period": 300,
        "EvaluationPeriods": 1,
        "Threshold": 0,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
    }
    with stack(
        emulator,
        name,
        {"Told": topic, "Alarm": {"Type": "AWS::CloudWatch::Alarm", "Properties": {**properties, "AlarmActions": [{"Ref": "Told"}]}}},
        Outputs={"Topic": {"Value": {"Ref": "Told"}}, "Arn": {"Value": {"Fn::GetAtt": ["Alarm", "Arn"]}}},
    ) as made:
        (alarm,) = emulator.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
        assert {key: alarm[key] for key in properties} == properties
        assert alarm["AlarmActions"] == [made.outputs()["Topic"]]
        assert made.outputs()["Arn"] == alarm["AlarmArn"] == f"arn:aws:cloudwatch:us-east-1:000000000000:alarm:{name}"
