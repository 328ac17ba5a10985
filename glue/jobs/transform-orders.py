"""The orders fact, one row per order line, and the list of currencies the day needs.

Which rows become lines:
1. A row without order_id or line_number names no line and is left out.
2. Of the rows of one line the newest `updated_at` counts. A tie goes to the greater row, compared column by column, null least.
3. A line whose newest row lacks the item, the warehouse, the quantity, the price or the currency is left out: an older row that was
   complete is not what the shop knows now. A missing discount is none.
Every row that is left out is counted by its reason.
"""

import json
import sys

from awsglue.utils import getResolvedOptions
from pyspark.sql import Column, DataFrame, SparkSession, Window
from pyspark.sql import functions as F

ORDERS = """
    order_id STRING, line_number INT, ordered_at TIMESTAMP, updated_at TIMESTAMP, customer_id STRING, item_id STRING,
    warehouse_id STRING, quantity INT, unit_price DECIMAL(10,2), discount_amount DECIMAL(12,2), currency STRING
"""
KEYS = ["order_id", "line_number"]
REQUIRED = ["item_id", "warehouse_id", "quantity", "unit_price", "currency"]


def main() -> None:
    options = getResolvedOptions(sys.argv, ["JOB_NAME", "run_date", "run_id", "input_uri", "output_uri"])
    spark = SparkSession.builder.appName(options["JOB_NAME"]).config("spark.sql.session.timeZone", "UTC").getOrCreate()
    run(spark, options["input_uri"], options["output_uri"])


def run(spark: SparkSession, input_uri: str, output_uri: str) -> None:
    judged = judge(spark.read.schema(ORDERS).parquet(input_uri))
    rows = {row.left_out: row["count"] for row in judged.groupBy("left_out").count().collect()}
    order_lines = rows.pop(None, 0)
    if not order_lines:
        raise NoOrdersPartition(f"{input_uri} holds no complete order line; left out: {json.dumps(rows, sort_keys=True)}")

    transform(judged).write.mode("overwrite").parquet(output_uri)
    currencies = spark.read.parquet(output_uri).select("currency").distinct().orderBy("currency").collect()
    write_text(spark, output_uri.rstrip("/") + "/_currencies.json", json.dumps({"currencies": [row.currency for row in currencies]}) + "\n")
    write_counts(spark, output_uri, {"order_lines": order_lines, **dict(sorted(rows.items()))})


class NoOrdersPartition(Exception):
    """There are no orders of the run date."""


def judge(orders: DataFrame) -> DataFrame:
    """Adds `left_out`: why a row is not a line of the fact, null where it is."""
    others = [column for column in orders.columns if column not in {*KEYS, "updated_at"}]
    newest_first = [F.col(column).desc_nulls_last() for column in ["updated_at", *others]]
    without_key = [F.when(F.col(column).isNull(), F.lit(f"without_{column}")) for column in KEYS]
    superseded = F.when(F.col("rank") > 1, F.lit("superseded"))
    incomplete = [F.when(F.col(column).isNull(), F.lit(f"without_{column}")) for column in REQUIRED]
    return orders.withColumn("rank", best_of(KEYS, newest_first)).select(
        *orders.columns, F.coalesce(*without_key, superseded, *incomplete).alias("left_out")
    )


def transform(judged: DataFrame) -> DataFrame:
    discount = F.coalesce(F.col("discount_amount"), F.lit(0)).cast("decimal(12,2)")
    return judged.where(F.col("left_out").isNull()).select(
        "order_id",
        "line_number",
        F.to_date("ordered_at").alias("order_date"),
        "ordered_at",
        "updated_at",
        "customer_id",
        "item_id",
        "warehouse_id",
        "quantity",
        "unit_price",
        discount.alias("discount_amount"),
        "currency",
        (F.col("quantity") * F.col("unit_price") - discount).cast("decimal(18,2)").alias("amount"),
    )


def best_of(keys: list[str], columns: list[Column]) -> Column:
    """The rank of a row among those with the same keys: 1 is kept. Pass an order over all columns, so that a tie is between equal rows."""
    return F.row_number().over(Window.partitionBy(*keys).orderBy(*columns))


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
