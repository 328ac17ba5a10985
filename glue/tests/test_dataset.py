"""ingest-raw and build-curated on a small dataset: what is set aside, what is late, which row wins, and what a rerun leaves."""

import hashlib
import inspect
import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from aws_on_disk import AwsOnDisk, aws_on_disk
from lake import GLUE, Lake, load_job

ingest = load_job("ingest-raw")
curate = load_job("build-curated")

CASES = json.loads((GLUE.parent / "tests" / "datasets" / "rows.json").read_text())
OPTIONS = {
    "columns": "order_id STRING NOT NULL, order_date DATE NOT NULL, updated_at TIMESTAMP, amount DECIMAL(12,2)",
    "key_columns": "order_id",
    "partition_column": "order_date",
    "ordering_column": "updated_at",
}
ORDERS = ingest.Dataset.parse(OPTIONS)
HEADER = "order_id,order_date,updated_at,amount"


@pytest.fixture
def aws(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsOnDisk]:
    with aws_on_disk(lake.folder) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield server


# What a row must be.


def test_rows_are_judged_as_dataset_check_judges_them(lake: Lake) -> None:
    dataset = ingest.Dataset.parse(CASES)
    rows = [*CASES["good"], *[case["row"] for case in CASES["malformed"]]]
    header = ",".join(column.name for column in dataset.columns)
    source = lake.put(lake.uri("raw", "cases.csv"), "\n".join([header, *rows]) + "\n")
    judged = ingest.judge_rows(ingest.read_rows(lake.spark, [source]), dataset, ingest.Due(CASES["process_date"], CASES["late_days"]))
    found = [(row["line"], row["problem_column"], row["problem"]) for row in judged.orderBy("_source_row").collect()[1:]]
    expected = [(row, None, None) for row in CASES["good"]]
    expected += [(case["row"], case.get("column"), case["problem"]) for case in CASES["malformed"]]
    assert found == expected


@pytest.mark.parametrize(
    ("option", "text", "problem"),
    [
        ("columns", "order_id STRING, amount FLOAT", "«amount FLOAT» declares no column"),
        ("columns", "order_id STRING, amount DECIMAL", "«amount DECIMAL» declares no column"),
        ("columns", "order id STRING", "«order id STRING» declares no column"),
        ("key_columns", "order_id, line", "the column «line» is not declared"),
        ("ordering_column", "changed_at", "the column «changed_at» is not declared"),
        ("partition_column", "updated_at", "the partition column updated_at is a TIMESTAMP, no DATE"),
    ],
)
def test_declarations_that_mean_nothing_are_refused(option: str, text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        ingest.Dataset.parse({**OPTIONS, option: text})


def test_what_finds_a_row_again_is_required() -> None:
    dataset = ingest.Dataset.parse({**OPTIONS, "columns": "order_id STRING, order_date DATE, updated_at TIMESTAMP"})
    assert [column.required for column in dataset.columns] == [True, True, False]


# Raw to bronze.


def test_of_the_rows_of_a_key_the_newest_counts_and_everything_is_counted(lake: Lake) -> None:
    source = deliver(
        lake,
        "2026-11-20",
        a=["1,2026-11-20,2026-11-20T09:00:00Z,1.00", "1,2026-11-20,2026-11-20T10:00:00Z,2.00", "2,2026-11-20,,3.00"],
        b=["2,2026-11-20,,4.00", "3,2026-11-20,2026-11-20T09:00:00Z,5", "3,2026-11-20,2026-11-20T09:00:00Z,6", "4,2026-11-18,,7"],
        c=["5,2026-11-20,,seven"],
    )
    output = ingested(lake, "2026-11-20", "run-1", source, maximum_malformed_rows=1)
    rows = lake.rows(output)
    assert [(row["order_id"], str(row["amount"]), row["_source_file"].rpartition("/")[2], row["_source_row"]) for row in rows] == [
        ("1", "2.00", "a.csv", 3),
        ("2", "4.00", "b.csv", 2),
        ("3", "6.00", "b.csv", 4),
        ("4", "7.00", "b.csv", 5),
    ]
    assert lake.json(output + "_counts.json") == {"files": 3, "rows": 8, "malformed": 1, "late": 1, "duplicates": 3, "kept": 4}
    problem = "amount «seven» is not an amount with at most 10 digits before and 2 after the point"
    assert lake.json(output + "_malformed.json") == [{"file": "c.csv", "row": 2, "column": "amount", "problem": problem}]


def test_more_malformed_rows_than_allowed_fail_the_job_and_are_written_down(lake: Lake) -> None:
    source = deliver(lake, "2026-11-20", a=["1,2026-11-20,,1", "2,tomorrow,,1", "3,2026-11-20,,one"])
    with pytest.raises(ingest.MalformedRow, match=r"^a\.csv:3: order_date «tomorrow» is not a day.*; malformed rows: 2, of which 1 are"):
        ingested(lake, "2026-11-20", "run-1", source, maximum_malformed_rows=1)
    output = ingest.delivery_uri(lake.uri("warehouse", "bronze/"), "2026-11-20", "run-1")
    assert [(row["row"], row["column"]) for row in lake.json(output + "_malformed.json")] == [(3, "order_date"), (4, "amount")]
    assert not list(lake.path(output).glob("*.parquet"))


def test_unknown_headers_and_days_without_a_row_are_refused(lake: Lake) -> None:
    with pytest.raises(ingest.SourceMissing, match=r"holds no \.csv file$"):
        ingested(lake, "2026-11-20", "run-1", lake.uri("raw", "nowhere/"))
    source = deliver(lake, "2026-11-20", a=["1,2026-11-19,,1"])
    with pytest.raises(ingest.SourceMissing, match="holds no row of 2026-11-20"):
        ingested(lake, "2026-11-20", "run-1", source)
    lake.put(source + "b.csv", "order_id,amount\n1,2\n")
    with pytest.raises(ingest.MalformedRow, match=r"b\.csv:1: the header «order_id,amount» is not «order_id,order_date,"):
        ingested(lake, "2026-11-20", "run-1", source)


def test_row_numbers_are_right_in_a_file_that_is_read_in_pieces(lake: Lake) -> None:
    source = deliver(lake, "2026-11-20", a=[f"{number},2026-11-20,,1" for number in range(900)])
    lake.spark.conf.set("spark.sql.files.maxPartitionBytes", "4096")
    try:
        output = ingested(lake, "2026-11-20", "run-1", source)
    finally:
        lake.spark.conf.unset("spark.sql.files.maxPartitionBytes")
    assert all(row["_source_row"] == int(row["order_id"]) + 2 for row in lake.rows(output))


def test_files_that_changed_since_they_were_checked_are_refused(lake: Lake, aws: AwsOnDisk) -> None:
    source = deliver(lake, "2026-11-20", a=["1,2026-11-20,,1"])
    lake.put(source + "notes.txt", "no data")
    content = lake.path(source + "a.csv").read_bytes()
    checked = hashlib.sha256(f"a.csv\t{len(content)}\t{hashlib.md5(content).hexdigest()}\n".encode()).hexdigest()
    ingest.refuse_changed_source(boto3.client("s3"), source, checked)
    lake.put(source + "b.csv", HEADER + "\n")
    with pytest.raises(ingest.SourceChanged, match=f"but {checked} was checked"):
        ingest.refuse_changed_source(boto3.client("s3"), source, checked)


def test_the_files_are_compared_before_they_are_read_and_after_they_were() -> None:
    text = inspect.getsource(ingest.main)
    places = [place for place in range(len(text)) if text.startswith("refuse_changed_source(", place)]
    assert places[0] < text.index("    run(") < places[1] < text.index("register_partition(")


# Bronze to curated.


def test_a_late_row_finds_its_own_partition_and_the_newest_wins_whatever_came_first(lake: Lake) -> None:
    built(lake, "2026-11-19", "a", ["1,2026-11-19,2026-11-19T09:00:00Z,1", "2,2026-11-19,2026-11-19T12:00:00Z,2"])
    rows = built(
        lake, "2026-11-20", "b", ["1,2026-11-19,2026-11-20T01:00:00Z,10", "2,2026-11-19,2026-11-19T11:00:00Z,20", "3,2026-11-20,,3"]
    )
    assert rows == {"2026-11-19": 2, "2026-11-20": 1}
    expected = [
        ("1", "2026-11-19", "10.00", "2026-11-20"),
        ("2", "2026-11-19", "2.00", "2026-11-19"),
        ("3", "2026-11-20", "3.00", "2026-11-20"),
    ]
    assert table(lake) == expected
    # The earlier date again, later: a rerun leaves the same table.
    assert built(lake, "2026-11-19", "c", ["1,2026-11-19,2026-11-19T09:00:00Z,1", "2,2026-11-19,2026-11-19T12:00:00Z,2"]) == {
        "2026-11-19": 2
    }
    assert table(lake) == expected


def test_in_a_tie_the_later_process_date_wins_then_the_later_file_then_the_later_row(lake: Lake) -> None:
    built(lake, "2026-11-20", "a", ["1,2026-11-20,,1", "2,2026-11-20,,2"])
    built(lake, "2026-11-21", "b", ["1,2026-11-20,,10", "9,2026-11-21,,9", "9,2026-11-21,,90"])
    assert [(key, amount) for key, _, amount, _ in table(lake)] == [("1", "10.00"), ("2", "2.00"), ("9", "90.00")]


def test_a_rerun_leaves_the_same_table_and_other_partitions_alone(lake: Lake) -> None:
    built(lake, "2026-11-19", "a", ["1,2026-11-19,,1"])
    untouched = files(lake, "order_date=2026-11-19")
    for run_id in ("b", "b", "c"):
        assert built(lake, "2026-11-20", run_id, ["1,2026-11-20,,2", "2,2026-11-20,,3"]) == {"2026-11-20": 2}
        assert [row[:3] for row in table(lake)] == [("1", "2026-11-19", "1.00"), ("1", "2026-11-20", "2.00"), ("2", "2026-11-20", "3.00")]
    assert files(lake, "order_date=2026-11-19") == untouched


def test_what_a_corrected_delivery_no_longer_has_leaves_the_table(lake: Lake) -> None:
    built(lake, "2026-11-20", "a", ["1,2026-11-20,,1", "2,2026-11-20,,2", "3,2026-11-18,,3"])
    assert built(lake, "2026-11-20", "b", ["1,2026-11-20,,1"]) == {"2026-11-18": 0, "2026-11-20": 1}
    assert table(lake) == [("1", "2026-11-20", "1.00", "2026-11-20")]
    assert files(lake, "order_date=2026-11-18") == []


def test_a_build_that_stops_after_it_has_accepted_is_made_whole_by_the_next(lake: Lake) -> None:
    built(lake, "2026-11-20", "a", ["1,2026-11-20,,1", "3,2026-11-18,,3"])
    source = deliver(lake, "2026-11-20", a=["1,2026-11-20,,1"])
    ingested(lake, "2026-11-20", "b", source)
    bronze = lake.uri("warehouse", "bronze/")
    # It stops here once, with the old rows still in the table; the retry knows of them all the same.
    curate.accept(lake.spark, curate.Dataset.parse(OPTIONS), curate.Delivery("2026-11-20", "b"), bronze)
    assert len(table(lake)) == 2
    assert built(lake, "2026-11-20", "b", ["1,2026-11-20,,1"]) == {"2026-11-18": 0, "2026-11-20": 1}
    assert table(lake) == [("1", "2026-11-20", "1.00", "2026-11-20")]


def test_a_delivery_that_was_never_accepted_is_in_no_partition(lake: Lake) -> None:
    built(lake, "2026-11-19", "a", ["1,2026-11-19,,1"])
    # The quality gate has refused it.
    ingested(lake, "2026-11-20", "bad", deliver(lake, "2026-11-20", a=["2,2026-11-19,,666", "3,2026-11-20,,666"]))
    built(lake, "2026-11-21", "c", ["4,2026-11-19,,4", "5,2026-11-21,,5"])
    assert [(key, amount) for key, _, amount, _ in table(lake)] == [("1", "1.00"), ("4", "4.00"), ("5", "5.00")]


def test_only_the_owner_of_the_date_builds(aws: AwsOnDisk) -> None:
    owner, dynamodb = "arn:aws:states:eu-central-1:111122223333:execution:orders:one", boto3.client("dynamodb")
    aws.night = {"process_date": {"S": "2026-11-20"}, "owner": {"S": owner}, "claim": {"N": "2"}}
    for _ in range(2):
        curate.hold_date(dynamodb, "builds", "2026-11-20", owner, "2")
    assert aws.night["building_at"]["S"].endswith("Z")
    for date, execution, claim in [("2026-11-20", owner[:-3] + "two", "2"), ("2026-11-20", owner, "1"), ("2026-11-19", owner, "2")]:
        with pytest.raises(curate.DateTakenOver, match=f"{date} is no longer {execution}'s with the claim {claim}"):
            curate.hold_date(dynamodb, "builds", date, execution, claim)
    text = inspect.getsource(curate.main)
    assert text.index("hold_date(") < text.index("= run("), "the claim is looked at before anything changes"


def test_the_catalog_follows_the_declaration_and_forgets_empty_partitions(lake: Lake, aws: AwsOnDisk) -> None:
    glue, keys = boto3.client("glue"), [curate.CatalogColumn("order_date", "date")]
    for columns in ("order_id STRING", "order_id STRING, amount DECIMAL(12,2)"):
        declared = curate.catalog_columns(curate.parse_columns(columns))
        curate.ensure_table(glue, "datasets", "orders_curated", "s3://warehouse/orders/", declared, keys)
    described = aws.tables["orders_curated"]
    assert described["StorageDescriptor"]["Columns"] == [
        {"Name": "order_id", "Type": "string"},
        {"Name": "amount", "Type": "decimal(12,2)"},
    ]
    assert described["PartitionKeys"] == [{"Name": "order_date", "Type": "date"}]
    for _ in range(2):
        curate.register_partition(glue, "datasets", "orders_curated", ["2026-11-20"], "s3://warehouse/orders/order_date=2026-11-20/")
    assert aws.partitions == {"2026-11-20": "s3://warehouse/orders/order_date=2026-11-20/"}
    for _ in range(2):
        curate.forget_partition(glue, "datasets", "orders_curated", ["2026-11-20"])
    assert aws.partitions == {}


def deliver(lake: Lake, process_date: str, **files: list[str]) -> str:
    """Replaces what lies there for that date."""
    source = lake.uri("raw", f"orders/process_date={process_date}/")
    for old in lake.path(source).glob("*.csv"):
        old.unlink()
    for name, rows in files.items():
        lake.put(f"{source}{name}.csv", "\n".join([HEADER, *rows]) + "\n")
    return source


def ingested(lake: Lake, process_date: str, run_id: str, source: str, maximum_malformed_rows: int = 0) -> str:
    output = ingest.delivery_uri(lake.uri("warehouse", "bronze/"), process_date, run_id)
    ingest.run(lake.spark, ORDERS, ingest.Due(process_date, 7), source, output, maximum_malformed_rows)
    return output


def built(lake: Lake, process_date: str, run_id: str, rows: list[str]) -> dict[str, int]:
    """Delivers, ingests and builds."""
    ingested(lake, process_date, run_id, deliver(lake, process_date, a=rows))
    delivery = curate.Delivery(process_date, run_id)
    curated = lake.uri("warehouse", "curated/")
    return curate.run(lake.spark, curate.Dataset.parse(OPTIONS), delivery, lake.uri("warehouse", "bronze/"), curated)


def table(lake: Lake) -> list[tuple[str, ...]]:
    """Key, partition, amount and process date of each row."""
    rows: list[dict[str, Any]] = lake.rows(lake.uri("warehouse", "curated/"))
    return sorted((row["order_id"], str(row["order_date"]), str(row["amount"]), str(row["_process_date"])) for row in rows)


def files(lake: Lake, partition: str) -> list[str]:
    return sorted(str(file) for file in lake.path(lake.uri("warehouse", f"curated/{partition}/")).glob("*.parquet"))
