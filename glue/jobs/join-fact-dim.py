"""Orders joined with the inventory dimension. Every order line stays: one that no snapshot row fits has no category, and is counted."""

import json
import sys

from awsglue.utils import getResolvedOptions
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

ORDERS = """
    order_id STRING, line_number INT, order_date DATE, ordered_at TIMESTAMP, updated_at TIMESTAMP, customer_id STRING, item_id STRING,
    warehouse_id STRING, quantity INT, unit_price DECIMAL(10,2), discount_amount DECIMAL(12,2), currency STRING, amount DECIMAL(18,2)
"""
INVENTORY = """
    item_id STRING, warehouse_id STRING, product_name STRING, brand STRING, category STRING, warehouse_name STRING,
    warehouse_country STRING, quantity_on_hand INT
"""


def main() -> None:
    options = getResolvedOptions(sys.argv, ["JOB_NAME", "run_date", "run_id", "orders_uri", "inventory_uri", "output_uri"])
    spark = SparkSession.builder.appName(options["JOB_NAME"]).config("spark.sql.session.timeZone", "UTC").getOrCreate()
    run(spark, options["orders_uri"], options["inventory_uri"], options["output_uri"])


def run(spark: SparkSession, orders_uri: str, inventory_uri: str, output_uri: str) -> None:
    orders = spark.read.schema(ORDERS).parquet(orders_uri)
    inventory = spark.read.schema(INVENTORY).parquet(inventory_uri)
    transform(orders, inventory).write.mode("overwrite").parquet(output_uri)

    joined = spark.read.parquet(output_uri)
    unmatched = F.count_if(~F.col("in_inventory"))
    counts = joined.agg(F.count(F.lit(1)).alias("order_lines"), unmatched.alias("unmatched_lines")).first()
    write_counts(spark, output_uri, counts.asDict())


def transform(orders: DataFrame, inventory: DataFrame) -> DataFrame:
    known = inventory.withColumn("in_inventory", F.lit(True))
    return orders.join(known, on=["item_id", "warehouse_id"], how="left").select(
        "order_id",
        "line_number",
        "order_date",
        "ordered_at",
        "updated_at",
        "customer_id",
        "item_id",
        "product_name",
        "brand",
        "category",
        "warehouse_id",
        "warehouse_name",
        "warehouse_country",
        F.coalesce(F.col("in_inventory"), F.lit(False)).alias("in_inventory"),
        "quantity_on_hand",
        "quantity",
        "unit_price",
        "discount_amount",
        "currency",
        "amount",
    )


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
