"""Raw to bronze, for any dataset: the files of one process date, typed, each key once.

What a dataset is comes as arguments: the columns as SQL writes them (`order_id STRING NOT NULL, amount DECIMAL(12,2)`), the key, the
partition column, and the column that says which of two rows is newer.

1. A row that is not what was declared is set aside, with its file, its row (1 is the header) and the reason, beside the output. More
   of them than the dataset allows fail the job.
2. A row belongs to the process date or, when it is late, to one of the `late_days` days before it: any other day is malformed.
3. Of the rows of one key and partition the newest counts: the greatest ordering column, null least; in a tie the later file by name,
   then the later row.

A run writes into a folder of its own and changes nothing else: build-curated takes it from there, once the quality gate has.
"""

import hashlib
import json
import re
import sys
from collections.abc import Iterable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import boto3
from awsglue.utils import getResolvedOptions
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F


def main() -> None:
    options = getResolvedOptions(
        sys.argv,
        [
            "JOB_NAME",
            "process_date",
            "run_id",
            "source_uri",
            "source_digest",
            "bronze_uri",
            "database",
            "table",
            "columns",
            "key_columns",
            "partition_column",
            "ordering_column",
            "late_days",
            "maximum_malformed_rows",
        ],
    )
    dataset = Dataset.parse(options)
    s3, glue, source_uri, process_date = boto3.client("s3"), boto3.client("glue"), options["source_uri"], options["process_date"]
    output_uri = delivery_uri(options["bronze_uri"], process_date, options["run_id"])
    spark = SparkSession.builder.appName(options["JOB_NAME"]).config("spark.sql.session.timeZone", "UTC").getOrCreate()
    refuse_changed_source(s3, source_uri, options["source_digest"])
    due = Due(process_date, int(options["late_days"]))
    run(spark, dataset, due, source_uri, output_uri, int(options["maximum_malformed_rows"]))
    # A file that came meanwhile may be in the output, or half of it.
    refuse_changed_source(s3, source_uri, options["source_digest"])
    columns = [*dataset.columns, *LINEAGE]
    keys = [CatalogColumn("process_date", "date"), CatalogColumn("run_id", "string")]
    ensure_table(glue, options["database"], options["table"], options["bronze_uri"], catalog_columns(columns), keys)
    register_partition(glue, options["database"], options["table"], [process_date, options["run_id"]], output_uri)


class Due(NamedTuple):
    """Which days the rows of a delivery may belong to."""

    process_date: str
    late_days: int


def run(spark: SparkSession, dataset: "Dataset", due: Due, source_uri: str, output_uri: str, maximum_malformed_rows: int) -> None:
    files = find_files(spark, source_uri.rstrip("/") + "/*.csv")
    if not files:
        raise SourceMissing(f"{source_uri} holds no .csv file")
    judged = judge_rows(read_rows(spark, files), dataset, due).cache()
    try:
        refuse_unknown_headers(judged, dataset)
        rows = judged.where(F.col("_source_row") > 1)
        malformed = rows.where(F.col("problem").isNotNull()).orderBy("_source_file", "_source_row")
        described = malformed.select(
            F.element_at(F.split("_source_file", "/"), -1).alias("file"),
            F.col("_source_row").alias("row"),
            F.col("problem_column").alias("column"),
            "problem",
        )
        examples = [row.asDict() for row in described.limit(EXAMPLES).collect()]
        malformed_rows = malformed.count()
        if malformed_rows > maximum_malformed_rows:
            write_malformed(spark, output_uri, examples)
            first = examples[0]
            raise MalformedRow(
                f"{first['file']}:{first['row']}: {first['problem']}; "
                f"malformed rows: {malformed_rows}, of which {maximum_malformed_rows} are allowed"
            )
        good = rows.where(F.col("problem").isNull())
        kept = newest(good, dataset)
        select(kept, dataset).write.mode("overwrite").parquet(output_uri)
        written = spark.read.parquet(output_uri)
        day = F.col(dataset.partition_column) == F.lit(due.process_date).cast("date")
        counts = {
            "files": len(files),
            "rows": rows.count(),
            "malformed": malformed_rows,
            "late": good.where(~day).count(),
            "duplicates": good.count() - written.count(),
            "kept": written.count(),
        }
        if not written.where(day).count():
            raise SourceMissing(f"{source_uri} holds no row of {due.process_date}: {json.dumps(counts)}")
    finally:
        judged.unpersist()
    write_malformed(spark, output_uri, examples)
    write_counts(spark, output_uri, counts)


def write_malformed(spark: SparkSession, output_uri: str, examples: list[dict[str, Any]]) -> None:
    """Beside the output, also where the job fails for it: that is when somebody reads it."""
    write_text(spark, output_uri.rstrip("/") + "/_malformed.json", json.dumps(examples, indent=2) + "\n")


class SourceMissing(Exception):
    """There is nothing of the process date."""


class SourceChanged(Exception):
    """The files are not those that were checked."""


class MalformedRow(Exception):
    """A line of a file that is not what was agreed. Its message names file, line and column."""


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


def meaning_of(kind: str) -> Meaning:
    """As many digits as the column can hold."""
    if not kind.startswith("DECIMAL"):
        return TYPES[kind]
    precision, scale = map(int, kind.removeprefix("DECIMAL(").removesuffix(")").split(","))
    before = precision - scale
    fraction = rf"(\.[0-9]{{1,{scale}}})?" if scale else ""
    return Meaning(rf"-?[0-9]{{1,{before}}}{fraction}", f"an amount with at most {before} digits before and {scale} after the point")


# What of a delivery a row comes from.
LINEAGE = [DeclaredColumn("_source_file", "STRING", True), DeclaredColumn("_source_row", "INT", True)]
# How many malformed rows are written out; all are counted.
EXAMPLES = 1000


def find_files(spark: SparkSession, glob: str) -> list[str]:
    """The addresses that match, in order; none where there is no such folder."""
    path = spark._jvm.org.apache.hadoop.fs.Path(glob)
    found = path.getFileSystem(spark._jsc.hadoopConfiguration()).globStatus(path)
    return sorted(status.getPath().toString() for status in found or [])


def read_rows(spark: SparkSession, files: list[str]) -> DataFrame:
    """Every line with its file and its number in it. No field may hold a line break."""
    lines = spark.read.text(files).select(
        F.col("value").alias("line"),
        F.col("_metadata.file_path").alias("_source_file"),
        F.struct(F.col("_metadata.file_block_start"), F.monotonically_increasing_id().alias("id")).alias("position"),
    )
    number = F.row_number().over(Window.partitionBy("_source_file").orderBy("position"))
    return lines.select("line", "_source_file", number.alias("_source_row"))


def judge_rows(rows: DataFrame, dataset: Dataset, due: Due) -> DataFrame:
    """Adds each column, typed, and what is wrong with the row first: `problem` and `problem_column`, null where nothing is."""
    schema = ", ".join(f"`{column.name}` STRING" for column in dataset.columns) + ", `_malformed` STRING"
    texts = F.from_csv(F.col("line"), schema, {"columnNameOfCorruptRecord": "_malformed", "escape": '"'})
    is_cut = F.col("texts._malformed").isNotNull() | (F.trim(F.col("line")) == "")
    fields = len(dataset.columns)
    is_open = F.length(F.regexp_replace("line", '[^"]', "")) % 2 == 1
    problems = [problem_where(is_open, None, F.lit("the row ends inside quotes"))]
    problems += [problem_where(is_cut, None, F.lit(f"the row does not have {fields} fields"))]
    values = []
    for column in dataset.columns:
        text = F.when(F.col(f"texts.{column.name}") != "", F.col(f"texts.{column.name}"))
        value = F.expr(f"try_cast(nullif(texts.`{column.name}`, '') AS {column.type})")
        meaning = meaning_of(column.type)
        is_wrong = ~text.rlike(f"^(?:{meaning.pattern})$") | (text.isNotNull() & value.isNull())
        problems.append(problem_where(is_wrong, column.name, F.format_string(f"{column.name} «%s» is not {meaning.name}", text)))
        if column.required:
            problems.append(problem_where(text.isNull(), column.name, F.lit(f"{column.name} is missing")))
        values.append(value.alias(column.name))
    typed = rows.withColumn("texts", texts).select("line", "_source_file", "_source_row", *values, F.coalesce(*problems).alias("found"))
    found = F.coalesce(F.col("found"), another_day(dataset, due))
    return typed.select("*", found["text"].alias("problem"), found["column"].alias("problem_column")).drop("found")


def another_day(dataset: Dataset, due: Due) -> Column:
    """A row of a day that this delivery can't be about."""
    column, day, last = dataset.partition_column, F.col(dataset.partition_column), F.lit(due.process_date).cast("date")
    after = F.format_string(f"{column} «%s» is after the process date {due.process_date}", day.cast("string"))
    too_late = F.format_string(f"{column} «%s» is more than {due.late_days} days before {due.process_date}", day.cast("string"))
    return F.coalesce(
        problem_where(day > last, column, after),
        problem_where(day < F.date_sub(last, due.late_days), column, too_late),
    )


def problem_where(is_wrong: Column, column: str | None, text: Column) -> Column:
    return F.when(is_wrong, F.struct(text.alias("text"), F.lit(column).cast("string").alias("column")))


def refuse_unknown_headers(judged: DataFrame, dataset: Dataset) -> None:
    header = ",".join(column.name for column in dataset.columns)
    others = judged.where((F.col("_source_row") == 1) & (F.col("line") != header))
    for row in others.orderBy("_source_file").limit(1).collect():
        raise MalformedRow(f"{row['_source_file']}:1: the header «{row['line'][:200]}» is not «{header}»")


def newest(rows: DataFrame, dataset: Dataset) -> DataFrame:
    """One row of each key and partition."""
    order = [F.col(dataset.ordering_column).desc_nulls_last(), F.col("_source_file").desc(), F.col("_source_row").desc()]
    place = F.row_number().over(Window.partitionBy(*dataset.key_columns, dataset.partition_column).orderBy(*order))
    return rows.withColumn("place", place).where("place = 1").drop("place")


def select(rows: DataFrame, dataset: Dataset) -> DataFrame:
    return rows.select(*[column.name for column in dataset.columns], *[column.name for column in LINEAGE])


def delivery_uri(bronze_uri: str, process_date: str, run_id: str) -> str:
    """Where a run of a process date keeps what it has read."""
    return f"{bronze_uri.rstrip('/')}/process_date={process_date}/run_id={run_id}/"


def refuse_changed_source(s3: Any, source_uri: str, checked_digest: str) -> None:
    # As dataset-check has it: what is no .csv file right in the folder is nobody's data.
    names = re.compile(r"[^/]*\.csv")
    digest = digest_of(entry for entry in staged_objects(s3, source_uri) if names.fullmatch(entry.key_below_prefix))
    if digest != checked_digest:
        raise SourceChanged(f"{source_uri} has the digest {digest}, but {checked_digest} was checked: a file has come or gone since")


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
