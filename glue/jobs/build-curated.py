"""Bronze to curated, for any dataset: the partitions that a delivery touches, built anew from all deliveries that count.

The curated table is a function of bronze. Of each process date one delivery counts, the one accepted last: `_accepted/<date>.json` in
bronze says which run's it is and which partitions that date has ever touched. A partition holds, of all the rows of deliveries that
count, one of each key: the greatest ordering column, null least; in a tie that of the later process date, then the later file by name,
then the later row. So a rerun leaves the same table, whatever was built meanwhile; a late row finds its own partition; and what a
corrected delivery no longer has leaves the table.

A key is one row in each partition: a row whose partition date changes is another row.
"""

import contextlib
import json
import re
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import boto3
from awsglue.utils import getResolvedOptions
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F


def main() -> None:
    options = getResolvedOptions(
        sys.argv,
        [
            "JOB_NAME",
            "process_date",
            "run_id",
            "bronze_uri",
            "curated_uri",
            "counts_uri",
            "database",
            "table",
            "columns",
            "key_columns",
            "partition_column",
            "ordering_column",
            "builds_table",
            "owner",
            "claim",
        ],
    )
    dataset, curated_uri = Dataset.parse(options), options["curated_uri"]
    spark = SparkSession.builder.appName(options["JOB_NAME"]).config("spark.sql.session.timeZone", "UTC").getOrCreate()
    hold_date(boto3.client("dynamodb"), options["builds_table"], options["process_date"], options["owner"], options["claim"])
    rows = run(spark, dataset, Delivery(options["process_date"], options["run_id"]), options["bronze_uri"], curated_uri)

    glue, database, table = boto3.client("glue"), options["database"], options["table"]
    stored = [column for column in dataset.columns if column.name != dataset.partition_column]
    columns = catalog_columns([*stored, *LINEAGE, DeclaredColumn("_process_date", "DATE", True)])
    ensure_table(glue, database, table, curated_uri, columns, [CatalogColumn(dataset.partition_column, "date")])
    for day, count in rows.items():
        if count:
            register_partition(glue, database, table, [day], partition_uri(curated_uri, dataset, day))
        else:
            forget_partition(glue, database, table, [day])
    # Last: these counts say that the build is whole.
    partitions = [{"partition": day, "rows": count} for day, count in sorted(rows.items()) if count]
    counts = {"rows": sum(rows.values()), "partitions": partitions}
    print(json.dumps({"output": curated_uri, "counts": counts}), flush=True)
    write_text(spark, options["counts_uri"].rstrip("/") + "/_counts.json", json.dumps(counts, indent=2) + "\n")


def hold_date(dynamodb: Any, table: str, process_date: str, owner: str, claim: str) -> None:
    """Marks the date as being built, on the condition that it is still this execution's: the last thing before anything changes."""
    try:
        dynamodb.update_item(
            TableName=table,
            Key={"process_date": {"S": process_date}},
            UpdateExpression="SET building_at = :now",
            ConditionExpression="#owner = :owner AND claim = :claim",
            ExpressionAttributeNames={"#owner": "owner"},
            ExpressionAttributeValues={
                ":now": {"S": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")},
                ":owner": {"S": owner},
                ":claim": {"N": claim},
            },
        )
    except dynamodb.exceptions.ConditionalCheckFailedException as refused:
        raise DateTakenOver(
            f"{process_date} is no longer {owner}'s with the claim {claim}: another execution has claimed it since. "
            f"Nothing was changed; the row of {process_date} in the table {table} names the owner"
        ) from refused


class DateTakenOver(Exception):
    """Another execution has claimed the process date."""


class Delivery(NamedTuple):
    """What one run has read of a process date."""

    process_date: str
    run_id: str


def run(spark: SparkSession, dataset: "Dataset", delivery: Delivery, bronze_uri: str, curated_uri: str) -> dict[str, int]:
    """Accepts the delivery, and gives how many rows each partition has that its process date has ever touched."""
    touched = accept(spark, dataset, delivery, bronze_uri)
    rows = build(spark, dataset, touched, bronze_uri).cache()
    try:
        rows.write.mode("overwrite").option("partitionOverwriteMode", "dynamic").partitionBy(dataset.partition_column).parquet(curated_uri)
        per_day = rows.groupBy(F.col(dataset.partition_column).cast("string").alias("day")).count().collect()
    finally:
        rows.unpersist()
    counted = {**dict.fromkeys(touched, 0), **{row["day"]: row["count"] for row in per_day}}
    for day, count in counted.items():
        if not count:
            remove(spark, partition_uri(curated_uri, dataset, day))
    return counted


def accept(spark: SparkSession, dataset: "Dataset", delivery: Delivery, bronze_uri: str) -> list[str]:
    """From here on this delivery counts. The partitions that an earlier one has touched stay in the list, also over a crash and a retry."""
    day = F.col(dataset.partition_column).cast("string").alias("day")
    new = spark.read.parquet(delivery_uri(bronze_uri, *delivery)).select(day).distinct().collect()
    earlier = accepted_deliveries(spark, bronze_uri, delivery.process_date).get(delivery.process_date)
    touched = sorted({row["day"] for row in new} | set(earlier.touched if earlier else []))
    text = json.dumps({"run_id": delivery.run_id, "touched": touched}, indent=2) + "\n"
    write_text(spark, accepted_uri(bronze_uri, delivery.process_date), text)
    return touched


class Accepted(NamedTuple):
    """The delivery of a process date that counts, and the partitions that any of that date has touched."""

    run_id: str
    touched: list[str]


def accepted_deliveries(spark: SparkSession, bronze_uri: str, since: str) -> dict[str, Accepted]:
    """By process date, from that one on."""
    files = {file.rpartition("/")[2].removesuffix(".json"): file for file in find_files(spark, accepted_uri(bronze_uri, "*"))}
    return {day: Accepted(**json.loads(read_text(spark, file))) for day, file in files.items() if day >= since}


def build(spark: SparkSession, dataset: "Dataset", touched: list[str], bronze_uri: str) -> DataFrame:
    """The rows of these partitions, from every delivery that counts and has touched one of them."""
    # No delivery touches a day after its process date.
    deliveries = [
        (process_date, accepted.run_id)
        for process_date, accepted in sorted(accepted_deliveries(spark, bronze_uri, touched[0]).items())
        if set(accepted.touched) & set(touched)
    ]
    names = [column.name for column in [*dataset.columns, *LINEAGE]]
    schema = ", ".join(f"`{column.name}` {column.type}" for column in [*dataset.columns, *LINEAGE])
    parts = [
        spark.read.schema(schema)
        .parquet(delivery_uri(bronze_uri, *delivery))
        .select(*names, F.lit(delivery[0]).cast("date").alias("_process_date"))
        for delivery in deliveries
    ]
    rows = parts[0]
    for part in parts[1:]:
        rows = rows.unionByName(part)
    return newest_of_all(rows.where(F.col(dataset.partition_column).cast("string").isin(touched)), dataset)


def newest_of_all(rows: DataFrame, dataset: "Dataset") -> DataFrame:
    """One row of each key and partition."""
    order = ["_process_date", "_source_file", "_source_row"]
    newest_first = [F.col(column).desc_nulls_last() for column in [dataset.ordering_column, *order]]
    place = F.row_number().over(Window.partitionBy(*dataset.key_columns, dataset.partition_column).orderBy(*newest_first))
    return rows.withColumn("_place", place).where("_place = 1").drop("_place")


def accepted_uri(bronze_uri: str, process_date: str) -> str:
    return f"{bronze_uri.rstrip('/')}/_accepted/{process_date}.json"


def partition_uri(curated_uri: str, dataset: "Dataset", day: str) -> str:
    return f"{curated_uri.rstrip('/')}/{dataset.partition_column}={day}/"


class DeclaredColumn(NamedTuple):
    """One column as it is declared: an empty field is null."""

    name: str
    type: str
    required: bool


class Dataset(NamedTuple):
    """What a dataset is."""

    columns: list[DeclaredColumn]
    key_columns: list[str]
    partition_column: str
    ordering_column: str

    @classmethod
    def parse(cls, options: dict[str, str]) -> "Dataset":
        """From a job's arguments. Raises ValueError, naming what is not declared."""
        columns = parse_columns(options["columns"])
        types = {column.name: column.type for column in columns}
        key_columns = [name.strip() for name in options["key_columns"].split(",")]
        partition_column, ordering_column = options["partition_column"], options["ordering_column"]
        for name in [*key_columns, partition_column, ordering_column]:
            if name not in types:
                raise ValueError(f"the column «{name}» is not declared; there are {', '.join(types)}")
        if types[partition_column] != "DATE":
            raise ValueError(f"the partition column {partition_column} is a {types[partition_column]}, no DATE")
        # What finds a row again can't be missing.
        required = {*key_columns, partition_column}
        columns = [column._replace(required=column.required or column.name in required) for column in columns]
        return cls(columns, key_columns, partition_column, ordering_column)


def parse_columns(text: str) -> list[DeclaredColumn]:
    """`order_id STRING NOT NULL, amount DECIMAL(12,2)`: a comma in brackets belongs to its type."""
    columns = []
    for part in re.split(r",(?![^(]*\))", text):
        found = re.fullmatch(r"\s*([a-z][a-z0-9_]*)\s+([A-Za-z]+(?:\(\d+,\s*\d+\))?)(\s+NOT\s+NULL)?\s*", part)
        kind = found and found[2].upper().replace(" ", "")
        if not found or not kind or not is_type(kind):
            raise ValueError(f"«{part.strip()}» declares no column; write it as in: amount DECIMAL(12,2) NOT NULL")
        columns.append(DeclaredColumn(found[1], kind, bool(found[3])))
    return columns


def is_type(kind: str) -> bool:
    """Amounts are decimals, never floats."""
    digits = re.fullmatch(r"DECIMAL\((\d+),(\d+)\)", kind)
    return int(digits[2]) < int(digits[1]) <= 38 if digits else kind in TYPES


class Meaning(NamedTuple):
    """What a text must look like to be a value of a type, and what such a value is called."""

    pattern: str
    name: str


TYPES = {
    "STRING": Meaning(r".*", "a text"),
    "INT": Meaning(r"-?[0-9]{1,9}", "a whole number of at most 9 digits"),
    "BIGINT": Meaning(r"-?[0-9]{1,18}", "a whole number of at most 18 digits"),
    "BOOLEAN": Meaning(r"true|false", "true or false"),
    "DATE": Meaning(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", "a day, such as 2026-11-20"),
    "TIMESTAMP": Meaning(
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z", "an instant in UTC, such as 2026-11-20T09:30:00Z"
    ),
}


# What of a delivery a row comes from.
LINEAGE = [DeclaredColumn("_source_file", "STRING", True), DeclaredColumn("_source_row", "INT", True)]


def find_files(spark: SparkSession, glob: str) -> list[str]:
    """The addresses that match, in order; none where there is no such folder."""
    path = spark._jvm.org.apache.hadoop.fs.Path(glob)
    found = path.getFileSystem(spark._jsc.hadoopConfiguration()).globStatus(path)
    return sorted(status.getPath().toString() for status in found or [])


def delivery_uri(bronze_uri: str, process_date: str, run_id: str) -> str:
    """Where a run of a process date keeps what it has read."""
    return f"{bronze_uri.rstrip('/')}/process_date={process_date}/run_id={run_id}/"


class CatalogColumn(NamedTuple):
    """A column as the catalog has it."""

    name: str
    type: str


def catalog_columns(columns: Iterable[DeclaredColumn]) -> list[CatalogColumn]:
    return [CatalogColumn(column.name, column.type.lower()) for column in columns]


def ensure_table(glue: Any, database: str, table: str, location: str, columns: list[CatalogColumn], keys: list[CatalogColumn]) -> None:
    """Makes the table, or changes it to the columns that are declared now: CloudFormation can't make columns of a parameter."""
    parquet = "org.apache.hadoop.hive.ql.io.parquet"
    described = {
        "Name": table,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"classification": "parquet", "EXTERNAL": "TRUE"},
        "PartitionKeys": [{"Name": key.name, "Type": key.type} for key in keys],
        "StorageDescriptor": {
            "Columns": [{"Name": column.name, "Type": column.type} for column in columns],
            "Location": location,
            "InputFormat": f"{parquet}.MapredParquetInputFormat",
            "OutputFormat": f"{parquet}.MapredParquetOutputFormat",
            "SerdeInfo": {"SerializationLibrary": f"{parquet}.serde.ParquetHiveSerDe"},
        },
    }
    try:
        glue.create_table(DatabaseName=database, TableInput=described)
    except glue.exceptions.AlreadyExistsException:
        glue.update_table(DatabaseName=database, TableInput=described)


def register_partition(glue: Any, database: str, table: str, values: list[str], location: str) -> None:
    """Makes a partition known to the catalog, as the table describes it."""
    storage = glue.get_table(DatabaseName=database, Name=table)["Table"]["StorageDescriptor"]
    partition = {"Values": values, "StorageDescriptor": {**storage, "Location": location}}
    try:
        glue.create_partition(DatabaseName=database, TableName=table, PartitionInput=partition)
    except glue.exceptions.AlreadyExistsException:
        glue.update_partition(DatabaseName=database, TableName=table, PartitionValueList=values, PartitionInput=partition)


def forget_partition(glue: Any, database: str, table: str, values: list[str]) -> None:
    """A partition without a row is none. Forgetting what nobody knows is no error."""
    with contextlib.suppress(glue.exceptions.EntityNotFoundException):
        glue.delete_partition(DatabaseName=database, TableName=table, PartitionValues=values)


def remove(spark: SparkSession, uri: str) -> None:
    """Removes a folder, if it is there."""
    path = spark._jvm.org.apache.hadoop.fs.Path(uri)
    path.getFileSystem(spark._jsc.hadoopConfiguration()).delete(path, True)


def read_text(spark: SparkSession, uri: str) -> str:
    """Reads one small object through Hadoop."""
    path = spark._jvm.org.apache.hadoop.fs.Path(uri)
    stream = path.getFileSystem(spark._jsc.hadoopConfiguration()).open(path)
    try:
        return bytes(stream.readAllBytes()).decode("utf-8")
    finally:
        stream.close()


def write_text(spark: SparkSession, uri: str, text: str) -> None:
    """Writes one small object through Hadoop, so that an address means the same in Glue and on a disk."""
    path = spark._jvm.org.apache.hadoop.fs.Path(uri)
    stream = path.getFileSystem(spark._jsc.hadoopConfiguration()).create(path, True)
    try:
        stream.write(bytearray(text, "utf-8"))
    finally:
        stream.close()


if __name__ == "__main__":
    main()
