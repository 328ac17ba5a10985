"""Tables with a range key: what an append-only chain of entries needs of DynamoDB."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from emulator.tests.conftest import Emulator
from emulator.tests.stacks import Stack, stack

TABLE = {
    "BillingMode": "PAY_PER_REQUEST",
    "AttributeDefinitions": [
        {"AttributeName": "approval_id", "AttributeType": "S"},
        {"AttributeName": "sequence", "AttributeType": "N"},
    ],
    "KeySchema": [
        {"AttributeName": "approval_id", "KeyType": "HASH"},
        {"AttributeName": "sequence", "KeyType": "RANGE"},
    ],
    "TimeToLiveSpecification": {"AttributeName": "expire_after", "Enabled": True},
    "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
    "SSESpecification": {"SSEEnabled": True},
    "DeletionProtectionEnabled": False,
}


@pytest.fixture
def table(emulator: Emulator, name: str) -> Iterator[str]:
    """The name of a table that a template made."""
    resources = {"Audit": {"Type": "AWS::DynamoDB::Table", "Properties": {"TableName": name, **TABLE}}}
    outputs = {"Name": {"Value": {"Ref": "Audit"}}, "Arn": {"Value": {"Fn::GetAtt": ["Audit", "Arn"]}}}
    with stack(emulator, name, resources, Outputs=outputs) as made:
        assert made.outputs() == {"Name": name, "Arn": f"arn:aws:dynamodb:us-east-1:000000000000:table/{name}"}
        yield name


def entry(approval: str, sequence: int, text: str = "asked") -> dict[str, Any]:
    """One entry of a chain."""
    return {"approval_id": {"S": approval}, "sequence": {"N": str(sequence)}, "entry": {"S": text}}


def sequences(items: list[dict[str, Any]]) -> list[int]:
    """The numbers of entries, in the order in which they came."""
    return [int(item["sequence"]["N"]) for item in items]


def test_a_template_makes_a_table_with_a_range_key(emulator: Emulator, table: str) -> None:
    described = emulator.client("dynamodb").describe_table(TableName=table)["Table"]
    assert described["KeySchema"] == TABLE["KeySchema"]
    assert described["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"


def test_a_template_lets_items_expire_and_may_change_that(emulator: Emulator, name: str) -> None:
    def apply(**changes: Any) -> dict[str, Any]:
        properties = {key: value for key, value in {"TableName": name, **TABLE, **changes}.items() if value is not None}
        made.apply({"Audit": {"Type": "AWS::DynamoDB::Table", "Properties": properties}})
        return emulator.client("dynamodb").describe_time_to_live(TableName=name)["TimeToLiveDescription"]

    made = Stack(emulator, name)
    assert apply() == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expire_after"}
    emulator.client("dynamodb").put_item(TableName=name, Item=entry("a", 1))
    assert apply(TimeToLiveSpecification={"AttributeName": "gone_at", "Enabled": True})["AttributeName"] == "gone_at"
    assert apply(TimeToLiveSpecification=None) == {"TimeToLiveStatus": "DISABLED"}
    assert sequences(emulator.client("dynamodb").scan(TableName=name)["Items"]) == [1], "an update keeps the items"
    made.cloudformation.delete_stack(StackName=name)


def test_a_query_gives_one_partition_in_the_order_of_the_range_key(emulator: Emulator, table: str) -> None:
    dynamodb = emulator.client("dynamodb")
    # Numbers sort as numbers: 10 comes after 9, and was not written last.
    for sequence in (10, 2, 1, 9, 11):
        dynamodb.put_item(TableName=table, Item=entry("a", sequence))
    dynamodb.put_item(TableName=table, Item=entry("b", 5))
    of_a = {
        "TableName": table,
        "ConsistentRead": True,
        "KeyConditionExpression": "approval_id = :id",
        "ExpressionAttributeValues": {":id": {"S": "a"}},
    }
    assert sequences(dynamodb.query(**of_a)["Items"]) == [1, 2, 9, 10, 11]
    assert sequences(dynamodb.query(**of_a, ScanIndexForward=True)["Items"]) == [1, 2, 9, 10, 11]
    assert sequences(dynamodb.query(**of_a, ScanIndexForward=False)["Items"]) == [11, 10, 9, 2, 1]
    assert sequences(dynamodb.query(**of_a, ScanIndexForward=False, Limit=1)["Items"]) == [11]

    pages = dynamodb.get_paginator("query").paginate(**of_a, PaginationConfig={"PageSize": 2})
    assert [sequences(page["Items"]) for page in pages] == [[1, 2], [9, 10], [11]]

    later = {
        "KeyConditionExpression": "approval_id = :id AND #sequence > :last",
        "ExpressionAttributeNames": {"#sequence": "sequence"},
        "ExpressionAttributeValues": {":id": {"S": "a"}, ":last": {"N": "9"}},
    }
    assert sequences(dynamodb.query(**{**of_a, **later})["Items"]) == [10, 11]
    missing = {"ExpressionAttributeValues": {":id": {"S": "c"}}}
    assert dynamodb.query(**{**of_a, **missing})["Items"] == []


def test_a_scan_gives_the_partitions(emulator: Emulator, table: str) -> None:
    dynamodb = emulator.client("dynamodb")
    for approval, sequence in (("a", 1), ("a", 2), ("b", 1)):
        dynamodb.put_item(TableName=table, Item=entry(approval, sequence))
    scan = {"TableName": table, "ProjectionExpression": "approval_id", "ConsistentRead": True}
    pages = list(dynamodb.get_paginator("scan").paginate(**scan, PaginationConfig={"PageSize": 1}))
    items = [item for page in pages for item in page["Items"]]
    assert sorted(item["approval_id"]["S"] for item in items) == ["a", "a", "b"]
    assert all(item.keys() == {"approval_id"} for item in items)


def test_an_entry_is_appended_once_and_the_loser_is_told_what_stands_there(emulator: Emulator, table: str) -> None:
    dynamodb = emulator.client("dynamodb")

    def append(text: str) -> str:
        try:
            dynamodb.put_item(
                TableName=table,
                Item=entry("a", 1, text),
                ConditionExpression="attribute_not_exists(approval_id)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except dynamodb.exceptions.ConditionalCheckFailedException as lost:
            return lost.response["Item"]["entry"]["S"]
        return text

    texts = [str(number) for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(append, texts))
    (stands,) = set(told)
    read = dynamodb.get_item(TableName=table, Key={name: entry("a", 1)[name] for name in ("approval_id", "sequence")}, ConsistentRead=True)
    assert read["Item"]["entry"]["S"] == stands
    # The condition looks at the whole key: another number of the same approval is free.
    dynamodb.put_item(TableName=table, Item=entry("a", 2), ConditionExpression="attribute_not_exists(approval_id)")


def test_a_record_is_replaced_only_as_it_was_read(emulator: Emulator, table: str) -> None:
    dynamodb = emulator.client("dynamodb")

    def put(revision: int, expected: int) -> dict[str, Any]:
        return {
            "TableName": table,
            "Item": {**entry("a", 1), "revision": {"N": str(revision)}, "status": {"S": "PENDING"}},
            "ConditionExpression": "revision = :revision AND #status = :status",
            "ExpressionAttributeNames": {"#status": "status"},
            "ExpressionAttributeValues": {":revision": {"N": str(expected)}, ":status": {"S": "PENDING"}},
        }

    dynamodb.put_item(**{name: value for name, value in put(1, 0).items() if name in ("TableName", "Item")})
    dynamodb.put_item(**put(2, 1))
    with pytest.raises(dynamodb.exceptions.ConditionalCheckFailedException) as lost:
        dynamodb.put_item(**put(3, 1), ReturnValuesOnConditionCheckFailure="ALL_OLD")
    assert lost.value.response["Item"]["revision"] == {"N": "2"}
    with pytest.raises(dynamodb.exceptions.ConditionalCheckFailedException) as lost:
        dynamodb.put_item(**put(3, 1), ReturnValuesOnConditionCheckFailure="NONE")
    assert "Item" not in lost.value.response
