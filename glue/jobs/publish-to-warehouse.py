"""Writes an approved build to the warehouse, and only that: what is staged must still be what the approver saw.

And only for the execution that owns the night: another may have claimed it since.
"""

import hashlib
import json
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import boto3
from awsglue.utils import getResolvedOptions
from pyspark.sql import SparkSession


def main() -> None:
    options = getResolvedOptions(
        sys.argv,
        [
            "JOB_NAME",
            "run_date",
            "run_id",
            "staged_uri",
            "approved_digest",
            "warehouse_uri",
            "database",
            "table",
            "nights_table",
            "owner",
            "claim",
        ],
    )
    spark = SparkSession.builder.appName(options["JOB_NAME"]).config("spark.sql.session.timeZone", "UTC").getOrCreate()
    refuse_changed_build(boto3.client("s3"), options["staged_uri"], options["approved_digest"])
    hold_claim(boto3.client("dynamodb"), options["nights_table"], options["run_date"], options["owner"], options["claim"])
    publish(spark, options["staged_uri"], options["warehouse_uri"])
    register(boto3.client("glue"), options["database"], options["table"], options["run_date"], options["warehouse_uri"])


def refuse_changed_build(s3: Any, staged_uri: str, approved_digest: str) -> None:
    digest = digest_of(staged_objects(s3, staged_uri))
    if digest != approved_digest:
        raise StagedBuildChanged(
            f"{staged_uri} has the digest {digest}, but {approved_digest} was approved. Nothing was published; ask for approval again"
        )


def hold_claim(dynamodb: Any, table: str, run_date: str, owner: str, claim: str) -> None:
    """Marks the night as being published, on the condition that it is still this execution's: the last thing before writing."""
    try:
        dynamodb.update_item(
            TableName=table,
            Key={"run_date": {"S": run_date}},
            UpdateExpression="SET publishing_at = :now",
            ConditionExpression="#owner = :owner AND claim = :claim",
            ExpressionAttributeNames={"#owner": "owner"},
            ExpressionAttributeValues={
                ":now": {"S": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")},
                ":owner": {"S": owner},
                ":claim": {"N": claim},
            },
        )
    except dynamodb.exceptions.ConditionalCheckFailedException as refused:
        raise NightTakenOver(
            f"The night of {run_date} is no longer {owner}'s with the claim {claim}: another execution has claimed it since. "
            f"Nothing was published; the row of {run_date} in the table {table} names the owner"
        ) from refused


def publish(spark: SparkSession, staged_uri: str, warehouse_uri: str) -> None:
    """Replaces the partitions that the build has rows of, and no other: publishing twice leaves the same rows."""
    staged = spark.read.parquet(staged_uri)
    staged.write.mode("overwrite").option("partitionOverwriteMode", "dynamic").partitionBy("order_date").parquet(warehouse_uri)
    # Beside the staged build, not in it: its digest is what was approved.
    counts_uri = staged_uri.rstrip("/").rpartition("/")[0] + "/publish-to-warehouse/"
    write_counts(spark, counts_uri, {"order_lines": staged.count()})


def register(glue: Any, database: str, table: str, run_date: str, warehouse_uri: str) -> None:
    """Makes the run date's partition known to the catalog, as the table describes it."""
    storage = glue.get_table(DatabaseName=database, Name=table)["Table"]["StorageDescriptor"]
    partition = {
        "Values": [run_date],
        "StorageDescriptor": {**storage, "Location": f"{warehouse_uri.rstrip('/')}/order_date={run_date}/"},
    }
    try:
        glue.create_partition(DatabaseName=database, TableName=table, PartitionInput=partition)
    except glue.exceptions.AlreadyExistsException:
        glue.update_partition(DatabaseName=database, TableName=table, PartitionValueList=[run_date], PartitionInput=partition)


class StagedBuildChanged(Exception):
    """The staged objects are not those that were approved."""


class NightTakenOver(Exception):
    """Another execution has claimed the night."""


class StagedObject(NamedTuple):
    key_below_prefix: str
    size_bytes: int
    etag: str


def staged_objects(s3: Any, staged_uri: str) -> Iterable[StagedObject]:
    address = urlsplit(staged_uri)
    prefix = address.path.strip("/") + "/"
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=address.netloc, Prefix=prefix):
        for entry in page.get("Contents", []):
            yield StagedObject(entry["Key"].removeprefix(prefix), entry["Size"], entry["ETag"].strip('"'))


def digest_of(objects: Iterable[StagedObject]) -> str:
    """SHA-256 over a line `<key below the prefix>\\t<size>\\t<etag>\\n` per object, in the byte order of the keys.

    The same as `EvidenceDigest::of` in crates/domain, which the approver's question carries.
    """
    lines = sorted((entry.key_below_prefix.encode(), f"\t{entry.size_bytes}\t{entry.etag}\n".encode()) for entry in objects)
    return hashlib.sha256(b"".join(key + rest for key, rest in lines)).hexdigest()


def write_text(spark: SparkSession, uri: str, text: str) -> None:
    """Writes one small object through Hadoop, so that an address means the same in Glue and on a disk."""
    path = spark._jvm.org.apache.hadoop.fs.Path(uri)
    stream = path.getFileSystem(spark._jsc.hadoopConfiguration()).create(path, True)
    try:
        stream.write(bytearray(text, "utf-8"))
    finally:
        stream.close()


def write_counts(spark: SparkSession, output_uri: str, counts: dict[str, int]) -> None:
    """Logs what a run has counted, and keeps it beside the run's output."""
    print(json.dumps({"output": output_uri, "counts": counts}), flush=True)
    write_text(spark, output_uri.rstrip("/") + "/_counts.json", json.dumps(counts, indent=2) + "\n")


if __name__ == "__main__":
    main()
