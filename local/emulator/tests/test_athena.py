"""Athena over Parquet."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import duckdb
import pytest

from emulator.tests.conftest import Emulator, Night, wait_until
from emulator.tests.stacks import stack

PARQUET = {
    "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
    "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
    "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"},
}


class Warehouse:
    """A bucket, a database with the table `orders`, and a workgroup from a template."""

    def __init__(self, emulator: Emulator, name: str) -> None:
        self.name = name
        self.athena = emulator.client("athena")
        self.glue = emulator.client("glue")
        self.s3 = emulator.client("s3")
        self.s3.create_bucket(Bucket=name)
        self._root = emulator.folder / "s3" / "000000000000" / name
        self.glue.create_database(DatabaseInput={"Name": name})
        columns = [{"Name": "id", "Type": "bigint"}, {"Name": "amount", "Type": "decimal(18,2)"}, {"Name": "later", "Type": "string"}]
        self.glue.create_table(
            DatabaseName=name,
            TableInput={
                "Name": "orders",
                "PartitionKeys": [{"Name": "order_date", "Type": "date"}],
                "StorageDescriptor": {**PARQUET, "Columns": columns, "Location": f"s3://{name}/orders/"},
            },
        )

    def write(self, folder: str, rows: int) -> None:
        """Write a Parquet file as Spark does, with what it leaves around it."""
        target = self._root / folder
        target.mkdir(parents=True)
        select = f"SELECT range AS id, (range + 0.25)::DECIMAL(18,2) AS amount FROM range({rows})"
        duckdb.connect(":memory:").execute(f"COPY ({select}) TO '{target / 'part-0.parquet'}' (FORMAT parquet)")
        (target / "_SUCCESS").touch()
        (target / "_counts.json").write_text("{}")
        (target / ".part-0.parquet.crc").write_bytes(b"crc")

    def register(self, day: str, folder: str) -> None:
        """Register a day's partition."""
        storage = {**PARQUET, "Location": f"s3://{self.name}/{folder}/"}
        self.glue.create_partition(
            DatabaseName=self.name, TableName="orders", PartitionInput={"Values": [day], "StorageDescriptor": storage}
        )

    def run(self, query: str) -> dict[str, Any]:
        """Run a query to its end."""
        query_id = self.athena.start_query_execution(QueryString=query, WorkGroup=self.name, QueryExecutionContext={"Database": self.name})[
            "QueryExecutionId"
        ]

        def look() -> dict[str, Any] | None:
            execution = self.athena.get_query_execution(QueryExecutionId=query_id)["QueryExecution"]
            return execution if execution["Status"]["State"] not in ("QUEUED", "RUNNING") else None

        return wait_until(look)

    def select(self, query: str) -> list[list[str | None]]:
        """A query's rows."""
        execution = self.run(query)
        assert execution["Status"]["State"] == "SUCCEEDED", execution["Status"]
        rows = self.athena.get_query_results(QueryExecutionId=execution["QueryExecutionId"])["ResultSet"]["Rows"]
        return [[cell.get("VarCharValue") for cell in row["Data"]] for row in rows[1:]]


@pytest.fixture
def warehouse(emulator: Emulator, name: str) -> Any:
    """A warehouse with two registered days, one of them elsewhere, and one that is not registered."""
    configuration = {"ResultConfiguration": {"OutputLocation": f"s3://{name}/results/"}, "EnforceWorkGroupConfiguration": True}
    workgroup = {"Type": "AWS::Athena::WorkGroup", "Properties": {"Name": name, "WorkGroupConfiguration": configuration}}
    with stack(emulator, name, {"WorkGroup": workgroup}):
        made = Warehouse(emulator, name)
        made.write("orders/order_date=2026-11-19", rows=3)
        made.write("elsewhere", rows=5)
        made.write("orders/order_date=2026-11-21", rows=7)
        made.register("2026-11-19", "orders/order_date=2026-11-19")
        made.register("2026-11-20", "elsewhere")
        yield made


def test_only_registered_partitions_are_read(warehouse: Warehouse) -> None:
    rows = warehouse.select("SELECT order_date, count(*) FROM orders GROUP BY 1 ORDER BY 1")
    assert rows == [["2026-11-19", "3"], ["2026-11-20", "5"]]
    warehouse.register("2026-11-21", "orders/order_date=2026-11-21")
    assert warehouse.select("SELECT count(*) FROM orders") == [["15"]]


def test_a_partition_can_be_moved(warehouse: Warehouse) -> None:
    storage = {**PARQUET, "Location": f"s3://{warehouse.name}/orders/order_date=2026-11-21/"}
    moved = {
        "DatabaseName": warehouse.name,
        "TableName": "orders",
        "PartitionInput": {"Values": ["2026-11-20"], "StorageDescriptor": storage},
    }
    warehouse.glue.update_partition(PartitionValueList=["2026-11-20"], **moved)
    assert warehouse.select("SELECT count(*) FROM orders WHERE order_date = DATE '2026-11-20'") == [["7"]]
    with pytest.raises(warehouse.glue.exceptions.EntityNotFoundException):
        warehouse.glue.update_partition(PartitionValueList=["2026-11-01"], **moved)


def test_a_day_is_counted_as_the_night_counts_it(warehouse: Warehouse) -> None:
    query = f"""SELECT count(*) FROM "{warehouse.name}"."orders" WHERE order_date = DATE '2026-11-20'"""
    assert warehouse.select(query) == [["5"]]
    assert warehouse.select(query.replace("11-20", "11-21")) == [["0"]]


def test_columns_have_the_types_of_the_catalog(warehouse: Warehouse) -> None:
    query = """
        WITH one AS (SELECT id, amount, later, order_date FROM AwsDataCatalog.DATABASE.orders o WHERE o.id = 1)
        SELECT *, date_format(order_date, '%Y') AS year FROM one WHERE order_date < DATE '2026-11-20'"""
    assert warehouse.select(query.replace("DATABASE", warehouse.name)) == [["1", "1.25", None, "2026-11-19", "2026"]]


def test_a_table_without_files_is_empty(warehouse: Warehouse) -> None:
    warehouse.register("2026-11-22", "nothing/here")
    assert warehouse.select("SELECT count(*), sum(amount) FROM orders WHERE order_date = DATE '2026-11-22'") == [["0", None]]


@pytest.mark.parametrize(("query", "reason"), [("SELECT nope FROM orders", "nope"), ("SELECT 1 FROM missing", "TABLE_NOT_FOUND")])
def test_a_wrong_query_fails_and_says_why(warehouse: Warehouse, query: str, reason: str) -> None:
    status = warehouse.run(query)["Status"]
    assert status["State"] == "FAILED"
    assert reason in status["StateChangeReason"]


def test_the_result_lies_where_the_query_says(warehouse: Warehouse) -> None:
    execution = warehouse.run("SELECT count(*) AS n FROM orders")
    location = execution["ResultConfiguration"]["OutputLocation"]
    assert location == f"s3://{warehouse.name}/results/{execution['QueryExecutionId']}.csv"
    key = location.removeprefix(f"s3://{warehouse.name}/")
    assert warehouse.s3.get_object(Bucket=warehouse.name, Key=key)["Body"].read().split() == [b"n", b"8"]


def test_a_state_machine_waits_for_a_query_and_reads_its_result(machine: Callable[..., Night], warehouse: Warehouse) -> None:
    athena = "arn:aws:states:::athena:"
    query = f'\'SELECT count(*) FROM "{warehouse.name}"."orders" WHERE order_date = \' & "DATE \'" & $states.input.day & "\'"'
    night = machine(
        {
            "Count": {
                "Type": "Task",
                "Resource": f"{athena}startQueryExecution.sync",
                "Arguments": {"QueryString": "{% " + query + " %}", "WorkGroup": warehouse.name},
                "Output": {"id": "{% $states.result.QueryExecution.QueryExecutionId %}"},
                "Next": "Read",
            },
            "Read": {
                "Type": "Task",
                "Resource": f"{athena}getQueryResults",
                "Arguments": {"QueryExecutionId": "{% $states.input.id %}"},
                "Output": "{% $number($states.result.ResultSet.Rows[1].Data[0].VarCharValue) %}",
                "End": True,
            },
        }
    )
    assert night.run({"day": "2026-11-20"})["output"] == 5


def test_a_failed_query_fails_the_task_with_the_query_as_its_cause(machine: Callable[..., Night], warehouse: Warehouse) -> None:
    arguments = {"QueryString": f"SELECT nope FROM {warehouse.name}.orders", "WorkGroup": warehouse.name}
    task = {"Type": "Task", "Resource": "arn:aws:states:::athena:startQueryExecution.sync", "Arguments": arguments, "End": True}
    ended = machine({"Count": task}).run()
    assert ended["error"] == "States.TaskFailed"
    assert json.loads(ended["cause"])["QueryExecution"]["Status"]["State"] == "FAILED"


def test_an_unknown_query_has_athenas_error(machine: Callable[..., Night]) -> None:
    arguments = {"QueryExecutionId": "00000000-0000-0000-0000-000000000000"}
    task = {"Type": "Task", "Resource": "arn:aws:states:::athena:getQueryResults", "Arguments": arguments, "End": True}
    assert machine({"Read": task}).run()["error"] == "Athena.InvalidRequestException"
