"""publish-to-warehouse: what was approved and nothing else, as often as it runs."""

import ast
import hashlib
import inspect
from collections.abc import Iterator
from datetime import date
from typing import Any

import boto3
import pytest
from aws_on_disk import PAGE, AwsOnDisk, aws_on_disk
from lake import Lake, load_job

job = load_job("publish-to-warehouse")

MAIN = ast.parse(inspect.getsource(job.main))
SCHEMA = "order_id STRING, line_number INT, order_date DATE"
RUN_DATE = date(2026, 11, 20)


@pytest.fixture
def aws(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsOnDisk]:
    with aws_on_disk(lake.folder) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield server


def test_the_digest_is_the_one_that_is_written_down() -> None:
    objects = [job.StagedObject("part-b", 3, "e2"), job.StagedObject("_SUCCESS", 0, "e1"), job.StagedObject("Z/part-a", 10, "e3")]
    text = b"Z/part-a\t10\te3\n_SUCCESS\t0\te1\npart-b\t3\te2\n"
    assert job.digest_of(objects) == hashlib.sha256(text).hexdigest()
    assert job.digest_of(reversed(objects)) == job.digest_of(objects)


def test_the_digest_covers_every_object_by_key_size_and_content(lake: Lake, aws: AwsOnDisk) -> None:
    staged = stage(lake, [("7", 1, RUN_DATE)])
    first = digest(staged)
    summary = lake.uri("work", "night/apply-fx/_summary.json")
    lake.put(summary, '{"orders": 1}')
    second = digest(staged)
    lake.put(summary, '{"orders": 2}')
    assert len({first, second, digest(staged)}) == 3
    listed = {entry.key_below_prefix for entry in job.staged_objects(boto3.client("s3"), staged)}
    assert listed == {file.name for file in lake.path(staged).iterdir()}
    assert len(listed) > PAGE
    # A neighbour whose name begins alike is no part of it.
    third = digest(staged)
    lake.put(lake.uri("work", "night/apply-fx-2/_summary.json"), "{}")
    assert digest(staged) == third


def test_a_changed_build_is_refused_and_nothing_is_published(lake: Lake, aws: AwsOnDisk) -> None:
    staged = stage(lake, [("7", 1, RUN_DATE)])
    approved = digest(staged)
    job.refuse_changed_build(boto3.client("s3"), staged, approved)
    stage(lake, [("7", 1, RUN_DATE)])
    with pytest.raises(job.StagedBuildChanged, match=f"has the digest {digest(staged)}, but {approved} was approved"):
        job.refuse_changed_build(boto3.client("s3"), staged, approved)


def test_only_the_owner_of_the_night_publishes(aws: AwsOnDisk) -> None:
    owner, dynamodb = "arn:aws:states:eu-central-1:111122223333:execution:night:one", boto3.client("dynamodb")
    aws.night = {"run_date": {"S": "2026-11-20"}, "owner": {"S": owner}, "claim": {"N": "2"}}
    for _ in range(2):
        job.hold_claim(dynamodb, "nights", "2026-11-20", owner, "2")
    assert aws.night["publishing_at"]["S"].endswith("Z")
    for date_, execution, claim in [("2026-11-20", owner[:-3] + "two", "2"), ("2026-11-20", owner, "1"), ("2026-11-19", owner, "2")]:
        with pytest.raises(job.NightTakenOver, match=f"The night of {date_} is no longer {execution}'s with the claim {claim}"):
            job.hold_claim(dynamodb, "nights", date_, execution, claim)


def test_the_claim_is_looked_at_right_before_the_warehouse_is_written() -> None:
    """What is checked earlier may be another's by the time that it is written."""
    steps = [node.func.id for node in ast.walk(MAIN) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    assert steps[-4:] == ["refuse_changed_build", "hold_claim", "publish", "register"]


def test_publishing_again_leaves_the_same_rows_and_other_days_alone(lake: Lake) -> None:
    warehouse = lake.uri("warehouse", "orders/")
    job.publish(lake.spark, stage(lake, [("1", 1, date(2026, 11, 19))]), warehouse)
    staged = stage(lake, [("7", 1, RUN_DATE), ("7", 2, RUN_DATE)])
    expected: list[Any] = [("1", 1, date(2026, 11, 19)), ("7", 1, RUN_DATE), ("7", 2, RUN_DATE)]
    for _ in range(2):
        job.publish(lake.spark, staged, warehouse)
        assert [tuple(row.values()) for row in lake.rows(warehouse)] == expected
    job.publish(lake.spark, stage(lake, [("7", 2, RUN_DATE)]), warehouse)
    assert [tuple(row.values()) for row in lake.rows(warehouse)] == [expected[0], expected[2]]
    assert lake.json(lake.uri("work", "night/publish-to-warehouse/_counts.json")) == {"order_lines": 1}


def test_the_catalog_knows_the_partition_after_any_number_of_runs(aws: AwsOnDisk) -> None:
    for warehouse in ("s3://warehouse/old/", "s3://warehouse/orders/"):
        job.register(boto3.client("glue"), "nightly", "orders_curated", "2026-11-20", warehouse)
    assert aws.partitions == {"2026-11-20": "s3://warehouse/orders/order_date=2026-11-20/"}
    assert aws.calls == ["GetTable", "CreatePartition", "GetTable", "CreatePartition", "UpdatePartition"]


def stage(lake: Lake, rows: list[tuple[str, int, date]]) -> str:
    staged = lake.uri("work", "night/apply-fx/")
    lake.table(rows, SCHEMA).coalesce(1).write.mode("overwrite").parquet(staged)
    return staged


def digest(staged: str) -> str:
    return job.digest_of(job.staged_objects(boto3.client("s3"), staged))
