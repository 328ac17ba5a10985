"""EventBridge Scheduler."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from emulator.gaps.schedules import Schedule
from emulator.tests.conftest import ROLE, Emulator, Night, wait_until
from emulator.tests.stacks import stack

ATTRIBUTES = {key: f"<aws.scheduler.{key}>" for key in ("scheduled-time", "schedule-arn", "execution-id", "attempt-number")}
ONCE = {"Mode": "OFF"}


@pytest.fixture
def scheduler(emulator: Emulator) -> Any:
    """The scheduler's client."""
    return emulator.client("scheduler")


@pytest.fixture
def queue(emulator: Emulator, name: str) -> Callable[[float], list[dict[str, Any]]]:
    """A queue for schedules to write to: gives the messages that come within some seconds."""
    sqs = emulator.client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]

    def read(seconds: float) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        end = datetime.now(UTC) + timedelta(seconds=seconds)
        while datetime.now(UTC) < end:
            for message in sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages", []):
                found.append(json.loads(message["Body"]))
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return found

    return read


def target(name: str, value: dict[str, Any] | None = None) -> dict[str, Any]:
    """The queue as a target."""
    return {
        "Arn": f"arn:aws:sqs:us-east-1:000000000000:{name}",
        "RoleArn": ROLE,
        **({"Input": json.dumps(value)} if value is not None else {}),
    }


def at(moment: datetime) -> str:
    """A one-time expression."""
    return f"at({moment:%Y-%m-%dT%H:%M:%S})"


def test_a_rate_fires_at_once_and_fills_in_its_attributes(scheduler: Any, queue: Any, name: str) -> None:
    arn = scheduler.create_schedule(
        Name=name, ScheduleExpression="rate(1 minute)", FlexibleTimeWindow=ONCE, Target=target(name, ATTRIBUTES)
    )["ScheduleArn"]
    (event,) = queue(3)
    assert (event["schedule-arn"], event["attempt-number"]) == (arn, "1")
    scheduled = datetime.strptime(event["scheduled-time"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert abs(datetime.now(UTC) - scheduled) < timedelta(seconds=10)
    scheduler.delete_schedule(Name=name)


def test_a_rate_waits_for_its_start(scheduler: Any, queue: Any, name: str) -> None:
    scheduler.create_schedule(
        Name=name,
        ScheduleExpression="rate(1 minute)",
        StartDate=datetime.now(UTC) + timedelta(seconds=4),
        FlexibleTimeWindow=ONCE,
        Target=target(name, {}),
    )
    assert queue(2) == []
    assert queue(4) == [{}]
    scheduler.delete_schedule(Name=name)


def test_a_deleted_schedule_does_not_fire(scheduler: Any, queue: Any, name: str) -> None:
    start = datetime.now(UTC) + timedelta(seconds=2)
    scheduler.create_schedule(
        Name=name, ScheduleExpression="rate(1 minute)", StartDate=start, FlexibleTimeWindow=ONCE, Target=target(name, {})
    )
    scheduler.delete_schedule(Name=name)
    assert queue(4) == []
    with pytest.raises(scheduler.exceptions.ResourceNotFoundException):
        scheduler.delete_schedule(Name=name)


def test_nothing_fires_after_the_end(scheduler: Any, queue: Any, name: str) -> None:
    ended = datetime.now(UTC) - timedelta(seconds=1)
    scheduler.create_schedule(
        Name=name, ScheduleExpression="rate(1 minute)", EndDate=ended, FlexibleTimeWindow=ONCE, Target=target(name, {})
    )
    assert queue(2) == []
    assert scheduler.get_schedule(Name=name)["State"] == "ENABLED"


def test_a_completed_schedule_is_deleted_when_it_asks_for_that(scheduler: Any, queue: Any, name: str) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=2)
    for suffix, action in (("gone", "DELETE"), ("kept", "NONE")):
        scheduler.create_schedule(
            Name=f"{name}-{suffix}",
            ScheduleExpression=at(soon),
            FlexibleTimeWindow=ONCE,
            Target=target(name, {}),
            ActionAfterCompletion=action,
        )
    ended = datetime.now(UTC) + timedelta(seconds=1)
    scheduler.create_schedule(
        Name=f"{name}-ended",
        ScheduleExpression="rate(1 minute)",
        EndDate=ended,
        FlexibleTimeWindow=ONCE,
        Target=target(name, {}),
        ActionAfterCompletion="DELETE",
    )
    assert len(queue(5)) == 3
    assert [one["Name"] for one in scheduler.list_schedules(NamePrefix=name)["Schedules"]] == [f"{name}-kept"]


def test_an_expression_is_read_in_its_time_zone(scheduler: Any, queue: Any, name: str) -> None:
    there = datetime.now(ZoneInfo("Asia/Tokyo")) + timedelta(seconds=2)
    scheduler.create_schedule(
        Name=name,
        ScheduleExpression=at(there),
        ScheduleExpressionTimezone="Asia/Tokyo",
        FlexibleTimeWindow=ONCE,
        Target=target(name, {}),
    )
    assert queue(5) == [{}]


def test_a_template_makes_groups_and_schedules_whole(scheduler: Any, emulator: Emulator, name: str) -> None:
    properties = {
        "Name": name,
        "GroupName": {"Ref": "Group"},
        "ScheduleExpression": "cron(0 1 * * ? *)",
        "ScheduleExpressionTimezone": "Europe/Berlin",
        "FlexibleTimeWindow": ONCE,
        "EndDate": "2030-01-01T00:00:00Z",
        "State": "DISABLED",
        "Target": {**target(name, ATTRIBUTES), "RetryPolicy": {"MaximumRetryAttempts": 3}},
    }

    def resources(**changed: Any) -> dict[str, Any]:
        schedule = {"Type": "AWS::Scheduler::Schedule", "Properties": {**properties, **changed}}
        return {"Group": {"Type": "AWS::Scheduler::ScheduleGroup", "Properties": {"Name": name}}, "Schedule": schedule}

    with stack(emulator, name, resources()) as made:
        found = scheduler.get_schedule(GroupName=name, Name=name)
        assert (found["ScheduleExpressionTimezone"], found["State"]) == ("Europe/Berlin", "DISABLED")
        assert found["EndDate"] == datetime(2030, 1, 1, tzinfo=UTC)
        assert found["Target"]["RetryPolicy"] == {"MaximumRetryAttempts": 3}
        made.apply(resources(State="ENABLED", ScheduleExpressionTimezone="UTC"))
        found = scheduler.get_schedule(GroupName=name, Name=name)
        assert (found["ScheduleExpressionTimezone"], found["State"]) == ("UTC", "ENABLED")
    wait_until(lambda: not scheduler.list_schedules(NamePrefix=name)["Schedules"])


@pytest.mark.parametrize("universal", [False, True])
def test_a_schedule_starts_a_state_machine(scheduler: Any, machine: Callable[..., Night], name: str, universal: bool) -> None:
    night = machine({"Only": {"Type": "Pass", "End": True}})
    value = {"scheduledTime": "<aws.scheduler.scheduled-time>"}
    call = {"StateMachineArn": night.arn, "Input": json.dumps(value)}
    aim = (
        {"Arn": "arn:aws:scheduler:::aws-sdk:sfn:startExecution", "Input": json.dumps(call)}
        if universal
        else {"Arn": night.arn, "Input": json.dumps(value)}
    )
    scheduler.create_schedule(Name=name, ScheduleExpression="rate(1 hour)", FlexibleTimeWindow=ONCE, Target={**aim, "RoleArn": ROLE})
    (execution,) = wait_until(lambda: night.sfn.list_executions(stateMachineArn=night.arn)["executions"])
    output = night.end_of(execution["executionArn"])["output"]
    assert datetime.fromisoformat(output["scheduledTime"]).tzinfo is not None
    scheduler.delete_schedule(Name=name)


def test_a_schedule_calls_a_function(scheduler: Any, emulator: Emulator, function: Callable[..., str], name: str) -> None:
    called = function("{}")
    arn = emulator.client("lambda").get_function(FunctionName=called)["Configuration"]["FunctionArn"]
    aim = {"Arn": arn, "RoleArn": ROLE, "Input": json.dumps({"approvalId": name})}
    scheduler.create_schedule(Name=name, ScheduleExpression="rate(1 hour)", FlexibleTimeWindow=ONCE, Target=aim)
    log = emulator.folder / "logs" / "functions" / f"{called}.log"
    wait_until(lambda: log.exists() and name in log.read_text())
    scheduler.delete_schedule(Name=name)


@pytest.mark.parametrize(
    ("expression", "zone", "last", "following"),
    [
        ("cron(0 1 * * ? *)", "UTC", "2026-11-20T01:00:00+00:00", "2026-11-21T01:00:00+00:00"),
        ("cron(0 1 * * ? *)", "Europe/Berlin", "2026-11-20T00:00:00+00:00", "2026-11-21T00:00:00+00:00"),
        ("cron(30 2 1 * ? *)", "America/New_York", "2026-11-20T00:00:00+00:00", "2026-12-01T07:30:00+00:00"),
        ("rate(5 minutes)", "UTC", "2026-11-20T01:00:00+00:00", "2026-11-20T01:05:00+00:00"),
    ],
)
def test_the_next_occurrence_follows_the_last(expression: str, zone: str, last: str, following: str) -> None:
    schedule = Schedule(expression, ZoneInfo(zone), datetime(2026, 1, 1, tzinfo=UTC), None)
    assert schedule.next_after(datetime.fromisoformat(last)) == datetime.fromisoformat(following)
