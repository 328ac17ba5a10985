"""A night is claimed once: the definition's own states for it, on the local table and the local Step Functions."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from emulator.tests.conftest import Emulator, Night, wait_until

DEFINITION = Path(__file__).parents[3] / "statemachine" / "nightly-warehouse.asl.json"
BEFORE_BUILDING = [
    "ResolveRun",
    "CheckRunDate",
    "InvalidRunDate",
    "CheckFlags",
    "InvalidFlag",
    "FlagNotAllowed",
    "BatchApprovalInvalid",
    "ClaimNight",
    "ReadClaim",
    "ReadOwner",
    "ClaimStands",
    "NightAlreadyClaimed",
    "TakeOverNight",
]
AFTER_PUBLISHING = ["RecordPublished", "NightTakenOver", "Done"]
DATE = "2026-11-20"


@pytest.fixture
def table(emulator: Emulator, name: str) -> str:
    """The name of a table of nights."""
    emulator.client("dynamodb").create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "run_date", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "run_date", "KeyType": "HASH"}],
    )
    return name


@pytest.fixture
def night(machine: Callable[..., Night], table: str) -> Night:
    """The night without its jobs: it builds for as many seconds as its input says, and fails then if it says so."""
    deployed = json.loads(DEFINITION.read_text().replace("${NightsTable}", table))["States"]
    building = {
        "BuildSources": {"Type": "Wait", "Seconds": "{% $states.context.Execution.Input.seconds %}", "Next": "Built"},
        "Built": {
            "Type": "Choice",
            "Choices": [{"Condition": "{% $exists($states.context.Execution.Input.fails) %}", "Next": "Broken"}],
            "Default": "Counted",
        },
        "Broken": {"Type": "Fail", "Error": "Broken"},
        "Counted": {
            "Type": "Pass",
            "Assign": {"publishedRows": 7, "notice": {"outcome": "PUBLISHED", "publishedRows": 7}},
            "Next": "RecordPublished",
        },
        "NotifyStakeholders": {"Type": "Pass", "Assign": {"noticeDelivery": "DELIVERED"}, "Next": "Done"},
    }
    return machine({name: deployed[name] for name in [*BEFORE_BUILDING, *AFTER_PUBLISHING]} | building)


def wanted(seconds: int = 0, **others: Any) -> dict[str, Any]:
    """The input of a night."""
    return {"runDate": DATE, "startedBy": "a.berg@nordvik.example", "seconds": seconds, **others}


def row(emulator: Emulator, table: str) -> dict[str, str]:
    """The night's row, its types left out."""
    item = emulator.client("dynamodb").get_item(TableName=table, Key={"run_date": {"S": DATE}}, ConsistentRead=True)["Item"]
    return {name: next(iter(value.values())) for name, value in item.items()}


def is_building(night: Night, execution: str) -> bool:
    """Whether it has claimed the night."""
    return "WaitStateEntered" in night.kinds(execution)


def test_many_starts_at_once_build_one_night(emulator: Emulator, night: Night, table: str) -> None:
    with ThreadPoolExecutor(8) as starters:
        ends = list(starters.map(lambda _: night.run(wanted(seconds=4)), range(8)))
    built = [end for end in ends if end["output"]["outcome"] == "PUBLISHED"]
    skipped = [end["output"] for end in ends if end["output"]["outcome"] == "SKIPPED"]
    assert len(built) == 1
    owner = built[0]["executionArn"]
    assert skipped == [{"outcome": "SKIPPED", "reason": "RUNNING", "runDate": DATE, "owner": owner}] * 7
    kept = row(emulator, table)
    assert (kept["owner"], kept["run_id"], kept["claim"]) == (owner, built[0]["name"], "1")
    assert (kept["status"], kept["published_rows"], kept["started_by"]) == ("PUBLISHED", "7", "a.berg@nordvik.example")
    assert kept["claimed_at"] < kept["published_at"]


def test_a_failed_owner_is_taken_over_and_a_published_one_takes_force(emulator: Emulator, night: Night, table: str) -> None:
    failed = night.run(wanted(fails=True))
    assert (failed["error"], row(emulator, table)["status"]) == ("Broken", "RUNNING")
    published = night.run(wanted())
    assert (published["output"]["outcome"], row(emulator, table)["claim"]) == ("PUBLISHED", "2")
    again = night.run(wanted())["output"]
    assert again == {"outcome": "SKIPPED", "reason": "PUBLISHED", "runDate": DATE, "owner": published["executionArn"]}
    forced = night.run(wanted(force=True))
    kept = row(emulator, table)
    assert (forced["output"]["outcome"], kept["owner"], kept["claim"]) == ("PUBLISHED", forced["executionArn"], "3")


def test_an_owner_that_is_not_known_any_more_is_taken_over(emulator: Emulator, night: Night, table: str) -> None:
    gone = night.arn.replace("stateMachine", "execution") + ":gone"
    item = {"run_date": {"S": DATE}, "owner": {"S": gone}, "status": {"S": "FAILED"}, "claim": {"N": "9"}}
    emulator.client("dynamodb").put_item(TableName=table, Item=item)
    assert night.run(wanted(), seconds=60)["output"]["outcome"] == "PUBLISHED"
    assert row(emulator, table)["claim"] == "10"


def test_who_lost_the_night_meanwhile_reports_nothing_as_published(emulator: Emulator, night: Night, table: str) -> None:
    execution = night.start(wanted(seconds=3))
    wait_until(lambda: is_building(night, execution))
    emulator.client("dynamodb").update_item(
        TableName=table,
        Key={"run_date": {"S": DATE}},
        UpdateExpression="SET #owner = :other",
        ExpressionAttributeNames={"#owner": "owner"},
        ExpressionAttributeValues={":other": {"S": "another"}},
    )
    assert night.end_of(execution)["error"] == "NightTakenOver"
    assert row(emulator, table)["status"] == "RUNNING"
