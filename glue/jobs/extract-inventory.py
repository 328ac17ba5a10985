"""The inventory snapshot of the run date, typed. One malformed line fails the job before anything is written."""

import json
import sys
from typing import NamedTuple

from awsglue.utils import getResolvedOptions
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F


def main() -> None:
    options = getResolvedOptions(sys.argv, ["JOB_NAME", "run_date", "run_id", "source_uri", "output_uri"])
    spark = SparkSession.builder.appName(options["JOB_NAME"]).config("spark.sql.session.timeZone", "UTC").getOrCreate()
    run(spark, options["source_uri"], options["output_uri"])


def run(spark: SparkSession, source_uri: str, output_uri: str) -> None:
    tables, counts = {}, {}
    for name, fields in TABLES.items():
        file = f"{source_uri.rstrip('/')}/{name}.csv"
        if not find_files(spark, file):
            raise NoInventorySnapshot(f"{file} does not exist")
        header = ",".join(field.name for field in fields)
        lines = read_lines(spark, [file])
        parsed = parse(lines, fields)
        counts[name] = refuse_malformed(lines, parsed, header)
        if not counts[name]:
            raise NoInventorySnapshot(f"{file} holds no row, only a header")
        tables[name] = select_rows(parsed, fields, header)

    # Nothing is written before every file has been read to its end.
    for name, table in tables.items():
        table.write.mode("overwrite").parquet(f"{output_uri.rstrip('/')}/{name}/")
    write_counts(spark, output_uri, counts)


class NoInventorySnapshot(Exception):
    """There is no complete inventory snapshot of the run date."""


class MalformedRow(Exception):
    """A line of a file that is not what was agreed. Its message names file, line and column."""


class Field(NamedTuple):
    """One column of a CSV file: an empty field is null, any other must match the pattern and be a value of the type."""

    name: str
    type: str
    pattern: str
    meaning: str
    required: bool = False


def find_files(spark: SparkSession, glob: str) -> list[str]:
    """The addresses that match, in order; none where there is no such folder."""
    path = spark._jvm.org.apache.hadoop.fs.Path(glob)
    found = path.getFileSystem(spark._jsc.hadoopConfiguration()).globStatus(path)
    return sorted(status.getPath().toString() for status in found or [])


def read_lines(spark: SparkSession, files: list[str]) -> DataFrame:
    """Every line with its file and a position that sorts as the lines of the file do. No field may hold a line break."""
    return spark.read.text(files).select(
        F.col("value").alias("line"),
        F.col("_metadata.file_path").alias("file"),
        F.struct(F.col("_metadata.file_block_start"), F.monotonically_increasing_id().alias("id")).alias("position"),
    )


def parse(lines: DataFrame, fields: list[Field]) -> DataFrame:
    """Adds each field, typed, and `problem`: what is wrong with the line first, null where nothing is."""
    schema = ", ".join(f"`{field.name}` STRING" for field in fields) + ", `_malformed` STRING"
    options = {"columnNameOfCorruptRecord": "_malformed", "escape": '"'}
    texts = F.from_csv(F.col("line"), schema, options)
    is_cut = F.col("texts._malformed").isNotNull() | (F.trim(F.col("line")) == "")
    problems = [F.when(is_cut, F.format_string(f"the line does not have {len(fields)} fields: «%s»", F.col("line").substr(1, 200)))]
    values = []
    for field in fields:
        text = F.col(f"texts.{field.name}")
        value = F.expr(f"try_cast(texts.`{field.name}` AS {field.type})")
        is_wrong = ~text.rlike(f"^(?:{field.pattern})$") | (text.isNotNull() & value.isNull())
        problems.append(F.when(is_wrong, F.format_string(f"{field.name} «%s» is not {field.meaning}", text)))
        if field.required:
            problems.append(F.when(text.isNull(), F.lit(f"{field.name} «» is missing")))
        values.append(value.alias(field.name))
    return lines.withColumn("texts", texts).select("line", "file", "position", *values, F.coalesce(*problems).alias("problem"))


def refuse_malformed(lines: DataFrame, parsed: DataFrame, header: str) -> int:
    """The number of data lines; a header other than the agreed one, or a line with a problem, is refused."""
    is_header = F.col("line") == F.lit(header)
    per_file = parsed.groupBy("file").agg(
        F.count(F.lit(1)).alias("lines"),
        F.min("position").alias("start"),
        F.min_by("line", "position").alias("first_line"),
        F.max(F.when(is_header, F.col("position"))).alias("last_header"),
        F.min(F.when(~is_header & F.col("problem").isNotNull(), F.struct("position", "problem"))).alias("first_problem"),
    )
    rows = 0
    for file in per_file.orderBy("file").collect():
        if file.first_line != header:
            raise MalformedRow(f"{file.file}:1: the header «{file.first_line[:200]}» is not «{header}»")
        problems = [(problem.position, problem.problem) for problem in [file.first_problem] if problem]
        if file.last_header != file.start:
            problems.append((file.last_header, "the header stands here again"))
        if problems:
            position, problem = min(problems)
            here = F.struct(F.lit(position.file_block_start).alias("file_block_start"), F.lit(position.id).alias("id"))
            line = lines.where((F.col("file") == file.file) & (F.col("position") <= here)).count()
            raise MalformedRow(f"{file.file}:{line}: {problem}")
        rows += file.lines - 1
    return rows


def select_rows(parsed: DataFrame, fields: list[Field], header: str) -> DataFrame:
    """The data lines, typed."""
    return parsed.where(F.col("line") != F.lit(header)).select(*[field.name for field in fields])


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


IDENTIFIER = r"[!-~]{1,64}"
TEXT = r".{1,500}"

TABLES = {
    "inventory": [
        Field("item_id", "STRING", IDENTIFIER, "an identifier"),
        Field("warehouse_id", "STRING", IDENTIFIER, "an identifier"),
        Field("quantity_on_hand", "INT", r"-?\d{1,9}", "a whole number of at most 9 digits"),
    ],
    "items": [
        Field("item_id", "STRING", IDENTIFIER, "an identifier"),
        Field("product_name", "STRING", TEXT, "a text of at most 500 characters"),
        Field("brand", "STRING", TEXT, "a text of at most 500 characters"),
        Field("category", "STRING", TEXT, "a text of at most 500 characters"),
    ],
    "warehouses": [
        Field("warehouse_id", "STRING", IDENTIFIER, "an identifier"),
        Field("warehouse_name", "STRING", TEXT, "a text of at most 500 characters"),
        Field("country", "STRING", TEXT, "a text of at most 500 characters"),
    ],
}

if __name__ == "__main__":
    main()
